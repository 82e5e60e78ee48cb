//! oauth2-proxy signs nothing: what counts is where a connection comes from.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use http_body_util::Full;
use tower_identity::OAuthCallbackLayer;
use tower_identity::catalog::FileCatalog;
use tower_identity::credential::PeerAddress;
use tower_identity::provider::OAuth2Proxy;
use tower_identity::sign_in::{Resolver, SignIn};

use crate::browser::{Answer, Browser};
use crate::site::bind;

const CATALOG: &str = "
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: ada }
spec: { profile: { email: ada@example.com }, memberOf: [analysts] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: grace }
spec: { profile: { email: grace@example.com } }
";

const ADA: (&str, &str) = ("x-forwarded-user", "ada");

async fn tell(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(PeerAddress::from(peer));
    request
}

/// A portal behind `proxy`, whose server tells the peer or does not.
async fn portal(proxy: OAuth2Proxy, resolver: Resolver, told: bool) -> String {
    let (listener, url) = bind().await;
    let sign_in = SignIn::builder(&url)
        .with_provider("oauth2Proxy", proxy, [resolver])
        .with_catalog(FileCatalog::from_yaml("org.yaml", CATALOG).unwrap())
        .build()
        .unwrap();
    let mut app = Router::new().layer(OAuthCallbackLayer::new(sign_in));
    if told {
        app = app.layer(map_request(tell));
    }
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn refresh(browser: &Browser, url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = http::Request::get(format!("{url}/api/auth/oauth2Proxy/refresh"))
        .header("x-requested-with", "XMLHttpRequest");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    browser.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn a_trusted_peer_says_who_somebody_is() {
    let url = portal(
        OAuth2Proxy::behind(["127.0.0.0/8"]),
        Resolver::username(),
        true,
    )
    .await;
    let browser = Browser::default();
    let headers = [
        ADA,
        ("x-forwarded-email", "ada@example.com"),
        ("x-oauth2-proxy-id-token", "Bearer jwt"),
    ];
    let answer = refresh(&browser, &url, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let session = answer.json();
    let identity = &session["backstageIdentity"]["identity"];
    assert_eq!(identity["userEntityRef"], "user:default/ada");
    assert_eq!(session["providerInfo"]["accessToken"], "jwt");
    assert_eq!(session["profile"]["email"], "ada@example.com");
    // Without the e-mail, and without the token.
    let answer = refresh(&browser, &url, &[ADA]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["providerInfo"]["accessToken"], "");
    // By the preferred name or by the e-mail, where that is the rule.
    for (resolver, header) in [
        (
            Resolver::preferred_username(),
            ("x-forwarded-preferred-username", "grace"),
        ),
        (
            Resolver::email(),
            ("x-forwarded-email", "grace@example.com"),
        ),
    ] {
        let url = portal(OAuth2Proxy::behind(["127.0.0.1"]), resolver, true).await;
        let answer = refresh(&Browser::default(), &url, &[ADA, header]).await;
        let session = answer.json();
        let user = &session["backstageIdentity"]["identity"]["userEntityRef"];
        assert_eq!(*user, "user:default/grace", "{header:?}");
    }
}

#[tokio::test]
async fn another_peer_is_not_believed_whatever_it_says_of_itself() {
    let url = portal(
        OAuth2Proxy::behind(["10.0.0.0/8", "127.0.0.9"]),
        Resolver::username(),
        true,
    )
    .await;
    for claimed in [
        vec![ADA],
        vec![ADA, ("x-forwarded-for", "10.0.0.1")],
        vec![ADA, ("x-real-ip", "10.0.0.1")],
        vec![ADA, ("forwarded", "for=10.0.0.1")],
    ] {
        let answer = refresh(&Browser::default(), &url, &claimed).await;
        assert_eq!(answer.status, 401, "{claimed:?}: {}", answer.body);
        assert!(answer.headers.get("set-cookie").is_none(), "{claimed:?}");
    }
    let url = portal(
        OAuth2Proxy::dangerously_behind_anybody(),
        Resolver::username(),
        false,
    )
    .await;
    assert_eq!(refresh(&Browser::default(), &url, &[ADA]).await.status, 200);
}

#[tokio::test]
async fn a_server_that_does_not_tell_the_peer_lets_nobody_in() {
    let url = portal(
        OAuth2Proxy::behind(["127.0.0.1"]),
        Resolver::username(),
        false,
    )
    .await;
    let answer = refresh(&Browser::default(), &url, &[ADA]).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn headers_that_name_nobody_or_two_are_refused() {
    let url = portal(
        OAuth2Proxy::behind(["127.0.0.1"]),
        Resolver::username(),
        true,
    )
    .await;
    let long = "a".repeat(1025);
    for headers in [
        vec![],
        vec![("x-forwarded-user", "")],
        vec![("x-forwarded-user", " ")],
        vec![("x-forwarded-user", "nobody")],
        vec![("x-forwarded-user", "ada, grace")],
        vec![ADA, ADA],
        vec![ADA, ("x-forwarded-user", "grace")],
        vec![
            ADA,
            ("x-forwarded-email", "a@b.c"),
            ("x-forwarded-email", "d@e.f"),
        ],
        vec![("x-forwarded-user", &long)],
        vec![("x-forwarded-email", "ada@example.com")],
        vec![("x_forwarded_user", "ada")],
    ] {
        let answer = refresh(&Browser::default(), &url, &headers).await;
        let status = answer.status.as_u16();
        assert!(
            [401, 403, 404].contains(&status),
            "{headers:?}: {status} {}",
            answer.body
        );
        assert!(answer.headers.get("set-cookie").is_none(), "{headers:?}");
    }
}

#[test]
fn the_peers_are_checked_when_it_is_built() {
    for bad in [
        vec![],
        vec!["0.0.0.0/0"],
        vec!["::/0"],
        vec!["proxy.internal"],
    ] {
        let built = SignIn::builder("http://localhost:7007")
            .with_provider(
                "oauth2Proxy",
                OAuth2Proxy::behind(bad.clone()),
                [Resolver::username()],
            )
            .build();
        let error = built.unwrap_err().to_string();
        assert!(error.contains("trustedPeers"), "{bad:?}: {error}");
    }
}
