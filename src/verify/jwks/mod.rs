//! Key sets (RFC 7517): where an issuer's public keys come from, and how long they are believed.

mod key_set;
mod remote;

pub use self::key_set::KeySet;
pub use self::remote::RemoteKeys;
pub(crate) use self::remote::{Fetch, Lookup};

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::jwt::jws::Algorithm;

/// Where an issuer's keys come from.
#[derive(Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// From the network, fetched when first needed and refreshed ahead of need.
    Remote(RemoteKeys),
    /// From this process: keys of our own, or a set that somebody else keeps up to date.
    Local(Arc<ArcSwap<KeySet>>),
}

impl KeySource {
    /// A set that never changes.
    #[must_use]
    pub fn fixed(keys: KeySet) -> Self {
        Self::Local(Arc::new(ArcSwap::from_pointee(keys)))
    }

    pub(crate) fn look_up(&self, algorithm: Algorithm, key_id: Option<&str>) -> Lookup {
        match self {
            Self::Remote(keys) => keys.look_up(algorithm, key_id),
            Self::Local(keys) => keys
                .load()
                .find(algorithm, key_id)
                .map_or(Lookup::Unknown, Lookup::Found),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(keys) => keys.fmt(f),
            Self::Local(keys) => keys.load().fmt(f),
        }
    }
}
