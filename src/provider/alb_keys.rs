//! The keys of Amazon's load balancers: each in a file of its own, whose name a token says.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use super::{Context, ProviderError};
use crate::clock::Clock;
use crate::http_client::Outward;
use crate::token::p256_point;
use crate::verify::jwt::signature::PublicKey;

/// How long a key is believed; what Backstage does.
const FRESH: Duration = Duration::from_secs(3600);
/// How long a name that leads to no key is not asked for again.
const ABSENT: Duration = Duration::from_secs(60);
/// Whoever invents names must not have us ask for all of them.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_NAMES: usize = 64;

pub(super) struct AlbKeys {
    base: String,
    client: Outward,
    clock: Clock,
    state: Mutex<State>,
    /// Held while one is fetched.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    known: HashMap<String, (Duration, Option<PublicKey>)>,
    asked: Option<Duration>,
}

impl AlbKeys {
    /// Those of a region.
    pub(super) fn of_region(region: &str, context: &Context) -> Self {
        let base = match region.starts_with("us-gov-") {
            true => {
                format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}")
            }
            false => format!("https://public-keys.auth.elb.{region}.amazonaws.com"),
        };
        Self {
            base,
            client: context.client.clone(),
            clock: context.clock.clone(),
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// The key of this id.
    pub(super) async fn get(&self, id: &str) -> Result<PublicKey, ProviderError> {
        if !is_uuid(id) {
            return Err(ProviderError::invalid(
                "assertion: its kid is none of a load balancer's",
            ));
        }
        let unknown = || ProviderError::invalid("assertion: no published key fits");
        if let Some(known) = self.known(id) {
            return known.ok_or_else(unknown);
        }
        let busy =
            || ProviderError::unavailable("keys of the load balancer are asked for too often");
        // Known keys wait for nobody; others are asked for one at a time, and not without end.
        let _fetching = self.fetching.try_lock().map_err(|_| busy())?;
        {
            let mut state = self.state();
            let now = self.clock.monotonic();
            if state.asked.is_some_and(|asked| now < asked + PAUSE) {
                return Err(busy());
            }
            state.asked = Some(now);
        }
        let uri = format!("{}/{id}", self.base).parse();
        let uri = uri.map_err(|_| ProviderError::invalid("the region leads to no URL"))?;
        let answer = self.client.get(&uri, None).await?;
        let key = match answer.status() {
            StatusCode::OK => {
                let pem = std::str::from_utf8(answer.body()).ok();
                pem.and_then(p256_point).map(|point| PublicKey::ec(&point))
            }
            // What a bucket says of a name that it does not have.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => None,
            status => {
                let status = status.as_u16();
                let detail = format!("the load balancer's keys: status {status}");
                return Err(ProviderError::unavailable(detail));
            }
        };
        self.remember(id, key.clone());
        key.ok_or_else(unknown)
    }

    /// What is known of an id, if it is not too old.
    fn known(&self, id: &str) -> Option<Option<PublicKey>> {
        let now = self.clock.monotonic();
        let state = self.state();
        let (until, key) = state.known.get(id)?;
        (now < *until).then(|| key.clone())
    }

    fn remember(&self, id: &str, key: Option<PublicKey>) {
        let now = self.clock.monotonic();
        let until = now + if key.is_some() { FRESH } else { ABSENT };
        let mut state = self.state();
        state.known.retain(|_, (until, _)| now < *until);
        if state.known.len() >= MAX_NAMES {
            // Real keys are few: these are invented names.
            state.known.retain(|_, (_, key)| key.is_some());
        }
        state.known.insert(id.to_owned(), (until, key));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In lower case, as load balancers name their keys: it goes into a URL.
fn is_uuid(id: &str) -> bool {
    let dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    let fits = |(place, byte): (usize, u8)| match dash(place) {
        true => byte == b'-',
        false => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    id.len() == 36 && id.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_key_is_nothing_but_a_uuid() {
        assert!(is_uuid("12345678-90ab-cdef-0123-456789abcdef"));
        for bad in [
            "",
            "12345678-90ab-cdef-0123-456789abcde",
            "12345678-90ab-cdef-0123-456789abcdeff",
            "12345678-90AB-cdef-0123-456789abcdef",
            "12345678-90ab-cdef-0123_456789abcdef",
            "../../../../../../../../../../../..x",
            "12345678-90ab-cdef-0123-456789abcd/?",
            "12345678-90ab-cdef-0123-456789abcd\u{e9}",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
    }
}
