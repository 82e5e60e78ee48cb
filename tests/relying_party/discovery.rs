//! What a provider says of itself (OpenID Connect Discovery): nothing of a bad description is used.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tower_identity::provider::{GitHub, Oidc};
use tower_identity::sign_in::{Resolver, SignIn};
use tower_identity::testing::Provider;

use super::browser::Browser;
use super::lies::{
    METADATA, Telling, body, content_type, document, member, moved, no_member, padded, status,
};
use super::site::{bind, catalog, serve};
use super::{A_WHILE, House, refused, tolerated};

const ANOTHER: &str = "the discovery document is another issuer's";
const SHAPE: &str = "not the JSON that was expected";
const STATUS: &str = "expected status 200";

/// An issuer that ends in a slash, in everything it says.
fn slashed() -> Telling {
    Box::new(|provider| {
        let issuer = format!("{}/", provider.issuer());
        let [one, two, three] = [issuer.clone(), issuer.clone(), issuer];
        vec![
            provider.bend_document(METADATA, move |document| {
                document["issuer"] = one.as_str().into()
            }),
            provider.bend_callback(move |params| {
                drop(params.insert("iss".into(), two.as_str().into()))
            }),
            provider.bend_id_token(move |_, claims| {
                drop(claims.insert("iss".into(), three.as_str().into()))
            }),
        ]
    })
}

#[tokio::test]
async fn ks_11_the_description_of_another_issuer_is_not_used() {
    let rows = [
        member(METADATA, "issuer", "https://elsewhere.example"),
        member(METADATA, "issuer", "http://127.0.0.1:1"),
        member(METADATA, "issuer", "HTTP://127.0.0.1"),
        member(METADATA, "issuer", ""),
        // Configured without the slash: not the same issuer.
        Box::new(|provider| slashed()(provider).into_iter().take(1).collect()),
    ];
    let (count, rows) = (rows.len(), rows.map(|lie| (lie, ANOTHER)));
    let house = refused("oidc", rows).await;
    for path in ["/token", "/jwks"] {
        let requests = house.provider.requests(path);
        assert_eq!(requests, count, "{path}: of the honest sign-ins alone");
    }
    // Where a document stands says all of its issuer but the slash at the end: then everything has to have it.
    tolerated("document", [slashed()]).await;
    let slash: Telling = Box::new(|provider| slashed()(provider).into_iter().take(2).collect());
    refused(
        "document",
        [(slash, "ID token: its iss is not the provider's")],
    )
    .await;
    let slash: Telling = Box::new(|provider| slashed()(provider).into_iter().take(1).collect());
    refused(
        "document",
        [(slash, "the response is another issuer's (iss)")],
    )
    .await;
}

#[tokio::test]
async fn ks_12_no_endpoint_is_plain_http_beyond_this_machine() {
    let endpoints = [
        (
            "authorization_endpoint",
            "authorization_endpoint: plain http",
        ),
        ("token_endpoint", "token_endpoint: plain http"),
        ("jwks_uri", "jwks_uri: plain http"),
        ("userinfo_endpoint", "userinfo_endpoint: plain http"),
        ("end_session_endpoint", "end_session_endpoint: plain http"),
    ];
    let url = "http://idp.example.com/x";
    let rows = endpoints.map(|(name, because)| (member(METADATA, name, url), because));
    refused("oidc", rows).await;
    let rows = [
        (
            member(
                METADATA,
                "token_endpoint",
                "https://user:pw@idp.example.com",
            ),
            "token_endpoint: expected a URL without user information",
        ),
        (
            member(METADATA, "jwks_uri", "file:///etc/passwd"),
            "jwks_uri is not a URL",
        ),
        (
            member(METADATA, "jwks_uri", "/jwks"),
            "jwks_uri: expected an absolute URL",
        ),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn ks_09_a_description_that_is_none_is_not_used() {
    let rows = [
        (body(METADATA, "<html>"), SHAPE),
        (body(METADATA, "{\"issuer\":"), SHAPE),
        (document(METADATA, json!([])), SHAPE),
        (document(METADATA, json!({})), SHAPE),
        (no_member(METADATA, "token_endpoint"), SHAPE),
        (no_member(METADATA, "jwks_uri"), SHAPE),
        (
            content_type(METADATA, "text/html"),
            "expected the content type application/json",
        ),
        (padded(METADATA), "answered more than 1 MiB"),
        (status(METADATA, 404), STATUS),
        (status(METADATA, 203), STATUS),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn ks_10_a_description_that_has_moved_is_not_followed() {
    let rows = [301, 302, 307, 308].map(|code| (moved(METADATA, code), STATUS));
    let house = refused("oidc", rows).await;
    assert_eq!(house.provider.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn ks_09_a_known_description_outlives_a_bad_one() {
    let house = House::start().await;
    let browser = Browser::default();
    house.sign_in(&browser, "oidc", "user=ada").await;
    // Past the hour that it is believed for.
    house.hand.advance(std::time::Duration::from_secs(3601));
    let lie = house.provider.bend_document(METADATA, |document| {
        document["issuer"] = "https://elsewhere.example".into();
        document["token_endpoint"] = "https://elsewhere.example/token".into();
    });
    let heard = house.sign_in(&browser, "oidc", "user=ada").await;
    assert_eq!((&*heard, lie.told()), ("signed in", 1));
    // For a moment the failure is remembered, then it is asked again.
    house.sign_in(&browser, "oidc", "user=ada").await;
    assert_eq!(lie.told(), 1);
    house.hand.advance(A_WHILE);
    house.sign_in(&browser, "oidc", "user=ada").await;
    assert_eq!(lie.told(), 2);
}

#[tokio::test]
async fn lo_02_signing_out_never_leads_to_plain_http() {
    let house = House::start().await;
    let browser = Browser::default();
    house.sign_in(&browser, "oidc", "user=ada").await;
    let logout = format!("{}/api/auth/oidc/logout?env=development", house.url);
    let answer = browser.ajax(Method::POST, &logout).await;
    let expected = format!("{}/logout?", house.provider.url());
    let url = answer.json()["logoutUrl"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&expected), "{url}");

    // The whole description is refused (KS-12), so there is nowhere to go.
    let house = House::start().await;
    let telling = member(
        METADATA,
        "end_session_endpoint",
        "http://idp.example.com/out",
    );
    let lies = telling(&house.provider);
    let logout = format!("{}/api/auth/oidc/logout?env=development", house.url);
    let answer = browser.ajax(Method::POST, &logout).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
    assert!(lies[0].told() > 0);
}

/// Waits until it is so: nobody is asked for anything meanwhile.
async fn until(what: impl Fn() -> bool) {
    for _ in 0..3000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never was");
}

#[tokio::test]
async fn a_provider_that_is_away_at_the_start_is_asked_again_while_nobody_waits() {
    let provider = Arc::new(Provider::start().await.unwrap());
    let lie = status(METADATA, 500)(&provider);
    let (listener, url) = bind().await;
    let (id, secret) = (provider.client_id(), provider.client_secret());
    let sign_in = SignIn::builder(&url)
        .with_provider(
            "oidc",
            Oidc::new(provider.issuer(), id, secret),
            [Resolver::email()],
        )
        .with_provider(
            "github",
            GitHub::new(id, secret).with_enterprise_instance_url(provider.github_url()),
            [Resolver::email()],
        )
        .with_catalog(catalog())
        .build()
        .unwrap();
    serve(listener, sign_in);
    // Before anybody has come.
    until(|| lie[0].told() == 1).await;
    let start = |id: &str| format!("{url}/api/auth/{id}/start?env=development");
    let browser = Browser::default();
    assert_eq!(browser.get(&start("oidc")).await.status, 503);
    assert_eq!(
        browser.get(&start("github")).await.status,
        302,
        "the others work"
    );
    let before = provider.requests(METADATA);
    drop(lie);
    until(|| provider.requests(METADATA) > before).await;
    let after = provider.requests(METADATA);
    assert_eq!(browser.get(&start("oidc")).await.status, 302);
    assert_eq!(
        provider.requests(METADATA),
        after,
        "it was known before anybody came"
    );
}
