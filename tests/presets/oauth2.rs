//! Any provider of OAuth 2.0, by the address that says who somebody is.

use serde_json::{Value, json};
use tower_identity::provider::{ClientAuthentication, OAuth2};
use tower_identity::sign_in::Resolver;

use crate::emulation::params;
use crate::{ADA, IN_BODY, World, asked_with, exchanged, in_header};

fn oauth2() -> OAuth2 {
    OAuth2::new("the-client", "the-secret")
        .with_authorization_url("https://login.example.com/oauth/authorize?tenant=x")
        .with_token_url("https://login.example.com/oauth/token")
        .with_user_info_url("https://api.example.com/me?fields=id,login")
        .with_subject_claim("id")
        .with_username_claim("login")
}

fn tell(world: &World, me: Value) {
    let answer = json!({ "access_token": "at", "token_type": "bEaRer" });
    world
        .emulation
        .answer("POST login.example.com/oauth/token", 200, &answer);
    world
        .emulation
        .answer("GET api.example.com/me?fields=id,login", 200, &me);
}

#[tokio::test]
async fn it_is_asked_as_it_was_configured() {
    for basic in [false, true] {
        let provider = match basic {
            true => oauth2().with_authentication(ClientAuthentication::Basic),
            false => oauth2(),
        };
        let world = World::start(provider, Resolver::username()).await;
        let sent = world.begin_with("&scope=profile").await;
        assert_eq!(sent.to, "https://login.example.com/oauth/authorize");
        let expected = params([
            ("tenant", "x"),
            ("client_id", "the-client"),
            ("scope", "profile"),
        ]);
        assert_eq!(sent.params, expected);
        tell(&world, json!({ "id": 1815, "login": "ada" }));
        let heard = world.back(&sent).await;
        assert_eq!(
            heard["response"]["backstageIdentity"]["identity"]["userEntityRef"], ADA,
            "{heard}"
        );
        let calls = world.emulation.calls();
        assert_eq!(calls.len(), 2, "{calls:?}");
        let proof = if basic { &[][..] } else { &IN_BODY };
        exchanged(
            &calls[0],
            "POST login.example.com/oauth/token",
            &world,
            proof,
        );
        if basic {
            in_header(&calls[0]);
        }
        asked_with(&calls[1], "GET api.example.com/me?fields=id,login", "at");
    }
}

#[tokio::test]
async fn id_02_an_address_counts_if_somebody_says_that_it_was_verified() {
    const NO_EMAIL: &str = "Login failed, user profile does not contain an email";
    let world = World::start(oauth2(), Resolver::email()).await;
    for verified in [json!(null), json!(false), json!("true"), json!(1)] {
        let sent = world.begin().await;
        tell(
            &world,
            json!({ "id": 1, "email": "ada@example.com", "email_verified": verified }),
        );
        world.fails(&sent, NO_EMAIL, "").await;
    }
    let sent = world.begin().await;
    tell(
        &world,
        json!({ "id": 1, "email": "ada@example.com", "email_verified": true }),
    );
    assert!(world.back(&sent).await["response"].is_object());

    let world = World::start(oauth2().dangerously_trust_email(), Resolver::email()).await;
    let sent = world.begin().await;
    tell(&world, json!({ "id": 1, "email": "ada@example.com" }));
    assert!(world.back(&sent).await["response"].is_object());
}

#[tokio::test]
async fn an_answer_that_names_nobody_is_refused() {
    let world = World::start(oauth2(), Resolver::username()).await;
    for me in [
        json!({ "login": "ada" }),
        json!({ "id": null, "login": "ada" }),
        json!({ "id": "", "login": "ada" }),
        json!({ "id": 1.5, "login": "ada" }),
        json!({ "id": -1, "login": "ada" }),
        json!({ "id": [1], "login": "ada" }),
        json!({ "sub": "1", "login": "ada" }),
        json!([{ "id": 1, "login": "ada" }]),
        json!("ada"),
        json!(null),
    ] {
        let sent = world.begin().await;
        tell(&world, me);
        world.fails(&sent, "", "").await;
    }
}
