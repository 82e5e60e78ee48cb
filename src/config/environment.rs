//! `APP_CONFIG_*` variables, which lie on top of all files (spec section 9.1).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::merge::merge;
use crate::error::ConfigMistake;
use crate::yaml::{Key, Location, Node, Value, shown};

pub(super) const PREFIX: &str = "APP_CONFIG_";

/// One tree of all of them, in the order of their names; and what is wrong with them.
pub(super) fn overlay(variables: &[(String, String)]) -> (Option<Node>, Vec<ConfigMistake>) {
    let mut mistakes = Vec::new();
    let mut ours: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)))
        .collect();
    ours.sort();
    let mut tree: Option<Node> = None;
    for (path, value) in ours {
        let location = place(path);
        let mut parts: Vec<&str> = path.split('_').collect();
        if !parts.iter().all(|part| is_part(part)) {
            let message = "expected a name such as APP_CONFIG_backend_baseUrl";
            mistakes.push(location.mistake("", message));
            continue;
        }
        let key = parts.join(".");
        // JSON, or else the text as it is.
        let json: serde_json::Value =
            serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into());
        if json.is_null() {
            mistakes.push(location.mistake(key, "expected a value, found null"));
            continue;
        }
        if let Some(other) = tree.as_ref().and_then(|tree| clash(tree, &parts)) {
            let message = format!("there is {} already", other.file.display());
            mistakes.push(location.mistake(key, message));
            continue;
        }
        let mut node = node(json, &location);
        while let Some(part) = parts.pop() {
            node = Node {
                value: Value::Map(vec![(key_of(part, &location), node)]),
                location: location.clone(),
            };
        }
        tree = Some(match tree {
            Some(tree) => merge(tree, node),
            None => node,
        });
    }
    (tree, mistakes)
}

/// What stands at the path, or on the way to it, and is no object: nothing can be laid beside it.
fn clash<'t>(tree: &'t Node, parts: &[&str]) -> Option<&'t Location> {
    let mut node = tree;
    for part in parts {
        match &node.value {
            Value::Map(_) => node = node.get(part)?,
            _ => return Some(&node.location),
        }
    }
    Some(&node.location)
}

/// A letter, then letters and digits, with single `-` and `:` between them.
fn is_part(part: &str) -> bool {
    let words: Vec<&str> = part.split(['-', ':']).collect();
    let first = part.bytes().next();
    first.is_some_and(|first| first.is_ascii_alphabetic())
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// A variable has no lines: its name says where it is.
fn place(path: &str) -> Location {
    let name = PathBuf::from(format!("{PREFIX}{}", shown(path)));
    Location {
        file: Arc::from(Path::new(&name)),
        line: 0,
        column: 0,
    }
}

fn key_of(name: &str, location: &Location) -> Key {
    Key {
        name: name.to_owned(),
        location: location.clone(),
    }
}

fn node(json: serde_json::Value, location: &Location) -> Node {
    use serde_json::Value as Json;
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(value) => Value::Number(value),
        Json::String(value) => Value::String(value.into()),
        Json::Array(items) => {
            Value::List(items.into_iter().map(|item| node(item, location)).collect())
        }
        Json::Object(members) => {
            let members = members.into_iter();
            Value::Map(
                members
                    .map(|(name, value)| (key_of(&name, location), node(value, location)))
                    .collect(),
            )
        }
    };
    Node {
        value,
        location: location.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> (serde_json::Value, Vec<String>) {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (tree, mistakes) = overlay(&variables.collect::<Vec<_>>());
        let tree = tree.map_or(json!(null), |tree| tree.to_json());
        (tree, mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_variable_is_a_path_and_json_or_a_plain_string() {
        let (tree, mistakes) = read(&[
            ("APP_CONFIG_backend_listen", "7007"),
            ("APP_CONFIG_backend_baseUrl", "https://x.example/y"),
            (
                "APP_CONFIG_backend_auth_keys",
                r#"[{"secret":"a","id":"b"}]"#,
            ),
            ("APP_CONFIG_auth_providers_my-oidc_type", "\"oidc\""),
            ("APP_CONFIG_a", "{\"b\":{\"c\":1}}"),
            ("APP_CONFIG_a_b_d", "true"),
            ("APP_CONFIG_x", "{not json"),
            ("APP_CONFIG_empty", ""),
            ("APP_CONFIGURATION", "other"),
            ("HOME", "/root"),
        ]);
        assert_eq!(mistakes, [""; 0]);
        assert_eq!(
            tree,
            json!({
                "a": { "b": { "c": 1, "d": true } },
                "auth": { "providers": { "my-oidc": { "type": "oidc" } } },
                "backend": {
                    "auth": { "keys": [{ "secret": "a", "id": "b" }] },
                    "baseUrl": "https://x.example/y",
                    "listen": 7007,
                },
                "empty": "",
                "x": "{not json",
            })
        );
        assert_eq!(read(&[]), (json!(null), vec![]));
    }

    #[test]
    fn what_is_wrong_names_the_variable_and_never_its_value() {
        for (variables, expected) in [
            (
                &[("APP_CONFIG_", "canary")][..],
                "APP_CONFIG_: expected a name such as APP_CONFIG_backend_baseUrl",
            ),
            (
                &[("APP_CONFIG_a__b", "canary")],
                "APP_CONFIG_a__b: expected a name such as APP_CONFIG_backend_baseUrl",
            ),
            (
                &[("APP_CONFIG_a_1b", "canary")],
                "APP_CONFIG_a_1b: expected a name such as APP_CONFIG_backend_baseUrl",
            ),
            (
                &[("APP_CONFIG_a-", "canary")],
                "APP_CONFIG_a-: expected a name such as APP_CONFIG_backend_baseUrl",
            ),
            (
                &[("APP_CONFIG_a b", "canary")],
                "APP_CONFIG_a…: expected a name such as APP_CONFIG_backend_baseUrl",
            ),
            (
                &[("APP_CONFIG_a", "null")],
                "APP_CONFIG_a: a: expected a value, found null",
            ),
            (
                &[("APP_CONFIG_a", "\"canary\""), ("APP_CONFIG_a_b", "canary")],
                "APP_CONFIG_a_b: a.b: there is APP_CONFIG_a already",
            ),
            (
                &[("APP_CONFIG_a_b", "canary"), ("APP_CONFIG_a", "canary")],
                "APP_CONFIG_a_b: a.b: there is APP_CONFIG_a already",
            ),
        ] {
            let (_, mistakes) = read(variables);
            assert_eq!(mistakes, [expected], "{variables:?}");
        }
    }
}
