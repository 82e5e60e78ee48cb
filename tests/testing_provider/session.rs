//! What a session gives while it lasts: refresh, userinfo, introspection, revocation and logout.

use std::time::Duration;

use http::{StatusCode, header};
use serde_json::{Value, json};
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::testing::{Provider, User};

use crate::client::{Http, REDIRECT, encode, signed_in_as, verify};

#[tokio::test]
async fn a_refresh_token_rotates_and_its_second_use_ends_the_session() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let first = http.tokens(&provider).await;
    let second = http
        .refresh(&provider, &first["refresh_token"])
        .await
        .json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let jwks = http.jwks(&provider).await;
    let claims = |tokens: &Value| {
        verify(tokens["id_token"].as_str().unwrap(), &jwks)
            .unwrap()
            .1
    };
    assert_eq!(claims(&second)["sid"], claims(&first)["sid"]);
    assert_eq!(claims(&second)["auth_time"], claims(&first)["auth_time"]);
    assert_eq!(claims(&second)["nonce"], Value::Null);

    for token in [&first, &second] {
        let answer = http.refresh(&provider, &token["refresh_token"]).await;
        assert_eq!(answer.error(), (400, "invalid_grant".into()));
    }
    let token = second["access_token"].as_str().unwrap();
    let answer = http.userinfo(&provider, token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_but_not_for_more() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let tokens = http.tokens(&provider).await;
    let refresh = |scope: &'static str| {
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        let (http, provider) = (&http, &provider);
        async move { http.token(provider, &form).await }
    };
    let answer = refresh("openid admin").await;
    assert_eq!(answer.error(), (400, "invalid_scope".into()));
    let answer = refresh("openid").await;
    assert_eq!(answer.json()["scope"], "openid");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let profile = http.userinfo(&provider, &token).await.json();
    assert_eq!(profile, json!({ "sub": "user-ada" }));
}

#[tokio::test]
async fn refresh_tokens_and_id_tokens_are_given_when_they_should_be() {
    let builder = Provider::builder().sign_in_as("ada");
    let provider = builder.with_refresh_tokens(false).start().await.unwrap();
    let http = Http::new();
    let changes = [
        ("scope", "profile"),
        ("resource", "https://api.example.com"),
    ];
    let code = http.authorize(&provider, &changes).await["code"].clone();
    let tokens = http.redeem(&provider, &code).await.json();
    assert_eq!(tokens["refresh_token"], Value::Null);
    assert_eq!(tokens["id_token"], Value::Null);
    let token = tokens["access_token"].as_str().unwrap();
    let (_, claims) = verify(token, &http.jwks(&provider).await).unwrap();
    assert_eq!(claims["aud"], "https://api.example.com");
    let answer = http.userinfo(&provider, token).await;
    assert_eq!(answer.error(), (403, "insufficient_scope".into()));
}

#[tokio::test]
async fn userinfo_tells_what_the_scope_gives_while_the_token_lasts() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let user = User::new("linus")
        .with_email("linus@example.com", false)
        .with_claim("groups", vec!["kernel"]);
    let provider = Provider::builder()
        .with_users([user])
        .sign_in_as("linus")
        .with_clock(clock)
        .with_access_token_lifetime(Duration::from_secs(90))
        .start()
        .await
        .unwrap();
    let http = Http::new();
    let tokens = http.tokens(&provider).await;
    assert_eq!(tokens["expires_in"], 90);
    let token = tokens["access_token"].as_str().unwrap();
    let profile = http.userinfo(&provider, token).await.json();
    assert_eq!(profile["email_verified"], false);
    assert_eq!(profile["groups"], json!(["kernel"]));
    let picture = http.get(profile["picture"].as_str().unwrap(), &[]).await;
    assert_eq!(picture.headers[header::CONTENT_TYPE], "image/svg+xml");

    hand.advance(Duration::from_secs(90));
    let late = http.userinfo(&provider, token).await;
    assert_eq!(late.error(), (401, "invalid_token".into()));
    let url = format!("{}/userinfo", provider.issuer());
    let bare = http.get(&url, &[]).await;
    assert_eq!(bare.headers[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn introspection_revocation_and_logout_agree_about_a_token() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let call = |path: &'static str, token: String| {
        let (http, provider) = (&http, &provider);
        async move {
            let form = [
                ("client_id", provider.client_id()),
                ("client_secret", provider.client_secret()),
                ("token", token.as_str()),
            ];
            let url = format!("{}{path}", provider.issuer());
            http.post(&url, &[], &form).await
        }
    };
    let text = |tokens: &Value, name| tokens[name].as_str().unwrap().to_owned();

    let tokens = http.tokens(&provider).await;
    let access_token = text(&tokens, "access_token");
    let answer = call("/introspect", access_token.clone()).await.json();
    assert_eq!(answer["active"], true);
    assert_eq!(answer["sub"], "user-ada");
    assert_eq!(answer["scope"], "openid profile email");
    let revoked = call("/revoke", access_token.clone()).await;
    assert_eq!(revoked.status, StatusCode::OK);
    let answer = call("/introspect", access_token).await.json();
    assert_eq!(answer, json!({ "active": false }));
    let refreshed = http.refresh(&provider, &tokens["refresh_token"]).await;
    assert_eq!(refreshed.status, StatusCode::OK);

    let tokens = http.tokens(&provider).await;
    call("/revoke", text(&tokens, "refresh_token")).await;
    let answer = call("/introspect", text(&tokens, "access_token")).await;
    assert_eq!(answer.json()["active"], false);

    let tokens = http.tokens(&provider).await;
    let query = encode(&[
        ("id_token_hint", &text(&tokens, "id_token")),
        ("post_logout_redirect_uri", REDIRECT),
        ("state", "bye"),
    ]);
    let url = format!("{}/logout?{query}", provider.issuer());
    assert_eq!(http.get(&url, &[]).await.redirected()["state"], "bye");
    let answer = http.refresh(&provider, &tokens["refresh_token"]).await;
    assert_eq!(answer.error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_logout_goes_nowhere_that_is_not_allowed() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let id = provider.client_id();
    for (query, status) in [
        (&[][..], 200),
        (
            &[("client_id", id), ("post_logout_redirect_uri", REDIRECT)],
            303,
        ),
        (&[("post_logout_redirect_uri", REDIRECT)], 400),
        (
            &[
                ("id_token_hint", "a.b.c"),
                ("post_logout_redirect_uri", REDIRECT),
            ],
            400,
        ),
        (
            &[
                ("client_id", id),
                ("post_logout_redirect_uri", "https://evil.example/"),
            ],
            400,
        ),
    ] {
        let url = format!("{}/logout?{}", provider.issuer(), encode(query));
        assert_eq!(
            http.get(&url, &[]).await.status.as_u16(),
            status,
            "{query:?}"
        );
    }
}
