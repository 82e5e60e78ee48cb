//! The store of a portal of one node.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

use super::{Store, StoreError};
use crate::clock::Clock;

/// How often the dead are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// Entries in memory, bounded in number: when it is full of living entries it refuses new ones,
/// because forgetting a used state early would let it be used again.
///
/// The bound is for each kind of key by itself, which is what stands before the first `:`. Whoever
/// fills the store with sign-ins that lead nowhere cannot keep a session from being revoked.
pub struct MemoryStore {
    clock: Clock,
    capacity: usize,
    kinds: Mutex<HashMap<String, Entries>>,
}

#[derive(Default)]
struct Entries {
    living: HashMap<String, Entry>,
    /// When the dead were last looked for. A full store must not look at every entry for each one it refuses.
    swept: Option<Duration>,
}

struct Entry {
    value: Vec<u8>,
    dies: Duration,
}

impl MemoryStore {
    /// An empty store of at most a million entries of each kind.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with_capacity(clock, 1_000_000)
    }

    /// An empty store of at most `capacity` entries of each kind.
    #[must_use]
    pub fn with_capacity(clock: Clock, capacity: usize) -> Self {
        Self {
            clock,
            capacity,
            kinds: Mutex::default(),
        }
    }

    fn with<R>(&self, key: &str, f: impl FnOnce(&mut Entries, Duration) -> R) -> R {
        // A panic cannot leave the map half-changed, so a poisoned lock is as good as a clean one.
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = key.split(':').next().unwrap_or_default();
        // Kinds are few: they are names in this crate, never what a caller sends.
        let entries = kinds.entry(kind.to_owned()).or_default();
        f(entries, self.clock.monotonic())
    }
}

impl Store for MemoryStore {
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
        let result = self.with(key, |entries, now| {
            let found = entries.get(key, now).map(|entry| entry.value.as_slice());
            if found != expected {
                return Ok(false);
            }
            if found.is_none() {
                entries.sweep(now);
                if entries.living.len() >= self.capacity {
                    return Err(StoreError::Full);
                }
            }
            let entry = Entry {
                value: value.to_vec(),
                dies: now.saturating_add(life),
            };
            entries.living.insert(key.to_owned(), entry);
            Ok(true)
        });
        ready(result).boxed()
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let value = self.with(key, |entries, now| {
            entries.get(key, now).map(|entry| entry.value.clone())
        });
        ready(Ok(value)).boxed()
    }

    fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let value = self.with(key, |entries, now| {
            entries
                .living
                .remove(key)
                .filter(|entry| entry.dies > now)
                .map(|entry| entry.value)
        });
        ready(Ok(value)).boxed()
    }
}

impl Entries {
    fn get(&self, key: &str, now: Duration) -> Option<&Entry> {
        self.living.get(key).filter(|entry| entry.dies > now)
    }

    /// Forgets the dead, at most once a minute.
    fn sweep(&mut self, now: Duration) {
        if self.swept.is_none_or(|at| now >= at + SWEEP) {
            self.living.retain(|_, entry| entry.dies > now);
            self.swept = Some(now);
        }
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

    #[test]
    fn op_04_of_fifty_takers_one_wins() {
        // Threads that a barrier lets go at once: tasks of one thread would take turns, whatever `take` does.
        const TAKERS: usize = 50;
        let store = MemoryStore::new(Clock::system());
        for round in 0..100 {
            let key = format!("k{round}");
            let put = store.put_if_absent(&key, b"v", MINUTE).now_or_never();
            assert_eq!(put, Some(Ok(true)));
            let start = std::sync::Barrier::new(TAKERS);
            let won = std::thread::scope(|scope| {
                let takers = [(); TAKERS].map(|()| {
                    scope.spawn(|| {
                        start.wait();
                        store.take(&key).now_or_never().unwrap().unwrap().is_some()
                    })
                });
                let won = takers.into_iter().filter_map(|taker| taker.join().ok());
                won.filter(|won| *won).count()
            });
            assert_eq!(won, 1, "round {round}");
        }
    }

    #[tokio::test]
    async fn an_entry_is_swapped_only_if_it_is_what_was_seen() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1000));
        let store = MemoryStore::with_capacity(clock, 1);
        let swap = async |expected: Option<&[u8]>, value: &[u8]| {
            store.compare_and_swap("x:a", expected, value, MINUTE).await
        };
        assert_eq!(swap(Some(b"0"), b"1").await, Ok(false), "there is none");
        assert_eq!(swap(None, b"1").await, Ok(true));
        assert_eq!(swap(None, b"2").await, Ok(false), "there is one");
        assert_eq!(swap(Some(b"0"), b"2").await, Ok(false), "it is another");
        assert_eq!(store.get("x:a").await, Ok(Some(b"1".to_vec())));
        hand.advance(MINUTE / 2);
        assert_eq!(
            swap(Some(b"1"), b"2").await,
            Ok(true),
            "and a full store is no reason"
        );
        hand.advance(MINUTE / 2);
        assert_eq!(
            store.get("x:a").await,
            Ok(Some(b"2".to_vec())),
            "its life begins anew"
        );
        hand.advance(MINUTE / 2);
        assert_eq!(swap(Some(b"2"), b"3").await, Ok(false), "it is dead");
    }

    #[tokio::test]
    async fn op_07_an_entry_dies_on_time_and_a_full_store_refuses() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1000));
        let store = MemoryStore::with_capacity(clock, 1);
        assert_eq!(store.put_if_absent("x:a", b"1", MINUTE).await, Ok(true));
        assert_eq!(store.put_if_absent("x:a", b"2", MINUTE).await, Ok(false));
        assert_eq!(
            store.put_if_absent("x:b", b"3", MINUTE).await,
            Err(StoreError::Full)
        );
        assert_eq!(store.get("x:a").await, Ok(Some(b"1".to_vec())));
        assert_eq!(
            store.put_if_absent("y:b", b"3", MINUTE).await,
            Ok(true),
            "another kind has its own room"
        );
        let forever = store.put_if_absent("z:a", b"", Duration::MAX).await;
        assert_eq!(forever, Ok(true));
        hand.advance(MINUTE);
        assert_eq!(store.get("x:a").await, Ok(None));
        assert_eq!(store.take("x:a").await, Ok(None));
        assert_eq!(store.put_if_absent("x:b", b"3", MINUTE).await, Ok(true));
    }
}
