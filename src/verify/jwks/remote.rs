//! An issuer's keys over the network: a snapshot that answers at once, refreshed ahead of need by one fetch at a time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::KeySet;
use crate::clock::Clock;
use crate::http_client::{DEADLINE, HttpError, HttpErrorKind, Outward, check_url, json_of};
use crate::verify::jwt::jws::Algorithm;
use crate::verify::jwt::signature::PublicKey;

/// How long a set is fresh if its response does not say.
const FRESH: Duration = Duration::from_secs(600);
/// What a response may say is held between these.
const FRESH_MIN: Duration = Duration::from_secs(300);
const FRESH_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long past its freshness a set still serves while its issuer is out of reach.
const STALE: Duration = Duration::from_secs(3600);
/// An unknown key id causes a fetch at most this often.
const COOLDOWN: Duration = Duration::from_secs(30);
/// The same of the store that our own nodes share, which is near.
const COOLDOWN_STORE: Duration = Duration::from_secs(1);
const FRESH_STORE: Duration = Duration::from_secs(30);
/// After a failed fetch nothing is tried for this long.
const BACKOFF: Duration = Duration::from_secs(5);
/// While there are keys to go by, so many requests may wait for others; the rest are refused at once (KS-02).
const MAX_WAITING: usize = 32;

/// The keys that an issuer publishes. Cloning shares them.
#[derive(Clone)]
pub struct RemoteKeys(Arc<Inner>);

struct Inner {
    source: Source,
    clock: Clock,
    snapshot: ArcSwapOption<Snapshot>,
    flight: Mutex<Flight>,
}

enum Source {
    KeySet(Uri, Outward),
    Discovery {
        issuer: String,
        document: Uri,
        client: Outward,
    },
    /// The store of our own nodes.
    Store(Box<ReadStore>),
}

type ReadStore = dyn Fn() -> BoxFuture<'static, Result<KeySet, HttpError>> + Send + Sync;

struct Snapshot {
    keys: KeySet,
    fetched: Duration,
    fresh: Duration,
    /// Where it came from, and what the server calls this state of it.
    uri: Option<Uri>,
    tag: Option<HeaderValue>,
}

#[derive(Default)]
struct Flight {
    running: Option<Fetch>,
    last: Option<(Duration, bool)>,
}

/// A fetch that any number of requests may wait for: whether it brought keys.
pub(crate) type Fetch = Shared<BoxFuture<'static, bool>>;

/// What is known of a key.
pub(crate) enum Lookup {
    Found(PublicKey),
    /// Not there, and asking again is not due.
    Unknown,
    /// A fetch is under way that may bring it: wait, then look once more.
    Wait(Fetch),
    /// The issuer can't be reached and there is nothing to go by.
    Unavailable,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl RemoteKeys {
    /// Keys at a URL of their own.
    pub(crate) fn at(uri: Uri, client: Outward, clock: Clock) -> Self {
        Self::new(Source::KeySet(uri, client), clock)
    }

    /// Keys that the issuer's discovery document names (OpenID Connect Discovery section 4).
    pub(crate) fn discovered(issuer: &str, document: Uri, client: Outward, clock: Clock) -> Self {
        Self::new(
            Source::Discovery {
                issuer: issuer.to_owned(),
                document,
                client,
            },
            clock,
        )
    }

    /// Keys that our own nodes publish to one another. Reading them costs others nothing, so a new one is found at once.
    pub(crate) fn shared<F>(read: impl Fn() -> F + Send + Sync + 'static, clock: Clock) -> Self
    where
        F: Future<Output = Result<KeySet, HttpError>> + Send + 'static,
    {
        Self::new(Source::Store(Box::new(move || read().boxed())), clock)
    }

    fn new(source: Source, clock: Clock) -> Self {
        let (snapshot, flight) = Default::default();
        Self(Arc::new(Inner {
            source,
            clock,
            snapshot,
            flight,
        }))
    }

    /// Looks a key up. Known keys answer from the snapshot; only the first caller of an empty snapshot,
    /// or of an unknown key id when the cooldown is over, is told to wait.
    pub(crate) fn look_up(&self, algorithm: Algorithm, key_id: Option<&str>) -> Lookup {
        self.look_up_after(self.0.source.cooldown(), algorithm, key_id)
    }

    /// The same for a token that came straight from its issuer: an unknown key id is asked for at once.
    /// Whoever can bring such a token has just signed in there, so it can't be used to flood.
    #[cfg(feature = "sign-in")]
    pub(crate) fn look_up_now(&self, algorithm: Algorithm, key_id: Option<&str>) -> Lookup {
        self.look_up_after(Duration::ZERO, algorithm, key_id)
    }

    /// Whether no fetch has brought keys so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.snapshot.load().is_none()
    }

    fn look_up_after(
        &self,
        cooldown: Duration,
        algorithm: Algorithm,
        key_id: Option<&str>,
    ) -> Lookup {
        let now = self.0.clock.monotonic();
        let snapshot = self.0.snapshot.load();
        let usable = snapshot
            .as_ref()
            .filter(|s| now < s.fetched + s.fresh + STALE);
        let Some(snapshot) = usable else {
            // There is nothing to go by: whoever comes waits for the one fetch.
            return match self.join_or_begin(now, BACKOFF, usize::MAX, true) {
                Some(fetch) => Lookup::Wait(fetch),
                None => Lookup::Unavailable,
            };
        };
        if now >= snapshot.fetched + snapshot.fresh && !self.last_failed() {
            // Nobody has asked for so long that the set is stale: it serves while the issuer is out of reach, and
            // whether it is has to be found out first. A withdrawn key must not outlive that (KS-07).
            if let Some(fetch) = self.join_or_begin(now, BACKOFF, MAX_WAITING, true) {
                return Lookup::Wait(fetch);
            }
        } else if now >= snapshot.fetched + snapshot.fresh.mul_f32(0.8) {
            // Ahead of need and off the request's path: nobody waits for it.
            let pause = self.0.source.cooldown();
            drop(self.join_or_begin(now, pause, usize::MAX, true));
        }
        if let Some(key) = snapshot.keys.find(algorithm, key_id) {
            return Lookup::Found(key);
        }
        // Without a key id there is nothing that a new set could bring.
        match key_id.and_then(|_| self.join_or_begin(now, cooldown, MAX_WAITING, false)) {
            Some(fetch) => Lookup::Wait(fetch),
            None if self.last_failed() => Lookup::Unavailable,
            None => Lookup::Unknown,
        }
    }

    /// Joins the fetch under way, if fewer than `most` wait for it, or starts one unless the last is younger than
    /// `pause`. With `only_failures` a young success does not hold it back.
    fn join_or_begin(
        &self,
        now: Duration,
        pause: Duration,
        most: usize,
        only_failures: bool,
    ) -> Option<Fetch> {
        let mut flight = self.flight();
        if let Some(running) = flight.under_way() {
            // Whoever sends tokens with invented key ids must not keep ever more requests waiting.
            let waiting = running.strong_count().unwrap_or_default();
            return (waiting <= most).then(|| running.clone());
        }
        if let Some((at, brought)) = flight.last
            && now < at + pause
            && !(only_failures && brought)
        {
            return None;
        }
        // Outside of a runtime nothing can be fetched, and nobody should be told that by a panic.
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let keys = self.clone();
        // A task of its own: the fetch goes on when the request that began it goes away.
        let task: JoinHandle<bool> = runtime.spawn(async move { keys.fetch().await });
        let keys = self.clone();
        let fetch = async move {
            match task.await {
                Ok(brought) => brought,
                // It panicked, or its runtime has ended: that is a failed fetch like any other.
                Err(_) => keys.landed(false),
            }
        };
        let fetch = fetch.boxed().shared();
        flight.running = Some(fetch.clone());
        Some(fetch)
    }

    async fn fetch(&self) -> bool {
        // The one deadline is for discovery and the key set together.
        let result = tokio::time::timeout(DEADLINE, self.try_fetch()).await;
        let result = result.unwrap_or_else(|_| {
            let detail = "the key set did not come in 5 s";
            Err(HttpError::new(HttpErrorKind::Timeout, detail))
        });
        let brought = match result {
            Ok(snapshot) => {
                tracing::debug!(target: "tower_identity", source = %self.0.source, keys = ?snapshot.keys, "key set fetched");
                self.0.snapshot.store(Some(Arc::new(snapshot)));
                true
            }
            Err(error) => {
                tracing::warn!(target: "tower_identity", source = %self.0.source, %error, "key set can't be fetched; what is known is kept");
                false
            }
        };
        self.landed(brought)
    }

    /// Notes how a fetch ended.
    fn landed(&self, brought: bool) -> bool {
        let mut flight = self.flight();
        flight.running = None;
        flight.last = Some((self.0.clock.monotonic(), brought));
        brought
    }

    async fn try_fetch(&self) -> Result<Snapshot, HttpError> {
        let content = |detail: &str| HttpError::new(HttpErrorKind::Content, detail);
        let (uri, client) = match &self.0.source {
            Source::Store(read) => {
                return Ok(Snapshot {
                    // Of nodes that have not signed yet there is none.
                    keys: read().await?,
                    fetched: self.0.clock.monotonic(),
                    fresh: FRESH_STORE,
                    uri: None,
                    tag: None,
                });
            }
            Source::KeySet(uri, client) => (uri.clone(), client),
            Source::Discovery {
                issuer,
                document,
                client,
            } => {
                let metadata: Metadata = client.get_json(document).await?;
                if metadata.issuer != *issuer {
                    return Err(content("the discovery document is another issuer's"));
                }
                let uri: Uri = metadata
                    .jwks_uri
                    .parse()
                    .map_err(|_| content("jwks_uri is not a URL"))?;
                check_url(&uri)
                    .map_err(|e| HttpError::new(HttpErrorKind::Url, format!("jwks_uri: {e}")))?;
                (uri, client)
            }
        };
        // A state is known by its tag only at the place where it was read (KS-16).
        let known = self.0.snapshot.load_full();
        let known = known.filter(|s| s.uri.as_ref() == Some(&uri));
        let known = known
            .as_ref()
            .and_then(|s| Some((&s.keys, s.tag.as_ref()?)));
        let response = client.get(&uri, known.map(|(_, tag)| tag)).await?;
        let fresh = freshness(response.headers());
        let (keys, tag) = match known {
            Some((keys, tag)) if response.status() == StatusCode::NOT_MODIFIED => {
                (keys.clone(), Some(tag.clone()))
            }
            _ => {
                // Whatever is JSON and no key set is told from what is no JSON.
                let value: serde_json::Value = json_of(&response)?;
                let keys = KeySet::parse(value.to_string().as_bytes());
                let keys = keys.ok_or_else(|| content("not a key set"))?;
                (keys, response.headers().get(ETAG).cloned())
            }
        };
        if keys.is_empty() {
            return Err(content("the key set has no usable key"));
        }
        let fetched = self.0.clock.monotonic();
        Ok(Snapshot {
            keys,
            fetched,
            fresh,
            uri: Some(uri),
            tag,
        })
    }

    fn last_failed(&self) -> bool {
        self.flight().last.is_some_and(|(_, brought)| !brought)
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        // Nothing that is done under the lock can leave it half done.
        self.0.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// The fetch that has not ended. One that has, and could not say so itself, is none.
    fn under_way(&self) -> Option<&Fetch> {
        self.running.as_ref().filter(|fetch| fetch.peek().is_none())
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteKeys({})", self.0.source)
    }
}

impl Source {
    /// How often an unknown key id may cause a fetch.
    fn cooldown(&self) -> Duration {
        match self {
            Self::Store(_) => COOLDOWN_STORE,
            Self::KeySet(..) | Self::Discovery { .. } => COOLDOWN,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeySet(uri, _) => write!(f, "{uri}"),
            Self::Discovery { issuer, .. } => f.write_str(issuer),
            Self::Store(_) => f.write_str("the store"),
        }
    }
}

/// `max-age`, held between five minutes and a day (KS-16).
fn freshness(headers: &HeaderMap) -> Duration {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
        .map_or(FRESH, |seconds| {
            Duration::from_secs(seconds).clamp(FRESH_MIN, FRESH_MAX)
        })
}
