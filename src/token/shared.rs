//! The signing keys of several nodes as one key set.
//!
//! Each node signs with keys of its own, and puts their public halves into the store before it does. What stands there
//! is sealed: whoever could write a key into it could sign in anybody.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::{PublicJwk, key_set};
use crate::clock::{Clock, Timestamp};
use crate::http_client::{HttpError, HttpErrorKind};
use crate::secret::SealingKeys;
use crate::secret::digest::sha256;
use crate::secret::encoding::base64url;
use crate::store::{Store, StoreError};
use crate::verify::jwks::RemoteKeys;

const PURPOSE: &str = "signing-keys";
/// More keys than this no verifier reads.
const MAX_KEYS: usize = 100;
/// So often another node may be quicker than this one.
const MAX_TRIES: usize = 32;
/// What was read is good for so long: key sets are asked for by anybody.
const FRESH: Duration = Duration::from_secs(1);

/// The key set of all nodes. Cloning shares it.
#[derive(Clone)]
pub(super) struct SharedKeys(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    sealing: SealingKeys,
    clock: Clock,
    /// How long a token lives.
    lifetime: Duration,
    key: String,
    /// Until when the store keeps each key of this node.
    stored: Mutex<HashMap<String, Timestamp>>,
    last: Mutex<Option<(Duration, Arc<[PublicJwk]>)>>,
}

/// A key as it stands in the store.
#[derive(Deserialize, Serialize)]
struct Entry {
    id: String,
    jwk: Value,
    /// In seconds since 1970: then every token that it signed has ended.
    until: u64,
}

impl SharedKeys {
    /// Those of the issuer of this URL.
    pub(super) fn new(
        issuer: &str,
        lifetime: Duration,
        store: Arc<dyn Store>,
        sealing: SealingKeys,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            sealing,
            clock,
            lifetime,
            key: format!("{PURPOSE}:{}", base64url(&sha256(issuer.as_bytes()))),
            stored: Mutex::default(),
            last: Mutex::default(),
        }))
    }

    /// Makes sure that every node knows these keys for as long as what they sign from now on can live.
    ///
    /// # Cancel safety
    ///
    /// The keys are in the store or they are not; whoever asks next finds out.
    pub(super) async fn publish(&self, keys: &[PublicJwk]) -> Result<(), StoreError> {
        if keys.iter().all(|key| self.is_published(key)) {
            return Ok(());
        }
        let now = self.0.clock.now();
        let until = now.plus(self.0.lifetime * 3);
        for _ in 0..MAX_TRIES {
            let found = self.0.store.get(&self.0.key).await?;
            let mut entries = self.open(found.as_deref())?;
            entries.retain(|entry| {
                entry.until > now.as_unix() && keys.iter().all(|key| key.id != entry.id)
            });
            let own = keys.iter().map(|key| Entry {
                id: key.id.clone(),
                jwk: key.jwk.clone(),
                until: until.as_unix(),
            });
            entries.extend(own);
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.until));
            if entries.len() > MAX_KEYS {
                tracing::warn!(target: "tower_identity", "more than {MAX_KEYS} signing keys: the oldest are not published any more");
                entries.truncate(MAX_KEYS);
            }
            let plain = serde_json::to_vec(&entries).unwrap_or_default();
            let sealed = self.0.sealing.seal(PURPOSE, &plain);
            let life = self.0.lifetime * 3;
            let (key, found) = (&self.0.key, found.as_deref());
            let swapped = self
                .0
                .store
                .compare_and_swap(key, found, sealed.as_bytes(), life);
            if swapped.await? {
                let mut stored = lock(&self.0.stored);
                stored.retain(|_, until| *until > now);
                stored.extend(keys.iter().map(|key| (key.id.clone(), until)));
                *lock(&self.0.last) = None;
                return Ok(());
            }
        }
        let detail = "other nodes change the signing keys all the time";
        Err(StoreError::Unavailable(detail.into()))
    }

    /// Whether every node knows this key of ours for as long as what it signs now can live, and a minute more.
    pub(super) fn is_published(&self, key: &PublicJwk) -> bool {
        let needed = self.0.clock.now().plus(self.0.lifetime);
        let needed = needed.plus(Duration::from_secs(60));
        lock(&self.0.stored).get(&key.id) >= Some(&needed)
    }

    /// Every key that some node has published, the one that lives longest first. While the store is out of reach they are those that were last read.
    pub(super) async fn read(&self) -> Result<Arc<[PublicJwk]>, StoreError> {
        let now = self.0.clock.monotonic();
        let last = lock(&self.0.last).clone();
        if let Some((at, keys)) = &last {
            if now < *at + FRESH {
                return Ok(keys.clone());
            }
            // Whoever comes while this one asks gets what there was: not all of them need to ask.
            *lock(&self.0.last) = Some((now, keys.clone()));
        }
        match (self.read_now().await, last) {
            (Ok(keys), _) => {
                *lock(&self.0.last) = Some((now, keys.clone()));
                Ok(keys)
            }
            (Err(error), Some((_, keys))) => {
                tracing::warn!(target: "tower_identity", %error, "signing keys can't be read; what is known is kept");
                Ok(keys)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// The same for verifiers in this process.
    pub(super) fn as_remote_keys(&self) -> RemoteKeys {
        let shared = self.clone();
        let fetch = move || {
            let shared = shared.clone();
            async move {
                let keys = shared.read_now().await;
                let keys = keys.map_err(|e| HttpError::new(HttpErrorKind::Connect, e.to_string()));
                keys.map(|keys| key_set(keys.iter()))
            }
        };
        RemoteKeys::shared(fetch, self.0.clock.clone())
    }

    async fn read_now(&self) -> Result<Arc<[PublicJwk]>, StoreError> {
        let found = self.0.store.get(&self.0.key).await?;
        let now = self.0.clock.now().as_unix();
        let entries = self.open(found.as_deref())?;
        // A store may forget: what is not there any more has to be put there again.
        let kept = |id: &str| entries.iter().any(|entry| entry.id == id);
        lock(&self.0.stored).retain(|id, _| kept(id));
        let living = entries.into_iter().filter(|entry| entry.until > now);
        Ok(living
            .map(|Entry { id, jwk, .. }| PublicJwk { id, jwk })
            .collect())
    }

    fn open(&self, sealed: Option<&[u8]>) -> Result<Vec<Entry>, StoreError> {
        let Some(sealed) = sealed else {
            return Ok(Vec::new());
        };
        let foreign = || {
            let detail = "the signing keys in it are sealed with another auth.session.secret";
            StoreError::Unavailable(detail.into())
        };
        let text = std::str::from_utf8(sealed).map_err(|_| foreign())?;
        let plain = self.0.sealing.open(PURPOSE, text).map_err(|_| foreign())?;
        serde_json::from_slice(&plain).map_err(|_| foreign())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;
    use crate::clock::ClockHand;
    use crate::identity::EntityRef;
    use crate::secret::SealingKey;
    use crate::store::MemoryStore;
    use crate::token::{MintError, TokenIssuer};
    use crate::verify::jwks::Lookup;
    use crate::verify::jwt::Algorithm;

    const ISSUER: &str = "https://portal.example.com/api/auth";
    const LIFE: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);

    /// A store that can be away, and that another node is quicker at.
    struct Shaky {
        inner: MemoryStore,
        away: Mutex<bool>,
        losses: Mutex<usize>,
    }

    impl Shaky {
        fn away(&self) -> Result<(), StoreError> {
            match *lock(&self.away) {
                true => Err(StoreError::Unavailable("away".into())),
                false => Ok(()),
            }
        }
    }

    impl Shaky {
        fn loses(&self) -> bool {
            let mut losses = lock(&self.losses);
            let loses = *losses > 0;
            *losses = losses.saturating_sub(1);
            loses
        }
    }

    impl Store for Shaky {
        fn put_if_absent<'a>(
            &'a self,
            key: &'a str,
            value: &'a [u8],
            life: Duration,
        ) -> BoxFuture<'a, Result<bool, StoreError>> {
            self.compare_and_swap(key, None, value, life)
        }

        fn compare_and_swap<'a>(
            &'a self,
            key: &'a str,
            expected: Option<&'a [u8]>,
            value: &'a [u8],
            life: Duration,
        ) -> BoxFuture<'a, Result<bool, StoreError>> {
            async move {
                self.away()?;
                if self.loses() {
                    return Ok(false);
                }
                self.inner
                    .compare_and_swap(key, expected, value, life)
                    .await
            }
            .boxed()
        }

        fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
            async move {
                self.away()?;
                self.inner.get(key).await
            }
            .boxed()
        }

        fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
            self.inner.take(key)
        }
    }

    struct Nodes {
        store: Arc<Shaky>,
        clock: Clock,
        hand: ClockHand,
    }

    impl Nodes {
        fn new() -> Self {
            let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
            let inner = MemoryStore::new(clock.clone());
            let (away, losses) = Default::default();
            let store = Arc::new(Shaky {
                inner,
                away,
                losses,
            });
            Self { store, clock, hand }
        }

        fn node(&self, secret: &str) -> TokenIssuer {
            let secret = SealingKey::from_secret(secret.repeat(32).as_bytes()).unwrap();
            let sealing = SealingKeys::new(secret, []);
            TokenIssuer::new(ISSUER, LIFE, self.clock.clone())
                .with_store(self.store.clone(), sealing)
        }
    }

    async fn mint(issuer: &TokenIssuer) -> Result<String, MintError> {
        let ada = EntityRef::parse("user:default/ada").unwrap();
        let token = issuer.mint_user(&ada, &[]).await?;
        let header = token.expose().split('.').next().unwrap_or_default();
        let header = crate::secret::encoding::from_base64url(header).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        Ok(header["kid"].as_str().unwrap().to_owned())
    }

    async fn ids(issuer: &TokenIssuer) -> Result<Vec<String>, StoreError> {
        let set = issuer.jwks().await?;
        let keys = set["keys"].as_array().unwrap().iter();
        Ok(keys
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect())
    }

    /// Whether a node finds a key: at once, or by asking the store.
    async fn knows(issuer: &TokenIssuer, id: &str) -> Option<bool> {
        let source = issuer.key_source();
        match source.look_up(Algorithm::Es256, Some(id)) {
            Lookup::Found(_) => Some(true),
            Lookup::Unknown => Some(false),
            Lookup::Unavailable => None,
            Lookup::Wait(fetch) => {
                fetch.await;
                match source.look_up(Algorithm::Es256, Some(id)) {
                    Lookup::Found(_) => Some(true),
                    Lookup::Unavailable => None,
                    _ => Some(false),
                }
            }
        }
    }

    #[tokio::test]
    async fn se_06_every_node_publishes_and_believes_the_keys_of_all() {
        let nodes = Nodes::new();
        let (a, b) = (nodes.node("s"), nodes.node("s"));
        let of_a = mint(&a).await.unwrap();
        assert_eq!(knows(&b, &of_a).await, Some(true));
        assert!(ids(&b).await.unwrap().contains(&of_a));
        let of_b = mint(&b).await.unwrap();
        assert_ne!(of_a, of_b);
        nodes.hand.advance(SECOND);
        assert_eq!(knows(&a, &of_b).await, Some(true));
        for node in [&a, &b] {
            let found = ids(node).await.unwrap();
            assert!(found.contains(&of_a) && found.contains(&of_b), "{found:?}");
            assert_eq!(found.len(), 2, "each once");
        }
        assert_eq!(knows(&a, "invented").await, Some(false));

        // A node that is gone has its keys published until its last token has ended.
        drop(b);
        nodes.hand.advance(LIFE - SECOND * 2);
        assert!(ids(&a).await.unwrap().contains(&of_b));
        nodes.hand.advance(LIFE * 2 + SECOND * 2);
        assert!(!ids(&a).await.unwrap().contains(&of_b));
        let fresh = nodes.node("s");
        assert_eq!(knows(&fresh, &of_b).await, Some(false));
    }

    #[tokio::test]
    async fn se_06_a_key_that_cannot_be_published_signs_nothing() {
        let nodes = Nodes::new();
        let (a, b) = (nodes.node("s"), nodes.node("s"));
        *lock(&nodes.store.away) = true;
        assert!(matches!(mint(&a).await, Err(MintError::Unavailable(_))));
        assert!(ids(&a).await.is_err(), "half a key set would refuse tokens");
        assert_eq!(knows(&b, "any").await, None, "not a refusal");
        *lock(&nodes.store.away) = false;
        let of_a = mint(&a).await.unwrap();
        assert!(ids(&b).await.unwrap().contains(&of_a));
        // What is known is good while the store is away; and a published key signs on.
        *lock(&nodes.store.away) = true;
        nodes.hand.advance(SECOND * 2);
        assert_eq!(mint(&a).await.unwrap(), of_a);
        assert!(ids(&b).await.unwrap().contains(&of_a));
        // Its successor can't be published now: it goes on.
        nodes.hand.advance(LIFE);
        assert_eq!(mint(&a).await.unwrap(), of_a);
        nodes.hand.advance(SECOND * 60);
        assert!(mint(&a).await.is_err(), "the successor is not known");
        *lock(&nodes.store.away) = false;
        let successor = mint(&a).await.unwrap();
        assert_ne!(successor, of_a);
        *lock(&nodes.store.away) = true;
        // But not for ever: the store would forget it before its last token ends.
        nodes.hand.advance(LIFE * 2 - SECOND * 59);
        assert!(matches!(mint(&a).await, Err(MintError::Unavailable(_))));
    }

    #[tokio::test]
    async fn nodes_that_publish_at_once_lose_no_key() {
        let nodes = Nodes::new();
        let all: Vec<_> = (0..20).map(|_| nodes.node("s")).collect();
        *lock(&nodes.store.losses) = 5;
        let minted = futures::future::try_join_all(all.iter().map(mint)).await;
        let minted = minted.unwrap();
        nodes.hand.advance(SECOND * 2);
        let found = ids(&all[0]).await.unwrap();
        assert_eq!(found.len(), 20);
        assert!(minted.iter().all(|id| found.contains(id)));
        // Somebody who is always quicker ends in an error, not in a loop.
        *lock(&nodes.store.losses) = usize::MAX;
        assert!(mint(&nodes.node("s")).await.is_err());
    }

    #[tokio::test]
    async fn a_store_that_forgets_is_told_again() {
        let nodes = Nodes::new();
        let (a, b) = (nodes.node("s"), nodes.node("s"));
        let of_a = mint(&a).await.unwrap();
        let key = format!("{PURPOSE}:{}", base64url(&sha256(ISSUER.as_bytes())));
        assert!(nodes.store.take(&key).await.unwrap().is_some());
        nodes.hand.advance(SECOND * 2);
        assert!(!ids(&b).await.unwrap().contains(&of_a), "forgotten");
        // Whoever next asks this node for its keys, or with a key that it does not know, has it notice.
        ids(&a).await.unwrap();
        nodes.hand.advance(SECOND * 2);
        assert_eq!(mint(&a).await.unwrap(), of_a);
        assert!(ids(&b).await.unwrap().contains(&of_a));
    }

    #[tokio::test]
    async fn a_key_that_somebody_put_into_the_store_is_nobodys() {
        let nodes = Nodes::new();
        let portal = nodes.node("s");
        let of_portal = mint(&portal).await.unwrap();
        // Another secret: another portal's, or an attacker's who can write to the store.
        let stranger = nodes.node("x");
        assert!(matches!(
            mint(&stranger).await,
            Err(MintError::Unavailable(_))
        ));
        let key = format!("{PURPOSE}:{}", base64url(&sha256(ISSUER.as_bytes())));
        let sealed = nodes.store.get(&key).await.unwrap().unwrap();
        let text = String::from_utf8(sealed.clone()).unwrap();
        assert!(!text.contains(&of_portal), "sealed");
        for forged in [
            br#"[{"id":"evil","jwk":{},"until":9999999999}]"#.to_vec(),
            sealed[..sealed.len() - 4].to_vec(),
            vec![0xff, 0xfe],
            Vec::new(),
        ] {
            let found = nodes.store.get(&key).await.unwrap();
            let put = nodes
                .store
                .compare_and_swap(&key, found.as_deref(), &forged, LIFE);
            assert_eq!(put.await, Ok(true));
            let fresh = nodes.node("s");
            assert!(mint(&fresh).await.is_err(), "{forged:?}");
            assert!(ids(&fresh).await.is_err());
            assert_eq!(knows(&fresh, "evil").await, None);
        }
    }
}
