//! `BearerKeyLayer`, cell by cell of its contract.

#[path = "../support/echo.rs"]
mod echo;
mod files;
mod legacy;
mod requests;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderName;
use tower::Layer as _;
use tower_identity::clock::Timestamp;
use tower_identity::identity::{Method, Service, VerifiedIdentity};
use tower_identity::layer::BearerKeyService;
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::verify::{Outcome, Verify, verify_fn};
use tower_identity::{ApiKey, BearerKeyLayer};

use self::echo::Echo;

const BARE: &str = "Bearer realm=\"tower-identity\"";
const INVALID: &str = "Bearer realm=\"tower-identity\", error=\"invalid_token\"";
const AMBIGUOUS: &str = "Bearer realm=\"tower-identity\", error=\"invalid_request\"";
const FORBIDDEN: &str = "Bearer realm=\"tower-identity\", error=\"insufficient_scope\"";
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// One key of each fate.
struct Keys {
    good: ApiKey,
    expired: ApiKey,
    unknown: ApiKey,
    set: ApiKeys,
}

fn keys() -> Keys {
    let [good, expired, unknown] = [(); 3].map(|()| ApiKey::generate("tid"));
    let set = ApiKeys::new([
        KeyRecord::new(good.digest(), good.id(), "ci"),
        KeyRecord::new(expired.digest(), expired.id(), "ci").with_expiry(Timestamp::from_unix(1)),
    ]);
    let set = set.unwrap();
    Keys {
        good,
        expired,
        unknown,
        set,
    }
}

impl Keys {
    /// The good key with its last character changed: its checksum no longer holds.
    fn broken(&self) -> String {
        let mut text = self.good.expose().to_owned();
        let last = text.pop();
        text.push(if last == Some('0') { '1' } else { '0' });
        text
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn over<V>(layer: BearerKeyLayer<V>) -> (BearerKeyService<Echo, V>, Echo) {
    let echo = Echo::default();
    (layer.layer(echo.clone()), echo)
}

/// A verifier that vouches for whatever it is shown, and how often it was.
fn counting() -> (impl Verify, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let verifier = verify_fn(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        let robot = VerifiedIdentity::assertion(Service::new("robot"), Method::ApiKey);
        std::future::ready(Ok(Outcome::verified(robot)))
    });
    (verifier, count)
}
