//! Azure's own sign-in in front of the app: <https://learn.microsoft.com/azure/app-service/configure-authentication-oauth-tokens>.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tower_identity::provider::AzureEasyAuth;
use tower_identity::sign_in::{Resolver, SignIn};

use crate::browser::{Answer, Browser};
use crate::emulation::Emulation;
use crate::{ADA, World};

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const HEADER: &str = "x-ms-token-aad-id-token";

async fn world() -> World {
    let emulation = Emulation::start().await;
    let keys = format!("GET login.microsoftonline.com/{TENANT}/discovery/v2.0/keys");
    emulation.publish_keys(&keys).await;
    let azure = AzureEasyAuth::new(TENANT, "the-client");
    World::with(emulation, azure, Resolver::user_id_annotation("test/id")).await
}

fn token(world: &World, more: Value) -> String {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let mut token = world.emulation.token(&issuer, "the-client");
    let mut claims = json!({
        "oid": "ada-id", "tid": TENANT, "ver": "2.0", "name": "Ada Lovelace", "preferred_username": "ada@example.com",
        "nonce": "of-azure",
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    for (name, value) in claims.as_object().unwrap() {
        token = token.with_claim(name, value.clone());
    }
    token.sign()
}

async fn refresh(world: &World, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(format!("{}/api/auth/it/refresh", world.url))
        .header("x-requested-with", "XMLHttpRequest");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Browser::default()
        .send(request.body(Full::default()).unwrap())
        .await
}

#[tokio::test]
async fn whom_azure_signed_in_is_signed_in_here() {
    let world = world().await;
    let good = token(&world, json!({}));
    let headers = [(HEADER, &*good), ("x-ms-token-aad-access-token", "at")];
    let answer = refresh(&world, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let session = answer.json();
    let user = &session["backstageIdentity"]["identity"]["userEntityRef"];
    assert_eq!(*user, ADA);
    assert_eq!(session["providerInfo"], json!({ "accessToken": "at" }));
    assert_eq!(session["profile"]["email"], "ada@example.com");
    let answer = refresh(&world, &[(HEADER, &good)]).await;
    assert_eq!(answer.json()["providerInfo"], json!({ "accessToken": "" }));
}

#[tokio::test]
async fn whoever_only_says_so_is_not() {
    let world = world().await;
    let good = token(&world, json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = token(&world, json!({ "oid": "another" }));
    let swapped = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    let stranger = Emulation::start().await;
    let stranger = stranger.token(
        &format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        "the-client",
    );
    let stranger = stranger
        .with_claim("oid", "ada-id")
        .with_claim("ver", "2.0")
        .sign();
    for (what, bad) in [
        (
            "another tenant",
            token(
                &world,
                json!({ "iss": "https://login.microsoftonline.com/11111111-86f1-41af-91ab-2d7cd011db47/v2.0" }),
            ),
        ),
        ("version 1", token(&world, json!({ "ver": "1.0" }))),
        ("no version", token(&world, json!({ "ver": null }))),
        ("another client", token(&world, json!({ "aud": "another" }))),
        (
            "two clients",
            token(&world, json!({ "aud": ["the-client", "another"] })),
        ),
        ("over", token(&world, json!({ "exp": 1_000 }))),
        ("nobody", token(&world, json!({ "oid": "" }))),
        ("another's signature", swapped),
        ("no signature", format!("{signed}.")),
        ("a stranger's key", stranger),
        ("nothing", String::new()),
    ] {
        let answer = refresh(&world, &[(HEADER, &bad)]).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        assert!(!answer.headers.contains_key("set-cookie"), "{what}");
    }
    for headers in [
        vec![],
        vec![(HEADER, &*good), (HEADER, &good)],
        vec![
            ("x-ms-client-principal-name", "ada@example.com"),
            ("x-ms-client-principal-id", "ada-id"),
        ],
    ] {
        assert_eq!(refresh(&world, &headers).await.status, 401, "{headers:?}");
    }
    for (tenant, client) in [
        ("common", "x"),
        ("", "x"),
        ("72F988BF-86f1-41af-91ab-2d7cd011db47", "x"),
        (TENANT, ""),
    ] {
        let built = SignIn::builder("http://localhost:7007")
            .with_provider(
                "azureEasyAuth",
                AzureEasyAuth::new(tenant, client),
                [Resolver::email()],
            )
            .build();
        assert!(built.is_err(), "{tenant} {client}");
    }
}
