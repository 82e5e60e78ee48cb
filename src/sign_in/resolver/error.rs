//! Why a resolver finds nobody.

use std::fmt;

use crate::catalog::CatalogError;
use crate::sign_in::{SignInError, SignInErrorKind};

/// Why a resolver does not say who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverError {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotFound,
    Denied,
    NoEmail,
    Conflict,
    Unavailable,
}

impl ResolverError {
    /// This resolver knows nobody: the next one is asked. `detail` is for the operator.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// The person may not sign in, whatever other resolvers know. They are shown `sentence`.
    #[must_use]
    pub fn denied(sentence: impl Into<String>) -> Self {
        Self::new(Kind::Denied, sentence)
    }

    /// There is no answer now: the person is asked to try again. `detail` is for the operator.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    pub(super) fn no_email(detail: impl Into<String>) -> Self {
        Self::new(Kind::NoEmail, detail)
    }

    /// Whether the next resolver may know.
    pub(super) fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// What the sign-in fails with, if this ends it.
    pub(super) fn ends(&self) -> SignInError {
        let (kind, message) = match self.kind {
            Kind::NotFound => (SignInErrorKind::Authentication, UNKNOWN),
            Kind::Denied => (SignInErrorKind::NotAllowed, self.text.as_str()),
            Kind::NoEmail => (
                SignInErrorKind::Authentication,
                "Login failed, user profile does not contain an email",
            ),
            Kind::Conflict => (
                SignInErrorKind::Conflict,
                "User lookup resulted in multiple matches",
            ),
            Kind::Unavailable => (
                SignInErrorKind::Unavailable,
                "The catalog can't be asked right now",
            ),
        };
        SignInError::new(kind, message)
    }

    fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}

/// Backstage's sentence (spec section 7).
pub(super) const UNKNOWN: &str = "Failed to sign-in, unable to resolve user identity. Please verify that your catalog contains the expected User entities that would match your configured sign-in resolver.";

impl From<CatalogError> for ResolverError {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NotFound => Self::new(Kind::NotFound, text),
            CatalogError::Conflict => Self::new(Kind::Conflict, text),
            CatalogError::Unavailable(_) => Self::new(Kind::Unavailable, text),
        }
    }
}

impl fmt::Display for ResolverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ResolverError {}
