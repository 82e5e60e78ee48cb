//! From files to one tree: read, resolved, merged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::merge::merge;
use super::substitute::resolve;
use super::variables::Env;
use crate::error::{ConfigError, ConfigMistake};
use crate::yaml::{self, Node, Value, read_text};

/// What became of the files.
pub(crate) struct Loaded {
    /// Those that could be read, each laid on top of those before it; always a map.
    pub(crate) root: Node,
    /// Every file that is missing, malformed, or no object.
    pub(crate) mistakes: Vec<ConfigMistake>,
}

/// Reads the files. An empty one is no mistake, but seldom meant.
pub(crate) fn load(files: &[PathBuf], env: &Env<'_>) -> Loaded {
    let mut mistakes = Vec::new();
    let mut layers = Vec::new();
    if files.is_empty() {
        mistakes.push(ConfigMistake::new(
            "",
            "expected a configuration file, found none",
        ));
    }
    for file in files {
        let layer = read_text(file)
            .map_err(|reason| ConfigMistake::new("", reason).in_file(file).into())
            .and_then(|text| layer(file, &text, env));
        match layer {
            Ok(layer) => {
                if matches!(&layer.value, Value::Map(entries) if entries.is_empty()) {
                    tracing::warn!(target: "tower_identity", "{}: is empty", file.display());
                }
                layers.push(layer);
            }
            Err(error) => mistakes.extend(error.into_mistakes()),
        }
    }
    let merged = layers.into_iter().reduce(merge);
    Loaded {
        root: merged.unwrap_or_else(|| empty(Path::new(""))),
        mistakes,
    }
}

/// Reads one file's text, in place of the file `name`; the root is always a map.
///
/// # Errors
///
/// If it is malformed, or no object.
#[cfg(test)]
pub(crate) fn parse(name: &Path, text: &str, env: &Env<'_>) -> Result<Node, ConfigError> {
    layer(name, text, env)
}

/// The files that Backstage reads from a directory if it is told none: `app-config.yaml`, then for
/// each name in `BACKSTAGE_ENV` its `app-config.<name>.yaml`, then the `.local` form of all of them.
/// Only the first must exist.
pub(crate) fn default_files(directory: &Path, env: &Env<'_>) -> Vec<PathBuf> {
    let names = env("BACKSTAGE_ENV").unwrap_or_default();
    let names: Vec<&str> = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let optional = names
        .iter()
        .map(|name| format!("app-config.{name}.yaml"))
        .chain(["app-config.local.yaml".to_owned()])
        .chain(
            names
                .iter()
                .map(|name| format!("app-config.{name}.local.yaml")),
        )
        .map(|file| directory.join(file))
        .filter(|file| file.exists());
    std::iter::once(directory.join("app-config.yaml"))
        .chain(optional)
        .collect()
}

pub(super) fn layer(file: &Path, text: &str, env: &Env<'_>) -> Result<Node, ConfigError> {
    let node = resolve(yaml::parse(file, text)?, env);
    match &node.value {
        Value::Map(_) => Ok(node),
        Value::Null => Ok(empty(file)),
        Value::Unresolved(reason) => Err(node.location.mistake("", reason.as_str()).into()),
        _ => {
            let message = format!("expected an object, found {}", node.found());
            Err(node.location.mistake("", message).into())
        }
    }
}

fn empty(file: &Path) -> Node {
    let mut node = Node::null(&Arc::from(file));
    node.value = Value::Map(Vec::new());
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_env(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn files_are_layered_and_every_bad_one_is_named() {
        let name = format!("tower-identity-{}-layers", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        for (name, text) in [
            ("app-config.yaml", "a: {x: 1, y: '${X}'}"),
            ("app-config.local.yaml", "a: {y: 2}"),
            ("app-config.b.yaml", "a: {z: 3, x: ~}"),
            ("empty.yaml", "# nothing"),
            ("list.yaml", "- a"),
            ("bad.yaml", "a: ["),
            ("root.yaml", "$include: none.yaml"),
        ] {
            std::fs::write(directory.join(name), text).unwrap();
        }
        let files = default_files(&directory, &|_| Some("a, b,".to_owned()));
        let Loaded { root, mistakes } = load(&files, &no_env);
        assert_eq!(mistakes, []);
        assert_eq!(root.to_json(), serde_json::json!({"a": {"y": 2, "z": 3}}));

        let root = load(&[directory.join("empty.yaml")], &no_env).root;
        assert_eq!(root.to_json(), serde_json::json!({}));

        let files =
            ["list.yaml", "bad.yaml", "root.yaml", "none.yaml"].map(|name| directory.join(name));
        let errors = ConfigError::collect(load(&files, &no_env).mistakes)
            .unwrap_err()
            .to_string();
        let place = format!("{}/", directory.display());
        assert_eq!(
            errors.replace(&place, "").lines().collect::<Vec<_>>(),
            [
                "list.yaml:1:1: expected an object, found a list",
                "bad.yaml:1:4: malformed YAML: unclosed bracket '['",
                "root.yaml:1:1: none.yaml cannot be read: No such file or directory (os error 2)",
                "none.yaml: cannot be read: No such file or directory (os error 2)",
            ]
        );
        assert_eq!(load(&[], &no_env).mistakes.len(), 1);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
