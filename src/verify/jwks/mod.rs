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
    /// From this process, and what is not there from the nodes that it shares a store with.
    Shared {
        /// The keys of this process.
        own: Arc<ArcSwap<KeySet>>,
        /// Those of the others.
        others: RemoteKeys,
    },
}

impl KeySource {
    /// A set that never changes.
    #[must_use]
    pub fn fixed(keys: KeySet) -> Self {
        Self::Local(Arc::new(ArcSwap::from_pointee(keys)))
    }

    /// The same, and what is not there from `others`.
    pub(crate) fn beside(self, others: RemoteKeys) -> Self {
        match self {
            Self::Local(own) | Self::Shared { own, .. } => Self::Shared { own, others },
            Self::Remote(_) => Self::Remote(others),
        }
    }

    pub(crate) fn look_up(&self, algorithm: Algorithm, key_id: Option<&str>) -> Lookup {
        match self {
            Self::Remote(keys) => keys.look_up(algorithm, key_id),
            Self::Local(keys) => keys
                .load()
                .find(algorithm, key_id)
                .map_or(Lookup::Unknown, Lookup::Found),
            Self::Shared { own, others } => match own.load().find(algorithm, key_id) {
                Some(key) => Lookup::Found(key),
                None => others.look_up(algorithm, key_id),
            },
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(keys) => keys.fmt(f),
            Self::Local(keys) | Self::Shared { own: keys, .. } => keys.load().fmt(f),
        }
    }
}
