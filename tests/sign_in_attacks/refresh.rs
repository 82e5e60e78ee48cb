//! A refresh renews the sign-in it belongs to, as the provider and the catalog see it now, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{BoxFuture, FutureExt as _, ready};
use serde_json::{Value, json};
use tower_identity::catalog::{Catalog, CatalogError, CatalogUser, FileCatalog, UserQuery};
use tower_identity::sign_in::Resolver;
use tower_identity::testing::Provider;

use super::browser::Browser;
use super::liar::{Liar, ada};
use super::site::{catalog, frame};
use super::{ADA, GRACE, email, github, is_over, oidc, portal};

#[tokio::test]
async fn rf_07_one_providers_answer_is_not_used_for_anothers_equal_token() {
    let honest = Provider::start().await.unwrap();
    let liar = Liar::start().await;
    let portal = portal(|portal| {
        portal
            .with_provider("github", github(&honest), [Resolver::username()])
            .with_provider("partner", liar.oidc(), email())
    })
    .await;
    // Grace is at GitHub, rightly. Her accomplice's provider gives the very token that renews her there.
    let grace = Browser::default();
    let (message, _) = frame(&grace.sign_in(&portal, "github", "grace").await);
    assert_eq!(grace.who(&portal).await, GRACE);
    let access = message["response"]["providerInfo"]["accessToken"].as_str();
    let token = format!("access-token-v2.{}", access.unwrap());
    liar.say(|script| {
        script.refresh_token = Some(token);
        script.claims["preferred_username"] = "ada".into();
    });
    let accomplice = Browser::default();
    accomplice.lie(&portal, "partner", &liar).await;
    assert_eq!(accomplice.refresh(&portal, "partner").await.status, 200);

    let before = honest.requests("/api/v3/user");
    let renewed = grace.refresh(&portal, "github").await;
    let who = &renewed.json()["backstageIdentity"]["identity"]["userEntityRef"];
    assert_eq!(who, GRACE, "{}", renewed.body);
    assert_eq!(grace.who(&portal).await, GRACE);
    let asked = honest.requests("/api/v3/user") - before;
    assert_eq!(asked, 1, "GitHub itself was asked");
}

#[tokio::test]
async fn rf_07_a_refresh_that_names_somebody_else_is_refused_and_ends_the_session() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    for (subject, address) in [("2", "grace@example.com"), ("2", "ada@example.com")] {
        liar.say(|script| script.claims = ada());
        let browser = Browser::default();
        browser.lie(&portal, "oidc", &liar).await;
        assert_eq!(browser.who(&portal).await, ADA);
        let copy = browser.copy();
        liar.say(|script| {
            script.refresh_token = Some(format!("another for {address}"));
            script.claims["sub"] = subject.into();
            script.claims["email"] = address.into();
        });
        let answer = browser.refresh(&portal, "oidc").await;
        assert_eq!(answer.status, 401, "{}", answer.body);
        is_over(&portal, "oidc", &browser, &copy).await;
    }
}

#[tokio::test]
async fn rf_07_a_refresh_by_another_issuer_or_for_another_client_ends_the_session_as_well() {
    let liar = Liar::start().await;
    liar.say(|script| script.userinfo = Some(ada()));
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    for (name, value) in [
        ("iss", json!("https://elsewhere.example")),
        ("aud", json!("another client")),
        ("aud", json!(["client", "another client"])),
        // Nor is userinfo about whom the ID token is about.
        ("sub", json!("2")),
    ] {
        liar.say(|script| {
            script.refresh_token = Some(format!("before {name} is {value}"));
            script.claims = ada();
        });
        let browser = Browser::default();
        browser.lie(&portal, "oidc", &liar).await;
        assert_eq!(browser.who(&portal).await, ADA);
        let copy = browser.copy();
        liar.say(|script| script.claims[name] = value);
        let answer = browser.refresh(&portal, "oidc").await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.body);
        is_over(&portal, "oidc", &browser, &copy).await;
    }
}

#[tokio::test]
async fn rf_07_a_refresh_that_names_nobody_keeps_the_identity() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    liar.say(|script| script.claims = Value::Null);
    let renewed = browser.refresh(&portal, "oidc").await;
    assert_eq!(renewed.status, 200, "{}", renewed.body);
    let who = &renewed.json()["backstageIdentity"]["identity"]["userEntityRef"];
    assert_eq!(who, ADA);
    assert_eq!(browser.who(&portal).await, ADA);
}

#[tokio::test]
async fn se_02_a_planted_refresh_token_does_not_change_who_is_signed_in() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| portal.with_provider("oidc", oidc(&honest), email())).await;
    let attacker = Browser::default();
    attacker.sign_in(&portal, "oidc", "grace").await;
    let victim = Browser::default();
    victim.sign_in(&portal, "oidc", "ada").await;
    victim.keep(|name| name == "tid-session");
    victim.plant(&attacker.copy_of_renewal());
    let answer = victim.refresh(&portal, "oidc").await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert!(!answer.body.contains(GRACE), "{}", answer.body);
    assert_eq!(victim.who(&portal).await, ADA);
    assert_eq!(attacker.who(&portal).await, GRACE, "nor is hers ended");
}

/// A catalog that its people can be taken out of.
#[derive(Clone)]
struct Fickle(Arc<AtomicBool>, Arc<FileCatalog>);

impl Catalog for Fickle {
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
        if self.0.load(Ordering::SeqCst) {
            ready(Err(CatalogError::NotFound)).boxed()
        } else {
            self.1.find_user(query)
        }
    }
}

#[tokio::test]
async fn rf_09_who_is_removed_from_the_catalog_gets_no_new_token_in_a_group_or_in_none() {
    for renewable in [true, false] {
        let honest = Provider::builder().with_refresh_tokens(renewable);
        let honest = honest.start().await.unwrap();
        let fickle = Fickle(Arc::default(), Arc::new(catalog()));
        let portal = portal(|portal| {
            portal
                .with_catalog(fickle.clone())
                .with_provider("oidc", oidc(&honest), email())
        })
        .await;
        for user in ["grace", "ada"] {
            fickle.0.store(false, Ordering::SeqCst);
            let browser = Browser::default();
            browser.sign_in(&portal, "oidc", user).await;
            assert_eq!(browser.refresh(&portal, "oidc").await.status, 200);
            let copy = browser.copy();
            fickle.0.store(true, Ordering::SeqCst);
            let answer = browser.refresh(&portal, "oidc").await;
            assert_eq!(answer.status, 401, "{user}: {}", answer.body);
            assert!(!answer.body.contains("\"token\""), "{}", answer.body);
            is_over(&portal, "oidc", &browser, &copy).await;
        }
    }
}

#[tokio::test]
async fn rf_04_invalid_grant_ends_the_session() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    let (copy, without) = (browser.copy(), browser.copy());
    liar.say(|script| script.tokens = Some((400, r#"{"error":"invalid_grant"}"#)));
    without.keep(|name| name == "tid-session");
    let bypassed = without.refresh(&portal, "oidc").await;
    assert_eq!(bypassed.status, 401, "no way around it: {}", bypassed.body);
    let answer = browser.refresh(&portal, "oidc").await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    is_over(&portal, "oidc", &browser, &copy).await;
    is_over(&portal, "oidc", &browser, &without).await;
}

#[tokio::test]
async fn rf_06_without_a_new_refresh_token_the_old_one_stays_and_there_is_no_way_around_it() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    liar.say(|script| script.refresh_token = None);
    assert_eq!(browser.refresh(&portal, "oidc").await.status, 200);
    let without = browser.copy();
    without.keep(|name| name == "tid-session");
    let bypassed = without.refresh(&portal, "oidc").await;
    assert_eq!(
        bypassed.status, 401,
        "the provider decides: {}",
        bypassed.body
    );
    assert_eq!(browser.refresh(&portal, "oidc").await.status, 200);
}

#[tokio::test]
async fn rf_05_a_provider_with_a_bad_day_ends_no_session() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    for (status, body) in [
        (500, r#"{"error":"server_error"}"#),
        (502, "invalid_grant"),
        (503, r#"{"error":"temporarily_unavailable"}"#),
        (200, r#"{"error":"temporarily_unavailable"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (429, r#"{"error":"slow_down"}"#),
        (429, "invalid_grant"),
        // These are about the portal's own secret, and about nobody who is signed in.
        (401, r#"{"error":"invalid_client"}"#),
        (200, r#"{"error":"incorrect_client_credentials"}"#),
        (400, r#"{"error":"x","error_description":"invalid_grant"}"#),
    ] {
        liar.say(|script| script.tokens = Some((status, body)));
        let answer = browser.refresh(&portal, "oidc").await;
        assert_eq!(answer.status, 503, "{status} {body}: {}", answer.body);
        assert_eq!(answer.cookies(), [""; 0], "{status} {body}");
        assert_eq!(browser.who(&portal).await, ADA, "{status} {body}");
    }
    liar.say(|script| script.tokens = None);
    let answer = browser.refresh(&portal, "oidc").await;
    assert_eq!(answer.status, 200, "and then it is well: {}", answer.body);
}

#[tokio::test]
async fn rf_04_rf_05_githubs_401_ends_the_session_and_its_403_and_500_do_not() {
    let liar = Liar::start().await;
    liar.say(|script| script.refresh_token = None);
    let resolvers = [Resolver::username()];
    let portal = portal(|portal| portal.with_provider("github", liar.github(), resolvers)).await;
    let browser = Browser::default();
    browser.lie(&portal, "github", &liar).await;
    assert_eq!(browser.who(&portal).await, ADA);
    let copy = browser.copy();
    for status in [403, 429, 500] {
        liar.say(|script| script.user.0 = status);
        let answer = browser.refresh(&portal, "github").await;
        assert_eq!(answer.status, 503, "{status}: {}", answer.body);
        assert_eq!(browser.who(&portal).await, ADA, "{status}");
    }
    liar.say(|script| script.user = (401, json!({"message": "Bad credentials"})));
    let answer = browser.refresh(&portal, "github").await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    is_over(&portal, "github", &browser, &copy).await;
}
