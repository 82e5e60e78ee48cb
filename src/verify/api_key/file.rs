//! The file of keys: a JSON list of digests.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{KeyDigest, KeyRecord};
use crate::clock::Timestamp;
use crate::error::{ConfigError, ConfigMistake};
use crate::identity::{Restriction, Scopes};

/// Reads the records of a file, or says everything that is wrong with it, line by line.
pub(super) fn read(path: &Path) -> Result<Vec<KeyRecord>, ConfigError> {
    let mistake = |line: usize, column: usize, key: String, message: String| {
        ConfigMistake::new(key, message).at(path, line as u64, column as u64)
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| mistake(1, 1, String::new(), format!("can't be read: {e}")))?;
    // First the list as a whole: what is no JSON has one mistake, and after it nothing can be told.
    // Serde's own words may repeat a key that was pasted in the wrong place.
    serde_json::from_str::<Vec<Value>>(&text).map_err(|e| {
        let message = match e.classify() {
            serde_json::error::Category::Data => "expected a list of keys",
            _ => "expected JSON",
        };
        mistake(e.line(), e.column().max(1), String::new(), message.into())
    })?;
    let mut records = Vec::new();
    let mut mistakes = Vec::new();
    for (i, (line, column, element)) in elements(&text).into_iter().enumerate() {
        let record = serde_json::from_str::<Map<String, Value>>(element);
        let read = record.map_err(|_| vec![("", "expected an object".to_owned())]);
        match read.and_then(|record| read_record(&record)) {
            Ok(record) => records.push((line, column, i, record)),
            Err(found) => mistakes.extend(found.into_iter().map(|(key, text)| {
                let dot = if key.is_empty() { "" } else { "." };
                mistake(line, column, format!("[{i}]{dot}{key}"), text)
            })),
        }
    }
    let (mut ids, mut digests) = (HashMap::new(), HashMap::new());
    for (line, column, i, record) in &records {
        let twice = [
            ("id", ids.insert(&record.id, *line)),
            ("hash", digests.insert(&record.digest, *line)),
        ];
        for (key, other) in twice {
            if let Some(other) = other {
                let message = format!("the same as that of the key in line {other}");
                mistakes.push(mistake(*line, *column, format!("[{i}].{key}"), message));
            }
        }
    }
    ConfigError::collect(mistakes)?;
    Ok(records.into_iter().map(|(.., record)| record).collect())
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

/// Everything that is wrong with one record, by its keys. No value is shown: it may be the key itself.
fn read_record(record: &Map<String, Value>) -> Result<KeyRecord, Vec<(&'static str, String)>> {
    const KNOWN: [&str; 6] = ["id", "subject", "hash", "expiresAt", "scopes", "plugins"];
    let mut mistakes = Vec::new();
    let strangers = record.keys().filter(|key| !KNOWN.contains(&key.as_str()));
    if strangers.count() > 0 {
        let message = format!("an unknown key; expected \"{}\"", KNOWN.join("\", \""));
        mistakes.push(("", message));
    }
    let mut text = |key: &'static str, fits: &dyn Fn(&str) -> bool, wanted: &str, needed: bool| {
        let value = record.get(key).filter(|value| !value.is_null());
        let found = value.and_then(Value::as_str).filter(|text| fits(text));
        if found.is_none() && (needed || value.is_some()) {
            mistakes.push((key, format!("expected {wanted}")));
        }
        found.unwrap_or_default()
    };
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let wanted = "visible ASCII characters without spaces";
    let (id, subject) = (
        text("id", &visible, wanted, true),
        text("subject", &visible, wanted, true),
    );
    let hash = text(
        "hash",
        &|text| KeyDigest::parse(text).is_ok(),
        "sha256: and 64 hexadecimal digits",
        true,
    );
    let expires_at = text(
        "expiresAt",
        &|text| Timestamp::parse(text).is_some(),
        "a time such as 2027-12-31T00:00:00Z",
        false,
    );
    let mut list = |key: &'static str| -> Option<Vec<String>> {
        let value = record.get(key).filter(|value| !value.is_null())?;
        let items = value
            .as_array()
            .map(|items| items.iter().map(Value::as_str));
        let items = items.and_then(|items| items.map(|i| i.map(str::to_owned)).collect());
        if items.is_none() {
            mistakes.push((key, "expected a list of strings".to_owned()));
        }
        items
    };
    let (scopes, plugins) = (list("scopes"), list("plugins"));
    let (Ok(digest), true) = (KeyDigest::parse(hash), mistakes.is_empty()) else {
        return Err(mistakes);
    };
    let mut made = KeyRecord::new(digest, id, subject)
        .with_scopes(scopes.into_iter().flatten().collect::<Scopes>());
    if let Some(at) = Timestamp::parse(expires_at) {
        made = made.with_expiry(at);
    }
    if let Some(plugins) = plugins {
        made = made.with_restrictions(plugins.into_iter().map(Restriction::to_plugin));
    }
    Ok(made)
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
