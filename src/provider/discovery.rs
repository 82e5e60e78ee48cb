//! A provider's own description (OpenID Connect Discovery section 4), fetched when it is needed and kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::ProviderError;
pub(super) use super::metadata::Discovered;
use super::metadata::{Metadata, Place};
use crate::clock::Clock;
use crate::http_client::Outward;

/// How long a description is believed.
const FRESH: Duration = Duration::from_secs(3600);
/// After a failure nothing is tried for this long, so that callers fail at once.
const BACKOFF: Duration = Duration::from_secs(5);
/// In the background it is tried again after that long, twice that, and so on up to this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Fetches a description, and keeps it.
#[derive(Clone)]
pub(super) struct Discovery(Arc<Inner>);

struct Inner {
    place: Place,
    client: Outward,
    clock: Clock,
    state: Mutex<State>,
    /// What was last known, for those who come while it is fetched anew.
    last: ArcSwapOption<Discovered>,
    /// Whether somebody tries again in the background.
    retrying: AtomicBool,
}

#[derive(Default)]
struct State {
    known: Option<(Duration, Arc<Discovered>)>,
    failed: Option<(Duration, ProviderError)>,
}

impl Discovery {
    /// `metadata_url` is the issuer, or the document itself; `tenants` is whether it may speak for many issuers.
    pub(super) fn new(
        metadata_url: &str,
        tenants: bool,
        client: Outward,
        clock: Clock,
    ) -> Result<Self, String> {
        Ok(Self(Arc::new(Inner {
            place: Place::of(metadata_url, tenants)?,
            client,
            clock,
            state: Mutex::default(),
            last: ArcSwapOption::empty(),
            retrying: AtomicBool::new(false),
        })))
    }

    /// The description. Concurrent callers wait for one fetch, unless there is one to go by meanwhile. While there is
    /// none, it is also asked for in the background.
    ///
    /// # Cancel safety
    ///
    /// The next caller begins again.
    pub(super) async fn get(&self) -> Result<Arc<Discovered>, ProviderError> {
        let found = self.0.get().await;
        if found.is_err() {
            self.retry();
        }
        found
    }

    /// Fetches it in the background, if there is a runtime to do so.
    pub(super) fn warm_up(&self) {
        if let Ok(runtime) = Handle::try_current() {
            let discovery = self.clone();
            runtime.spawn(async move { drop(discovery.get().await) });
        }
    }

    /// Tries again in the background until there is a description, or nobody needs one any more.
    fn retry(&self) {
        let inner = &self.0;
        if inner.last.load().is_some() || inner.retrying.swap(true, Ordering::AcqRel) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            inner.retrying.store(false, Ordering::Release);
            return;
        };
        runtime.spawn(retrying(Arc::downgrade(inner)));
    }
}

async fn retrying(inner: Weak<Inner>) {
    let mut pause = BACKOFF;
    loop {
        tokio::time::sleep(pause).await;
        pause = LONGEST_BACKOFF.min(pause * 2);
        let Some(inner) = inner.upgrade() else { return };
        if inner.get().await.is_ok() {
            tracing::info!(target: "tower_identity", issuer = inner.place.issuer, "discovery has succeeded after all");
            inner.retrying.store(false, Ordering::Release);
            return;
        }
    }
}

impl Inner {
    async fn get(&self) -> Result<Arc<Discovered>, ProviderError> {
        let Ok(mut state) = self.state.try_lock() else {
            let last = self.last.load_full();
            return match last {
                Some(known) => Ok(known),
                None => self.get_in_turn(&mut *self.state.lock().await).await,
            };
        };
        self.get_in_turn(&mut state).await
    }

    async fn get_in_turn(&self, state: &mut State) -> Result<Arc<Discovered>, ProviderError> {
        let now = self.clock.monotonic();
        if let Some((_, known)) = state.known.as_ref().filter(|(at, _)| now < *at + FRESH) {
            return Ok(known.clone());
        }
        let known = state.known.as_ref().map(|(_, known)| known.clone());
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| now < *at + BACKOFF) {
            return known.ok_or_else(|| error.clone());
        }
        match self.fetch(known.as_deref()).await {
            Ok(fetched) => {
                let fetched = Arc::new(fetched);
                self.last.store(Some(fetched.clone()));
                state.known = Some((self.clock.monotonic(), fetched.clone()));
                Ok(fetched)
            }
            Err(error) => {
                let issuer = &self.place.issuer;
                tracing::warn!(target: "tower_identity", issuer, %error, "discovery failed");
                state.failed = Some((self.clock.monotonic(), error.clone()));
                known.ok_or(error)
            }
        }
    }

    async fn fetch(&self, before: Option<&Discovered>) -> Result<Discovered, ProviderError> {
        let metadata: Metadata = self.client.get_json(&self.place.document).await?;
        self.place
            .check(metadata, before, (&self.client, &self.clock))
    }
}
