//! What readers ask a configuration for: the shape that it may have.
//!
//! A schema that is written beside the readers would soon say something else than they do. This one is what they did.

use crate::yaml::Location;

/// A place of the configuration, and what was asked of it.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) kinds: Vec<Kind>,
    /// Its keys, in the order in which they were asked for.
    pub(super) keys: Vec<(String, Self)>,
    /// Whether its other keys are names that the operator chooses; and what stood under those there were.
    pub(super) has_names: bool,
    pub(super) names: Vec<(String, Self)>,
    pub(super) items: Vec<Self>,
    pub(super) required: Vec<String>,
    /// Whether other keys are mistakes.
    pub(super) closed: bool,
    /// The word that was found, of those that there may be.
    pub(super) word: Option<String>,
    /// Where it stood.
    pub(super) line: Option<u64>,
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    Url,
    Boolean,
    Number,
    Duration,
    Texts,
    Word(Vec<String>),
    TextMap,
    Object,
    List,
}

impl Shape {
    /// The place of a dotted path such as `auth.keys[0].secret`.
    pub(super) fn at(&mut self, path: &str) -> &mut Self {
        let mut shape = self;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let mut parts = part.split('[');
            shape = shape.under(parts.next().unwrap_or_default());
            for index in parts {
                let index: usize = index.trim_end_matches(']').parse().unwrap_or_default();
                if shape.items.len() <= index {
                    shape.items.resize_with(index + 1, Self::default);
                }
                shape = &mut shape.items[index];
            }
        }
        shape
    }

    pub(super) fn note(&mut self, path: &str, kind: Kind) {
        let shape = self.at(path);
        if !shape.kinds.contains(&kind) {
            shape.kinds.push(kind);
        }
    }

    pub(super) fn stands_at(&mut self, path: &str, location: &Location) {
        self.at(path).line.get_or_insert(location.line);
    }

    /// From now on a key that has not been asked for is a name.
    pub(super) fn has_names(&mut self, path: &str, fixed: &[&str]) {
        let shape = self.at(path);
        for name in fixed {
            shape.under(name);
        }
        shape.has_names = true;
    }

    fn under(&mut self, name: &str) -> &mut Self {
        let is_key = |(key, _): &(String, Self)| key == name;
        let list = match self.has_names && !self.keys.iter().any(is_key) {
            true => &mut self.names,
            false => &mut self.keys,
        };
        let place = list.iter().position(is_key).unwrap_or_else(|| {
            list.push((name.to_owned(), Self::default()));
            list.len() - 1
        });
        &mut list[place].1
    }
}
