//! `backend.auth`: the keys of services (spec section 8.2).

use super::{Section, key_set};
use crate::clock::Timestamp;
use crate::error::{ConfigError, ConfigMistake};
use crate::identity::{Action, Restriction, Scopes};
use crate::secret::Secret;
use crate::verify::api_key::{KeyDigest, KeyRecord, check_secret, check_token};
use crate::verify::{ApiKeys, Issuer};

/// Backstage's name for whoever holds a key of `backend.auth.keys` (spec section 8.2).
const UNNAMED: &str = "external:backstage-plugin";

const KINDS: [&str; 3] = ["static", "legacy", "jwks"];

/// Whom `backend.auth` lets in.
#[derive(Default)]
pub(super) struct Access {
    pub(super) keys: Vec<NewKey>,
    /// Of type `jwks`: whoever signs with the keys of a set.
    pub(super) issuers: Vec<Issuer>,
}

/// One key as it is configured.
pub(super) struct NewKey {
    /// Where its secret stands.
    at: ConfigMistake,
    record: KeyRecord,
    /// Also good for HS256 tokens.
    legacy: Option<Secret<String>>,
}

pub(super) fn read(auth: Section<'_>) -> Access {
    let mut read = Access::default();
    for section in auth.list("externalAccess") {
        external(section, &mut read);
    }
    read.keys
        .extend(auth.list("keys").into_iter().filter_map(key));
    auth.ignore(&["pluginKeyStore"]);
    if auth.boolean("dangerouslyDisableDefaultAuthPolicy") == Some(true) {
        auth.mistake(
            "dangerouslyDisableDefaultAuthPolicy",
            "not supported: leave the layer out where nothing is to be guarded",
        );
    }
    auth.finish();
    read
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
    let secret = section
        .required_secret("secret")
        .filter(|secret| fits(&section, "secret", check_secret("secret", secret.expose())));
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

/// `{type: static | legacy | jwks, options: {…}, accessRestrictions?}`.
fn external(section: Section<'_>, read: &mut Access) {
    section.require("type", &format!("one of \"{}\"", KINDS.join("\", \"")));
    let kind = section.one_of("type", &KINDS);
    let options = section.required_section("options");
    let (Some(kind), Some(options)) = (kind, options) else {
        return;
    };
    match kind {
        "static" => read.keys.extend(fixed(&section, &options)),
        "legacy" => read.keys.extend(legacy(&section, &options)),
        _ => read.issuers.extend(key_set::read(&section, &options)),
    }
    options.finish();
    section.finish();
}

/// `{token, subject}`, or `{tokenHash, subject}`, which is ours and keeps the token out of the file.
fn fixed(section: &Section<'_>, options: &Section<'_>) -> Option<NewKey> {
    let subject = subject(options);
    let (key, digest) = if options.has("tokenHash") {
        let text = options.string("tokenHash");
        let digest = text.and_then(|text| match KeyDigest::parse(&text) {
            Ok(digest) => Some(digest),
            Err(_) => {
                options.mistake("tokenHash", "expected sha256: and 64 hexadecimal digits");
                None
            }
        });
        ("tokenHash", digest)
    } else {
        let token = options.required_secret("token");
        let token = token.filter(|token| fits(options, "token", check_token(token.expose())));
        ("token", token.map(|token| KeyDigest::of(token.expose())))
    };
    let record = KeyRecord::new(digest?, section.path(), subject?);
    Some(NewKey {
        at: options.place_of(key),
        record: common(section, record)?,
        legacy: None,
    })
}

/// `{secret, subject}`: a key, and good for HS256 tokens.
fn legacy(section: &Section<'_>, options: &Section<'_>) -> Option<NewKey> {
    let subject = subject(options);
    let secret = options.required_secret("secret");
    let secret =
        secret.filter(|secret| fits(options, "secret", check_secret("secret", secret.expose())));
    // The digest is set with the secret.
    let record = KeyRecord::new(KeyDigest::of(""), section.path(), subject?);
    Some(NewKey {
        at: options.place_of("secret"),
        record: common(section, record)?,
        legacy: Some(secret?),
    })
}

fn subject(options: &Section<'_>) -> Option<String> {
    let subject = options.required_string("subject")?;
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        options.mistake("subject", "expected a subject without spaces");
        return None;
    }
    Some(subject)
}

fn fits(section: &Section<'_>, key: &str, verdict: Result<(), ConfigMistake>) -> bool {
    if let Err(mistake) = &verdict {
        section.mistake(key, mistake.message());
    }
    verdict.is_ok()
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
    if let Some(only) = restrictions(section) {
        record = record.with_restrictions(only);
    }
    Some(record)
}

/// `accessRestrictions`, if there are any. An empty list is a restriction too: to nothing.
pub(super) fn restrictions(section: &Section<'_>) -> Option<Vec<Restriction>> {
    if !section.has("accessRestrictions") {
        return None;
    }
    let mut only: Vec<Restriction> = Vec::new();
    for item in section.list("accessRestrictions") {
        let place = item.place_of("plugin");
        let Some(restriction) = restriction(item) else {
            continue;
        };
        if only
            .iter()
            .any(|other| other.plugin() == restriction.plugin())
        {
            let message = format!("the plugin {:?} is restricted twice", restriction.plugin());
            section.reader().add(place.saying(message));
        }
        only.push(restriction);
    }
    Some(only)
}

fn restriction(section: Section<'_>) -> Option<Restriction> {
    let plugin = section.required_string("plugin");
    let permissions = section.string_list("permission");
    if permissions.as_ref().is_some_and(Vec::is_empty) {
        section.mistake("permission", "expected at least one permission");
    }
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
