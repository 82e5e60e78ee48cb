//! What several nodes must agree on: a few atomic verbs over short-lived entries.
//!
//! Keys are digests and values are sealed before they come here, so that a dump holds nothing usable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

mod memory;

pub use self::memory::MemoryStore;

/// The shared state of a portal's nodes.
///
/// # Security
///
/// Every verb is atomic: of any number of concurrent callers, on any number of nodes, one wins.
pub trait Store: Send + Sync + 'static {
    /// Puts an entry that lives for `life`, unless one lives there already: whether it was put.
    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Puts `value` in the place of an entry that still is `expected`, or where there is none if that is `None`: whether
    /// it was put. It lives for `life` from then on.
    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a [u8]>,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Reads an entry.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Takes an entry out: of fifty concurrent takers one gets it.
    fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;
}

/// One store for several sign-ins, or for one of them and its [sessions](crate::session::Sessions) elsewhere.
impl<S: Store + ?Sized> Store for Arc<S> {
    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        (**self).put_if_absent(key, value, life)
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a [u8]>,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        (**self).compare_and_swap(key, expected, value, life)
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        (**self).get(key)
    }

    fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        (**self).take(key)
    }
}

/// The store could not answer: nothing may be assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// It is out of reach.
    Unavailable(String),
    /// It is full, and will not forget a one-time thing early to make room.
    Full,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(detail) => write!(f, "the store is out of reach: {detail}"),
            Self::Full => f.write_str("the store is full"),
        }
    }
}

impl std::error::Error for StoreError {}
