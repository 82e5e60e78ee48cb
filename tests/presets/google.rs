//! Google: <https://developers.google.com/identity/openid-connect/openid-connect>.

use http::Method;
use serde_json::{Value, json};
use tower_identity::provider::Google;
use tower_identity::sign_in::Resolver;

use crate::emulation::{Emulation, params};
use crate::{ADA, IN_BODY, KEPT_OUT, Sent, World, exchanged, metadata};

const ISSUER: &str = "https://accounts.google.com";
const TOKEN: &str = "POST oauth2.googleapis.com/token";
const SCOPE: &str = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile";

async fn emulation() -> Emulation {
    let emulation = Emulation::start().await;
    let more = json!({
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_endpoint": "https://oauth2.googleapis.com/token",
        "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
        "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
        "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
    });
    let place = "GET accounts.google.com/.well-known/openid-configuration";
    emulation.answer(place, 200, &metadata(ISSUER, more));
    emulation
        .publish_keys("GET www.googleapis.com/oauth2/v3/certs")
        .await;
    emulation
}

async fn world(change: impl FnOnce(Google) -> Google) -> World {
    let google = change(Google::new("the-client", "the-secret"));
    World::with(emulation().await, google, Resolver::email()).await
}

/// Google's token response for Ada, with whatever else it says of her.
fn tell(world: &World, nonce: Option<&str>, more: Value) {
    let mut token = world.emulation.token(ISSUER, "the-client");
    let mut claims = json!({
        "azp": "the-client", "sub": "10769150350006150715113082367", "email": "ada@example.com",
        "email_verified": true, "name": "Ada Lovelace", "picture": "https://lh3.googleusercontent.com/a/x",
        "given_name": "Ada", "family_name": "Lovelace", "hd": "example.com",
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    for (name, value) in claims.as_object().unwrap() {
        token = token.with_claim(name, value.clone());
    }
    if let Some(nonce) = nonce {
        token = token.with_claim("nonce", nonce);
    }
    let mut answer = json!({
        "access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer",
        "scope": format!("{SCOPE} https://www.googleapis.com/auth/calendar"), "id_token": token.sign(),
    });
    if nonce.is_some() {
        answer["refresh_token"] = "1//refresh".into();
    }
    world.emulation.answer(TOKEN, 200, &answer);
}

async fn begin(world: &World, more: Value) -> Sent {
    let sent = world.begin().await;
    tell(world, Some(&sent.nonce), more);
    sent
}

#[tokio::test]
async fn google_is_asked_for_offline_access_and_told_when_it_ends() {
    let world = world(|google| google).await;
    let sent = begin(&world, json!({})).await;
    assert_eq!(sent.to, "https://accounts.google.com/o/oauth2/v2/auth");
    let expected = params([
        ("client_id", "the-client"),
        ("scope", SCOPE),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("include_granted_scopes", "true"),
    ]);
    assert_eq!(sent.params, expected);
    let heard = world.back(&sent).await;
    let response = &heard["response"];
    assert_eq!(
        response["backstageIdentity"]["identity"]["userEntityRef"], ADA,
        "{heard}"
    );
    assert_eq!(response["profile"]["displayName"], "Ada Lovelace");
    assert_eq!(
        response["profile"]["picture"],
        "https://lh3.googleusercontent.com/a/x"
    );
    let info = &response["providerInfo"];
    assert_eq!(
        (&info["accessToken"], &info["expiresInSeconds"]),
        (&json!("ya29.token"), &json!(3599))
    );
    // What was granted before is granted still.
    assert!(info["scope"].as_str().unwrap().ends_with("calendar"));
    let calls = world.emulation.calls();
    assert_eq!(calls.len(), 1, "the ID token says it all: {calls:?}");
    exchanged(&calls[0], TOKEN, &world, &IN_BODY);
    assert!(!calls[0].headers.contains_key("authorization"));

    // A refresh brings an ID token without a nonce, and no refresh token.
    tell(&world, None, json!({}));
    let answer = world.ajax(Method::GET, "refresh").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let calls = world.emulation.calls();
    let mut expected = params(IN_BODY);
    expected.extend(params([
        ("grant_type", "refresh_token"),
        ("refresh_token", "1//refresh"),
    ]));
    assert_eq!((&*calls[0].to, &calls[0].form), (TOKEN, &expected));

    // Signing out ends the grant there.
    world
        .emulation
        .answer("POST oauth2.googleapis.com/revoke", 200, &json!({}));
    let answer = world.ajax(Method::POST, "logout").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
    let revoked = async {
        loop {
            let calls = world.emulation.calls();
            if let Some(call) = calls.first() {
                return call.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let revoked = revoked.await;
    assert_eq!(revoked.to, "POST oauth2.googleapis.com/revoke");
    assert_eq!(revoked.form["token"], "1//refresh");
    assert_eq!(world.who().await, "401");
}

#[tokio::test]
async fn id_04_only_a_workspace_that_is_let_in() {
    for (domains, asked) in [
        (vec!["example.com"], "example.com"),
        (vec!["example.com", "example.org"], "*"),
    ] {
        let world = world(|google| google.with_hosted_domains(domains.clone())).await;
        let sent = begin(&world, json!({ "hd": "Example.com" })).await;
        assert_eq!(sent.params["hd"], asked);
        let heard = world.back(&sent).await;
        assert!(
            heard["response"]["backstageIdentity"].is_object(),
            "{heard}"
        );
    }
    let world = world(|google| google.with_hosted_domains(["example.com"])).await;
    for other in [
        json!(null),
        json!(""),
        json!("evil.com"),
        json!("evil.example.com"),
        json!("example.com.evil"),
        json!(["example.com"]),
    ] {
        let sent = begin(&world, json!({ "hd": other })).await;
        world.fails(&sent, KEPT_OUT, "(hd)").await;
    }
    // Whoever has left the Workspace is out at the next refresh.
    let sent = begin(&world, json!({})).await;
    assert!(world.back(&sent).await["response"].is_object());
    tell(&world, None, json!({ "hd": "evil.com" }));
    assert_eq!(world.ajax(Method::GET, "refresh").await.status, 401);
    assert_eq!(world.who().await, "401");
}

#[tokio::test]
async fn id_02_an_address_that_google_has_not_verified_is_none() {
    let world = world(|google| google).await;
    for unverified in [json!(false), json!("true"), json!(null), json!(1)] {
        let sent = begin(&world, json!({ "email_verified": unverified })).await;
        world
            .fails(
                &sent,
                "Login failed, user profile does not contain an email",
                "",
            )
            .await;
    }
}

#[tokio::test]
async fn googles_own_errors_are_told_without_its_words() {
    let world = world(|google| google).await;
    for (status, error, words, because) in [
        (
            400,
            json!({ "error": "invalid_grant", "error_description": "CANARY Malformed auth code." }),
            "",
            "invalid_grant",
        ),
        (
            401,
            json!({ "error": "invalid_client", "error_description": "CANARY The OAuth client was not found." }),
            "",
            "invalid_client",
        ),
        (
            400,
            json!({ "error": "redirect_uri_mismatch", "error_description": "CANARY" }),
            "",
            "redirect_uri_mismatch",
        ),
        (
            500,
            json!({ "error": { "code": 500, "message": "CANARY", "status": "INTERNAL" } }),
            "",
            "",
        ),
    ] {
        let sent = world.begin().await;
        world.emulation.answer(TOKEN, status, &error);
        world.fails(&sent, words, because).await;
    }
    for iss in [
        "accounts.google.com",
        "https://accounts.google.com/",
        "https://accounts.google.com.evil",
    ] {
        let sent = begin(&world, json!({ "iss": iss })).await;
        world
            .fails(&sent, "", "its iss is not the provider's")
            .await;
    }
}
