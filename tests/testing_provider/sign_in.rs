//! Discovery, the authorization page, and what goes back to the app.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use serde_json::json;
use tower_identity::testing::{Client, Provider};

use crate::client::{Http, REDIRECT, authorize_url, signed_in_as};

#[tokio::test]
async fn the_metadata_names_endpoints_that_exist() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let metadata = http.get(&provider.metadata_url(), &[]).await.json();
    assert_eq!(metadata["issuer"], provider.issuer());
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    for (name, url) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let answer = http.get(url.as_str().unwrap(), &[]).await;
            assert_ne!(answer.status, StatusCode::NOT_FOUND, "{name}");
        }
    }
    assert_eq!(provider.requests("/.well-known/openid-configuration"), 1);
    assert_eq!(provider.requests("/jwks"), 1);
    assert_eq!(provider.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn without_sign_in_as_people_choose_on_a_page() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let url = authorize_url(&provider, &[("login_hint", "grace"), ("user", "ada")]);
    let page = http.get(&url, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let style = page.body.split_once("<style>").unwrap().1;
    let style = style.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")));
    for expected in [
        "Ada Lovelace",
        "value=\"grace\" autofocus",
        "mallory@example.com (not verified)",
    ] {
        assert!(page.body.contains(expected), "{expected}");
    }

    // The buttons: the form has everything the link had.
    let query = url.split_once('?').unwrap().1;
    let press = async |button: (&str, &str)| {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .filter(|(name, _)| name != "user")
            .collect();
        let mut form: Vec<_> = fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        form.push(button);
        let endpoint = format!("{}/authorize", provider.issuer());
        http.post(&endpoint, &[], &form).await
    };
    let back = press(("user", "grace")).await.redirected();
    let tokens = http.redeem(&provider, &back["code"]).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    let profile = http.userinfo(&provider, token).await.json();
    assert_eq!(profile["sub"], "user-grace");

    let back = press(("deny", "1")).await.redirected();
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["state"], "the state");
    assert_eq!(back["iss"], provider.issuer());

    let nobody = press(("user", "nobody")).await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_bad_authorization_request_goes_back_to_the_app_with_its_error() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (changes, error) in [
        (&[("code_challenge", "")][..], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("scope", "\"quoted\"")], "invalid_scope"),
        (&[("request", "e30.e30.")], "request_not_supported"),
    ] {
        let back = http.authorize(&provider, changes).await;
        assert_eq!(back["error"], error, "{changes:?}");
        assert_eq!(back["state"], "the state");
        assert_eq!(back["iss"], provider.issuer());
        assert!(!back.contains_key("code"));
    }
}

#[tokio::test]
async fn without_a_page_to_show_prompt_none_says_login_required() {
    let provider = Provider::start().await.unwrap();
    let back = Http::new()
        .authorize(&provider, &[("prompt", "none")])
        .await;
    assert_eq!(back["error"], "login_required");
}

#[tokio::test]
async fn the_browser_is_never_sent_to_an_address_nobody_registered() {
    let builder = Provider::builder().sign_in_as("ada");
    let client = Client::new("strict", "secret").add_redirect_uri(REDIRECT);
    let provider = builder.add_client(client).start().await.unwrap();
    let http = Http::new();
    for changes in [
        &[("client_id", "unknown")][..],
        &[("client_id", "")],
        &[("redirect_uri", "")],
        &[("redirect_uri", "https://evil.example/")],
        &[("redirect_uri", "http://localhost@evil.example/")],
        &[("redirect_uri", "javascript:alert(1)")],
        &[
            ("client_id", "strict"),
            ("redirect_uri", "http://localhost:7007/other"),
        ],
        // A repeated parameter: which of the two would it be?
        &[("scope", "openid"), ("scope", "email")],
    ] {
        for path in ["/authorize", "/login/oauth/authorize"] {
            // GitHub's own default, tested below.
            if path != "/authorize" && changes == [("redirect_uri", "")] {
                continue;
            }
            let url = authorize_url(&provider, changes).replacen("/authorize", path, 1);
            let answer = http.get(&url, &[]).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {changes:?}");
            assert!(!answer.headers.contains_key(header::LOCATION));
        }
    }
}

#[tokio::test]
async fn a_form_post_response_submits_itself_under_its_policy() {
    let provider = signed_in_as("ada").await;
    let url = authorize_url(&provider, &[("response_mode", "form_post")]);
    let page = Http::new().get(&url, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(&format!("action=\"{REDIRECT}\"")));
    for field in ["code", "state", "iss"] {
        assert!(page.body.contains(&format!("name=\"{field}\"")), "{field}");
    }
    let script = page.body.split_once("<script>").unwrap().1;
    let script = script.split_once("</script>").unwrap().0;
    let hash = STANDARD.encode(digest(&SHA256, script.as_bytes()));
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.contains(&format!("script-src 'sha256-{hash}'")));
}
