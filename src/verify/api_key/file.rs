//! The file of keys: a JSON list of digests.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{KeyDigest, KeyRecord};
use crate::clock::Timestamp;
use crate::error::{ConfigError, ConfigMistake};
use crate::identity::{Restriction, Scopes};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileRecord {
    id: String,
    subject: String,
    hash: String,
    expires_at: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    plugins: Option<Vec<String>>,
}

/// Reads the records of a file, or says everything that is wrong with it, line by line.
pub(super) fn read(path: &Path) -> Result<Vec<KeyRecord>, ConfigError> {
    let mistake = |line: usize, column: usize, key: String, message: String| {
        ConfigMistake::new(key, message).at(path, line as u64, column as u64)
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| mistake(1, 1, String::new(), format!("can't be read: {e}")))?;
    // First the list as a whole: what is no JSON has one mistake, and after it nothing can be told.
    serde_json::from_str::<Vec<Value>>(&text).map_err(|e| {
        let message = format!("expected a list of keys: {e}");
        mistake(e.line(), e.column(), String::new(), message)
    })?;
    let mut records = Vec::new();
    let mut mistakes = Vec::new();
    for (i, (line, column, element)) in elements(&text).into_iter().enumerate() {
        match serde_json::from_str::<FileRecord>(element) {
            Err(e) => {
                // The line within the element, and the element's own.
                let message = format!("expected a key: {e}");
                mistakes.push(mistake(
                    line + e.line() - 1,
                    column,
                    format!("[{i}]"),
                    message,
                ));
            }
            Ok(record) => match record.into_record() {
                Ok(record) => records.push(record),
                Err(found) => mistakes.extend(
                    found
                        .into_iter()
                        .map(|(key, text)| mistake(line, column, format!("[{i}].{key}"), text)),
                ),
            },
        }
    }
    ConfigError::collect(mistakes)?;
    Ok(records)
}

/// The elements of a list that has been parsed before, and where each begins.
fn elements(text: &str) -> Vec<(usize, usize, &str)> {
    let mut found = Vec::new();
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let (mut line, mut line_start) = (1, 0);
    let mut start = None;
    for (i, byte) in text.bytes().enumerate() {
        if byte == b'\n' {
            (line, line_start) = (line + 1, i + 1);
        }
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        let ends = depth == 1 && matches!(byte, b',' | b']');
        if ends {
            if let Some((line, column, from)) = start.take() {
                found.push((line, column, &text[from..i]));
            }
        } else if depth == 1 && start.is_none() && !byte.is_ascii_whitespace() {
            start = Some((line, i - line_start + 1, i));
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    found
}

impl FileRecord {
    fn into_record(self) -> Result<KeyRecord, Vec<(&'static str, String)>> {
        let mut mistakes = Vec::new();
        let digest = KeyDigest::parse(&self.hash)
            .map_err(|e| mistakes.push(("hash", e.message().to_owned())));
        for (key, value) in [("id", &self.id), ("subject", &self.subject)] {
            if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
                let message = "expected visible ASCII characters without spaces";
                mistakes.push((key, message.to_owned()));
            }
        }
        let expires_at = self.expires_at.as_deref().map(|text| {
            Timestamp::parse(text).ok_or_else(|| {
                let message = "expected a time such as 2027-12-31T00:00:00Z";
                mistakes.push(("expiresAt", message.to_owned()));
            })
        });
        let (Ok(digest), Ok(expires_at)) = (digest, expires_at.transpose()) else {
            return Err(mistakes);
        };
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut record = KeyRecord::new(digest, self.id, self.subject)
            .with_scopes(self.scopes.into_iter().collect::<Scopes>());
        if let Some(at) = expires_at {
            record = record.with_expiry(at);
        }
        if let Some(plugins) = self.plugins {
            record = record.with_restrictions(plugins.into_iter().map(Restriction::to_plugin));
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_with_their_lines_whatever_is_in_them() {
        let text = "[\n  {\"a\": \"],}\\\"\"},\n\n  [1, {}], 7\n]";
        assert_eq!(
            elements(text),
            [
                (2, 3, "{\"a\": \"],}\\\"\"}"),
                (4, 3, "[1, {}]"),
                (4, 12, "7\n")
            ]
        );
        assert_eq!(elements(" [ ] "), []);
        assert_eq!(elements("[]"), []);
    }
}
