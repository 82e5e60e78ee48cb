//! Okta: <https://developer.okta.com/docs/reference/api/oidc/>.

use http::Method;
use serde_json::{Value, json};
use tower_identity::Secret;
use tower_identity::provider::{ClientKey, Okta};
use tower_identity::sign_in::Resolver;

use crate::emulation::{Emulation, params};
use crate::{ADA, World, asked_with, claims_of, exchanged, in_header, metadata};

const ORG: &str = "https://example.okta.com";

async fn world(server: Option<&str>) -> World {
    let emulation = Emulation::start().await;
    let issuer = match server {
        None => ORG.to_owned(),
        Some(id) => format!("{ORG}/oauth2/{id}"),
    };
    let base = match server {
        None => format!("{ORG}/oauth2"),
        Some(_) => issuer.clone(),
    };
    let at = |path: &str| format!("{base}/v1/{path}");
    let more = json!({
        "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at("keys"), "end_session_endpoint": at("logout"), "revocation_endpoint": at("revoke"),
    });
    let place = format!("GET {}/.well-known/openid-configuration", &issuer[8..]);
    emulation.answer(&place, 200, &metadata(&issuer, more));
    emulation
        .publish_keys(&format!("GET {}/v1/keys", &base[8..]))
        .await;
    let mut okta = Okta::new(ORG, "the-client", "the-secret").with_idp("0oa1");
    if let Some(id) = server {
        okta = okta.with_authorization_server(id);
    }
    World::with(emulation, okta, Resolver::email()).await
}

fn tell(world: &World, server: Option<&str>, nonce: &str) {
    let (issuer, base) = match server {
        None => (ORG.to_owned(), "example.okta.com/oauth2".to_owned()),
        Some(id) => (
            format!("{ORG}/oauth2/{id}"),
            format!("example.okta.com/oauth2/{id}"),
        ),
    };
    let token = world
        .emulation
        .token(&issuer, "the-client")
        .with_subject("00uid4BxXw6I6TV4m0g3");
    let token = token
        .with_claim("nonce", nonce)
        .with_claim("ver", 1)
        .with_claim("amr", json!(["pwd"]));
    let answer = json!({
        "access_token": "eyJ.at", "token_type": "Bearer", "expires_in": 3600, "scope": "openid email profile offline_access",
        "refresh_token": "a9VpZDRCeFh3Nkk2VdY", "id_token": token.sign(),
    });
    world
        .emulation
        .answer(&format!("POST {base}/v1/token"), 200, &answer);
    let info = json!({
        "sub": "00uid4BxXw6I6TV4m0g3", "name": "Ada Lovelace", "nickname": "Ada", "preferred_username": "ada@example.com",
        "email": "ada@example.com", "email_verified": true, "zoneinfo": "Europe/London",
    });
    world
        .emulation
        .answer(&format!("GET {base}/v1/userinfo"), 200, &info);
}

#[tokio::test]
async fn okta_is_asked_at_the_organisations_server_and_at_a_custom_one() {
    for (server, base) in [
        (None, "example.okta.com/oauth2"),
        (Some("default"), "example.okta.com/oauth2/default"),
    ] {
        let world = world(server).await;
        let sent = world.begin().await;
        assert_eq!(sent.to, format!("https://{base}/v1/authorize"));
        let expected = params([
            ("client_id", "the-client"),
            ("scope", "openid email profile offline_access"),
            ("idp", "0oa1"),
        ]);
        assert_eq!(sent.params, expected);
        tell(&world, server, &sent.nonce);
        let heard = world.back(&sent).await;
        assert_eq!(
            heard["response"]["backstageIdentity"]["identity"]["userEntityRef"], ADA,
            "{heard}"
        );
        let calls = world.emulation.calls();
        assert_eq!(calls.len(), 2, "{calls:?}");
        exchanged(&calls[0], &format!("POST {base}/v1/token"), &world, &[]);
        in_header(&calls[0]);
        asked_with(&calls[1], &format!("GET {base}/v1/userinfo"), "eyJ.at");
        let out = world.ajax(Method::POST, "logout").await.json();
        let out = out["logoutUrl"].as_str().unwrap().to_owned();
        assert!(
            out.starts_with(&format!(
                "https://{base}/v1/logout?client_id=the-client&id_token_hint=ey"
            )),
            "{out}"
        );
    }
}

#[tokio::test]
async fn a_signature_is_for_the_endpoint_that_it_is_sent_to() {
    let emulation = world(None).await.emulation;
    let key = crate::oidc::keys().remove(0);
    let private = Secret::from(key.pem.as_str());
    let key = ClientKey::from_pem(key.algorithm, &private).unwrap();
    let okta = Okta::new(ORG, "the-client", key);
    let world = World::with(emulation, okta, Resolver::email()).await;
    let sent = world.begin().await;
    tell(&world, None, &sent.nonce);
    assert!(world.back(&sent).await["response"]["backstageIdentity"].is_object());
    world.ajax(Method::GET, "refresh").await;
    world.ajax(Method::POST, "logout").await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        for call in world.emulation.calls() {
            if let Some(assertion) = call.form.get("client_assertion") {
                let endpoint = call.to.replace("POST ", "https://");
                assert_eq!(claims_of(assertion)["aud"], *endpoint);
                seen.push(endpoint);
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(seen[2].ends_with("/v1/revoke"), "{seen:?}");
}

#[tokio::test]
async fn another_servers_id_token_is_no_good() {
    let world = world(Some("default")).await;
    for other in [
        ORG.to_owned(),
        format!("{ORG}/oauth2/other"),
        "https://evil.okta.com/oauth2/default".to_owned(),
    ] {
        let sent = world.begin().await;
        tell(&world, Some("default"), &sent.nonce);
        let token = world
            .emulation
            .token(&other, "the-client")
            .with_claim("nonce", &*sent.nonce)
            .sign();
        let answer = json!({ "access_token": "at", "token_type": "Bearer", "id_token": token });
        world.emulation.answer(
            "POST example.okta.com/oauth2/default/v1/token",
            200,
            &answer,
        );
        world
            .fails(&sent, "", "its iss is not the provider's")
            .await;
    }
}

#[tokio::test]
async fn oktas_own_errors_are_told_without_its_words() {
    let world = world(None).await;
    for (status, error, because) in [
        (
            400,
            json!({ "error": "invalid_grant", "error_description": "CANARY The authorization code is invalid or has expired." }),
            "invalid_grant",
        ),
        (
            401,
            json!({ "error": "invalid_client", "error_description": "CANARY" }),
            "invalid_client",
        ),
        // Okta's own API shape, which is not OAuth's.
        (
            403,
            json!({ "errorCode": "E0000006", "errorSummary": "CANARY", "errorLink": "E0000006", "errorId": "x", "errorCauses": [] }),
            "not one that OAuth knows",
        ),
        (
            429,
            json!({ "errorCode": "E0000047", "errorSummary": "CANARY" }),
            "not one that OAuth knows",
        ),
    ] {
        let sent = world.begin().await;
        world
            .emulation
            .answer("POST example.okta.com/oauth2/v1/token", status, &error);
        world.fails(&sent, "", because).await;
    }
    // Userinfo that is somebody else's (LF-12), and none.
    for (status, info) in [
        (
            200,
            json!({ "sub": "another", "email": "ada@example.com", "email_verified": true }),
        ),
        (401, json!({})),
        (200, Value::Null),
    ] {
        let sent = world.begin().await;
        tell(&world, None, &sent.nonce);
        world
            .emulation
            .answer("GET example.okta.com/oauth2/v1/userinfo", status, &info);
        world.fails(&sent, "", "").await;
    }
}
