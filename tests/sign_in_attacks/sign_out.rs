//! Signing out ends everything that came of a sign-in, wherever its cookies were copied to.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tower_identity::clock::Clock;
use tower_identity::provider::{ClientAuthentication, Guest};
use tower_identity::sign_in::Resolver;
use tower_identity::store::MemoryStore;
use tower_identity::testing::Provider;

use super::browser::Browser;
use super::liar::Liar;
use super::{ADA, email, github, is_over, oidc, portal, sets_nothing};

#[tokio::test]
async fn rf_04_a_copied_refresh_token_makes_no_session_after_signing_out() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| {
        portal
            .with_provider("oidc", oidc(&honest), email())
            .with_provider("github", github(&honest), [Resolver::username()])
    })
    .await;
    for provider in ["oidc", "github"] {
        let browser = Browser::default();
        browser.sign_in(&portal, provider, "ada").await;
        let (thief, thief_of_renewal) = (browser.copy(), browser.copy_of_renewal());
        assert_eq!(browser.sign_out(&portal, provider).await.status, 200);
        let asked = || honest.requests("/token") + honest.requests("/api/v3/user");
        let before = asked();
        is_over(&portal, provider, &browser, &thief).await;
        is_over(&portal, provider, &browser, &thief_of_renewal).await;
        assert_eq!(asked(), before, "the provider is not even asked");
    }
}

#[tokio::test]
async fn lo_09_signing_out_ends_the_grant_at_the_provider_as_well() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| {
        let post = oidc(&honest).with_authentication(ClientAuthentication::Post);
        portal
            .with_provider("basic", oidc(&honest), email())
            .with_provider("post", post, email())
            .with_provider("github", github(&honest), [Resolver::username()])
    })
    .await;
    for (i, provider) in ["basic", "post"].into_iter().enumerate() {
        let browser = Browser::default();
        browser.sign_in(&portal, provider, "ada").await;
        let session = browser.refresh(&portal, provider).await.json();
        let access_token = session["providerInfo"]["accessToken"].as_str().unwrap();
        assert_eq!(at_userinfo(&honest, access_token).await, 200);
        assert_eq!(browser.sign_out(&portal, provider).await.status, 200);
        until(|| honest.requests("/revoke") == i + 1).await;
        assert_eq!(at_userinfo(&honest, access_token).await, 401, "{provider}");
    }
    // A provider that can't do it, or has no such thing, keeps nobody signed in here.
    let lie = honest.bend_response("/revoke", |answer| {
        *answer.status_mut() = StatusCode::BAD_GATEWAY
    });
    for provider in ["basic", "github"] {
        let browser = Browser::default();
        browser.sign_in(&portal, provider, "ada").await;
        let thief = browser.copy();
        assert_eq!(browser.sign_out(&portal, provider).await.status, 200);
        is_over(&portal, provider, &browser, &thief).await;
    }
    until(|| lie.told() == 1).await;
    // Who only says that they were signed in ends nothing.
    let stranger = Browser::default();
    assert_eq!(stranger.sign_out(&portal, "basic").await.status, 200);
    assert_eq!(honest.requests("/revoke"), 3);
}

async fn at_userinfo(provider: &Provider, access_token: &str) -> StatusCode {
    let url = format!("{}/userinfo", provider.issuer());
    let request = Request::get(url).header("authorization", format!("Bearer {access_token}"));
    let request = request.body(Full::default()).unwrap();
    Browser::default().send(request).await.status
}

/// Waits for what happens in a task of its own.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(waited.is_ok(), "it never came");
}

#[tokio::test]
async fn lo_02_a_copied_session_without_a_refresh_token_gives_no_token_after_signing_out() {
    let honest = Provider::builder().with_refresh_tokens(false);
    let honest = honest.start().await.unwrap();
    let portal = portal(|portal| portal.with_provider("oidc", oidc(&honest), email())).await;
    let browser = Browser::default();
    browser.sign_in(&portal, "oidc", "ada").await;
    let thief = browser.copy();
    let token = thief.refresh(&portal, "oidc").await;
    assert_eq!(token.status, 200, "before, it does: {}", token.body);
    assert_eq!(browser.sign_out(&portal, "oidc").await.status, 200);
    is_over(&portal, "oidc", &browser, &thief).await;
}

#[tokio::test]
async fn lo_02_a_refresh_that_waits_at_the_provider_is_overtaken_by_signing_out() {
    let liar = Liar::start().await;
    let portal = portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    assert_eq!(browser.who(&portal).await, ADA);
    let hold = liar.hold();
    let sign_out = async {
        hold.arrived.notified().await;
        assert_eq!(browser.sign_out(&portal, "oidc").await.status, 200);
        hold.go.notify_one();
    };
    let (slow, ()) = tokio::join!(browser.refresh(&portal, "oidc"), sign_out);
    assert_eq!(slow.status, 401, "{}", slow.body);
    assert_eq!(slow.cookies(), [""; 0]);
    assert!(!slow.body.contains("token"), "{}", slow.body);
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn lo_02_signing_out_ends_the_renewal_even_after_the_session_ran_out() {
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let liar = Liar::with_clock(clock.clone()).await;
    let portal = portal(|portal| {
        portal
            .with_clock(clock)
            .with_provider("oidc", liar.oidc(), email())
    })
    .await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", &liar).await;
    hand.advance(Duration::from_secs(13 * 3600));
    let thief = browser.copy_of_renewal();
    assert_eq!(browser.who(&portal).await, "401", "it ran out");
    let alive = browser.copy().refresh(&portal, "oidc").await;
    assert_eq!(alive.status, 200, "and can be renewed: {}", alive.body);
    assert_eq!(browser.sign_out(&portal, "oidc").await.status, 200);
    is_over(&portal, "oidc", &browser, &thief).await;
}

#[tokio::test]
async fn lo_09_with_a_full_store_the_browser_forgets_all_the_same() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| {
        portal
            .with_store(MemoryStore::with_capacity(Clock::system(), 1))
            .with_provider("oidc", oidc(&honest), email())
            .with_provider("guest", Guest::new(), [])
    })
    .await;
    let guest = Browser::default();
    assert_eq!(guest.refresh(&portal, "guest").await.status, 200);
    let filled = guest.sign_out(&portal, "guest").await;
    assert_eq!(filled.status, 200, "this filled it: {}", filled.body);

    let browser = Browser::default();
    browser.sign_in(&portal, "oidc", "ada").await;
    assert_eq!(browser.who(&portal).await, ADA);
    let answer = browser.sign_out(&portal, "oidc").await;
    assert_eq!(answer.status, 503, "it says that copies live on");
    sets_nothing(&answer);
    assert_eq!(browser.names(), [""; 0]);
    assert_eq!(browser.who(&portal).await, "401");
}

#[tokio::test]
async fn lo_02_signing_out_of_one_provider_leaves_the_sign_in_with_another_whole() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| {
        portal
            .with_provider("oidc", oidc(&honest), email())
            .with_provider("other", oidc(&honest), email())
            .with_provider("guest", Guest::new(), [])
    })
    .await;
    for other in ["other", "guest"] {
        let browser = Browser::default();
        browser.sign_in(&portal, "oidc", "ada").await;
        let (thief, thief_of_renewal) = (browser.copy(), browser.copy_of_renewal());
        // Half an end would be the worst: a cookie that this browser forgets, and whose copies live on.
        assert_eq!(browser.sign_out(&portal, other).await.status, 200);
        assert_eq!(browser.who(&portal).await, ADA, "{other}");
        assert_eq!(browser.refresh(&portal, "oidc").await.status, 200);
        assert_eq!(browser.sign_out(&portal, "oidc").await.status, 200);
        assert_eq!(browser.who(&portal).await, "401", "{other}");
        assert_eq!(thief.who(&portal).await, "401", "{other}");
        for renewal in [thief, thief_of_renewal, browser] {
            let answer = renewal.refresh(&portal, "oidc").await;
            assert_eq!(answer.status, 401, "{other}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn lo_01_a_doubled_parameter_does_nothing() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| portal.with_provider("oidc", oidc(&honest), email())).await;
    let browser = Browser::default();
    browser.sign_in(&portal, "oidc", "ada").await;
    let before = browser.names();
    let url = format!("{portal}/api/auth/oidc/logout?env=development&env=x");
    let answer = browser.ajax(Method::POST, &url).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.cookies(), [""; 0]);
    assert_eq!(
        (browser.names(), browser.who(&portal).await),
        (before, ADA.into())
    );
    assert_eq!(browser.refresh(&portal, "oidc").await.status, 200);
}

#[tokio::test]
async fn lo_02_after_fifty_parallel_refreshes_one_sign_out_ends_every_copy() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| portal.with_provider("oidc", oidc(&honest), email())).await;
    let browser = Browser::default();
    browser.sign_in(&portal, "oidc", "ada").await;
    let tabs: Vec<Browser> = (0..50).map(|_| browser.copy()).collect();
    for renewed in join_all(tabs.iter().map(|tab| tab.refresh(&portal, "oidc"))).await {
        assert_eq!(renewed.status, 200, "{}", renewed.body);
    }
    assert_eq!(browser.who(&portal).await, ADA, "an old cookie still does");
    assert_eq!(tabs[49].sign_out(&portal, "oidc").await.status, 200);
    for (i, tab) in tabs[..49].iter().chain([&browser]).enumerate() {
        assert_eq!(tab.who(&portal).await, "401", "tab {i}");
        assert_eq!(tab.refresh(&portal, "oidc").await.status, 401, "tab {i}");
    }
}
