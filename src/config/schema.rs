//! A JSON Schema of our part of `app-config.yaml`, made of what its readers ask for.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::app::Config;
use super::record::{Kind, Shape};
use super::source::layer;
use super::{Reader, whole};
use crate::error::ConfigMistake;

/// Every key there is, with a comment on each.
const REFERENCE: &str = include_str!("reference.yaml");

/// What may stand in the place of any value, until it is substituted.
const ELSEWHERE: &str = "#/$defs/elsewhere";

impl Config {
    /// A JSON Schema (draft 2020-12) of our part of `app-config.yaml`: an editor completes and checks by it.
    ///
    /// It is made of what the readers of the configuration ask for, so it knows every key that they know. Other
    /// plugins' keys are open in it. What it can't say is still found when the configuration is read: that a URL is one,
    /// or that two keys are the same.
    ///
    /// ```
    /// let schema = tower_identity::Config::json_schema();
    /// assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    /// ```
    #[must_use]
    pub fn json_schema() -> Value {
        let (shape, _) = recorded();
        let lines: Vec<&str> = REFERENCE.lines().collect();
        let mut schema = Map::new();
        schema.insert(
            "$schema".into(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        schema.insert("title".into(), "tower-identity: app-config.yaml".into());
        if let Value::Object(object) = object(&shape, &lines) {
            schema.extend(object);
        }
        schema.insert("$defs".into(), json!({ "elsewhere": elsewhere() }));
        Value::Object(schema)
    }

    /// Every key of our part of `app-config.yaml`, with a comment on each.
    #[must_use]
    pub fn reference() -> &'static str {
        REFERENCE
    }
}

/// What the readers ask the reference for; and what they find wrong with it: files that are not there.
fn recorded() -> (Shape, Vec<ConfigMistake>) {
    let reader = Reader::recording();
    let variable = |name: &str| Some(format!("a-value-of-{name}-for-the-reference"));
    match layer(Path::new("reference.yaml"), REFERENCE, &variable) {
        Ok(root) => drop(whole::read(&reader, &root, &[])),
        Err(error) => error
            .into_mistakes()
            .into_iter()
            .for_each(|m| reader.add(m)),
    }
    reader.into_record()
}

/// A value that may be absent, or written somewhere else.
fn value(shape: &Shape, required: bool, lines: &[&str]) -> Value {
    let mut any: Vec<Value> = kinds(shape)
        .map(|kind| of_kind(kind, shape, lines))
        .collect();
    let comment = shape.line.and_then(|line| comment(lines, line));
    if any.is_empty() {
        return match comment {
            Some(comment) => json!({ "description": comment }),
            None => json!(true),
        };
    }
    any.push(json!({ "$ref": ELSEWHERE }));
    if !required {
        any.push(json!({ "type": "null" }));
    }
    match comment {
        Some(comment) => json!({ "description": comment, "anyOf": any }),
        None => json!({ "anyOf": any }),
    }
}

/// Its kinds, without those that another says better.
fn kinds(shape: &Shape) -> impl Iterator<Item = &Kind> {
    let has = |wanted: fn(&Kind) -> bool| shape.kinds.iter().any(wanted);
    let better_text = has(|kind| matches!(kind, Kind::Url | Kind::Word(_)));
    let better_object = has(|kind| matches!(kind, Kind::TextMap | Kind::Duration));
    shape.kinds.iter().filter(move |kind| match kind {
        Kind::Text => !better_text,
        Kind::Object => !better_object,
        _ => true,
    })
}

fn of_kind(kind: &Kind, shape: &Shape, lines: &[&str]) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    match kind {
        Kind::Text => text,
        Kind::Url => json!({ "type": "string", "format": "uri" }),
        Kind::Boolean => {
            json!({ "enum": [true, false, "true", "false", "yes", "no", "on", "off", 1, 0] })
        }
        Kind::Number => json!({ "type": "number" }),
        Kind::Duration => json!({
            "anyOf": [
                { "type": "string", "pattern": "^(P|\\s*[0-9.])" },
                { "type": "object", "additionalProperties": { "type": ["number", "string"] } },
            ],
        }),
        Kind::Texts => json!({ "anyOf": [text.clone(), { "type": "array", "items": text }] }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::TextMap => json!({ "type": "object", "additionalProperties": text }),
        Kind::Object => object(shape, lines),
        Kind::List => {
            let items = any_of(shape.items.iter(), true, lines);
            json!({ "type": "array", "items": items })
        }
    }
}

/// One of several; those that have a `type` are told apart by it.
fn any_of<'s>(shapes: impl Iterator<Item = &'s Shape>, required: bool, lines: &[&str]) -> Value {
    let mut any: Vec<Value> = Vec::new();
    for shape in shapes {
        let mut schema = value(shape, required, lines);
        tell_apart(&mut schema, shape);
        if !any.contains(&schema) {
            any.push(schema);
        }
    }
    match any.len() {
        0 => json!(true),
        1 => any.remove(0),
        _ => json!({ "anyOf": any }),
    }
}

fn tell_apart(schema: &mut Value, item: &Shape) {
    let kind = item.keys.iter().find(|(key, _)| key == "type");
    if let Some(word) = kind.and_then(|(_, kind)| kind.word.as_ref())
        && let Some(place) = schema.pointer_mut("/anyOf/0/properties/type/anyOf/0")
    {
        *place = json!({ "const": word });
    }
}

fn object(shape: &Shape, lines: &[&str]) -> Value {
    let mut properties = Map::new();
    for (key, under) in &shape.keys {
        let required = shape.required.contains(key);
        properties.insert(key.clone(), value(under, required, lines));
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    if !shape.required.is_empty() {
        schema.insert("required".into(), json!(shape.required));
    }
    let others = match shape.has_names {
        true => any_of(shape.names.iter().map(|(_, under)| under), false, lines),
        false => json!(!shape.closed),
    };
    schema.insert("additionalProperties".into(), others);
    Value::Object(schema)
}

/// `{$env: …}` and the like, and texts with `${…}`.
fn elsewhere() -> Value {
    let directive = |name: &str| {
        json!({
            "type": "object",
            "properties": { name: { "type": "string" } },
            "required": [name],
            "additionalProperties": false,
        })
    };
    json!({
        "anyOf": [
            { "type": "string", "pattern": "\\$\\{" },
            directive("$env"),
            directive("$file"),
            directive("$include"),
        ],
    })
}

/// The comment at the end of a line of the reference.
fn comment<'l>(lines: &[&'l str], line: u64) -> Option<&'l str> {
    let line = lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
    line.split_once(" # ").map(|(_, comment)| comment.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    /// Whether `value` fits: as much of JSON Schema as ours has.
    fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
        let Value::Object(rules) = schema else {
            return schema == &json!(true);
        };
        rules.iter().all(|(rule, wanted)| match rule.as_str() {
            "$ref" => {
                let place = wanted.as_str().unwrap().trim_start_matches('#');
                fits(root, root.pointer(place).unwrap(), value)
            }
            "anyOf" => wanted
                .as_array()
                .unwrap()
                .iter()
                .any(|one| fits(root, one, value)),
            "type" => {
                let names = match wanted {
                    Value::Array(names) => names.clone(),
                    name => vec![name.clone()],
                };
                names.contains(&json!(type_of(value)))
            }
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "minLength" => value.as_str().is_none_or(|text| !text.is_empty()),
            "pattern" => value
                .as_str()
                .is_none_or(|text| match wanted.as_str().unwrap() {
                    "\\$\\{" => text.contains("${"),
                    _ => text
                        .trim_start()
                        .starts_with(|c: char| c == 'P' || c == '.' || c.is_ascii_digit()),
                }),
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| fits(root, wanted, item))),
            "required" => value.as_object().is_none_or(|members| {
                let names = wanted.as_array().unwrap().iter();
                names
                    .map(|name| name.as_str().unwrap())
                    .all(|name| members.contains_key(name))
            }),
            "properties" => value.as_object().is_none_or(|members| {
                let known = members
                    .iter()
                    .filter_map(|(name, value)| Some((wanted.get(name)?, value)));
                known
                    .into_iter()
                    .all(|(schema, value)| fits(root, schema, value))
            }),
            "additionalProperties" => value.as_object().is_none_or(|members| {
                let known = rules.get("properties");
                let known = |name: &str| known.is_some_and(|known| known.get(name).is_some());
                let others = members.iter().filter(|(name, _)| !known(name));
                others
                    .into_iter()
                    .all(|(_, value)| fits(root, wanted, value))
            }),
            "$schema" | "$defs" | "title" | "description" | "format" => true,
            other => panic!("{other} is not checked"),
        })
    }

    fn type_of(value: &Value) -> &'static str {
        match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// Whether a configuration fits as it is written.
    fn is_good(text: &str) -> bool {
        let schema = Config::json_schema();
        let written = parse(Path::new("f"), text).unwrap().to_json();
        fits(&schema, &schema, &written)
    }

    /// Whether the readers find nothing wrong with it.
    fn reads(text: &str) -> bool {
        let variable = |name: &str| match name.ends_with("URL") {
            _ if name == "LIFE" => None,
            true => Some("http://localhost:7007".to_owned()),
            false => Some("a-value-that-is-long-enough-for-it".to_owned()),
        };
        let root = layer(Path::new("f"), text, &variable).unwrap();
        let reader = Reader::default();
        drop(whole::read(&reader, &root, &[]));
        reader.finish().is_ok()
    }

    #[test]
    fn the_reference_has_every_key_and_nothing_wrong_but_files_that_are_not_there() {
        let (_, mistakes) = recorded();
        let wrong: Vec<String> = mistakes
            .iter()
            .map(|m| format!("{}: {}", m.key(), m.message()))
            .collect();
        for mistake in &wrong {
            let known = [
                "the file cannot be read",
                "found both",
                "certificate",
                "cannot be read",
            ];
            assert!(known.iter().any(|part| mistake.contains(part)), "{mistake}");
        }
        assert!(is_good(REFERENCE));
        // What is asked for, and is not in the reference, has no comment.
        let (shape, _) = recorded();
        let mut missing = Vec::new();
        absent(&shape, "", &mut missing);
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn every_key_is_a_row_of_the_guide() {
        let rows = include_str!("../guide/backstage_rows.md");
        let (shape, _) = recorded();
        let mut keys = Vec::new();
        names(&shape, &mut keys);
        // Told once for all of them, or nothing that a reader of the guide would look for.
        let told = [
            "backend",
            "auth",
            "app",
            "catalog",
            "providers",
            "session",
            "database",
            "firestore",
        ];
        for key in keys.iter().filter(|key| !told.contains(&key.as_str())) {
            let has = |before: &str| {
                ["`", "."]
                    .iter()
                    .any(|after| rows.contains(&format!("{before}{key}{after}")))
            };
            assert!(has("`") || has("."), "{key} has no row");
        }
    }

    fn names(shape: &Shape, into: &mut Vec<String>) {
        for (key, under) in &shape.keys {
            into.push(key.clone());
            if !under.kinds.contains(&Kind::Duration) {
                names(under, into);
            }
        }
        for under in shape
            .items
            .iter()
            .chain(shape.names.iter().map(|(_, under)| under))
        {
            names(under, into);
        }
    }

    fn absent(shape: &Shape, path: &str, missing: &mut Vec<String>) {
        let under = shape.keys.iter().chain(&shape.names);
        for (key, under) in under {
            let path = format!("{path}.{key}");
            if under.line.is_none()
                && !under.kinds.is_empty()
                && !shape.names.iter().any(|(n, _)| n == key)
            {
                missing.push(path.clone());
            }
            if !under.kinds.contains(&Kind::Duration) {
                absent(under, &path, missing);
            }
        }
    }

    #[test]
    fn what_the_readers_take_fits_and_what_they_refuse_for_its_shape_does_not() {
        let provider =
            |block: &str| format!("auth: {{providers: {{github: {{development: {block}}}}}}}");
        let access = |entry: &str| format!("backend: {{auth: {{externalAccess: [{entry}]}}}}");
        for good in [
            include_str!("../../examples/portal/app-config.yaml").to_owned(),
            include_str!("../../examples/portal/app-config.no-guest.yaml").to_owned(),
            "{}".to_owned(),
            "techdocs: {builder: local}\nbackend: {database: {client: pg}}\napp: {title: x}"
                .to_owned(),
            "auth: {environment: production, backstageTokenExpiration: 20 minutes, session: ~}"
                .to_owned(),
            "auth: {backstageTokenExpiration: PT20M, keyStore: {provider: memory}}".to_owned(),
            "backend: {listen: 7007}".to_owned(),
            "backend: {listen: ':7007', auth: {pluginKeyStore: {type: database}}}".to_owned(),
            provider("{clientId: a, clientSecret: {$env: X}}"),
            provider(
                "{clientId: a, clientSecret: b, sessionDuration: '${LIFE:-1h}', additionalScopes: 'a b'}",
            ),
            "auth: {providers: {ghe: {type: github, development: {clientId: a, clientSecret: b}}}}"
                .to_owned(),
            access("{type: static, options: {token: '${A}', subject: b}}"),
            access(
                "{type: jwks, options: {url: 'https://x.example', audience: y}, accessRestrictions: [{plugin: a}]}",
            ),
        ] {
            assert!(is_good(&good), "{good}");
            assert!(reads(&good), "{good}");
        }
        for bad in [
            "auth: {environmnt: x}".to_owned(),
            "auth: {session: {secrt: x}}".to_owned(),
            "auth: {backstageTokenExpiration: soon}".to_owned(),
            "auth: {backstageTokenExpiration: true}".to_owned(),
            "auth: {keyStore: {provider: vault}}".to_owned(),
            "auth: []".to_owned(),
            "backend: {listen: {prt: 5}}".to_owned(),
            "backend: {listen: true}".to_owned(),
            "backend: {auth: {keys: {secret: x}}}".to_owned(),
            "backend: {auth: {keys: [{id: x}]}}".to_owned(),
            "backend: {cors: {credentials: maybe}}".to_owned(),
            "catalog: {remote: {token: x}}".to_owned(),
            provider("{clientId: 5, clientSecret: b}"),
            provider("{clientId: a}"),
            provider("{clientId: a, clientSecret: b, signIn: {resolvers: [{resolver: nobody}]}}"),
            provider("{clientId: a, clientSecret: b, metadataUrl: 'https://x.example'}"),
            provider("{clientId: a, clientSecret: {$enw: X}}"),
            "auth: {providers: {ghe: {type: gihtub, development: {clientId: a, clientSecret: b}}}}"
                .to_owned(),
            "auth: {providers: {ghe: {type: oidc, development: {clientId: a, clientSecret: b}}}}"
                .to_owned(),
            access("{type: static, options: {subject: b, secret: c}}"),
            access("{type: jwks, options: {audience: y}}"),
            access("{type: fixed, options: {}}"),
            access(
                "{type: static, options: {token: '${A}', subject: b}, accessRestrictions: [{permission: a}]}",
            ),
        ] {
            assert!(!is_good(&bad), "{bad}");
            assert!(!reads(&bad), "{bad}");
        }
    }
}
