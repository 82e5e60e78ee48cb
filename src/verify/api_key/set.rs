//! The keys that are accepted.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Ready, ready};
use std::path::Path;
use std::sync::Arc;

use super::format::{Form, form_of};
use super::legacy::LegacySecret;
use super::{KeyDigest, KeyRecord};
use crate::clock::Clock;
use crate::credential::BearerToken;
use crate::error::{ConfigError, ConfigMistake};
use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::verify::{Outcome, Verify};

/// Backstage's own bound for a static token.
const MIN_TOKEN: usize = 8;
/// Shorter secrets can be guessed or are placeholders.
const MIN_SECRET: usize = 16;

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
    ids: HashSet<Box<str>>,
    legacy: Vec<LegacySecret>,
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
    /// If the variable is not set, or holds fewer than 16 characters.
    pub fn from_env(variable: &str, subject: &str) -> Result<Self, ConfigError> {
        let text = std::env::var(variable).map(Secret::new).map_err(|_| {
            ConfigMistake::new(variable, "environment variable is not set, or is not text")
        })?;
        check_secret(variable, text.expose())?;
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
        self.add_records(records)?;
        Ok(self)
    }

    pub(crate) fn add_records(
        &mut self,
        records: impl IntoIterator<Item = KeyRecord>,
    ) -> Result<(), ConfigError> {
        let set = Arc::make_mut(&mut self.set);
        let mut mistakes = Vec::new();
        for record in records {
            let id = record.id.clone();
            if !set.ids.insert(id.clone()) {
                mistakes.push(ConfigMistake::new(&*id, "two keys have this id"));
            }
            if let Some(other) = set.keys.insert(record.digest, record) {
                mistakes.push(ConfigMistake::new(
                    id,
                    format!("the same key as {}", other.id),
                ));
            }
        }
        ConfigError::collect(mistakes)
    }

    /// Accepts a shared secret of Backstage's `backend.auth.keys`: itself as a key, and HS256 tokens
    /// signed with it for `backstage-server` (spec section 8.2). `record` says whom it proves;
    /// its digest is replaced.
    ///
    /// # Errors
    ///
    /// If the secret has fewer than 16 characters, its key is weaker than it looks, or the record's id is taken.
    pub fn with_legacy_secret(
        mut self,
        secret: &Secret<String>,
        record: KeyRecord,
    ) -> Result<Self, ConfigError> {
        self.add_legacy_secret(secret, record)?;
        Ok(self)
    }

    pub(crate) fn add_legacy_secret(
        &mut self,
        secret: &Secret<String>,
        mut record: KeyRecord,
    ) -> Result<(), ConfigError> {
        check_secret(&record.id, secret.expose())?;
        record.digest = KeyDigest::of(secret.expose());
        let id = record.id.clone();
        let legacy = LegacySecret::new(secret, record.clone())
            .map_err(|message| ConfigMistake::new(&*id, message))?;
        if self
            .set
            .legacy
            .iter()
            .any(|other| other.shares_a_key(&legacy))
        {
            let message = "another entry has this secret, or one that is the same HMAC key";
            return Err(ConfigMistake::new(&*id, message).into());
        }
        self.add_records([record])?;
        Arc::make_mut(&mut self.set).legacy.push(legacy);
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

/// Whether a token could ever be presented: it is one `b64token`, and no key of ours with a typing error in it.
pub(crate) fn check_token(token: &str) -> Result<(), ConfigMistake> {
    let mistake = |message: &str| Err(ConfigMistake::new("token", message));
    if token.len() < MIN_TOKEN {
        return mistake("expected at least 8 characters");
    }
    if BearerToken::parse(token.as_bytes()).is_err() {
        return mistake(
            "expected letters, digits and -._~+/ only: no other token fits an Authorization header",
        );
    }
    if form_of(token) == Form::Broken {
        return mistake("it looks like a generated key, but its checksum is wrong");
    }
    Ok(())
}

pub(crate) fn check_secret(key: &str, secret: &str) -> Result<(), ConfigMistake> {
    let length = secret.len();
    let fits = secret.bytes().all(|b| b.is_ascii_graphic());
    if !fits {
        return Err(ConfigMistake::new(
            key,
            "expected a secret of visible ASCII characters without spaces",
        ));
    }
    if length < MIN_SECRET {
        let message =
            format!("expected a secret of at least {MIN_SECRET} characters, found {length}");
        return Err(ConfigMistake::new(key, message));
    }
    Ok(())
}
