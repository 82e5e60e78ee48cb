//! Reading a tree into types, and collecting every mistake instead of stopping at the first.

use std::cell::RefCell;

use super::suggest::{is_slip_of, nearest};
use crate::error::{ConfigError, ConfigMistake};
use crate::yaml::{Key, Location, Node, Value, join};

/// Collects mistakes while a tree is read.
///
/// Reading gives `None` for what is wrong, and the reader remembers why; when all has been read,
/// [`Reader::finish`] tells.
#[derive(Default)]
pub(crate) struct Reader {
    mistakes: RefCell<Vec<ConfigMistake>>,
}

/// One object of the tree, and which of its keys somebody has asked for.
///
/// A key that is `null` counts as absent.
#[must_use = "`finish` reports the keys that nobody knows"]
pub(crate) struct Section<'a> {
    reader: &'a Reader,
    path: String,
    location: Location,
    entries: &'a [(Key, Node)],
    known: RefCell<Vec<String>>,
}

// ===== impl Reader =====

impl Reader {
    /// The root of a tree; anything but an object is a mistake, and reads as an empty one.
    pub(crate) fn root<'a>(&'a self, node: &'a Node) -> Section<'a> {
        self.open(String::new(), &node.location, node)
            .unwrap_or_else(|| Section {
                reader: self,
                path: String::new(),
                location: node.location.clone(),
                entries: &[],
                known: RefCell::default(),
            })
    }

    /// Adds a mistake.
    pub(crate) fn add(&self, mistake: ConfigMistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// Every mistake so far.
    ///
    /// # Errors
    ///
    /// If there is one.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        ConfigError::collect(sorted(self.mistakes.into_inner()))
    }

    fn open<'a>(&'a self, path: String, at: &Location, node: &'a Node) -> Option<Section<'a>> {
        let Value::Map(entries) = &node.value else {
            self.expected(path, node, "an object");
            return None;
        };
        Some(Section {
            reader: self,
            path,
            location: at.clone(),
            entries,
            known: RefCell::default(),
        })
    }

    /// The mistake of a value that is not what was wanted. It never shows the value.
    pub(super) fn expected(&self, path: String, node: &Node, wanted: &str) {
        let message = match &node.value {
            Value::EmptyVariable(name) => format!("environment variable {name} is empty"),
            Value::Unresolved(reason) => reason.clone(),
            _ => format!("expected {wanted}, found {}", node.found()),
        };
        self.add(node.location.mistake(path, message));
    }
}

// ===== impl Section =====

impl<'a> Section<'a> {
    /// The dotted path of this object, such as `auth.providers.github`; empty for the root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The dotted path of one of its keys.
    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Whether the key is there, and not `null`. Counts as asked for.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The value of a key as it is, for those that may have several types.
    ///
    /// `None` if it is absent, or could not be resolved, which is a mistake.
    pub(crate) fn node(&self, key: &str) -> Option<&'a Node> {
        let (_, node) = self.entry(key)?;
        if matches!(node.value, Value::Unresolved(_)) {
            self.reader.expected(self.path_of(key), node, "a value");
            return None;
        }
        Some(node)
    }

    /// The object at a key.
    pub(crate) fn section(&self, key: &str) -> Option<Self> {
        let (found, node) = self.entry(key)?;
        self.reader.open(self.path_of(key), &found.location, node)
    }

    /// The object at a key that must be there.
    pub(crate) fn required_section(&self, key: &str) -> Option<Self> {
        self.require(key, "an object");
        self.section(key)
    }

    /// The objects in the object at a key, each with its own key. Those that are `null` are left out.
    pub(crate) fn sections(&self, key: &str) -> Vec<(&'a str, Self)> {
        let Some(section) = self.section(key) else {
            return Vec::new();
        };
        section.all_sections()
    }

    /// Every key of this object but one, of those that are not `null`.
    pub(crate) fn keys_except(&self, other: &str) -> Vec<&'a str> {
        let there = |(_, node): &&(Key, Node)| !matches!(node.value, Value::Null);
        let keys = self
            .entries
            .iter()
            .filter(there)
            .map(|(key, _)| key.name.as_str());
        keys.filter(|key| *key != other).collect()
    }

    /// Every value of this object as an object, with its key. Those that are `null` are left out.
    pub(crate) fn all_sections(&self) -> Vec<(&'a str, Self)> {
        let keys = self.entries.iter().map(|(key, _)| key.name.as_str());
        keys.filter_map(|key| Some((key, self.section(key)?)))
            .collect()
    }

    /// The objects in the list at a key.
    pub(crate) fn list(&self, key: &str) -> Vec<Self> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            self.reader.expected(self.path_of(key), node, "a list");
            return Vec::new();
        };
        let items = items.iter().enumerate().filter_map(|(i, item)| {
            let path = format!("{}[{i}]", self.path_of(key));
            self.reader.open(path, &item.location, item)
        });
        items.collect()
    }

    /// Reports a mistake in the value of a key, or in the section if the key is absent.
    pub(crate) fn mistake(&self, key: &str, message: impl Into<String>) {
        self.reader.add(self.place_of(key).saying(message));
    }

    /// Where the value of a key stands, or the section if the key is absent: for a mistake that is found later.
    pub(crate) fn place_of(&self, key: &str) -> ConfigMistake {
        let location = match self.entry(key) {
            Some((_, node)) => &node.location,
            None => &self.location,
        };
        location.mistake(self.path_of(key), "")
    }

    /// Reports a mistake in this section as a whole.
    pub(crate) fn mistake_here(&self, message: impl Into<String>) {
        self.reader
            .add(self.location.mistake(self.path.as_str(), message));
    }

    /// Knows keys without reading them.
    pub(crate) fn ignore(&self, keys: &[&str]) {
        for key in keys {
            self.know(key);
        }
    }

    /// Reports every key that nobody has asked for.
    pub(crate) fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.strangers(&known) {
            let name = shown(&key.name);
            let message = match nearest(&key.name, known.iter().map(String::as_str)) {
                Some(meant) => format!("unknown key \"{name}\"; did you mean \"{meant}\"?"),
                None if known.is_empty() => format!("unknown key \"{name}\"; expected none"),
                None => format!(
                    "unknown key \"{name}\"; expected one of \"{}\"",
                    known.join("\", \"")
                ),
            };
            self.reader
                .add(key.location.mistake(self.path_of(&name), message));
        }
    }

    /// Reports only the keys that are a slip of one that was asked for: the others belong to others.
    pub(crate) fn finish_among_others(self) {
        let known = self.known.borrow();
        for (key, _) in self.strangers(&known) {
            if let Some(meant) = known.iter().find(|known| is_slip_of(&key.name, known)) {
                let name = shown(&key.name);
                let message = format!("unknown key \"{name}\"; did you mean \"{meant}\"?");
                self.reader
                    .add(key.location.mistake(self.path_of(&name), message));
            }
        }
    }

    pub(super) fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// Reports a key that is absent.
    pub(super) fn require(&self, key: &str, wanted: &str) {
        if !self.has(key) {
            self.mistake(key, format!("expected {wanted}, found nothing"));
        }
    }

    pub(super) fn entries(&self) -> &'a [(Key, Node)] {
        self.entries
    }

    fn entry(&self, key: &str) -> Option<&'a (Key, Node)> {
        self.know(key);
        self.entries
            .iter()
            .find(|(found, node)| found.name == key && !matches!(node.value, Value::Null))
    }

    fn know(&self, key: &str) {
        let mut known = self.known.borrow_mut();
        if !known.iter().any(|known| known == key) {
            known.push(key.to_owned());
        }
    }

    fn strangers<'s>(&'s self, known: &'s [String]) -> impl Iterator<Item = &'a (Key, Node)> + 's {
        self.entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.name))
    }
}

/// By place: files in the order in which they first come up, then lines and columns; what has no place comes last.
fn sorted(mut mistakes: Vec<ConfigMistake>) -> Vec<ConfigMistake> {
    let mut files = Vec::new();
    for (file, ..) in mistakes.iter().filter_map(ConfigMistake::place) {
        if !files.contains(file) {
            files.push(file.clone());
        }
    }
    mistakes.sort_by_key(|mistake| match mistake.place() {
        Some((file, line, column)) => (files.iter().position(|f| f == file), *line, *column),
        None => (Some(files.len()), 0, 0),
    });
    mistakes
}

/// The part of a key's name that can be one. `{token:s3cret}`, without a space, is a key that holds a secret.
fn shown(name: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.chars().take_while(plain).take(40).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    fn mistakes(text: &str, read: impl FnOnce(Section<'_>)) -> Vec<String> {
        let root = parse(Path::new("a.yaml"), text, &|_| None).unwrap();
        let reader = Reader::default();
        read(reader.root(&root));
        let mistakes = reader.finish().err().map(ConfigError::into_mistakes);
        mistakes.iter().flatten().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_listed_with_its_place() {
        let text = "
auth:
  providers:
    github:
      development:
        clientID: x
        clientSecret: ${NONE}
        color: red
    google: ~
    okta: no
  keys: [{secret: 1}, 2, {name: x, secret: y}]
other: ${NONE}
bakcend: {}
";
        let found = mistakes(text, |top| {
            top.ignore(&["backend"]);
            let auth = top.section("auth").unwrap();
            for (id, provider) in auth.sections("providers") {
                assert_eq!(id, "github");
                for (_, env) in provider.all_sections() {
                    env.required_string("clientId");
                    env.required_secret("clientSecret");
                    env.required_section("signIn");
                    env.mistake_here("too red");
                    env.mistake("color", "expected blue");
                    env.finish();
                }
            }
            for key in auth.list("keys") {
                key.required_secret("secret");
                key.finish();
            }
            auth.finish();
            top.finish_among_others();
        });
        assert_eq!(
            found,
            [
                "a.yaml:5:7: auth.providers.github.development.clientId: expected a string, found nothing",
                "a.yaml:5:7: auth.providers.github.development.signIn: expected an object, found nothing",
                "a.yaml:5:7: auth.providers.github.development: too red",
                "a.yaml:6:9: auth.providers.github.development.clientID: unknown key \"clientID\"; did you mean \"clientId\"?",
                "a.yaml:7:23: auth.providers.github.development.clientSecret: environment variable NONE is not set",
                "a.yaml:8:16: auth.providers.github.development.color: expected blue",
                "a.yaml:10:11: auth.providers.okta: expected an object, found a string",
                "a.yaml:11:19: auth.keys[0].secret: expected a string, found a number",
                "a.yaml:11:23: auth.keys[1]: expected an object, found a number",
                "a.yaml:11:27: auth.keys[2].name: unknown key \"name\"; expected one of \"secret\"",
                "a.yaml:13:1: bakcend: unknown key \"bakcend\"; did you mean \"backend\"?",
            ]
        );
    }

    #[test]
    fn what_nobody_reads_is_no_mistake() {
        let text = "a: ${NONE}\nb: {$file: none}\nauth: ~\noauth: 1";
        let found = mistakes(text, |top| {
            assert!(top.section("auth").is_none());
            assert!(top.sections("auth").is_empty());
            assert!(top.list("auth").is_empty());
            assert!(!top.has("auth"));
            top.finish_among_others();
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_value_that_is_missing_is_a_mistake_for_whoever_reads_it() {
        type Read = fn(&Section<'_>);
        let reads: [Read; 12] = [
            |top| assert!(top.node("a").is_none()),
            |top| assert!(top.section("a").is_none()),
            |top| assert!(top.list("a").is_empty()),
            |top| assert!(top.string("a").is_none()),
            |top| assert!(top.secret("a").is_none()),
            |top| assert!(top.url("a").is_none()),
            |top| assert!(top.boolean("a").is_none()),
            |top| assert!(top.number("a").is_none()),
            |top| assert!(top.duration("a").is_none()),
            |top| assert!(top.string_list("a").is_none()),
            |top| assert!(top.string_map("a").is_none()),
            |top| assert!(top.one_of("a", &["b"]).is_none()),
        ];
        for read in reads {
            let found = mistakes("a: ${NONE}", |top| read(&top));
            assert_eq!(
                found,
                ["a.yaml:1:4: a: environment variable NONE is not set"]
            );
        }
    }

    #[test]
    fn a_secret_that_became_part_of_a_key_is_not_shown() {
        let found = mistakes("keys: {token:s3cret, 'secret:s3cret': x}", |top| {
            let keys = top.section("keys").unwrap();
            keys.ignore(&["token", "secret"]);
            keys.finish();
            top.finish_among_others();
        });
        assert_eq!(found.len(), 2);
        assert!(
            found.iter().all(|text| !text.contains("s3cret")),
            "{found:?}"
        );
    }

    #[test]
    fn an_unknown_key_is_shown_in_part() {
        let text = format!("{}: 1", "k".repeat(1000));
        let found = mistakes(&text, |top| top.finish());
        let shown = "k".repeat(40);
        assert_eq!(
            found,
            [format!(
                "a.yaml:1:1: {shown}: unknown key \"{shown}\"; expected none"
            )]
        );
    }
}
