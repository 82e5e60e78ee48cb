//! GitHub's oddities.

use http::StatusCode;
use serde_json::{Value, json};
use tower_identity::testing::{Client, Provider, User};

use crate::client::{CHALLENGE, Http, Pairs, REDIRECT, VERIFIER, encode, signed_in_as};

async fn github_code(http: &Http, provider: &Provider, changes: Pairs<'_>) -> String {
    let mut params = vec![
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("scope", "read:user user:email"),
        ("state", "the state"),
    ];
    params.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    params.extend(changes);
    let url = format!(
        "{}/login/oauth/authorize?{}",
        provider.github_url(),
        encode(&params)
    );
    let back = http.get(&url, &[]).await.redirected();
    assert_eq!(back["state"], "the state");
    assert!(!back.contains_key("iss"));
    back["code"].clone()
}

async fn github_token(http: &Http, provider: &Provider, form: Pairs<'_>) -> Value {
    let client = [
        ("client_id", provider.client_id()),
        ("client_secret", provider.client_secret()),
    ];
    let mut all = client.to_vec();
    all.retain(|(name, _)| form.iter().all(|(changed, _)| changed != name));
    all.extend(form);
    let url = format!("{}/login/oauth/access_token", provider.github_url());
    let answer = http
        .post(&url, &[("accept", "application/json")], &all)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

#[tokio::test]
async fn github_signs_people_in_and_its_api_knows_them() {
    let http = Http::new();
    for (username, email, visibility) in [
        ("ada", json!("ada@example.com"), "public"),
        ("grace", Value::Null, "private"),
    ] {
        let provider = signed_in_as(username).await;
        let code = github_code(&http, &provider, &[]).await;
        let tokens = github_token(&http, &provider, &[("code", &code)]).await;
        assert_eq!(tokens["scope"], "read:user,user:email");
        assert_eq!(tokens["token_type"], "bearer");
        assert_eq!(tokens.as_object().unwrap().len(), 3);
        let token = tokens["access_token"].as_str().unwrap();
        assert!(token.starts_with("gho_"));

        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("user-agent", "test")];
        for base in ["", "/api/v3"] {
            let url = format!("{}{base}/user", provider.github_url());
            let answer = http.get(&url, &headers).await;
            assert_eq!(answer.headers["x-oauth-scopes"], "read:user, user:email");
            let profile = answer.json();
            assert_eq!(profile["login"], username);
            assert_eq!(profile["id"], User::new(username).github_id());
            assert_eq!(profile["email"], email);
            let emails = http.get(&format!("{url}/emails"), &headers).await.json();
            assert_eq!(emails[0]["email"], format!("{username}@example.com"));
            assert_eq!(emails[0]["primary"], true);
            assert_eq!(emails[0]["visibility"], visibility);
        }
        // One protocol's token says nothing to the other.
        let answer = http.userinfo(&provider, token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn github_reports_errors_with_status_200() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (form, error) in [
        (&[("code", "unknown")][..], "bad_verification_code"),
        (&[], "bad_verification_code"),
        (
            &[("client_secret", "wrong")],
            "incorrect_client_credentials",
        ),
        (&[("client_id", "wrong")], "incorrect_client_credentials"),
    ] {
        let answer = github_token(&http, &provider, form).await;
        assert_eq!(answer["error"], error, "{form:?}");
        assert!(answer["error_description"].is_string() && answer["error_uri"].is_string());
    }
    let code = github_code(&http, &provider, &[]).await;
    let form = [
        ("code", code.as_str()),
        ("redirect_uri", "http://localhost/other"),
    ];
    let answer = github_token(&http, &provider, &form).await;
    assert_eq!(answer["error"], "redirect_uri_mismatch");

    let code = github_code(&http, &provider, &[]).await;
    let form = [("code", code.as_str())];
    assert!(github_token(&http, &provider, &form).await["error"].is_null());
    let again = github_token(&http, &provider, &form).await;
    assert_eq!(again["error"], "bad_verification_code");

    // Without `Accept: application/json` it is all a form.
    let url = format!("{}/login/oauth/access_token", provider.github_url());
    let answer = http.post(&url, &[], &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer
            .body
            .starts_with("error=incorrect_client_credentials&")
    );
}

#[tokio::test]
async fn github_checks_pkce_if_there_was_a_challenge() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let challenge = [
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (challenge, verifier, good) in [
        (&challenge[..], VERIFIER, true),
        (&challenge, CHALLENGE, false),
        (&challenge, "", false),
        (&[], "", true),
        (&[], VERIFIER, false),
    ] {
        let code = github_code(&http, &provider, challenge).await;
        let form = [("code", code.as_str()), ("code_verifier", verifier)];
        let answer = github_token(&http, &provider, &form).await;
        assert_eq!(answer["error"].is_null(), good, "{challenge:?} {verifier}");
    }
}

#[tokio::test]
async fn github_hides_emails_without_the_scope_and_wants_a_user_agent() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (scope, status) in [
        ("read:user", 404),
        ("", 404),
        ("user", 200),
        ("repo,user:email", 200),
    ] {
        let code = github_code(&http, &provider, &[("scope", scope)]).await;
        let tokens = github_token(&http, &provider, &[("code", &code)]).await;
        let bearer = format!("token {}", tokens["access_token"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str()), ("user-agent", "test")];
        let url = format!("{}/user/emails", provider.github_url());
        let answer = http.get(&url, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{scope}");
        if status == 404 {
            assert_eq!(answer.json()["message"], "Not Found");
        }
        let rude = http.get(&url, &headers[..1]).await;
        assert_eq!(rude.status, StatusCode::FORBIDDEN);
    }
    let url = format!("{}/user", provider.github_url());
    let headers = [
        ("authorization", "Bearer gho_unknown"),
        ("user-agent", "test"),
    ];
    let answer = http.get(&url, &headers).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["message"], "Bad credentials");
}

#[tokio::test]
async fn github_shows_its_page_and_takes_a_refusal() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let url = format!("{}/login/oauth/authorize", provider.github_url());
    let form = [
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("state", "the state"),
    ];
    let page = http.get(&format!("{url}?{}", encode(&form)), &[]).await;
    assert!(page.body.contains("Grace Hopper"));
    let refusal = [&form[..], &[("deny", "1")]].concat();
    let back = http.post(&url, &[], &refusal).await.redirected();
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["state"], "the state");
}

#[tokio::test]
async fn github_assumes_the_first_registered_redirect_uri() {
    let client = Client::new("app", "secret").add_redirect_uri(REDIRECT);
    let builder = Provider::builder().with_client(client).sign_in_as("ada");
    let provider = builder.start().await.unwrap();
    let http = Http::new();
    for redirect_uri in ["", REDIRECT] {
        let code = github_code(&http, &provider, &[("redirect_uri", "")]).await;
        let form = [("code", code.as_str()), ("redirect_uri", redirect_uri)];
        let answer = github_token(&http, &provider, &form).await;
        assert!(answer["error"].is_null(), "{answer}");
    }
}
