//! The guest: signs anybody in as one user, so that a portal can be tried without a provider.

use super::{Built, Configured, Context, Kind};
use crate::error::ConfigMistake;
use crate::identity::EntityRef;

/// The guest provider.
///
/// # Security
///
/// Whoever asks is signed in. It works only while the portal's URL is on this machine, unless
/// [`dangerously_allow_outside_development`](Self::dangerously_allow_outside_development) is called.
#[derive(Clone, Debug)]
#[must_use]
pub struct Guest {
    pub(crate) user: Option<EntityRef>,
    pub(crate) ownership: Option<Vec<EntityRef>>,
    pub(crate) anywhere: bool,
}

impl Guest {
    /// Signs in as `user:development/guest`.
    pub fn new() -> Self {
        Self {
            user: EntityRef::parse("user:development/guest").ok(),
            ownership: None,
            anywhere: false,
        }
    }

    /// Signs in as this user.
    pub fn with_user(mut self, user: EntityRef) -> Self {
        self.user = Some(user);
        self
    }

    /// What the user owns if the catalog does not know them; themselves unless told.
    pub fn with_ownership(mut self, ownership: impl IntoIterator<Item = EntityRef>) -> Self {
        self.ownership = Some(ownership.into_iter().collect());
        self
    }

    /// Works on public URLs as well: anybody who reaches the portal is signed in.
    pub fn dangerously_allow_outside_development(mut self) -> Self {
        self.anywhere = true;
        self
    }
}

impl Configured for Guest {
    fn build(&self, _: Context) -> Result<Built, ConfigMistake> {
        Ok(Built::Guest)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Guest(self)
    }
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}
