//! Providers that lie: one lie a row, told to a portal of its own. The provider really told it, nobody is signed in,
//! the operator reads why, and without the lie the same person signs in.
#![cfg(all(feature = "testing", feature = "sign-in", feature = "app-config"))]

#[path = "../support/browser.rs"]
#[allow(dead_code)]
mod browser;
mod callback;
mod client;
mod conformance;
mod discovery;
mod github;
mod id_token;
#[path = "../support/jar.rs"]
#[allow(dead_code)]
mod jar;
mod keys;
mod lies;
#[path = "../support/log.rs"]
mod log;
mod people;
#[path = "../support/site.rs"]
#[allow(dead_code)]
mod site;
mod token;
mod userinfo;

use std::sync::Arc;
use std::time::Duration;

use tower_identity::clock::{Clock, ClockHand, Timestamp};
use tower_identity::provider::{GitHub, Oidc};
use tower_identity::sign_in::{Resolver, SignIn};
use tower_identity::testing::{Provider, ProviderBuilder};

use self::browser::Browser;
use self::lies::Telling;
use self::log::Log;
use self::site::{bind, catalog, frame, serve};

const ADA: &str = "user:default/ada";
/// After this nothing is remembered of a provider that failed, and its description is asked for again.
const A_WHILE: Duration = Duration::from_secs(3601);

/// A portal with one provider behind all of its ways in, on one clock: by its issuer, by its document, as GitHub.
struct House {
    url: String,
    provider: Arc<Provider>,
    clock: Clock,
    hand: ClockHand,
}

impl House {
    async fn start() -> Self {
        Self::of(Provider::builder(), |oidc| oidc).await
    }

    async fn of(provider: ProviderBuilder, set_up: impl FnOnce(Oidc) -> Oidc) -> Self {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
        let provider = provider.with_clock(clock.clone()).start().await.unwrap();
        Self::at(Arc::new(provider), (clock, hand), set_up).await
    }

    /// A new portal that knows nothing yet, at the same provider.
    async fn another(&self) -> Self {
        let time = (self.clock.clone(), self.hand.clone());
        Self::at(self.provider.clone(), time, |oidc| oidc).await
    }

    async fn at(
        provider: Arc<Provider>,
        (clock, hand): (Clock, ClockHand),
        set_up: impl FnOnce(Oidc) -> Oidc,
    ) -> Self {
        let (listener, url) = bind().await;
        let (id, secret) = (provider.client_id(), provider.client_secret());
        let oidc = set_up(Oidc::new(provider.issuer(), id, secret));
        let document = format!("{}/.well-known/openid-configuration", provider.issuer());
        let document = Oidc::new(document, id, secret);
        let github = GitHub::new(id, secret).with_enterprise_instance_url(provider.github_url());
        let sign_in = SignIn::builder(&url)
            .with_provider("oidc", oidc, [Resolver::email()])
            .with_provider("document", document, [Resolver::email()])
            .with_provider("github", github, [Resolver::email()])
            .with_catalog(catalog())
            .with_clock(clock.clone());
        serve(listener, sign_in.build().unwrap());
        Self {
            url,
            provider,
            clock,
            hand,
        }
    }

    /// Signs in by popup, and gives what the popup heard: `signed in`, or the message.
    async fn sign_in(&self, browser: &Browser, provider: &str, button: &str) -> String {
        let base = format!("{}/api/auth/{provider}", self.url);
        let start = format!("{base}/start?env=development&origin={}", self.url);
        let started = browser.get(&start).await;
        if started.status != 302 {
            let message = &started.json()["error"]["message"];
            return message.as_str().unwrap().to_owned();
        }
        let back = browser::choose(&started.location(), button).await;
        let (message, _) = frame(&browser.get(&back).await);
        match message["error"]["message"].as_str() {
            Some(error) => error.to_owned(),
            None => "signed in".to_owned(),
        }
    }

    /// Whom the portal takes a browser for, or the status of its refusal.
    async fn who(&self, browser: &Browser) -> String {
        let answer = browser.get(&format!("{}/api/whoami", self.url)).await;
        match answer.status.as_u16() {
            200 => answer.json()["subject"].as_str().unwrap().to_owned(),
            status => status.to_string(),
        }
    }
}

/// Tells each lie while Ada signs in: she must not be, and the log must say why.
async fn refused(provider: &str, rows: impl IntoIterator<Item = (Telling, &'static str)>) -> House {
    refused_by(provider, "user=ada", rows).await
}

/// The same for whoever presses `button`.
async fn refused_by(
    provider: &str,
    button: &str,
    rows: impl IntoIterator<Item = (Telling, &'static str)>,
) -> House {
    let mut house = House::start().await;
    for (row, (telling, because)) in rows.into_iter().enumerate() {
        house = house.another().await;
        refused_at(&house, provider, button, telling, (row, because)).await;
    }
    house
}

async fn refused_at(
    house: &House,
    provider: &str,
    button: &str,
    telling: Telling,
    (row, because): (usize, &str),
) {
    let place = format!("{provider}, row {row}, {because:?}");
    let browser = Browser::default();
    let lies = telling(&house.provider);
    let log = Log::record();
    let heard = house.sign_in(&browser, provider, button).await;
    let log = log.lines("").join("\n");

    assert_ne!(heard, "signed in", "{place}");
    assert!(lies.iter().all(|lie| lie.told() > 0), "{place}: {lies:?}");
    assert_eq!(house.who(&browser).await, "401", "{place}");
    assert_eq!(browser.names(), [""; 0], "{place}: no cookie is left");
    assert!(log.contains(because), "{place}: {heard}\n{}", ours(&log));

    drop(lies);
    house.hand.advance(A_WHILE);
    let heard = house.sign_in(&browser, provider, "user=ada").await;
    assert_eq!(heard, "signed in", "{place}, without the lie");
    assert_eq!(house.who(&browser).await, ADA, "{place}, without the lie");
}

/// Tells each lie while Ada signs in: it is one that does no harm, or a liberty that providers take.
async fn tolerated(provider: &str, rows: impl IntoIterator<Item = Telling>) {
    let mut house = House::start().await;
    for (row, telling) in rows.into_iter().enumerate() {
        let place = format!("{provider}, row {row}");
        house = house.another().await;
        let browser = Browser::default();
        let lies = telling(&house.provider);
        let log = Log::record();
        let heard = house.sign_in(&browser, provider, "user=ada").await;
        assert_eq!(
            heard,
            "signed in",
            "{place}\n{}",
            ours(&log.lines("").join("\n"))
        );
        assert!(lies.iter().all(|lie| lie.told() > 0), "{place}: {lies:?}");
        assert_eq!(house.who(&browser).await, ADA, "{place}");
    }
}

/// What of a log is the crate's own.
fn ours(log: &str) -> String {
    let lines = log.lines().filter(|line| line.contains("tower_identity"));
    lines.collect::<Vec<_>>().join("\n")
}
