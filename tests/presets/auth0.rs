//! Auth0: <https://auth0.com/docs/api/authentication>.

use serde_json::json;
use tower_identity::provider::Auth0;
use tower_identity::sign_in::Resolver;

use crate::emulation::{Emulation, params};
use crate::{ADA, World, asked_with, exchanged, in_header, metadata};

const ISSUER: &str = "https://example.eu.auth0.com/";

async fn world() -> World {
    let emulation = Emulation::start().await;
    let at = |path: &str| format!("{ISSUER}{path}");
    let more = json!({
        "authorization_endpoint": at("authorize"), "token_endpoint": at("oauth/token"), "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at(".well-known/jwks.json"), "revocation_endpoint": at("oauth/revoke"),
        "end_session_endpoint": at("oidc/logout"),
    });
    let place = "GET example.eu.auth0.com/.well-known/openid-configuration";
    emulation.answer(place, 200, &metadata(ISSUER, more));
    emulation
        .publish_keys("GET example.eu.auth0.com/.well-known/jwks.json")
        .await;
    let auth0 = Auth0::new("example.eu.auth0.com", "the-client", "the-secret")
        .with_audience("https://api.example.com")
        .with_connection("github")
        .with_connection_scope("user");
    World::with(emulation, auth0, Resolver::email()).await
}

fn tell(world: &World, issuer: &str, nonce: &str) {
    let token = world
        .emulation
        .token(issuer, "the-client")
        .with_subject("auth0|1815");
    let token = token
        .with_claim("nonce", nonce)
        .with_claim("nickname", "ada")
        .with_claim("sid", "x");
    let answer = json!({
        "access_token": "eyJ.at", "refresh_token": "GEbRxBN", "id_token": token.sign(), "token_type": "Bearer",
        "expires_in": 86400, "scope": "openid profile email offline_access",
    });
    world
        .emulation
        .answer("POST example.eu.auth0.com/oauth/token", 200, &answer);
    let info = json!({
        "sub": "auth0|1815", "nickname": "ada", "name": "Ada Lovelace", "picture": "https://s.gravatar.com/avatar/x",
        "updated_at": "2026-11-25T00:00:00.000Z", "email": "ada@example.com", "email_verified": true,
    });
    world
        .emulation
        .answer("GET example.eu.auth0.com/userinfo", 200, &info);
}

#[tokio::test]
async fn auth0_is_asked_for_its_api_and_its_connection() {
    let world = world().await;
    let sent = world.begin().await;
    assert_eq!(sent.to, "https://example.eu.auth0.com/authorize");
    let expected = params([
        ("client_id", "the-client"),
        ("scope", "openid profile email offline_access"),
        ("audience", "https://api.example.com"),
        ("connection", "github"),
        ("connection_scope", "user"),
    ]);
    assert_eq!(sent.params, expected);
    tell(&world, ISSUER, &sent.nonce);
    let heard = world.back(&sent).await;
    assert_eq!(
        heard["response"]["backstageIdentity"]["identity"]["userEntityRef"], ADA,
        "{heard}"
    );
    let calls = world.emulation.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    exchanged(
        &calls[0],
        "POST example.eu.auth0.com/oauth/token",
        &world,
        &[],
    );
    in_header(&calls[0]);
    asked_with(&calls[1], "GET example.eu.auth0.com/userinfo", "eyJ.at");
}

#[tokio::test]
async fn cl_01_auth0s_issuer_ends_with_a_slash() {
    let world = world().await;
    for other in [
        "https://example.eu.auth0.com",
        "https://example.eu.auth0.com//",
        "https://evil.eu.auth0.com/",
    ] {
        let sent = world.begin().await;
        tell(&world, other, &sent.nonce);
        world
            .fails(&sent, "", "its iss is not the provider's")
            .await;
    }
}

#[tokio::test]
async fn auth0s_own_errors_are_told_without_its_words() {
    let world = world().await;
    for (status, error, because) in [
        (
            403,
            json!({ "error": "invalid_grant", "error_description": "CANARY Invalid authorization code" }),
            "invalid_grant",
        ),
        (
            401,
            json!({ "error": "access_denied", "error_description": "CANARY Unauthorized" }),
            "access_denied",
        ),
        (
            429,
            json!({ "error": "too_many_requests", "error_description": "CANARY" }),
            "too_many_requests",
        ),
    ] {
        let sent = world.begin().await;
        world
            .emulation
            .answer("POST example.eu.auth0.com/oauth/token", status, &error);
        world.fails(&sent, "", because).await;
    }
}
