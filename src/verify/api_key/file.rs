//! The file of keys: a JSON list of digests.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::pieces::Piece;
use super::rules::check_name;
use super::{KeyDigest, KeyRecord};
use crate::clock::Timestamp;
use crate::error::{ConfigError, ConfigMistake};
use crate::identity::{Restriction, Scopes};

/// What a record may have.
const KEYS: [&str; 6] = ["id", "subject", "hash", "expiresAt", "scopes", "plugins"];

/// Reads the records of a file, or says everything that is wrong with it, line by line. No message repeats a value:
/// it may be a key that was put in the wrong place.
pub(super) fn read(path: &Path) -> Result<Vec<KeyRecord>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigMistake::new("", format!("can't be read: {e}")).in_file(path))?;
    let mut reader = Reader {
        path,
        mistakes: Vec::new(),
        ids: HashMap::new(),
        digests: HashMap::new(),
    };
    let whole = Piece::whole(&text);
    let records = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(_)) => whole
            .parts()
            .into_iter()
            .enumerate()
            .filter_map(|(i, piece)| reader.record(i, piece))
            .collect(),
        Ok(other) => {
            let message = format!("expected a list of keys, found {}", kind(&other));
            reader.add(whole, String::new(), message);
            Vec::new()
        }
        // What is no JSON has one mistake, and after it nothing can be told.
        Err(error) => {
            let what = if error.is_eof() {
                "expected a list of keys, and the file ends before it does"
            } else {
                "expected a list of keys, found what is no JSON"
            };
            let (line, column) = (error.line() as u64, error.column() as u64);
            let mistake = ConfigMistake::new("", what).at(path, line, column);
            reader.mistakes.push(mistake);
            Vec::new()
        }
    };
    ConfigError::collect_in_order(reader.mistakes, [path])?;
    Ok(records)
}

struct Reader<'a> {
    path: &'a Path,
    mistakes: Vec<ConfigMistake>,
    /// The line that an id, or a digest, was first on.
    ids: HashMap<String, u64>,
    digests: HashMap<KeyDigest, u64>,
}

impl<'a> Reader<'a> {
    fn add(&mut self, at: Piece<'_>, key: String, message: impl Into<String>) {
        let mistake = ConfigMistake::new(key, message).at(self.path, at.line, at.column);
        self.mistakes.push(mistake);
    }

    fn record(&mut self, index: usize, piece: Piece<'a>) -> Option<KeyRecord> {
        let before = self.mistakes.len();
        let path = format!("[{index}]");
        let value: Value = serde_json::from_str(piece.text).ok()?;
        if !value.is_object() {
            self.add(
                piece,
                path,
                format!("expected a key, found {}", kind(&value)),
            );
            return None;
        }
        let members = self.members(&path, piece);
        let mut fields = Fields {
            reader: self,
            path: &path,
            whole: piece,
            members: &members,
        };
        let id = fields.name("id");
        let subject = fields.name("subject");
        let hash = fields.required("hash");
        let digest = hash.and_then(|(at, text)| fields.digest(at, &text));
        let expires_at = fields.expiry();
        let scopes = fields.list("scopes").unwrap_or_default();
        let plugins = fields.plugins();
        self.tell_apart(&path, piece.line, id.as_ref(), digest);
        let complete = self.mistakes.len() == before;
        let (Some((_, id)), Some((_, subject)), Some((_, digest)), true) =
            (id, subject, digest, complete)
        else {
            return None;
        };
        let scopes: Scopes = scopes.into_iter().map(|(_, scope)| scope).collect();
        let mut record = KeyRecord::new(digest, id, subject).with_scopes(scopes);
        if let Some(at) = expires_at {
            record = record.with_expiry(at);
        }
        if let Some(plugins) = plugins {
            record = record.with_restrictions(plugins.into_iter().map(Restriction::to_plugin));
        }
        Some(record)
    }

    /// What stands in a record, by name.
    fn members(&mut self, path: &str, piece: Piece<'a>) -> HashMap<String, Piece<'a>> {
        let mut members = HashMap::new();
        for part in piece.parts() {
            let Some((name, value)) = part.member() else {
                continue;
            };
            if !KEYS.contains(&name.as_str()) {
                let message = format!("unknown key; expected one of \"{}\"", KEYS.join("\", \""));
                self.add(part, path.to_owned(), message);
            } else if members.insert(name.clone(), value).is_some() {
                self.add(part, format!("{path}.{name}"), "duplicate key");
            }
        }
        members
    }

    /// Two records of one key or one id: only one of them would count.
    fn tell_apart(
        &mut self,
        path: &str,
        line: u64,
        id: Option<&(Piece<'_>, String)>,
        digest: Option<(Piece<'_>, KeyDigest)>,
    ) {
        let same_id = id.and_then(|(_, id)| self.ids.get(id).copied());
        let same_key = digest.and_then(|(_, digest)| self.digests.get(&digest).copied());
        if let (Some(line), Some((at, _))) = (same_key, digest) {
            self.add(
                at,
                format!("{path}.hash"),
                format!("the same key as on line {line}"),
            );
        } else if let (Some(line), Some((at, _))) = (same_id, id) {
            self.add(
                *at,
                format!("{path}.id"),
                format!("the same id as on line {line}"),
            );
        }
        if let Some((_, id)) = id {
            self.ids.entry(id.clone()).or_insert(line);
        }
        if let Some((_, digest)) = digest {
            self.digests.entry(digest).or_insert(line);
        }
    }
}

/// The members of one record.
struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    path: &'r str,
    whole: Piece<'a>,
    members: &'r HashMap<String, Piece<'a>>,
}

impl<'a> Fields<'_, 'a> {
    /// A member that is there, and not `null`.
    fn get(&self, key: &str) -> Option<(Piece<'a>, Value)> {
        let piece = *self.members.get(key)?;
        let value: Value = serde_json::from_str(piece.text).ok()?;
        (!value.is_null()).then_some((piece, value))
    }

    fn mistake(&mut self, at: Piece<'_>, key: &str, message: impl Into<String>) {
        self.reader.add(at, format!("{}.{key}", self.path), message);
    }

    fn string(&mut self, key: &str) -> Option<(Piece<'a>, String)> {
        match self.get(key)? {
            (at, Value::String(text)) => Some((at, text)),
            (at, other) => {
                self.mistake(
                    at,
                    key,
                    format!("expected a string, found {}", kind(&other)),
                );
                None
            }
        }
    }

    fn required(&mut self, key: &str) -> Option<(Piece<'a>, String)> {
        if self.get(key).is_none() {
            self.mistake(self.whole, key, "expected a string, found nothing");
        }
        self.string(key)
    }

    fn name(&mut self, key: &str) -> Option<(Piece<'a>, String)> {
        let (at, text) = self.required(key)?;
        if let Err(reason) = check_name(&text) {
            self.mistake(at, key, reason);
            return None;
        }
        Some((at, text))
    }

    fn digest(&mut self, at: Piece<'a>, text: &str) -> Option<(Piece<'a>, KeyDigest)> {
        match KeyDigest::parse(text) {
            Ok(digest) => Some((at, digest)),
            Err(mistake) => {
                self.mistake(at, "hash", mistake.message());
                None
            }
        }
    }

    fn expiry(&mut self) -> Option<Timestamp> {
        let (at, text) = self.string("expiresAt")?;
        let parsed = Timestamp::parse(&text);
        if parsed.is_none() {
            self.mistake(
                at,
                "expiresAt",
                "expected a time such as 2027-12-31T00:00:00Z",
            );
        }
        parsed
    }

    fn plugins(&mut self) -> Option<Vec<String>> {
        let list = self.list("plugins")?;
        let mut seen = HashSet::new();
        for (at, plugin) in &list {
            if !seen.insert(plugin) {
                self.mistake(*at, "plugins", "the same plugin twice");
            }
        }
        Some(list.into_iter().map(|(_, plugin)| plugin).collect())
    }

    fn list(&mut self, key: &str) -> Option<Vec<(Piece<'a>, String)>> {
        let (at, value) = self.get(key)?;
        let Value::Array(items) = value else {
            let message = format!("expected a list of strings, found {}", kind(&value));
            self.mistake(at, key, message);
            return None;
        };
        let mut strings = Vec::with_capacity(items.len());
        for (i, (item, piece)) in items.into_iter().zip(at.parts()).enumerate() {
            match item {
                Value::String(text) if !text.is_empty() => strings.push((piece, text)),
                other => {
                    let message = format!("expected a string, found {}", kind(&other));
                    self.mistake(piece, &format!("{key}[{i}]"), message);
                }
            }
        }
        Some(strings)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
