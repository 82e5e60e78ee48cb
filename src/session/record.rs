//! What a session's cookie holds.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::{EntityRef, Method, Profile, User, VerifiedIdentity};

/// A format that this build does not know is no session, never a misread one (SE-14).
const VERSION: u8 = 1;

/// A session. It holds no credential of anybody else.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Session {
    #[serde(rename = "v")]
    version: u8,
    /// Its id: drawn afresh at every sign-in, and what a revocation names.
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) ownership: Vec<String>,
    #[serde(default)]
    pub(crate) profile: Profile,
    pub(crate) provider: String,
    pub(crate) environment: String,
    /// What the provider granted: a refresh without the provider can only repeat it.
    #[serde(default)]
    pub(crate) scope: String,
    /// When the person signed in: a refresh never moves it.
    pub(crate) authenticated_at: u64,
    pub(crate) expires_at: u64,
}

impl Session {
    #[cfg(feature = "sign-in")]
    pub(crate) fn new(
        user: &EntityRef,
        ownership: &[EntityRef],
        profile: Profile,
        (provider, environment): (&str, &str),
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            version: VERSION,
            id: crate::secret::random::token(),
            user: user.as_str().to_owned(),
            ownership: ownership.iter().map(|e| e.as_str().to_owned()).collect(),
            profile,
            provider: provider.to_owned(),
            environment: environment.to_owned(),
            scope: String::new(),
            authenticated_at: now.as_unix(),
            expires_at: expires_at.as_unix(),
        }
    }

    pub(crate) fn parse(plain: &[u8]) -> Option<Self> {
        let session: Self = serde_json::from_slice(plain).ok()?;
        (session.version == VERSION).then_some(session)
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        Timestamp::from_unix(self.expires_at)
    }

    /// Vouches for the person; `None` if the record names nobody a catalog could.
    pub(crate) fn identity(&self, issuer: &str) -> Option<VerifiedIdentity> {
        let user = EntityRef::parse(&self.user).ok()?;
        let ownership: Option<Vec<_>> = self
            .ownership
            .iter()
            .map(|e| EntityRef::parse(e).ok())
            .collect();
        let user = User::new(user)
            .with_ownership(ownership?)
            .with_profile(self.profile.clone());
        let identity = VerifiedIdentity::assertion(user, Method::Session)
            .with_issuer(issuer)
            .with_provider(self.provider.as_str())
            .with_expiry(self.expires_at());
        Some(identity)
    }
}
