//! One sign-in, and everything that comes of it.

use serde::{Deserialize, Serialize};

#[cfg(feature = "sign-in")]
use crate::clock::Timestamp;

/// A sign-in: the session it began, the sessions that renew it, and what renews them. All of them end together,
/// in whatever browser a copy of their cookies may be.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
pub(crate) struct Family {
    /// Drawn afresh at every sign-in, and what a revocation names.
    pub(super) id: String,
    /// When it ends at the latest, however often it is renewed.
    ends_at: u64,
}

impl Family {
    #[cfg(feature = "sign-in")]
    pub(crate) fn new(ends_at: Timestamp) -> Self {
        Self {
            id: crate::secret::random::token(),
            ends_at: ends_at.as_unix(),
        }
    }

    #[cfg(feature = "sign-in")]
    pub(crate) fn ends_at(&self) -> Timestamp {
        Timestamp::from_unix(self.ends_at)
    }
}
