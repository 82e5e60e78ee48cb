//! Backstage's names for people, groups and things: `kind:namespace/name`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// The namespace of a reference that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// The most characters in a kind, a namespace or a name.
const MAX_PART: usize = 253;

/// A reference to an entity of the catalog, such as `user:default/jane`.
///
/// It is always in lower case, as Backstage compares references, and cheap to clone.
///
/// ```
/// use tower_identity::identity::EntityRef;
///
/// let jane = EntityRef::parse("User:Jane")?;
/// assert_eq!(jane.as_str(), "user:default/jane");
/// assert_eq!((jane.kind(), jane.namespace(), jane.name()), ("user", "default", "jane"));
/// # Ok::<_, tower_identity::identity::EntityRefError>(())
/// ```
#[derive(Clone)]
pub struct EntityRef {
    text: Arc<str>,
    /// Where the `:` stands.
    colon: usize,
    /// Where the first `/` stands.
    slash: usize,
}

/// Why a text is no entity reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityRefError(Reason);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NoKind,
    Empty(Part),
    TooLong(Part),
    Character(Part),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Kind,
    Namespace,
    Name,
}

// ===== impl EntityRef =====

impl EntityRef {
    /// Reads `kind:[namespace/]name`; the namespace is `default` unless given.
    ///
    /// # Errors
    ///
    /// If there is no kind, or a part is empty, longer than 253 characters, or has white space or
    /// control characters in it.
    pub fn parse(text: &str) -> Result<Self, EntityRefError> {
        let (kind, namespace, name) = split(text);
        let kind = kind.ok_or(EntityRefError(Reason::NoKind))?;
        Self::from_parts(kind, namespace.unwrap_or(DEFAULT_NAMESPACE), name)
    }

    /// Reads `[kind:][namespace/]name`, with the parts that the text leaves out.
    ///
    /// # Errors
    ///
    /// If a part, given or default, is empty, longer than 253 characters, or has white space or
    /// control characters in it.
    pub fn parse_with_defaults(
        text: &str,
        default_kind: &str,
        default_namespace: &str,
    ) -> Result<Self, EntityRefError> {
        let (kind, namespace, name) = split(text);
        Self::from_parts(
            kind.unwrap_or(default_kind),
            namespace.unwrap_or(default_namespace),
            name,
        )
    }

    /// The whole reference, `kind:namespace/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind, such as `user`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// The namespace, such as `default`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        let range = self.colon + 1..self.slash;
        self.text.get(range).unwrap_or_default()
    }

    /// The name, such as `jane`. It may contain `:` and `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(self.slash + 1..).unwrap_or_default()
    }

    pub(crate) fn from_parts(
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Self, EntityRefError> {
        // A separator inside an earlier part would make two references print alike.
        let kind = checked(kind, Part::Kind, &[':', '/'])?;
        let namespace = checked(namespace, Part::Namespace, &['/'])?;
        let name = checked(name, Part::Name, &[])?;
        Ok(Self {
            colon: kind.len(),
            slash: kind.len() + 1 + namespace.len(),
            text: format!("{kind}:{namespace}/{name}").into(),
        })
    }
}

impl FromStr for EntityRef {
    type Err = EntityRefError;

    fn from_str(text: &str) -> Result<Self, EntityRefError> {
        Self::parse(text)
    }
}

impl PartialEq for EntityRef {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EntityRef {}

impl Hash for EntityRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityRef({:?})", self.text)
    }
}

/// Kind, namespace and name. The first `:` ends a kind only before the first `/`.
fn split(text: &str) -> (Option<&str>, Option<&str>, &str) {
    let (kind, rest) = match text.split_once(':') {
        Some((kind, rest)) if !kind.contains('/') => (Some(kind), rest),
        _ => (None, text),
    };
    match rest.split_once('/') {
        Some((namespace, name)) => (kind, Some(namespace), name),
        None => (kind, None, rest),
    }
}

fn checked(text: &str, part: Part, separators: &[char]) -> Result<String, EntityRefError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || separators.contains(&c);
    if text.is_empty() {
        Err(EntityRefError(Reason::Empty(part)))
    } else if text.chars().nth(MAX_PART).is_some() {
        Err(EntityRefError(Reason::TooLong(part)))
    } else if text.contains(bad) {
        Err(EntityRefError(Reason::Character(part)))
    } else {
        Ok(text.to_lowercase())
    }
}

// ===== impl EntityRefError =====

impl fmt::Display for EntityRefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an entity ref, kind:namespace/name, ")?;
        match self.0 {
            Reason::NoKind => f.write_str("found no kind"),
            Reason::Empty(part) => write!(f, "found an empty {part}"),
            Reason::TooLong(part) => write!(f, "found a {part} of more than 253 characters"),
            Reason::Character(part) => write!(f, "found a character that a {part} must not have"),
        }
    }
}

impl std::error::Error for EntityRefError {}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "kind",
            Self::Namespace => "namespace",
            Self::Name => "name",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_completed_and_lower_cased() {
        for (text, expected) in [
            ("jane", "user:here/jane"),
            ("other/Jane", "user:other/jane"),
            ("Group:admins", "group:here/admins"),
            ("Group:Other/Admins", "group:other/admins"),
            // Only a colon before the first slash ends a kind.
            ("ns/a:b", "user:ns/a:b"),
            ("a:b:c", "a:here/b:c"),
            ("a:b:c/d", "a:b:c/d"),
            ("a/b/c", "user:a/b/c"),
            ("ΌΣΟΣ", "user:here/όσος"),
            ("carol@x.test", "user:here/carol@x.test"),
        ] {
            let parsed = EntityRef::parse_with_defaults(text, "User", "here").unwrap();
            assert_eq!(parsed.to_string(), expected, "{text}");
            // What it prints reads back as itself, part by part.
            let again = EntityRef::parse(parsed.as_str()).unwrap();
            assert_eq!(again, parsed);
            assert_eq!(
                (again.kind(), again.namespace(), again.name()),
                (parsed.kind(), parsed.namespace(), parsed.name()),
            );
        }
        assert_eq!(
            EntityRef::parse("user:Jane").unwrap().as_str(),
            "user:default/jane"
        );
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = "x".repeat(254);
        for (text, found) in [
            ("", "found no kind"),
            ("jane", "found no kind"),
            ("default/user:jane", "found no kind"),
            (":jane", "found an empty kind"),
            ("user:", "found an empty name"),
            ("user:/jane", "found an empty namespace"),
            ("user:default/", "found an empty name"),
            ("user:/", "found an empty namespace"),
            (
                "user:de fault/jane",
                "found a character that a namespace must not have",
            ),
            ("user:jane\n", "found a character that a name must not have"),
            (
                "user:ja\u{a0}ne",
                "found a character that a name must not have",
            ),
            ("user:ja\0ne", "found a character that a name must not have"),
            (
                &format!("user:{long}"),
                "found a name of more than 253 characters",
            ),
            (
                &format!("{long}:x"),
                "found a kind of more than 253 characters",
            ),
        ] {
            let error = EntityRef::parse(text).unwrap_err().to_string();
            assert!(error.ends_with(found), "{text:?}: {error}");
        }
        for (kind, namespace) in [
            ("", "ns"),
            ("a:b", "ns"),
            ("a/b", "ns"),
            ("user", "a/b"),
            ("user", ""),
        ] {
            let parsed = EntityRef::parse_with_defaults("jane", kind, namespace);
            assert!(parsed.is_err(), "{kind} {namespace}");
        }
        assert!(EntityRef::parse(&format!("user:{}", "é".repeat(253))).is_ok());
    }
}
