//! YAML as a tree in which every value knows where it stands.
//!
//! Serde alone would stop at the first mistake and forget the lines; `config` and `catalog` want to
//! list all mistakes with their places, so they read this tree instead.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Number;
use zeroize::Zeroizing;

use crate::error::ConfigMistake;

mod file;
mod parse;
mod raw;

pub(crate) use self::file::read_text;
pub(crate) use self::parse::{parse, parse_documents};

/// A value and the place where it is written.
///
/// It may hold secrets: hence no `Debug`, and strings that are wiped when dropped.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) location: Location,
}

/// What a node holds.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(Zeroizing<String>),
    /// The empty string, because the environment variable of this name is empty.
    EmptyVariable(String),
    /// Substitution failed, for this reason. Whoever reads the value reports it, and nobody does
    /// if nobody reads it: the keys of others are not our business.
    Unresolved(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map: its text, whatever type YAML would give it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) location: Location,
}

/// A place in a file; line and column count from 1. The whole file, or a variable, has the line 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) file: Arc<Path>,
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// The dotted path of a key of the map at `path`, as it may be shown.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = shown(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// As much of a key's name as may be shown. `{token:s3cret}`, without a space, is one key: what follows the
/// first character that our keys do not have may be a secret.
pub(crate) fn shown(name: &str) -> String {
    // No key of ours is longer.
    const LONGEST: usize = 48;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let end = name.find(|c| !plain(c)).unwrap_or(name.len()).min(LONGEST);
    match name.get(..end) {
        Some(part) if part.len() < name.len() => format!("{part}…"),
        _ => name.to_owned(),
    }
}

// ===== impl Node =====

impl Node {
    /// Nothing, at the start of a file.
    pub(crate) fn null(file: &Arc<Path>) -> Self {
        Self {
            value: Value::Null,
            location: Location {
                file: file.clone(),
                line: 1,
                column: 1,
            },
        }
    }

    /// What a key of a map leads to; `None` for an absent key, and for anything but a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let entry = entries.iter().find(|(found, _)| found.name == key);
        entry.map(|(_, node)| node)
    }

    /// The same, leaving the rest behind.
    pub(crate) fn take(self, key: &str) -> Option<Self> {
        let Value::Map(entries) = self.value else {
            return None;
        };
        let mut entries = entries.into_iter();
        entries.find_map(|(found, node)| (found.name == key).then_some(node))
    }

    /// The text, if it is a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            Value::EmptyVariable(_) => Some(""),
            _ => None,
        }
    }

    /// What was found, for a message that must not show the value itself.
    pub(crate) fn found(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(text) if !text.is_empty() => "a string",
            Value::String(_) | Value::EmptyVariable(_) => "an empty string",
            Value::Unresolved(_) => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    /// The same value without its places. What could not be resolved becomes `null`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Unresolved(_) => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value.clone().into(),
            Value::String(value) => value.as_str().into(),
            Value::EmptyVariable(_) => "".into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.name.clone(), node.to_json()))
                .collect(),
        }
    }
}

// ===== impl Location =====

impl Location {
    /// A mistake at this place.
    pub(crate) fn mistake(
        &self,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> ConfigMistake {
        let (mistake, file) = (ConfigMistake::new(key, message), self.file.to_path_buf());
        match self.line {
            0 => mistake.in_file(file),
            line => mistake.at(file, line, self.column),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.line {
            0 => Ok(()),
            line => write!(f, ":{line}"),
        }
    }
}
