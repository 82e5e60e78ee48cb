//! `backend.auth`: the keys of services (spec section 8.2).

use super::Section;
use crate::clock::Timestamp;
use crate::error::{ConfigError, ConfigMistake};
use crate::identity::{Action, Restriction, Scopes};
use crate::secret::Secret;
use crate::verify::ApiKeys;
use crate::verify::api_key::{KeyDigest, KeyRecord, check_secret};

/// Backstage's name for whoever holds a key of `backend.auth.keys` (spec section 8.2).
const UNNAMED: &str = "external:backstage-plugin";

/// One key as it is configured.
pub(super) struct NewKey {
    /// Where its secret stands.
    at: ConfigMistake,
    record: KeyRecord,
    /// Also good for HS256 tokens.
    legacy: Option<Secret<String>>,
}

pub(super) fn read(auth: Section<'_>) -> Vec<NewKey> {
    let mut keys: Vec<NewKey> = auth
        .list("externalAccess")
        .into_iter()
        .filter_map(external)
        .collect();
    keys.extend(auth.list("keys").into_iter().filter_map(key));
    auth.ignore(&["pluginKeyStore"]);
    if auth.boolean("dangerouslyDisableDefaultAuthPolicy") == Some(true) {
        auth.mistake(
            "dangerouslyDisableDefaultAuthPolicy",
            "not supported: leave the layer out where nothing is to be guarded",
        );
    }
    auth.finish();
    keys
}

pub(super) fn build(keys: Vec<NewKey>) -> Result<ApiKeys, ConfigError> {
    let mut accepted = ApiKeys::new([])?;
    let mut mistakes = Vec::new();
    for NewKey { at, record, legacy } in keys {
        let added = match &legacy {
            Some(secret) => accepted.add_legacy_secret(secret, record),
            None => accepted.add_records([record]),
        };
        let found = added.map_err(ConfigError::into_mistakes).err();
        let found = found.into_iter().flatten();
        mistakes.extend(found.map(|mistake| at.clone().saying(mistake.message())));
    }
    ConfigError::collect(mistakes)?;
    Ok(accepted)
}

/// `{secret, id?, description?, accessRestrictions?}`; `id` and `description` are ours.
fn key(section: Section<'_>) -> Option<NewKey> {
    let secret = section.required_secret("secret").filter(|secret| {
        let verdict = check_secret("secret", secret.expose());
        if let Err(mistake) = &verdict {
            section.mistake("secret", mistake.message());
        }
        verdict.is_ok()
    });
    let id = section.string("id");
    // For people who read the file.
    section.ignore(&["description"]);
    let at = section.place_of("secret");
    let subject = id
        .as_ref()
        .map_or_else(|| UNNAMED.to_owned(), |id| format!("external:{id}"));
    let name = id.unwrap_or_else(|| section.path().to_owned());
    // The digest is set with the secret.
    let record = common(&section, KeyRecord::new(KeyDigest::of(""), name, subject));
    section.finish();
    Some(NewKey {
        at,
        record: record?,
        legacy: Some(secret?),
    })
}

/// `{type: static | legacy, options: {token | secret, subject}, accessRestrictions?}`.
fn external(section: Section<'_>) -> Option<NewKey> {
    section.require("type", "one of \"static\", \"legacy\"");
    let kind = section.one_of("type", &["static", "legacy"]);
    let options = section.required_section("options");
    let (kind, options) = (kind?, options?);
    let secret_key = if kind == "static" { "token" } else { "secret" };
    let (secret, subject) = (
        options.required_secret(secret_key),
        options.required_string("subject"),
    );
    let at = options.place_of(secret_key);
    let fits = secret
        .as_ref()
        .is_none_or(|s| s.expose().len() >= 8 && s.expose().bytes().all(|b| b.is_ascii_graphic()));
    if !fits {
        options.mistake(
            secret_key,
            "expected at least 8 visible characters without spaces",
        );
    }
    options.finish();
    let record = match (&secret, subject) {
        (Some(secret), Some(subject)) => common(
            &section,
            KeyRecord::new(KeyDigest::of(secret.expose()), section.path(), subject),
        ),
        _ => None,
    };
    section.finish();
    Some(NewKey {
        at,
        record: record.filter(|_| fits)?,
        legacy: secret.filter(|_| kind == "legacy"),
    })
}

/// `expiresAt`, `scopes` and `accessRestrictions`, beside either form.
fn common(section: &Section<'_>, mut record: KeyRecord) -> Option<KeyRecord> {
    if let Some(text) = section.string("expiresAt") {
        match Timestamp::parse(&text) {
            Some(at) => record = record.with_expiry(at),
            None => {
                section.mistake("expiresAt", "expected a time such as 2027-12-31T00:00:00Z");
                return None;
            }
        }
    }
    if let Some(scopes) = section.string_list("scopes") {
        record = record.with_scopes(scopes.into_iter().collect::<Scopes>());
    }
    if section.has("accessRestrictions") {
        let only: Vec<Restriction> = section
            .list("accessRestrictions")
            .into_iter()
            .filter_map(restriction)
            .collect();
        record = record.with_restrictions(only);
    }
    Some(record)
}

fn restriction(section: Section<'_>) -> Option<Restriction> {
    let plugin = section.required_string("plugin");
    let permissions = section.string_list("permission");
    let actions = section.section("permissionAttribute").map(|attribute| {
        let words = attribute.string_list("action");
        let named = words.as_deref().unwrap_or_default();
        let known = |word: &String| {
            let found = Action::ALL
                .into_iter()
                .find(|action| action.as_str() == word);
            if found.is_none() {
                attribute.mistake(
                    "action",
                    "expected one of \"create\", \"read\", \"update\", \"delete\"",
                );
            }
            found
        };
        let actions: Vec<Action> = named.iter().filter_map(known).collect();
        attribute.finish();
        words.map(|_| actions)
    });
    section.finish();
    let mut only = Restriction::to_plugin(plugin?);
    if let Some(permissions) = permissions {
        only = only.with_permissions(permissions);
    }
    if let Some(actions) = actions.flatten() {
        only = only.with_actions(actions);
    }
    Some(only)
}
