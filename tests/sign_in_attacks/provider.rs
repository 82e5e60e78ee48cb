//! Answers of a provider that cannot be believed, or read, or are another's.

use http::{HeaderMap, Method};
use serde_json::json;
use tower_identity::sign_in::Resolver;

use super::browser::Browser;
use super::liar::Liar;
use super::site::frame;
use super::{ADA, email, portal};

async fn signs_nobody_in(portal: &str, provider: &str, liar: &Liar, what: &str) {
    let browser = Browser::default();
    let answer = browser.lie(portal, provider, liar).await;
    let (message, _) = frame(&answer);
    assert!(message.get("response").is_none(), "{what}: {message}");
    assert_eq!(browser.who(portal).await, "401", "{what}");
}

/// A portal where the liar is both kinds of provider.
async fn portal_of_both(liar: &Liar) -> String {
    portal(|portal| {
        portal
            .with_provider("oidc", liar.oidc(), email())
            .with_provider("github", liar.github(), [Resolver::username()])
    })
    .await
}

#[tokio::test]
async fn lf_07_the_issuer_of_a_response_is_the_one_that_was_asked() {
    let liar = Liar::start().await;
    let portal = portal_of_both(&liar).await;
    let mut url = String::new();
    liar.say(|script| url = script.issuer());
    for provider in ["oidc", "github"] {
        for iss in [
            "https://evil.example",
            "https%3A%2F%2Fgithub.com.evil.example",
        ] {
            liar.say(|script| script.back = format!("&iss={iss}"));
            let mut before = 0;
            liar.say(|script| before = script.spoken);
            signs_nobody_in(&portal, provider, &liar, iss).await;
            liar.say(|script| assert_eq!(script.spoken, before, "the code went nowhere"));
        }
        // An error of another's is not believed either.
        liar.say(|script| script.back = "&iss=https://evil.example&error=access_denied".into());
        let browser = Browser::default();
        let (message, _) = frame(&browser.lie(&portal, provider, &liar).await);
        assert_ne!(
            message["error"]["message"], "Authentication rejected",
            "{provider}"
        );
        liar.say(|script| script.back = format!("&iss={url}"));
        let browser = Browser::default();
        browser.lie(&portal, provider, &liar).await;
        assert_eq!(browser.who(&portal).await, ADA, "{provider}: its own");
    }
}

#[tokio::test]
async fn lf_07_an_issuer_that_promises_to_name_itself_must() {
    let liar = Liar::start().await;
    liar.say(|script| {
        script.metadata = json!({"authorization_response_iss_parameter_supported": true});
    });
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    signs_nobody_in(&portal, "oidc", &liar, "no iss").await;
    let mut url = String::new();
    liar.say(|script| url = script.issuer());
    liar.say(|script| script.back = format!("&iss={url}"));
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    assert_eq!(browser.who(&portal).await, ADA);
}

#[tokio::test]
async fn lf_12_userinfo_is_about_the_person_of_the_id_token() {
    let liar = Liar::start().await;
    liar.say(|script| script.userinfo = Some(json!({"sub": "1"})));
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    for (what, info) in [
        ("another", json!({"sub": "2"})),
        ("a number", json!({"sub": 1})),
        ("nobody", json!({"email": "ada@example.com"})),
        ("a list", json!([{"sub": "1"}])),
        ("nothing", json!(null)),
    ] {
        liar.say(|script| script.userinfo = Some(info));
        signs_nobody_in(&portal, "oidc", &liar, what).await;
    }
    liar.say(|script| script.userinfo = Some(json!({"sub": "1"})));
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    assert_eq!(browser.who(&portal).await, ADA);
}

#[tokio::test]
async fn ks_11_a_document_of_another_issuer_is_not_used() {
    for issuer in ["https://evil.example", "http://127.0.0.1:1"] {
        let liar = Liar::start().await;
        liar.say(|script| script.metadata = json!({"issuer": issuer}));
        let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
        let start = format!("{portal}/api/auth/oidc/start?env=development");
        let answer = Browser::default().get(&start).await;
        assert_eq!(answer.status, 401, "{issuer}: {}", answer.body);
        assert!(answer.headers.get("location").is_none());
    }
}

#[tokio::test]
async fn ks_17_an_answer_that_is_no_answer_signs_nobody_in() {
    let liar = Liar::start().await;
    let portal = portal_of_both(&liar).await;
    let huge = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(2 << 20));
    for (status, kind, body) in [
        (200, "text/html", "<html>welcome</html>".to_owned()),
        (200, "application/json", "<html>".to_owned()),
        (200, "application/json", "[]".to_owned()),
        (200, "application/json", "{}".to_owned()),
        (200, "application/json", r#"{"access_token":7}"#.to_owned()),
        (
            200,
            "application/json",
            r#"{"error":"bad_verification_code"}"#.to_owned(),
        ),
        (
            200,
            "application/json",
            r#"{"access_token":"x","token_type":"Bearer","error":"x"}"#.to_owned(),
        ),
        (302, "application/json", "{}".to_owned()),
        (500, "application/json", "{}".to_owned()),
        (200, "application/json", huge),
    ] {
        let what = format!("{status} {kind} {body:.40}");
        liar.say(|script| script.raw = Some((status, kind, body)));
        for provider in ["oidc", "github"] {
            signs_nobody_in(&portal, provider, &liar, &what).await;
        }
    }
}

#[tokio::test]
async fn id_02_githubs_unverified_or_secondary_address_is_nobodys() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("github", liar.github(), email())).await;
    for (email, primary, verified, expected) in [
        ("ada@example.com", true, false, "401"),
        ("ada@example.com", false, true, "401"),
        ("ada@example.com", true, true, ADA),
    ] {
        liar.say(|script| {
            script.emails = json!([{"email": email, "primary": primary, "verified": verified}]);
        });
        let browser = Browser::default();
        browser.lie(&portal, "github", &liar).await;
        assert_eq!(browser.who(&portal).await, expected, "{primary} {verified}");
    }
}

#[tokio::test]
async fn the_frame_and_the_session_are_stored_by_nobody() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    let browser = Browser::default();
    let done = browser.lie(&portal, "oidc", &liar).await;
    let policy = done.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    let renewed = browser.refresh(&portal, "oidc").await;
    let ended = browser.sign_out(&portal, "oidc").await;
    let start = format!("{portal}/api/auth/oidc/start?env=development");
    let started = browser.ajax(Method::GET, &start).await;
    let private = |headers: &HeaderMap| {
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    };
    for answer in [&done, &renewed, &ended, &started] {
        private(&answer.headers);
    }
}
