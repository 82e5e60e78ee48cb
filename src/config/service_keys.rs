//! `backend.auth`: whom to believe among services (spec section 8.2).

use std::collections::HashMap;

use super::Section;
use super::external_issuer;
use super::key_store;
use super::restrictions;
use crate::clock::Timestamp;
use crate::identity::Scopes;
use crate::secret::Secret;
use crate::token::SigningKeys;
use crate::verify::api_key::{
    Clash, KeyDigest, KeyRecord, MIN_TOKEN, check_key, check_legacy_secret, check_name,
};
use crate::verify::{ApiKeys, Issuer};
use crate::yaml::Location;

/// Backstage's name for whoever holds a key of `backend.auth.keys` (spec section 8.2).
const UNNAMED: &str = "external:backstage-plugin";

/// What services prove themselves with.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) keys: ApiKeys,
    /// The issuers of `externalAccess` of type `jwks`.
    pub(super) issuers: Vec<Issuer>,
    /// What plugins sign with, if not with keys of their process.
    pub(super) plugin_keys: Option<SigningKeys>,
}

/// The keys so far. Each is judged beside those before it, and added in place.
struct Ring {
    keys: ApiKeys,
    /// Where a key is configured, by its id.
    places: HashMap<String, (String, Location)>,
}

pub(super) fn none() -> Option<Services> {
    Some(Services {
        keys: ApiKeys::new([]).ok()?,
        issuers: Vec::new(),
        plugin_keys: None,
    })
}

pub(super) fn read(auth: Section<'_>) -> Option<Services> {
    let mut ring = Ring {
        keys: ApiKeys::new([]).ok()?,
        places: HashMap::new(),
    };
    let mut issuers = Vec::new();
    for section in auth.list("externalAccess") {
        issuers.extend(external(section, &mut ring));
    }
    for section in auth.list("keys") {
        key(section, &mut ring);
    }
    let plugin_keys = key_store::of_plugins(&auth);
    if auth.boolean("dangerouslyDisableDefaultAuthPolicy") == Some(true) {
        auth.mistake(
            "dangerouslyDisableDefaultAuthPolicy",
            "not supported: leave the layer out where nothing is to be guarded",
        );
    }
    auth.finish();
    Some(Services {
        keys: ring.keys,
        issuers,
        plugin_keys,
    })
}

/// `{secret, id?, description?, accessRestrictions?}`; `id` and `description` are ours.
fn key(section: Section<'_>, ring: &mut Ring) {
    let secret = secret(&section, "secret", check_legacy_secret);
    let id = section.string("id").map(|id| (check_name(&id), id));
    if let Some((Err(reason), _)) = &id {
        section.mistake("id", *reason);
    }
    // For people who read the file.
    section.ignore(&["description"]);
    let (name, subject) = match id {
        Some((Ok(()), id)) => (id.clone(), Some(format!("external:{id}"))),
        Some(_) => (section.path().to_owned(), None),
        None => (section.path().to_owned(), Some(UNNAMED.to_owned())),
    };
    // The digest is set with the secret.
    let record = subject.map(|subject| KeyRecord::new(KeyDigest::of(""), name.as_str(), subject));
    let record = common(&section, record);
    if let (Some(secret), Some(record)) = (secret, record) {
        ring.add_legacy(&section, "secret", &name, &secret, record);
    }
    section.finish();
}

/// `{type, options, accessRestrictions?}`.
fn external(section: Section<'_>, ring: &mut Ring) -> Option<Issuer> {
    section.require("type", "one of \"static\", \"legacy\", \"jwks\"");
    let kind = section.one_of("type", &["static", "legacy", "jwks"]);
    let options = section.required_section("options");
    let (kind, options) = (kind?, options?);
    if kind == "jwks" {
        return external_issuer::read(section, options);
    }
    let subject =
        options
            .required_string("subject")
            .and_then(|subject| match check_name(&subject) {
                Ok(()) => Some(subject),
                Err(reason) => {
                    options.mistake("subject", reason);
                    None
                }
            });
    let name = section.path().to_owned();
    let record = |digest| subject.map(|subject| KeyRecord::new(digest, name.as_str(), subject));
    if kind == "legacy" {
        let secret = secret(&options, "secret", check_legacy_secret);
        let record = common(&section, record(KeyDigest::of("")));
        if let (Some(secret), Some(record)) = (secret, record) {
            ring.add_legacy(&options, "secret", &name, &secret, record);
        }
    } else {
        let (at, digest) = static_token(&options);
        let record = common(&section, digest.and_then(record));
        if let Some(record) = record {
            ring.add(&options, at, &name, record);
        }
    }
    options.finish();
    section.finish();
    None
}

/// `token`, or ours: `tokenHash`, which is no secret. And the key of the two that is there.
fn static_token(options: &Section<'_>) -> (&'static str, Option<KeyDigest>) {
    const HASH: &str = "tokenHash";
    if !options.has(HASH) {
        let token = secret(options, "token", |text| check_key(text, MIN_TOKEN));
        return ("token", token.map(|token| KeyDigest::of(token.expose())));
    }
    if options.has("token") {
        options.mistake(HASH, "expected either a token or its hash, found both");
        return (HASH, None);
    }
    let digest = options.parsed(HASH, "sha256: and 64 hexadecimal digits", |text| {
        KeyDigest::parse(text).map_err(|mistake| mistake.message().to_owned())
    });
    (HASH, digest)
}

/// A secret that must be there, and that `check` finds good.
fn secret(
    section: &Section<'_>,
    key: &str,
    check: impl FnOnce(&str) -> Result<(), String>,
) -> Option<Secret<String>> {
    let secret = section.required_secret(key)?;
    match check(secret.expose()) {
        Ok(()) => Some(secret),
        Err(reason) => {
            section.mistake(key, reason);
            None
        }
    }
}

/// `expiresAt`, `scopes` and `accessRestrictions`, beside either form. They are read even if there is no record.
fn common(section: &Section<'_>, record: Option<KeyRecord>) -> Option<KeyRecord> {
    let expiry = section.has("expiresAt").then(|| {
        section.parsed("expiresAt", "a time", |text| {
            Timestamp::parse(text).ok_or("expected a time such as 2027-12-31T00:00:00Z")
        })
    });
    let scopes = section.string_list("scopes");
    let only = restrictions::read(section);
    let mut record = record?;
    if let Some(at) = expiry {
        record = record.with_expiry(at?);
    }
    if let Some(scopes) = scopes {
        record = record.with_scopes(scopes.into_iter().collect::<Scopes>());
    }
    if let Some(only) = only {
        record = record.with_restrictions(only);
    }
    Some(record)
}

// ===== impl Ring =====

impl Ring {
    fn add(&mut self, section: &Section<'_>, key: &str, name: &str, record: KeyRecord) {
        let added = self.keys.add(record);
        self.place(section, key, name, added);
    }

    fn add_legacy(
        &mut self,
        section: &Section<'_>,
        key: &str,
        name: &str,
        secret: &Secret<String>,
        record: KeyRecord,
    ) {
        let added = self.keys.add_legacy(secret, record);
        self.place(section, key, name, added);
    }

    /// Remembers where an accepted key is configured, or says beside which it cannot be.
    fn place(&mut self, section: &Section<'_>, key: &str, name: &str, added: Result<(), Clash>) {
        match added {
            Ok(()) => {
                let place = (section.path().to_owned(), section.location_of(key).clone());
                self.places.insert(name.to_owned(), place);
            }
            Err(clash) => {
                let what = clash.what;
                let other = match self.places.get(&*clash.other) {
                    Some((path, location)) => format!("{path} ({location})"),
                    None => clash.other.into(),
                };
                let key = if what == "id" { "id" } else { key };
                section.mistake(key, format!("has the same {what} as {other}"));
            }
        }
    }
}
