//! Scopes (RFC 6749 section 3.3): compared whole, never by prefix.

/// A set of scopes. Empty grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Box<str>>);

impl Scopes {
    /// Reads a space-separated list, dropping duplicates.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.split(' ').filter(|scope| !scope.is_empty()).collect()
    }

    /// Whether `scope` was granted, letter by letter.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|granted| &**granted == scope)
    }

    /// Each scope, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scope| &**scope)
    }

    /// Whether nothing was granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<Box<str>>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        let mut set: Vec<Box<str>> = Vec::new();
        for scope in scopes {
            let scope = scope.into();
            if !set.contains(&scope) {
                set.push(scope);
            }
        }
        Self(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl_11_scopes_are_compared_whole() {
        let scopes = Scopes::parse("readonly write  write");
        assert!(scopes.contains("readonly") && scopes.contains("write"));
        for other in ["read", "READONLY", "", " ", "only", "readonly write"] {
            assert!(!scopes.contains(other), "{other:?}");
        }
        assert_eq!(scopes.iter().count(), 2);
        assert!(
            !Scopes::parse("a\tb").contains("a"),
            "only a space separates"
        );
    }
}
