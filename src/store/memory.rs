//! The store of a portal of one node.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

use super::{Store, StoreError};
use crate::clock::Clock;

/// Entries in memory, bounded in number: when it is full of living entries it refuses new ones,
/// because forgetting a used state early would let it be used again.
pub struct MemoryStore {
    clock: Clock,
    capacity: usize,
    entries: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    value: Vec<u8>,
    dies: Duration,
}

impl MemoryStore {
    /// An empty store of at most 100 000 entries.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with_capacity(clock, 100_000)
    }

    /// An empty store of at most `capacity` entries.
    #[must_use]
    pub fn with_capacity(clock: Clock, capacity: usize) -> Self {
        Self {
            clock,
            capacity,
            entries: Mutex::default(),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut HashMap<String, Entry>, Duration) -> R) -> R {
        // A panic cannot leave the map half-changed, so a poisoned lock is as good as a clean one.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut entries, self.clock.monotonic())
    }
}

impl Store for MemoryStore {
    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let result = self.with(|entries, now| {
            if entries.get(key).is_some_and(|entry| entry.dies > now) {
                return Ok(false);
            }
            if entries.len() >= self.capacity {
                entries.retain(|_, entry| entry.dies > now);
            }
            if entries.len() >= self.capacity {
                return Err(StoreError::Full);
            }
            entries.insert(
                key.to_owned(),
                Entry {
                    value: value.to_vec(),
                    dies: now + life,
                },
            );
            Ok(true)
        });
        ready(result).boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let value = self.with(|entries, now| {
            entries
                .get(key)
                .filter(|entry| entry.dies > now)
                .map(|entry| entry.value.clone())
        });
        ready(Ok(value)).boxed()
    }

    fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let value = self.with(|entries, now| {
            entries
                .remove(key)
                .filter(|entry| entry.dies > now)
                .map(|entry| entry.value)
        });
        ready(Ok(value)).boxed()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn op_04_of_fifty_takers_one_wins() {
        let store = std::sync::Arc::new(MemoryStore::new(Clock::system()));
        assert!(store.put_if_absent("k", b"v", MINUTE).await.unwrap());
        let takers = (0..50).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.take("k").await.unwrap().is_some() })
        });
        let won = futures::future::join_all(takers)
            .await
            .into_iter()
            .filter(|r| *r.as_ref().unwrap());
        assert_eq!(won.count(), 1);
    }

    #[tokio::test]
    async fn op_07_an_entry_dies_on_time_and_a_full_store_refuses() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1000));
        let store = MemoryStore::with_capacity(clock, 1);
        assert_eq!(store.put_if_absent("a", b"1", MINUTE).await, Ok(true));
        assert_eq!(store.put_if_absent("a", b"2", MINUTE).await, Ok(false));
        assert_eq!(
            store.put_if_absent("b", b"3", MINUTE).await,
            Err(StoreError::Full)
        );
        assert_eq!(store.get("a").await, Ok(Some(b"1".to_vec())));
        hand.advance(MINUTE);
        assert_eq!(store.get("a").await, Ok(None));
        assert_eq!(store.take("a").await, Ok(None));
        assert_eq!(store.put_if_absent("b", b"3", MINUTE).await, Ok(true));
    }
}
