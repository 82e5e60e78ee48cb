//! Whoever asks again and again fills neither the store nor anybody's browser.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_identity::OAuthCallbackLayer;
use tower_identity::clock::Clock;
use tower_identity::provider::{GitHub, Guest};
use tower_identity::sign_in::{Resolver, SignIn};
use tower_identity::store::MemoryStore;
use tower_identity::testing::Provider;

use super::browser::Browser;
use super::site::frame;
use super::{ADA, email, oidc, portal};

#[tokio::test]
async fn op_07_a_loop_of_refreshes_with_the_first_cookies_does_not_fill_the_store() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| {
        portal
            .with_store(MemoryStore::with_capacity(Clock::system(), 10))
            .with_provider("oidc", oidc(&honest), email())
            .with_provider("guest", Guest::new(), [])
    })
    .await;
    let ada = Browser::default();
    ada.sign_in(&portal, "oidc", "ada").await;
    let thief = ada.copy();

    let grace = Browser::default();
    grace.sign_in(&portal, "oidc", "grace").await;
    let first = grace.copy();
    let guest = Browser::default();
    for i in 0..40 {
        // The newest session, and the refresh token of the first time.
        grace.keep(|name| name == "tid-session");
        grace.plant(&first.copy_of_renewal());
        let answer = grace.refresh(&portal, "oidc").await;
        assert_eq!(answer.status, 200, "{i}: {}", answer.body);
        let answer = guest.refresh(&portal, "guest").await;
        assert_eq!(answer.status, 200, "{i}: {}", answer.body);
    }

    let answer = ada.sign_out(&portal, "oidc").await;
    assert_eq!(answer.status, 200, "there is room: {}", answer.body);
    assert_eq!(thief.who(&portal).await, "401");
}

#[tokio::test]
async fn op_07_callbacks_with_an_error_spend_nothing_of_the_store() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| {
        portal
            .with_store(MemoryStore::with_capacity(Clock::system(), 1))
            .with_provider("oidc", oidc(&honest), email())
    })
    .await;
    for _ in 0..5 {
        let browser = Browser::default();
        let back = browser.begin(&portal, "oidc", "deny=1", super::POPUP).await;
        let (message, _) = frame(&browser.get(&back).await);
        assert_eq!(message["error"]["message"], "Authentication rejected");
    }
    let browser = Browser::default();
    browser.sign_in(&portal, "oidc", "ada").await;
    assert_eq!(browser.who(&portal).await, ADA);
}

#[tokio::test]
async fn lf_02_long_attempts_are_bounded_in_number_and_in_bytes() {
    let portal = portal(|portal| {
        let github = GitHub::new("client", "secret-of-the-client");
        portal.with_provider("github", github, [Resolver::username()])
    })
    .await;
    let start = |path: usize, scope: usize| {
        let (path, scope) = ("p".repeat(path), "s".repeat(scope));
        format!(
            "{portal}/api/auth/github/start?env=development&flow=redirect&redirectUrl=/{path}&scope={scope}"
        )
    };
    for (path, scope) in [(0, 0), (1000, 500), (2000, 100), (100, 1500)] {
        let browser = Browser::default();
        for i in 0..30 {
            let answer = browser.get(&start(path, scope)).await;
            assert_eq!(answer.status, 302, "{path} {scope}: {}", answer.body);
            let (count, bytes) = (browser.names().len(), browser.cookie_bytes());
            assert!(count <= 20, "{path} {scope}: {count} after {i}");
            assert!(bytes <= 8 * 1024, "{path} {scope}: {bytes} after {i}");
        }
        assert!(
            browser.names().len() >= 2,
            "tabs do not disturb one another"
        );
    }
    for (path, scope) in [(3900, 0), (3000, 1500), (1500, 2040), (10, 3000)] {
        let browser = Browser::default();
        let answer = browser.get(&start(path, scope)).await;
        assert_eq!(answer.status, 400, "{path} {scope}: {}", answer.body);
        assert_eq!(answer.cookies(), [""; 0], "{path} {scope}");
    }
}

#[tokio::test]
async fn se_08_a_hostile_cookie_header_is_not_answered_line_by_line() {
    let github = GitHub::new("client", "secret-of-the-client");
    let portal = SignIn::builder("http://127.0.0.1:7007")
        .with_provider("github", github, [Resolver::username()])
        .with_provider("guest", Guest::new(), [])
        .build()
        .unwrap();
    let nothing = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = OAuthCallbackLayer::new(portal).layer(nothing);
    for kind in ["tid-attempt-", "tid-session.", "github-refresh-token."] {
        let flood: Vec<String> = (0..3000).map(|i| format!("{kind}{i}=x")).collect();
        let flood = flood.join("; ");
        assert!(flood.len() > 45_000, "{}", flood.len());
        for (method, path) in [
            (Method::GET, "github/start"),
            (Method::GET, "github/handler/frame"),
            (Method::GET, "github/refresh"),
            (Method::GET, "guest/refresh"),
            (Method::POST, "github/logout"),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(format!("/api/auth/{path}?env=development&state=x"))
                .header("host", "127.0.0.1:7007")
                .header("x-requested-with", "XMLHttpRequest")
                .header(COOKIE, &flood);
            let request = request.body(Full::default()).unwrap();
            let answer = service.clone().oneshot(request).await.unwrap();
            let lines = answer.headers().get_all(SET_COOKIE).iter().count();
            assert!(lines <= 80, "{path}: {lines} lines for {kind}");
        }
    }
}
