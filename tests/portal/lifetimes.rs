//! How long a sign-in lasts, and what renews it.

use std::time::Duration;

use tower_identity::Config;
use tower_identity::clock::{Clock, ClockHand, Timestamp};
use tower_identity::sign_in::SignIn;
use tower_identity::testing::Provider;

use super::site::catalog;
use super::{ADA, POPUP_OF, Visit, portal, provider};

const ORIGIN: &str = "http://127.0.0.1:7007";
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

async fn signed_in() -> (Visit, ClockHand, Provider) {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let provider = provider(ORIGIN, clock.clone()).await;
    let sign_in = portal(ORIGIN, &provider).with_clock(clock).build().unwrap();
    let mut visit = Visit::to(ORIGIN, &sign_in);
    let done = visit.sign_in(POPUP_OF).await;
    assert_eq!(done.status, 200, "{done:?}");
    (visit, hand, provider)
}

/// The `Max-Age` of the last line that set this cookie.
#[track_caller]
fn max_age(visit: &Visit, name: &str) -> u64 {
    let line = visit.lines.iter().rev().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name} in {:?}", visit.lines));
    let age = line.split("; ").find_map(|a| a.strip_prefix("Max-Age="));
    age.unwrap().parse().unwrap()
}

#[tokio::test]
async fn se_13_a_session_lasts_twelve_hours_unless_it_is_renewed() {
    let (mut visit, hand, _provider) = signed_in().await;
    assert_eq!(max_age(&visit, "tid-session="), 12 * HOUR);
    hand.advance(Duration::from_secs(12 * HOUR - 1));
    assert_eq!(visit.who().await, ADA);
    hand.advance(Duration::from_secs(1));
    assert_eq!(visit.who().await, "401");
    assert_eq!(visit.refresh().await.status, 200);
    assert_eq!(visit.who().await, ADA);
}

#[tokio::test]
async fn se_13_no_sign_in_lasts_longer_than_thirty_days_however_often_it_is_renewed() {
    let (mut visit, hand, provider) = signed_in().await;
    for day in 1..30 {
        hand.advance(Duration::from_secs(DAY));
        assert_eq!(visit.refresh().await.status, 200, "day {day}");
        assert_eq!(visit.who().await, ADA, "day {day}");
        // What is set anew ends when the first would have.
        let left = (30 - day) * DAY;
        assert_eq!(max_age(&visit, "oidc-refresh-token="), left, "day {day}");
    }
    hand.advance(Duration::from_secs(DAY - HOUR));
    assert_eq!(visit.refresh().await.status, 200);
    assert_eq!(max_age(&visit, "tid-session="), HOUR);
    hand.advance(Duration::from_secs(HOUR - 1));
    assert_eq!(visit.who().await, ADA);
    hand.advance(Duration::from_secs(1));
    let asked = provider.requests("/token");
    assert_eq!(visit.who().await, "401");
    let over = visit.refresh().await;
    assert_eq!(over.status, 401, "{over:?}");
    assert!(
        over.body.contains("has lasted as long as it may"),
        "{over:?}"
    );
    assert_eq!(provider.requests("/token"), asked, "nobody was asked");
}

/// A portal by `app-config.yaml`, whose provider has these environments.
fn configured(provider: &Provider, environments: &[(&str, &str)]) -> SignIn {
    let mut text = format!(
        "app: {{baseUrl: '{ORIGIN}'}}\nbackend: {{baseUrl: '{ORIGIN}'}}\nauth:\n  environment: development\n  providers:\n    oidc:\n      type: oidc\n"
    );
    for (name, more) in environments {
        text.push_str(&format!(
            "      {name}: {{metadataUrl: '{}', clientId: '{}', clientSecret: '{}', {more} signIn: {{resolvers: [{{resolver: emailMatchingUserEntityProfileEmail}}]}}}}\n",
            provider.issuer(), provider.client_id(), provider.client_secret(),
        ));
    }
    let count =
        std::sync::atomic::AtomicUsize::fetch_add(&COUNT, 1, std::sync::atomic::Ordering::Relaxed);
    let file = format!("tid-portal-{}-{count}.yaml", std::process::id());
    let file = std::env::temp_dir().join(file);
    std::fs::write(&file, text).unwrap();
    let config = Config::load_with([&file], |_| None);
    std::fs::remove_file(file).unwrap();
    config.unwrap().with_catalog(catalog()).sign_in().unwrap()
}

static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

#[tokio::test]
async fn se_13_a_configured_duration_bounds_the_session_and_what_renews_it() {
    let provider = provider(ORIGIN, Clock::system()).await;
    for (configuration, session, renewal) in [
        ("sessionDuration: {minutes: 30},", 1800, 1800),
        ("sessionDuration: 20h,", 12 * HOUR, 20 * HOUR),
        ("", 12 * HOUR, 30 * DAY),
    ] {
        let sign_in = configured(&provider, &[("development", configuration)]);
        let mut visit = Visit::to(ORIGIN, &sign_in);
        assert_eq!(visit.sign_in(POPUP_OF).await.status, 200);
        for (cookie, expected) in [("tid-session=", session), ("oidc-refresh-token=", renewal)] {
            let age = max_age(&visit, cookie);
            let about = expected - 60..=expected;
            assert!(about.contains(&age), "{configuration} {cookie} {age}");
        }
    }
}

#[tokio::test]
async fn lf_08_a_renewal_is_of_the_environment_that_it_began_in() {
    let provider = provider(ORIGIN, Clock::system()).await;
    let sign_in = configured(&provider, &[("development", ""), ("staging", "")]);
    let mut visit = Visit::to(ORIGIN, &sign_in);
    assert_eq!(visit.sign_in(POPUP_OF).await.status, 200);
    let asked = provider.requests("/token");
    let elsewhere = visit
        .ajax("GET", "/api/auth/oidc/refresh?env=staging")
        .await;
    assert_eq!(elsewhere.status, 401, "{elsewhere:?}");
    assert_eq!(provider.requests("/token"), asked, "nobody was asked");
    assert_eq!(visit.refresh().await.status, 200);
}
