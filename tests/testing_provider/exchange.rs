//! Codes for tokens: who may have them, once, and for how long.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::testing::{Algorithm, Client, Provider};

use crate::client::{Http, encode, redemption, signed_in_as, verify};

#[tokio::test]
async fn a_sign_in_ends_with_tokens_that_the_key_set_verifies() {
    let http = Http::new();
    for (algorithm, name) in [(Algorithm::Rs256, "RS256"), (Algorithm::Es256, "ES256")] {
        let builder = Provider::builder().sign_in_as("ada");
        let provider = builder.with_algorithm(algorithm).start().await.unwrap();
        let back = http.authorize(&provider, &[]).await;
        assert_eq!(back["state"], "the state");
        assert_eq!(back["iss"], provider.issuer());
        let answer = http.redeem(&provider, &back["code"]).await;
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        let tokens = answer.json();
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 3600);

        let jwks = http.jwks(&provider).await;
        let access_token = tokens["access_token"].as_str().unwrap();
        let (head, claims) = verify(access_token, &jwks).unwrap();
        assert_eq!(head["typ"], "at+jwt");
        assert_eq!(head["alg"], name);
        assert_eq!(head["kid"], provider.key_id());
        assert_eq!(claims["iss"], provider.issuer());
        assert_eq!(claims["sub"], "user-ada");
        assert_eq!(claims["client_id"], provider.client_id());
        assert_eq!(claims["scope"], "openid profile email");
        assert!(claims["jti"].is_string());

        let (head, claims) = verify(tokens["id_token"].as_str().unwrap(), &jwks).unwrap();
        assert_eq!(head["typ"], "JWT");
        assert_eq!(claims["iss"], provider.issuer());
        assert_eq!(claims["aud"], provider.client_id());
        assert_eq!(claims["nonce"], "the nonce");
        assert_eq!(claims["email"], "ada@example.com");
        assert_eq!(claims["email_verified"], true);
        assert_eq!(claims["preferred_username"], "ada");
        assert!(claims["sid"].is_string() && claims["auth_time"].is_u64());
        assert_eq!(
            claims["exp"].as_u64(),
            claims["iat"].as_u64().map(|t| t + 600)
        );
        let half = &digest(&SHA256, access_token.as_bytes()).as_ref()[..16].to_vec();
        assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(half));
    }
}

#[tokio::test]
async fn a_code_is_redeemed_only_as_it_was_asked_for() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (field, value) in [
        (
            "code_verifier",
            "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong",
        ),
        ("code_verifier", ""),
        ("redirect_uri", "http://localhost:7007/other"),
        ("code", "unknown"),
    ] {
        let code = http.code(&provider).await;
        let mut form = redemption(&code);
        form.iter_mut().find(|(name, _)| *name == field).unwrap().1 = value;
        let answer = http.token(&provider, &form).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_grant".into()),
            "{field}={value}"
        );
    }
    for field in ["code", "redirect_uri", "grant_type"] {
        let code = http.code(&provider).await;
        let mut form = redemption(&code).to_vec();
        form.retain(|(name, _)| *name != field);
        let answer = http.token(&provider, &form).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{field}");
    }
}

#[tokio::test]
async fn of_fifty_who_redeem_one_code_at_most_one_gets_tokens() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let code = http.code(&provider).await;
    let form = redemption(&code);
    let answers = futures::future::join_all((0..50).map(|_| http.token(&provider, &form))).await;
    let winners: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .collect();
    assert!(winners.len() <= 1);
    // And what it got is worth nothing, now that the code is known to have been stolen.
    for winner in winners {
        let token = winner.json()["access_token"].as_str().unwrap().to_owned();
        let answer = http.userinfo(&provider, &token).await;
        assert_eq!(answer.error(), (401, "invalid_token".into()));
    }
}

#[tokio::test]
async fn a_code_expires_after_a_minute() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let builder = Provider::builder().sign_in_as("ada").with_clock(clock);
    let provider = builder.start().await.unwrap();
    let http = Http::new();
    let code = http.code(&provider).await;
    hand.advance(Duration::from_secs(60));
    let answer = http.redeem(&provider, &code).await;
    assert_eq!(answer.error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_client_proves_itself_in_exactly_one_way() {
    let client = Client::new("an app", "s:e=c&r+t%");
    let builder = Provider::builder().with_client(client).sign_in_as("ada");
    let provider = builder.start().await.unwrap();
    let http = Http::new();
    let basic = |id: &str, secret: &str| {
        let encode = |text: &str| encode(&[("", text)])[1..].to_owned();
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))
        )
    };
    let good = basic("an app", "s:e=c&r+t%");
    let unencoded = format!("Basic {}", STANDARD.encode("an app:s:e=c&r+t%"));
    let wrong = basic("an app", "wrong");
    let body = [("client_id", "an app"), ("client_secret", "s:e=c&r+t%")];
    let wrong_body = [("client_id", "an app"), ("client_secret", "wrong")];
    let url = format!("{}/token", provider.issuer());
    for (header, body, expected) in [
        (Some(good.as_str()), &[][..], (200, "")),
        (Some(&good), &body[..1], (200, "")),
        (None, &body[..], (200, "")),
        (Some(&good), &body[..], (400, "invalid_request")),
        (
            Some(&good),
            &[("client_id", "other")],
            (400, "invalid_request"),
        ),
        (Some(&wrong), &[], (401, "invalid_client")),
        (Some(&unencoded), &[], (401, "invalid_client")),
        (Some("Basic ***"), &[], (401, "invalid_client")),
        (Some("Bearer token"), &body[..], (401, "invalid_client")),
        (None, &wrong_body[..], (401, "invalid_client")),
        (None, &body[..1], (401, "invalid_client")),
        (None, &body[1..], (401, "invalid_client")),
        (None, &[], (401, "invalid_client")),
    ] {
        let code = http.code(&provider).await;
        let headers: Vec<_> = header.iter().map(|line| ("authorization", *line)).collect();
        let form = [body, &redemption(&code)].concat();
        let answer = http.post(&url, &headers, &form).await;
        assert_eq!(
            answer.error(),
            (expected.0, expected.1.to_owned()),
            "{header:?} {body:?}"
        );
        let challenged = answer.headers.contains_key(header::WWW_AUTHENTICATE);
        assert_eq!(challenged, answer.status == StatusCode::UNAUTHORIZED);
        if answer.status == StatusCode::UNAUTHORIZED {
            // Whoever has no secret cannot use up a code either.
            let form = [&body_of(&provider)[..], &redemption(&code)].concat();
            let answer = http.post(&url, &[], &form).await;
            assert_eq!(answer.status, StatusCode::OK);
        }
    }

    fn body_of(provider: &Provider) -> [(&str, &str); 2] {
        [
            ("client_id", provider.client_id()),
            ("client_secret", provider.client_secret()),
        ]
    }
}

#[tokio::test]
async fn a_code_is_no_use_to_another_client() {
    let builder = Provider::builder().sign_in_as("ada");
    let other = Client::new("other", "other-secret");
    let provider = builder.add_client(other).start().await.unwrap();
    let http = Http::new();
    let code = http.code(&provider).await;
    let client = [("client_id", "other"), ("client_secret", "other-secret")];
    let form = [&client[..], &redemption(&code)].concat();
    let url = format!("{}/token", provider.issuer());
    let answer = http.post(&url, &[], &form).await;
    assert_eq!(answer.error(), (400, "invalid_grant".into()));
    assert_eq!(http.redeem(&provider, &code).await.status, StatusCode::OK);
}
