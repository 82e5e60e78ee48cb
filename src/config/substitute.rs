//! What stands for something else: `${NAME}`, `$env`, `$file` and `$include`, anywhere in a file.
//!
//! Nothing here fails. What cannot be had is marked `Value::Unresolved`, and becomes a mistake if
//! somebody reads it. Backstage drops such a key without a word; a sign-in that then works otherwise
//! than its configuration says is worse than one that does not start.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::variables::{Env, substitute, variable};
use crate::yaml::{Key, Node, Value, parse, read_text, shown};

/// The most files that may be included from within one another.
const MAX_OPEN: usize = 16;

/// The most values within one another, all included files together.
const MAX_DEPTH: usize = 128;

/// The most bytes that one configuration may include: files that include each other multiply.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Resolves every value of a tree.
pub(crate) fn resolve(node: Node, env: &Env<'_>) -> Node {
    let mut resolver = Resolver {
        env,
        open: Vec::new(),
        depth: 0,
        bytes_left: MAX_BYTES,
    };
    resolver.resolve(node)
}

struct Resolver<'a> {
    env: &'a Env<'a>,
    /// The parts of files that are being included, each from within the one before.
    open: Vec<(PathBuf, String)>,
    depth: usize,
    bytes_left: usize,
}

impl Resolver<'_> {
    fn resolve(&mut self, mut node: Node) -> Node {
        if self.depth == MAX_DEPTH {
            node.value = Value::Unresolved(format!("is nested more than {MAX_DEPTH} levels deep"));
            return node;
        }
        self.depth += 1;
        node.value = match node.value {
            Value::String(text) => substitute(&text, self.env),
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.resolve(item)).collect())
            }
            Value::Map(entries) if entries.iter().any(|(key, _)| is_directive(key)) => {
                match self.follow(entries, directory_of(&node.location.file)) {
                    Ok(found) => {
                        // Included values stand in their own file; all others stand here.
                        node.location = found.location.unwrap_or(node.location);
                        found.value
                    }
                    Err(reason) => Value::Unresolved(reason),
                }
            }
            Value::Map(entries) => {
                let resolved = entries.into_iter();
                Value::Map(
                    resolved
                        .map(|(key, node)| (key, self.resolve(node)))
                        .collect(),
                )
            }
            value => value,
        };
        self.depth -= 1;
        node
    }

    /// What an object like `{$file: path}` stands for.
    fn follow(&mut self, entries: Vec<(Key, Node)>, directory: &Path) -> Result<Found, String> {
        let mut entries = entries.into_iter();
        let (Some((key, node)), None) = (entries.next(), entries.next()) else {
            return Err("expected nothing beside a key that begins with `$`".to_owned());
        };
        let directive = key.name.as_str();
        let argument = match node.value {
            Value::String(text) => substitute(&text, self.env),
            value => value,
        };
        let argument = match argument {
            Value::String(text) => text,
            Value::Unresolved(reason) => return Err(reason),
            Value::EmptyVariable(name) => {
                return Err(format!("environment variable {name} is empty"));
            }
            _ => return Err(format!("`{directive}` expected a string")),
        };
        match directive {
            "$env" => Ok(variable(&argument, self.env).into()),
            "$file" => self.file(&directory.join(&*argument)).map(Found::from),
            "$include" => self.include(&argument, directory),
            _ => Err(format!(
                "expected one of `$env`, `$file`, `$include`, found `{}`",
                shown_directive(directive)
            )),
        }
    }

    fn file(&mut self, path: &Path) -> Result<Value, String> {
        let mut text = self.read(path)?;
        let end = text.trim_end().len();
        text.truncate(end);
        Ok(Value::String(text))
    }

    fn include(&mut self, argument: &str, directory: &Path) -> Result<Found, String> {
        let (file, keys) = argument.split_once('#').unwrap_or((argument, ""));
        let path = directory.join(file);
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("json" | "yaml" | "yml")) {
            return Err(format!(
                "`$include` expected a .json, .yaml or .yml file, found {file}"
            ));
        }
        // Two names of one file are one file: else a link could make a cycle look like a chain.
        let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
        let part = (identity, keys.to_owned());
        if self.open.contains(&part) {
            return Err(format!("{argument} includes itself"));
        }
        if self.open.len() == MAX_OPEN {
            return Err(format!("more than {MAX_OPEN} files include one another"));
        }
        let text = self.read(&path)?;
        let root = parse(&path, &text).map_err(|error| format!("in the included file, {error}"))?;
        let found = if keys.is_empty() {
            root
        } else {
            let absent = || format!("{} has no key {keys}", path.display());
            keys.split('.')
                .try_fold(root, Node::take)
                .ok_or_else(absent)?
        };
        self.open.push(part);
        let found = self.resolve(found);
        self.open.pop();
        Ok(Found {
            value: found.value,
            location: Some(found.location),
        })
    }

    fn read(&mut self, path: &Path) -> Result<Zeroizing<String>, String> {
        let text = read_text(path).map_err(|reason| format!("{} {reason}", path.display()))?;
        self.bytes_left = self
            .bytes_left
            .checked_sub(text.len())
            .ok_or_else(|| format!("more than {} MiB of included files", MAX_BYTES >> 20))?;
        Ok(text)
    }
}

struct Found {
    value: Value,
    location: Option<crate::yaml::Location>,
}

impl From<Value> for Found {
    fn from(value: Value) -> Self {
        Self {
            value,
            location: None,
        }
    }
}

fn is_directive(key: &Key) -> bool {
    key.name.starts_with('$')
}

fn shown_directive(name: &str) -> String {
    format!("${}", shown(name.trim_start_matches('$')))
}

fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A directory of these files that is gone when dropped.
    struct Files(PathBuf);

    impl Files {
        fn new(test: &str, files: &[(&str, &[u8])]) -> Self {
            let name = format!("tower-identity-{}-{test}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            for (name, text) in files {
                let path = directory.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(directory)
        }

        /// What `text` resolves to, the name of the directory left out.
        fn resolve(&self, text: &str) -> String {
            let env = |name: &str| match name {
                "A" => Some("one".to_owned()),
                "EMPTY" => Some(String::new()),
                "FILE" => Some("secret.txt".to_owned()),
                _ => None,
            };
            let root = parse(&self.0.join("app-config.yaml"), text).unwrap();
            let mut out = String::new();
            print(&resolve(root, &env), &mut out);
            out.replace(&format!("{}/", self.0.display()), "")
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn print(node: &Node, out: &mut String) {
        match &node.value {
            Value::Map(entries) => {
                for (key, node) in entries {
                    *out += &format!("{}=", key.name);
                    print(node, out);
                    *out += " ";
                }
            }
            Value::List(items) => items.iter().for_each(|item| print(item, out)),
            Value::EmptyVariable(name) => *out += &format!("({name} is empty)"),
            Value::Unresolved(reason) => *out += &format!("({reason})"),
            _ => *out += &node.to_json().to_string(),
        }
    }

    #[test]
    fn references_are_followed_and_what_is_missing_says_why() {
        let files = Files::new(
            "references",
            &[
                ("secret.txt", b"  hunter2 ${A}\n\n"),
                ("latin.txt", b"ok\ncaf\xe9"),
                (
                    "parts/a.yaml",
                    b"x: {y: '${A}', z: {$file: ../secret.txt}}\nnil: ~",
                ),
                (
                    "parts/b.json",
                    b"{\n\t\"deep\": {\"$include\": \"a.yaml#x.y\"}\n}",
                ),
                ("parts/bad.yaml", b"a: ["),
                ("parts/text.txt", b"a: 1"),
            ],
        );
        for (text, expected) in [
            ("a: ['${A}', '$${A}', 1]", r#"a="one""${A}"1 "#),
            (
                "a: ${NONE}\nb: ${EMPTY}",
                "a=(environment variable NONE is not set) b=(EMPTY is empty) ",
            ),
            ("a: {$env: A}", r#"a="one" "#),
            (
                "a: {$env: NONE}",
                "a=(environment variable NONE is not set) ",
            ),
            ("a: {$env: EMPTY}", "a=(EMPTY is empty) "),
            (
                "a: {$env: '${NONE}'}",
                "a=(environment variable NONE is not set) ",
            ),
            ("a: {$env: 5}", "a=(`$env` expected a string) "),
            (
                "a: {$env: A, b: 1}",
                "a=(expected nothing beside a key that begins with `$`) ",
            ),
            (
                "a: {$what: A}",
                "a=(expected one of `$env`, `$file`, `$include`, found `$what`) ",
            ),
            // The text of a file is taken as it is.
            ("a: {$file: '${FILE}'}", r#"a="  hunter2 ${A}" "#),
            (
                "a: {$file: latin.txt}",
                "a=(latin.txt is not UTF-8 text (line 2)) ",
            ),
            (
                "a: {$file: none.txt}",
                "a=(none.txt cannot be read: No such file or directory (os error 2)) ",
            ),
            (
                "a: {$file: parts}",
                "a=(parts cannot be read: Is a directory (os error 21)) ",
            ),
            (
                "a: {$include: parts/a.yaml}",
                r#"a=x=y="one" z="  hunter2 ${A}"  nil=null  "#,
            ),
            ("a: {$include: parts/a.yaml#x.y}", r#"a="one" "#),
            ("a: {$include: parts/b.json}", r#"a=deep="one"  "#),
            (
                "a: {$include: parts/a.yaml#x.no}",
                "a=(parts/a.yaml has no key x.no) ",
            ),
            (
                "a: {$include: parts/a.yaml#x.y.z}",
                "a=(parts/a.yaml has no key x.y.z) ",
            ),
            (
                "a: {$include: parts/bad.yaml}",
                "a=(in the included file, parts/bad.yaml:1:4: malformed YAML: unclosed bracket '[') ",
            ),
            (
                "a: {$include: parts/text.txt}",
                "a=(`$include` expected a .json, .yaml or .yml file, found parts/text.txt) ",
            ),
            ("$include: parts/a.yaml#x.y", r#""one""#),
        ] {
            assert_eq!(files.resolve(text), expected, "{text}");
        }
    }

    #[test]
    fn what_includes_itself_comes_to_an_end() {
        let chain: Vec<(String, String)> = (0..20)
            .map(|i| {
                (
                    format!("c{i}.yaml"),
                    format!("a: {{$include: c{}.yaml}}", i + 1),
                )
            })
            .collect();
        let chain: Vec<(&str, &[u8])> = chain
            .iter()
            .map(|(name, text)| (&**name, text.as_bytes()))
            .collect();
        let files = Files::new("chain", &chain);
        assert!(
            files
                .resolve("$include: c0.yaml")
                .contains("more than 16 files include one another")
        );

        let fan = format!("a: [{}]", "{$include: fan2.yaml}, ".repeat(1000));
        let huge = format!("a: {}", "x".repeat(1 << 15));
        let deep = "[".repeat(60) + "{$include: deep2.yaml}" + &"]".repeat(60);
        let files = Files::new(
            "cycle",
            &[
                ("a.yaml", b"b: {$include: b.yaml}"),
                ("b.yaml", b"a: {$include: a.yaml}"),
                (
                    "self.yaml",
                    b"a: {$include: self.yaml#a}\nb: {$include: self.yaml#c}\nc: 1",
                ),
                ("fan.yaml", fan.as_bytes()),
                ("fan2.yaml", huge.as_bytes()),
                ("deep.yaml", deep.as_bytes()),
                ("deep2.yaml", deep.replace("deep2", "deep3").as_bytes()),
                ("deep3.yaml", deep.as_bytes()),
            ],
        );
        for (text, expected) in [
            ("$include: a.yaml", "b=a=(a.yaml includes itself)  "),
            (
                "$include: self.yaml",
                "a=(self.yaml#a includes itself) b=1 c=1 ",
            ),
            (
                "$include: deep.yaml",
                "(is nested more than 128 levels deep)",
            ),
        ] {
            assert_eq!(files.resolve(text), expected, "{text}");
        }
        assert!(
            files
                .resolve("$include: fan.yaml")
                .contains("more than 16 MiB of included files")
        );
    }
}
