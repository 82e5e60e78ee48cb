//! What is known of one key.

use super::KeyDigest;
use crate::clock::Timestamp;
use crate::identity::{Method, Restriction, Scopes, Service, VerifiedIdentity};

/// One key: its digest, whom it proves, and for how long and for what.
///
/// Two records may name one subject: that is how a key is rotated without a gap.
#[derive(Clone, Debug)]
#[must_use]
pub struct KeyRecord {
    pub(super) digest: KeyDigest,
    pub(super) id: Box<str>,
    pub(super) subject: Box<str>,
    pub(super) expires_at: Option<Timestamp>,
    scopes: Scopes,
    restrictions: Option<Vec<Restriction>>,
}

impl KeyRecord {
    /// A key that proves `subject`; `id` tells it from other keys in logs.
    pub fn new(digest: KeyDigest, id: impl Into<Box<str>>, subject: impl Into<Box<str>>) -> Self {
        Self {
            digest,
            id: id.into(),
            subject: subject.into(),
            expires_at: None,
            scopes: Scopes::default(),
            restrictions: None,
        }
    }

    /// Refuses the key from this moment on.
    pub fn with_expiry(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// What it is granted; nothing unless told.
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// Where it may be used; everywhere unless told. An empty list allows nothing.
    pub fn with_restrictions(mut self, only: impl IntoIterator<Item = Restriction>) -> Self {
        self.restrictions = Some(only.into_iter().collect());
        self
    }

    /// Vouches for the key's holder, until the key or `also_until` ends.
    pub(super) fn identity(&self, also_until: Option<Timestamp>) -> VerifiedIdentity {
        let mut service = Service::new(self.subject.clone()).with_key_id(self.id.clone());
        if let Some(only) = &self.restrictions {
            service = service.with_restrictions(only.iter().cloned());
        }
        let identity =
            VerifiedIdentity::assertion(service, Method::ApiKey).with_scopes(self.scopes.clone());
        match self.expires_at.into_iter().chain(also_until).min() {
            Some(at) => identity.with_expiry(at),
            None => identity,
        }
    }
}
