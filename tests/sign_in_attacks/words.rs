//! Whoever makes a link does not speak in our name, nor into our log; and a provider's description is no order.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, ready};
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_identity::clock::Clock;
use tower_identity::http_client::{HttpClient, HttpError};
use tower_identity::provider::Oidc;
use tower_identity::testing::Provider;

use super::browser::Browser;
use super::liar::{Liar, signer};
use super::log::Log;
use super::{ADA, email, oidc, portal};

#[tokio::test]
async fn er_01_lf_13_no_page_repeats_what_the_request_says() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| portal.with_provider("oidc", oidc(&honest), email())).await;
    let browser = Browser::default();
    let back = browser
        .begin(&portal, "oidc", "user=ada", super::POPUP)
        .await;
    let state = back
        .split(['?', '&'])
        .find(|p| p.starts_with("state="))
        .unwrap();
    for path in [
        "oidc/start?env=CALL-0800-EVIL",
        "CALL-0800-EVIL/start?env=development",
        "CALL-0800-EVIL/handler/frame?state=x&code=y",
        "oidc/start?env=development&origin=https://CALL-0800-EVIL",
        "oidc/start?env=development&flow=redirect&redirectUrl=https://CALL-0800-EVIL",
        "oidc/start?env=development&scope=%22CALL-0800-EVIL",
        "oidc/handler/frame?state=CALL-0800-EVIL&code=CALL-0800-EVIL",
        "oidc/handler/frame?error=CALL-0800-EVIL&error_description=CALL-0800-EVIL",
        &format!(
            "oidc/handler/frame?{state}&error=CALL-0800-EVIL&error_description=CALL-0800-EVIL&error_uri=CALL-0800-EVIL"
        ),
        &format!("oidc/handler/frame?{state}&code=x&iss=CALL-0800-EVIL"),
    ] {
        let request = Request::get(format!("{portal}/api/auth/{path}"))
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = browser.copy().send(request).await;
        let page = answer.headers["content-type"].to_str().unwrap();
        assert_eq!(page, "text/html; charset=utf-8", "{path}");
        let body = answer.body.to_ascii_lowercase();
        assert!(!body.contains("0800"), "{path}: {body}");
    }
}

#[tokio::test]
async fn er_04_no_request_writes_a_line_of_its_own_into_the_log() {
    let liar = Liar::start().await;
    let log = Log::record();
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    let forged = "%0d%0aFORGED%1b[31m";
    for path in [
        format!("oidc/start?env={forged}"),
        format!("oidc/start?env=development&origin=https://x{forged}"),
        format!("oidc/start?env=development&scope={forged}%22"),
        format!("{forged}/start?env=development"),
        format!("oidc/handler/frame?state={forged}&error={forged}"),
    ] {
        let request =
            Request::get(format!("{portal}/api/auth/{path}")).header("sec-fetch-mode", "navigate");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        Browser::default().send(request).await;
    }
    liar.say(|script| {
        script.claims["sub"] = "1\nFORGED\u{1b}[31m".into();
        script.claims["email"] = "x\nFORGED@example.com".into();
    });
    Browser::default().lie(&portal, "oidc", &liar).await;
    liar.say(|script| script.claims["email"] = "ada@example.com".into());
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    assert_eq!(browser.who(&portal).await, "401", "no name has two lines");
    let text = log.lines("").join("\n");
    assert!(text.contains("sign-in failed"), "the log is this portal's");
    assert!(text.contains("FORGED"), "it was logged: escaped");
    for line in text.lines() {
        assert!(!line.trim_start().starts_with("FORGED"), "{line}");
        assert!(!line.contains("FORGED\u{1b}"), "{line:?}");
    }
}

#[tokio::test]
async fn ks_04_a_provider_that_moves_its_keys_is_followed() {
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let liar = Liar::with_clock(clock.clone()).await;
    let portal = portal(|portal| {
        portal
            .with_clock(clock.clone())
            .with_provider("oidc", liar.oidc(), email())
    })
    .await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    assert_eq!(browser.who(&portal).await, ADA);
    let moved = signer(clock).await;
    let mut old = moved.clone();
    liar.say(|script| {
        script.jwks_uri = format!("{}/jwks", moved.issuer());
        std::mem::swap(&mut script.signer, &mut old);
    });
    old.stop().await;
    hand.advance(Duration::from_secs(2 * 3600));
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    assert_eq!(browser.who(&portal).await, ADA);
    assert!(moved.requests("/jwks") > 0);
}

/// A client that finds this description everywhere, and writes down what was called.
#[derive(Clone)]
struct Describes(Value, Arc<Mutex<Vec<String>>>);

impl HttpClient for Describes {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        self.1.lock().unwrap().push(request.uri().to_string());
        let answer = Response::builder().header("content-type", "application/json");
        let body = Bytes::from(self.0.to_string());
        ready(Ok(answer.body(body).unwrap())).boxed()
    }
}

#[tokio::test]
async fn ks_12_a_provider_elsewhere_sends_no_call_to_this_machine() {
    let good = json!({
        "issuer": "https://idp.example",
        "authorization_endpoint": "https://idp.example/authorize",
        "token_endpoint": "https://idp.example/token",
        "userinfo_endpoint": "https://idp.example/userinfo",
        "jwks_uri": "https://idp.example/jwks",
    });
    let members = [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
    ];
    let hosts = [
        "http://127.0.0.1:2375/x",
        "http://localhost:9200/x",
        "https://[::1]/x",
        "http://127.8.8.8/x",
    ];
    let bad = members
        .iter()
        .flat_map(|member| hosts.map(|host| Some((*member, host))));
    for change in bad.chain([None]) {
        let mut document = good.clone();
        if let Some((member, host)) = change {
            document[member] = host.into();
        }
        let client = Describes(document, Arc::default());
        let calls = client.1.clone();
        let provider = Oidc::new("https://idp.example", "client", "secret-of-the-client");
        let portal = portal(|portal| {
            portal
                .with_client(client)
                .with_provider("oidc", provider, email())
        })
        .await;
        let browser = Browser::default();
        let start = format!("{portal}/api/auth/oidc/start?env=development");
        let answer = browser.get(&start).await;
        match change {
            None => assert_eq!(answer.status, 302, "{}", answer.body),
            Some(_) => {
                assert!(
                    [401, 503].contains(&answer.status.as_u16()),
                    "{change:?}: {}",
                    answer.status
                );
                assert_eq!(answer.cookies(), [""; 0], "{change:?}");
            }
        }
        let called = calls.lock().unwrap().clone();
        assert_eq!(
            called,
            ["https://idp.example/.well-known/openid-configuration"]
        );
    }
}
