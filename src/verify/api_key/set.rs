//! The keys that are accepted.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Ready, ready};
use std::path::Path;
use std::sync::Arc;

use super::format::{Form, form_of};
use super::legacy::LegacySecret;
use super::rules::{MIN_SECRET, check_key, check_legacy_secret};
use super::{KeyDigest, KeyRecord};
use crate::clock::Clock;
use crate::credential::BearerToken;
use crate::error::{ConfigError, ConfigMistake};
use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::secret::digest::Digest;
use crate::verify::{Outcome, Verify};

/// The API keys that a [`BearerKeyLayer`](crate::BearerKeyLayer) accepts. In memory there are digests only.
///
/// ```
/// use tower_identity::verify::api_key::{ApiKey, ApiKeys, KeyRecord};
///
/// let key = ApiKey::generate("tid");
/// let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")])?;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ApiKeys {
    set: Arc<Set>,
    clock: Clock,
}

#[derive(Clone, Default)]
struct Set {
    // Keyed by the digest of what an attacker chooses: collisions cannot be steered.
    keys: HashMap<KeyDigest, KeyRecord>,
    legacy: Vec<LegacySecret>,
    ids: HashSet<Box<str>>,
    /// The ids of the legacy secrets, by the HMAC keys that they stand for.
    hmac_keys: HashMap<Digest, Box<str>>,
}

/// Why a key cannot be accepted beside another: only one of the two would count.
#[derive(Debug)]
pub(crate) struct Clash {
    /// What the two have in common.
    pub(crate) what: &'static str,
    /// The id of the other one.
    pub(crate) other: Box<str>,
}

// ===== impl ApiKeys =====

impl ApiKeys {
    /// Accepts these keys.
    ///
    /// # Errors
    ///
    /// If two records have one digest, or two have one id.
    pub fn new(records: impl IntoIterator<Item = KeyRecord>) -> Result<Self, ConfigError> {
        Self {
            set: Arc::default(),
            clock: Clock::system(),
        }
        .with_records(records)
    }

    /// Accepts one key whose text stands in an environment variable; the key's id is the variable's name.
    ///
    /// # Errors
    ///
    /// If the variable is not set, holds fewer than 16 characters, or what can be no bearer token.
    pub fn from_env(variable: &str, subject: &str) -> Result<Self, ConfigError> {
        let text = std::env::var(variable).map(Secret::new).map_err(|_| {
            ConfigMistake::new(variable, "environment variable is not set, or is not text")
        })?;
        check_key(text.expose(), MIN_SECRET).map_err(|e| ConfigMistake::new(variable, e))?;
        Self::new([KeyRecord::new(
            KeyDigest::of(text.expose()),
            variable,
            subject,
        )])
    }

    /// Accepts the keys of a file of digests: a JSON list.
    ///
    /// ```json
    /// [{"id": "ci-2027", "subject": "ci", "hash": "sha256:…", "expiresAt": "2027-12-31T00:00:00Z",
    ///   "scopes": ["catalog.read"], "plugins": ["catalog"]}]
    /// ```
    /// `id`, `subject` and `hash` are required.
    ///
    /// # Errors
    ///
    /// If the file can't be read, is no such list, or has mistakes: all of them are listed, each with its line.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::new(super::file::read(path.as_ref())?)
    }

    /// Accepts these keys as well.
    ///
    /// # Errors
    ///
    /// If two records have one digest, or two have one id.
    pub fn with_records(
        mut self,
        records: impl IntoIterator<Item = KeyRecord>,
    ) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        for record in records {
            let id = record.id.clone();
            if let Err(clash) = self.add(record) {
                mistakes.push(ConfigMistake::new(id, clash.to_string()));
            }
        }
        ConfigError::collect(mistakes)?;
        Ok(self)
    }

    /// Accepts a shared secret of Backstage's `backend.auth.keys`: itself as a key, and HS256 tokens
    /// signed with it for `backstage-server` (spec section 8.2). `record` says whom it proves;
    /// its digest is replaced.
    ///
    /// # Errors
    ///
    /// If the secret is weak: fewer than 16 characters, few different ones, zeros at its end. If it can be no bearer
    /// token, if the record's id is taken, or if another secret stands for the same HMAC key.
    pub fn with_legacy_secret(
        mut self,
        secret: &Secret<String>,
        record: KeyRecord,
    ) -> Result<Self, ConfigError> {
        let id = record.id.clone();
        check_legacy_secret(secret.expose())
            .and_then(|()| self.add_legacy(secret, record).map_err(|e| e.to_string()))
            .map_err(|message| ConfigMistake::new(id, message))?;
        Ok(self)
    }

    /// Accepts this key as well, in place.
    pub(crate) fn add(&mut self, record: KeyRecord) -> Result<(), Clash> {
        let set = Arc::make_mut(&mut self.set);
        if let Some(other) = set.keys.get(&record.digest) {
            return Err(Clash::over("key", &other.id));
        }
        if !set.ids.insert(record.id.clone()) {
            return Err(Clash::over("id", &record.id));
        }
        set.keys.insert(record.digest, record);
        Ok(())
    }

    /// Accepts this shared secret as well, in place. Whether it is strong enough has been judged.
    pub(crate) fn add_legacy(
        &mut self,
        secret: &Secret<String>,
        mut record: KeyRecord,
    ) -> Result<(), Clash> {
        record.digest = KeyDigest::of(secret.expose());
        let id = record.id.clone();
        let legacy = LegacySecret::new(secret, record.clone());
        let mut digests = legacy.digests().iter();
        let known = &self.set.hmac_keys;
        let twin = digests.find_map(|digest| known.get(digest)).cloned();
        // The same text is the same key, and that is said first.
        self.add(record)?;
        let set = Arc::make_mut(&mut self.set);
        if let Some(other) = twin {
            return Err(Clash::over("HMAC key", &other));
        }
        let digests = legacy.digests().iter();
        set.hmac_keys
            .extend(digests.map(|digest| (*digest, id.clone())));
        set.legacy.push(legacy);
        Ok(())
    }

    /// Judges expiry by this clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.keys.len()
    }

    /// Whether no key is accepted at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.keys.is_empty()
    }

    fn judge(&self, token: &str) -> Result<Outcome, Rejection> {
        if form_of(token) == Form::Broken {
            return Err(Rejection::invalid("an API key whose checksum is wrong"));
        }
        let now = self.clock.now();
        // The digest is looked up, never the key: what the map's timing tells is about a digest.
        if let Some(record) = self.set.keys.get(&KeyDigest::of(token)) {
            return match record.expires_at {
                Some(at) if at <= now => Err(Rejection::invalid(format!(
                    "the key {} has expired",
                    record.id
                ))),
                _ => Ok(Outcome::verified(record.identity(None))),
            };
        }
        for legacy in &self.set.legacy {
            if let Some(verdict) = legacy.judge(token, now) {
                return verdict.map(Outcome::verified);
            }
        }
        Ok(Outcome::NotRecognised)
    }
}

impl Verify for ApiKeys {
    type Future = Ready<Result<Outcome, Rejection>>;

    fn verify(&self, token: BearerToken<'_>) -> Self::Future {
        ready(self.judge(token.as_str()))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("keys", &self.len())
            .finish_non_exhaustive()
    }
}

// ===== impl Clash =====

impl Clash {
    fn over(what: &'static str, other: &str) -> Self {
        let other = other.into();
        Self { what, other }
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has the same {} as {}", self.what, self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_keys_are_accepted_one_by_one_and_in_place() {
        // Comparing each with each, or copying all for each, would be 10^10 steps.
        let mut keys = ApiKeys::new([]).unwrap();
        for i in 0..100_000 {
            let name = format!("key-{i}");
            let record = KeyRecord::new(KeyDigest::of(&name), name.as_str(), "ci");
            keys.add(record).unwrap();
        }
        assert_eq!(keys.len(), 100_000);
    }

    #[test]
    fn two_secrets_of_one_hmac_key_clash() {
        let add = |keys: &mut ApiKeys, secret: &str, id: &str| {
            let record = KeyRecord::new(KeyDigest::of(""), id, "x");
            keys.add_legacy(&Secret::from(secret), record)
                .err()
                .map(|clash| clash.to_string())
        };
        let mut keys = ApiKeys::new([]).unwrap();
        assert_eq!(add(&mut keys, "c2VydmljZS1rZXktMDEyMzQ1Ng==", "a"), None);
        for (secret, id, expected) in [
            (
                "c2VydmljZS1rZXktMDEyMzQ1Ng",
                "b",
                "has the same HMAC key as a",
            ),
            ("c2VydmljZS1rZXktMDEyMzQ1Ng==", "c", "has the same key as a"),
            // A zero more.
            (
                "c2VydmljZS1rZXktMDEyMzQ1NgA=",
                "d",
                "has the same HMAC key as a",
            ),
            ("YW5vdGhlci1rZXktMDEyMzQ1Ng==", "a", "has the same id as a"),
        ] {
            assert_eq!(add(&mut keys, secret, id).as_deref(), Some(expected));
        }
    }
}
