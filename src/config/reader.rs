//! Reading a tree into types, and collecting every mistake instead of stopping at the first.

use std::cell::RefCell;
use std::collections::HashSet;

use super::record::{Kind, Shape};
use super::suggest::{is_slip_of, nearest};
use crate::error::{ConfigError, ConfigMistake};
use crate::yaml::{Key, Location, Node, Value, join, shown};

/// Collects mistakes while a tree is read.
///
/// Reading gives `None` for what is wrong, and the reader remembers why; when all has been read,
/// [`Reader::finish`] tells.
#[derive(Default)]
pub(crate) struct Reader {
    mistakes: RefCell<Vec<ConfigMistake>>,
    /// Part of what there is could not be read: what seems to be absent may stand there.
    incomplete: bool,
    /// What is asked for, if somebody wants to know.
    record: Option<RefCell<Shape>>,
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
    known: RefCell<Known>,
}

/// The keys that somebody has asked for: in their order, for a message, and as a set, to look them up.
#[derive(Default)]
struct Known {
    names: Vec<String>,
    set: HashSet<String>,
}

// ===== impl Reader =====

impl Reader {
    /// A reader of the part that could be read: it says nothing of what is absent.
    pub(super) fn of_a_part() -> Self {
        Self {
            mistakes: RefCell::default(),
            incomplete: true,
            record: None,
        }
    }

    /// A reader that remembers what it was asked for.
    pub(super) fn recording() -> Self {
        Self {
            record: Some(RefCell::default()),
            ..Self::default()
        }
    }

    /// What it was asked for, and every mistake.
    pub(super) fn into_record(self) -> (Shape, Vec<ConfigMistake>) {
        let record = self.record.map(RefCell::into_inner).unwrap_or_default();
        (record, self.mistakes.into_inner())
    }

    fn note(&self, f: impl FnOnce(&mut Shape)) {
        if let Some(record) = &self.record {
            f(&mut record.borrow_mut());
        }
    }

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
        ConfigError::collect(self.into_mistakes())
    }

    /// Every mistake so far.
    pub(super) fn into_mistakes(self) -> Vec<ConfigMistake> {
        self.mistakes.into_inner()
    }

    /// Whether everything there is could be read.
    pub(super) fn is_complete(&self) -> bool {
        !self.incomplete
    }

    pub(super) fn open<'a>(
        &'a self,
        path: String,
        at: &Location,
        node: &'a Node,
    ) -> Option<Section<'a>> {
        self.note(|shape| {
            shape.note(&path, Kind::Object);
            shape.stands_at(&path, at);
        });
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

    /// The dotted path of one of the items of a list.
    pub(crate) fn path_of_item(&self, key: &str, index: usize) -> String {
        format!("{}[{index}]", self.path_of(key))
    }

    /// Where the value of a key stands, or the section if the key is absent.
    pub(super) fn location_of(&self, key: &str) -> &Location {
        self.entry(key)
            .map_or(&self.location, |(_, node)| &node.location)
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

    /// Notes that its keys are names which the operator chooses, but for some.
    pub(super) fn has_names(&self, fixed: &[&str]) {
        let path = &self.path;
        self.reader.note(|shape| shape.has_names(path, fixed));
    }

    /// Notes what a value may be.
    pub(super) fn may_be(&self, key: &str, kind: Kind) {
        let path = self.path_of(key);
        self.reader.note(|shape| shape.note(&path, kind));
    }

    /// Notes the word that was found.
    pub(super) fn is_word(&self, key: &str, word: &str) {
        let path = self.path_of(key);
        self.reader
            .note(|shape| shape.at(&path).word = Some(word.to_owned()));
    }

    /// Every value of this object as an object, with its key. Those that are `null` are left out.
    pub(crate) fn all_sections(&self) -> Vec<(&'a str, Self)> {
        self.has_names(&[]);
        let entries = self.entries.iter();
        let there = entries.filter(|(_, node)| !matches!(node.value, Value::Null));
        there
            .filter_map(|(key, node)| {
                let path = self.path_of(&key.name);
                let section = self.reader.open(path, &key.location, node)?;
                Some((key.name.as_str(), section))
            })
            .collect()
    }

    /// The objects in the list at a key.
    pub(crate) fn list(&self, key: &str) -> Vec<Self> {
        self.may_be(key, Kind::List);
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            self.reader.expected(self.path_of(key), node, "a list");
            return Vec::new();
        };
        let items = items.iter().enumerate().filter_map(|(i, item)| {
            self.reader
                .open(self.path_of_item(key, i), &item.location, item)
        });
        items.collect()
    }

    /// Reports a mistake in the value of a key, or in the section if the key is absent.
    pub(crate) fn mistake(&self, key: &str, message: impl Into<String>) {
        self.reader
            .add(self.location_of(key).mistake(self.path_of(key), message));
    }

    /// Reports a mistake in one item of the list at a key; of what is no list, in all of it.
    pub(super) fn mistake_in(&self, key: &str, index: usize, message: impl Into<String>) {
        match self.entry(key).map(|(_, node)| &node.value) {
            Some(Value::List(items)) if index < items.len() => {
                let location = &items[index].location;
                self.reader
                    .add(location.mistake(self.path_of_item(key, index), message));
            }
            _ => self.mistake(key, message),
        }
    }

    /// Tells the operator of what is no mistake, and is seldom meant.
    pub(super) fn warn(&self, key: &str, message: impl Into<String>) {
        if self.reader.record.is_some() {
            return;
        }
        let warning = self.location_of(key).mistake(self.path_of(key), message);
        tracing::warn!(target: "tower_identity", "{warning}");
    }

    /// The same of this section as a whole.
    pub(super) fn warn_here(&self, message: impl Into<String>) {
        if self.reader.record.is_some() {
            return;
        }
        let warning = self.location.mistake(self.path.as_str(), message);
        tracing::warn!(target: "tower_identity", "{warning}");
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
        self.reader.note(|shape| shape.at(&self.path).closed = true);
        let known = self.known.borrow();
        for (key, _) in self.strangers(&known) {
            let name = shown(&key.name);
            let names = &known.names;
            let message = match nearest(&key.name, names.iter().map(String::as_str)) {
                Some(meant) => format!("unknown key \"{name}\"; did you mean \"{meant}\"?"),
                None if names.is_empty() => format!("unknown key \"{name}\"; expected none"),
                None => format!(
                    "unknown key \"{name}\"; expected one of \"{}\"",
                    names.join("\", \"")
                ),
            };
            self.reader
                .add(key.location.mistake(self.path_of(&key.name), message));
        }
    }

    /// Reports only the keys that are a slip of one that was asked for: the others belong to others.
    pub(crate) fn finish_among_others(self) {
        let known = self.known.borrow();
        for (key, _) in self.strangers(&known) {
            if let Some(meant) = known
                .names
                .iter()
                .find(|known| is_slip_of(&key.name, known))
            {
                let name = shown(&key.name);
                let message = format!("unknown key \"{name}\"; did you mean \"{meant}\"?");
                self.reader
                    .add(key.location.mistake(self.path_of(&key.name), message));
            }
        }
    }

    pub(super) fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// Reports a key that is absent.
    pub(super) fn require(&self, key: &str, wanted: &str) {
        self.reader.note(|shape| {
            let required = &mut shape.at(&self.path).required;
            if !required.iter().any(|other| other == key) {
                required.push(key.to_owned());
            }
        });
        if !self.has(key) && self.reader.is_complete() {
            self.mistake(key, format!("expected {wanted}, found nothing"));
        }
    }

    pub(super) fn entries(&self) -> &'a [(Key, Node)] {
        self.entries
    }

    fn entry(&self, key: &str) -> Option<&'a (Key, Node)> {
        self.know(key);
        let entry = self
            .entries
            .iter()
            .find(|(found, node)| found.name == key && !matches!(node.value, Value::Null));
        if let Some((found, _)) = entry {
            let path = self.path_of(key);
            self.reader
                .note(|shape| shape.stands_at(&path, &found.location));
        }
        entry
    }

    fn know(&self, key: &str) {
        let path = self.path_of(key);
        self.reader.note(|shape| {
            shape.at(&path);
        });
        let mut known = self.known.borrow_mut();
        if !known.set.contains(key) {
            known.set.insert(key.to_owned());
            known.names.push(key.to_owned());
        }
    }

    fn strangers<'s>(&'s self, known: &'s Known) -> impl Iterator<Item = &'a (Key, Node)> + 's {
        self.entries
            .iter()
            .filter(|(key, _)| !known.set.contains(&key.name))
    }
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
                "a.yaml:10:11: auth.providers.okta: expected an object, found a string",
                "a.yaml:5:7: auth.providers.github.development.clientId: expected a string, found nothing",
                "a.yaml:7:23: auth.providers.github.development.clientSecret: environment variable NONE is not set",
                "a.yaml:5:7: auth.providers.github.development.signIn: expected an object, found nothing",
                "a.yaml:5:7: auth.providers.github.development: too red",
                "a.yaml:8:16: auth.providers.github.development.color: expected blue",
                "a.yaml:6:9: auth.providers.github.development.clientID: unknown key \"clientID\"; did you mean \"clientId\"?",
                "a.yaml:11:23: auth.keys[1]: expected an object, found a number",
                "a.yaml:11:19: auth.keys[0].secret: expected a string, found a number",
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
    fn what_stands_behind_a_forgotten_space_is_not_shown() {
        let found = mistakes("options: {token:s3cret, subject: x}", |top| {
            let options = top.section("options").unwrap();
            options.required_string("token");
            options.ignore(&["subject"]);
            options.finish();
            top.finish();
        });
        assert_eq!(
            found,
            [
                "a.yaml:1:1: options.token: expected a string, found nothing",
                "a.yaml:1:11: options.token…: unknown key \"token…\"; expected one of \"token\", \"subject\"",
            ]
        );
    }

    #[test]
    fn of_a_part_nothing_is_said_to_be_absent() {
        let root = parse(Path::new("a.yaml"), "x: 1", &|_| None).unwrap();
        let reader = Reader::of_a_part();
        let top = reader.root(&root);
        top.required_string("y");
        top.required_string("x");
        top.finish();
        let mistakes = reader.into_mistakes();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    }

    #[test]
    fn a_large_object_is_read_in_one_go() {
        // Looking each key up would be 10^10 steps.
        let text: String = (0..100_000).map(|i| format!("k{i}: {{}}\n")).collect();
        let root = parse(Path::new("a.yaml"), &text, &|_| None).unwrap();
        let reader = Reader::default();
        assert_eq!(reader.root(&root).all_sections().len(), 100_000);
        let top = reader.root(&root);
        for i in 0..1000 {
            top.ignore(&[&format!("k{i}")]);
        }
    }

    #[test]
    fn an_unknown_key_is_shown_in_part() {
        let text = format!("{}: 1", "k".repeat(1000));
        let found = mistakes(&text, |top| top.finish());
        let shown = format!("{}…", "k".repeat(48));
        assert_eq!(
            found,
            [format!(
                "a.yaml:1:1: {shown}: unknown key \"{shown}\"; expected none"
            )]
        );
    }
}
