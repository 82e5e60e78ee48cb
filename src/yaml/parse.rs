//! From text to the tree, within bounds of size and depth.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Options, Spanned};

use super::file::{MAX_BYTES, too_large};
use super::raw::Raw;
use super::{Key, Location, Node, Value, join};
use crate::error::{ConfigError, ConfigMistake};

/// Deeper documents are refused.
const MAX_DEPTH: usize = 64;

/// The most documents of a stream: a catalog has one for each entity.
const MAX_DOCUMENTS: usize = 200_000;

/// The most values and keys of a stream, however small: each takes memory.
const MAX_NODES: usize = 2_000_000;

/// An unoptimized build takes some 45 KiB of stack for each level of depth.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Parses one document; an empty one is `Null`.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Node, ConfigError> {
    let file = Arc::from(file);
    let nodes = on_a_deep_stack(&file, text, || {
        serde_saphyr::from_str_with_options(text, options()).map(|document| vec![document])
    })?;
    Ok(nodes
        .into_iter()
        .next()
        .unwrap_or_else(|| Node::null(&file)))
}

/// Parses every document of a stream; empty ones are left out.
pub(crate) fn parse_documents(file: &Path, text: &str) -> Result<Vec<Node>, ConfigError> {
    on_a_deep_stack(&Arc::from(file), text, || {
        serde_saphyr::from_multiple_with_options(text, options_for_documents())
    })
}

/// Parsing recurses, and whoever calls us may have little stack left: a stack that overflows cannot
/// be caught. So it happens on a thread whose stack is known to suffice for the deepest document.
fn on_a_deep_stack(
    file: &Arc<Path>,
    text: &str,
    parse: impl FnOnce() -> Result<Vec<Spanned<Raw>>, serde_saphyr::Error> + Send,
) -> Result<Vec<Node>, ConfigError> {
    let whole_file = |message: String| Node::null(file).location.mistake("", message).into();
    if text.len() as u64 > MAX_BYTES {
        return Err(whole_file(too_large()));
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || match parse() {
                Ok(documents) => place(documents, file),
                Err(error) => Err(malformed(file, &error)),
            });
        match thread.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) => Err(whole_file("the YAML parser failed".to_owned())),
            Err(error) => Err(whole_file(format!("no thread to parse it on: {error}"))),
        }
    })
}

/// Words as the `yaml` package of JavaScript reads them (YAML 1.2 core: `yes` is a string), and the
/// library's own limits on depth, aliases and size.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        // We look for duplicates ourselves, to name them all.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        null_as_string: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        // A snippet of the file could show a secret.
        with_snippet: false,
    }
}

/// The same for a stream of many documents.
fn options_for_documents() -> Options {
    let mut options = options();
    options.budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        max_documents: MAX_DOCUMENTS,
        max_nodes: MAX_NODES,
        // Documents and collections begin and end with an event each.
        max_events: 3 * MAX_NODES,
    };
    options
}

fn place(
    documents: impl IntoIterator<Item = Spanned<Raw>>,
    file: &Arc<Path>,
) -> Result<Vec<Node>, ConfigError> {
    let mut mistakes = Vec::new();
    let nodes = documents
        .into_iter()
        .map(|raw| place_one(raw, file, "", &mut mistakes))
        .collect();
    ConfigError::collect(mistakes)?;
    Ok(nodes)
}

fn place_one(
    raw: Spanned<Raw>,
    file: &Arc<Path>,
    path: &str,
    mistakes: &mut Vec<ConfigMistake>,
) -> Node {
    let location = place_of(&raw, file);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Number(value) => Value::Number(value),
        Raw::String(value) => Value::String(value),
        Raw::List(items) => Value::List(
            items
                .into_iter()
                .enumerate()
                .map(|(i, item)| place_one(item, file, &format!("{path}[{i}]"), mistakes))
                .collect(),
        ),
        Raw::Map(entries) => {
            let mut seen = HashMap::with_capacity(entries.len());
            let mut placed = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let location = place_of(&key, file);
                let name = key.value;
                let path = join(path, &name);
                if let Some(first) = seen.insert(name.clone(), location.line) {
                    let message = format!("duplicate key, first on line {first}");
                    mistakes.push(location.mistake(path.as_str(), message));
                }
                placed.push((
                    Key { name, location },
                    place_one(value, file, &path, mistakes),
                ));
            }
            Value::Map(placed)
        }
    };
    Node { value, location }
}

/// Where a value stands; of an alias, where the repeated value stands, as that is the text to mend.
fn place_of<T>(spanned: &Spanned<T>, file: &Arc<Path>) -> Location {
    Location {
        file: file.clone(),
        line: spanned.defined.line().max(1),
        column: spanned.defined.column().max(1),
    }
}

fn malformed(file: &Arc<Path>, error: &serde_saphyr::Error) -> ConfigError {
    let mut location = Node::null(file).location;
    if let Some(found) = error.location() {
        location.line = found.line().max(1);
        location.column = found.column().max(1);
    }
    let message = match error {
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "expected one YAML document, found several".to_owned()
        }
        serde_saphyr::Error::Budget { breach, .. } => too_much(breach),
        _ => {
            let text = error.render();
            // The place is said once, by the mistake.
            let what = text
                .rsplit_once(" at line ")
                .map_or(&*text, |(what, _)| what);
            format!("malformed YAML: {what}")
        }
    };
    location.mistake("", message).into()
}

/// Which of the limits was met.
fn too_much(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => format!("is nested more than {MAX_DEPTH} levels deep"),
        BudgetBreach::Documents { .. } => {
            format!("has more than {MAX_DOCUMENTS} documents: split the file")
        }
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            "has too many values: split the file".to_owned()
        }
        _ => "has too many aliases, or they repeat too much".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> String {
        match parse(Path::new("a.yaml"), text) {
            Ok(node) => node.to_json().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn words_have_the_types_that_backstage_gives_them() {
        for (text, expected) in [
            ("", "null"),
            ("# nothing\n", "null"),
            ("\u{feff}a: 1", r#"{"a":1}"#),
            ("a: yes\nb: on\nc: True", r#"{"a":"yes","b":"on","c":true}"#),
            (
                "a: 1_000\nb: 0x10\nc: 1e3",
                r#"{"a":"1_000","b":16,"c":1000.0}"#,
            ),
            (
                "a: .inf\nb: ~\nc: ''\nd:",
                r#"{"a":".inf","b":null,"c":"","d":null}"#,
            ),
            (
                "1: a\ntrue: b\nnull: c",
                r#"{"1":"a","true":"b","null":"c"}"#,
            ),
            (
                "a: 2020-01-01\nb: !foo bar",
                r#"{"a":"2020-01-01","b":"bar"}"#,
            ),
            ("a: &x [1]\nb: *x", r#"{"a":[1],"b":[1]}"#),
            (
                "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3",
                r#"{"a":{"p":1,"q":2},"b":{"q":3,"p":1}}"#,
            ),
            ("{\n\t\"a\": \"\\ud83d\\ude00\\/\"\n}", r#"{"a":"😀/"}"#),
        ] {
            assert_eq!(outcome(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_value_and_key_knows_its_place() {
        let text = "top:\n  list: [1, two]\n  again: &x three\nalias: *x\n";
        let root = parse(Path::new("a.yaml"), text).unwrap();
        let at = |node: &Node| (node.location.line, node.location.column);
        let top = root.get("top").unwrap();
        let Value::List(items) = &top.get("list").unwrap().value else {
            panic!("not a list");
        };
        assert_eq!(items.iter().map(at).collect::<Vec<_>>(), [(2, 10), (2, 13)]);
        assert_eq!(at(top.get("again").unwrap()), (3, 13));
        assert_eq!(at(root.get("alias").unwrap()), (3, 13));
        let Value::Map(entries) = &top.value else {
            panic!("not a map");
        };
        let keys = entries
            .iter()
            .map(|(key, _)| (key.location.line, key.location.column));
        assert_eq!(keys.collect::<Vec<_>>(), [(2, 3), (3, 3)]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_without_the_value() {
        for (text, expected) in [
            (
                "a:\n\tb: 1",
                "a.yaml:2:2: malformed YAML: tabs disallowed within this context (block indentation)",
            ),
            ("a: [", "a.yaml:1:4: malformed YAML: unclosed bracket '['"),
            ("s: \"hunter2", "a.yaml:1:4: malformed YAML: unclosed quote"),
            (
                "s: @hunter2",
                "a.yaml:1:4: malformed YAML: unexpected character: `@'",
            ),
            (
                "s: !!int hunter2",
                "a.yaml:1:10: malformed YAML: invalid u64",
            ),
            (
                "s: !!binary hunter2",
                "a.yaml:1:13: malformed YAML: invalid !!binary base64",
            ),
            (
                "a: b: c",
                "a.yaml:1:5: malformed YAML: mapping values are not allowed in this context",
            ),
            (
                "a: *x",
                "a.yaml:1:4: malformed YAML: alias references unknown anchor",
            ),
            (
                "? [a]\n: c",
                "a.yaml:1:3: malformed YAML: expected string scalar",
            ),
            (
                "a: \0",
                "a.yaml:1:4: malformed YAML: unexpected character: `\\u{0}'",
            ),
            (
                "a: 1\n---\nb: 2",
                "a.yaml:3:1: expected one YAML document, found several",
            ),
            (
                "a: 1\na: 2\nb: [{c: 1, c: 2}]",
                "a.yaml:2:1: a: duplicate key, first on line 1\na.yaml:3:12: b[0].c: duplicate key, first on line 3",
            ),
        ] {
            assert_eq!(outcome(text), expected, "{text:?}");
        }
    }

    #[test]
    fn hostile_documents_are_refused_in_bounded_time_and_space() {
        let nested = |depth: usize| -> String {
            (0..depth)
                .map(|level| format!("{}a:\n", " ".repeat(level)))
                .collect()
        };
        assert!(parse(Path::new("a.yaml"), &nested(MAX_DEPTH - 1)).is_ok());
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..10 {
            let items = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{items}]\n"));
        }
        for text in [
            nested(1_000),
            "[".repeat(10_000),
            "- ".repeat(10_000),
            "{a: ".repeat(10_000),
            "a: &a [*a]".to_owned(),
            bomb,
            "a\n".repeat(1 << 22) + "a",
            "\u{1}\u{2}\u{fffe}".to_owned(),
        ] {
            let error = outcome(&text);
            assert!(error.starts_with("a.yaml:"), "{error}");
            assert!(error.len() < 200, "{error}");
        }
    }

    #[test]
    fn a_large_organisation_is_read_and_a_limit_says_what_to_do() {
        let user = |i: usize| {
            format!(
                "---\napiVersion: v1\nkind: User\nmetadata: {{name: u{i}}}\nspec: {{memberOf: [a]}}\n"
            )
        };
        let text: String = (0..30_000).map(user).collect();
        let nodes = parse_documents(Path::new("a.yaml"), &text).unwrap();
        assert_eq!(nodes.len(), 30_000);
        let text = "--- a\n".repeat(MAX_DOCUMENTS + 1);
        let error = parse_documents(Path::new("a.yaml"), &text).err().unwrap();
        let error = error.to_string();
        assert!(error.starts_with("a.yaml:"), "{error}");
        assert!(
            error.ends_with(": has more than 200000 documents: split the file"),
            "{error}"
        );
    }

    #[test]
    fn a_part_of_a_key_that_may_be_a_secret_is_not_shown() {
        for (name, expected) in [
            ("clientId", "clientId"),
            ("token:s3cret", "token…"),
            ("@s3cret", "…"),
            ("a/b", "a…"),
            ("ключ", "…"),
        ] {
            assert_eq!(crate::yaml::shown(name), expected);
            assert_eq!(crate::yaml::join("a", name), format!("a.{expected}"));
        }
        assert_eq!(
            outcome("{token:s3cret: 1, token:s3cret: 2}"),
            "a.yaml:1:19: token…: duplicate key, first on line 1"
        );
    }

    #[test]
    fn empty_documents_of_a_stream_are_left_out() {
        let nodes = parse_documents(
            Path::new("a.yaml"),
            "---\n---\na: 1\n---\n# no\n---\nb: 2\n",
        );
        let nodes: Vec<_> = nodes.unwrap().iter().map(Node::to_json).collect();
        assert_eq!(
            nodes,
            [serde_json::json!({"a": 1}), serde_json::json!({"b": 2})]
        );
    }
}
