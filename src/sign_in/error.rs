//! What goes wrong while somebody signs in: a short sentence for them, the rest for the operator.

use std::fmt;

use http::StatusCode;

use crate::provider::{ProviderError, ProviderErrorKind};
use crate::store::StoreError;

/// A failure on the paths of the sign-in.
#[derive(Clone, Debug)]
pub(crate) struct SignInError {
    kind: SignInErrorKind,
    message: String,
    /// What a page says instead, where the message repeats something of the request.
    sentence: Option<&'static str>,
    detail: String,
}

/// Its kind: a Backstage error name and a status (spec section 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignInErrorKind {
    Input,
    Authentication,
    /// A token that is no good, told from none.
    InvalidToken,
    NotAllowed,
    NotFound,
    Conflict,
    NotImplemented,
    Unavailable,
}

impl SignInError {
    /// `message` is shown: it holds nothing that the provider or the request said.
    pub(crate) fn new(kind: SignInErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            sentence: None,
            detail: String::new(),
        }
    }

    /// Backstage's sentence about what is not there, with the name that was asked for: for programs. Pages say
    /// `sentence`, for whoever made the link must not speak in our name.
    pub(crate) fn not_found(before: &str, name: &str, after: &str, sentence: &'static str) -> Self {
        let name: String = name.chars().take(64).collect();
        let message = format!("{before}'{}'{after}", name.escape_default());
        Self {
            sentence: Some(sentence),
            ..Self::new(SignInErrorKind::NotFound, message)
        }
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(SignInErrorKind::Input, message)
    }

    pub(crate) fn authentication(message: impl Into<String>) -> Self {
        Self::new(SignInErrorKind::Authentication, message)
    }

    pub(crate) fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(SignInErrorKind::NotAllowed, message)
    }

    /// What a provider without a page of its own answers where others have one.
    pub(crate) fn not_implemented() -> Self {
        Self::new(SignInErrorKind::NotImplemented, "Not implemented")
    }

    /// Adds what only the operator should read.
    pub(crate) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same, seen through a refresh: always a 401 (spec section 2.5). Being out of reach stays that.
    pub(crate) fn of_refresh(self) -> Self {
        if self.kind == SignInErrorKind::Unavailable {
            return self;
        }
        let message = format!(
            "Refresh failed; caused by {}: {}",
            self.name(),
            self.message
        );
        Self {
            kind: SignInErrorKind::Authentication,
            message,
            sentence: None,
            detail: self.detail,
        }
    }

    pub(crate) fn kind(&self) -> SignInErrorKind {
        self.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What a page says.
    pub(crate) fn sentence(&self) -> &str {
        self.sentence.unwrap_or(&self.message)
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            SignInErrorKind::Input => "InputError",
            SignInErrorKind::Authentication | SignInErrorKind::InvalidToken => {
                "AuthenticationError"
            }
            SignInErrorKind::NotAllowed => "NotAllowedError",
            SignInErrorKind::NotFound => "NotFoundError",
            SignInErrorKind::Conflict => "ConflictError",
            SignInErrorKind::NotImplemented => "NotImplementedError",
            SignInErrorKind::Unavailable => "ServiceUnavailableError",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.kind {
            SignInErrorKind::Input => StatusCode::BAD_REQUEST,
            SignInErrorKind::Authentication | SignInErrorKind::InvalidToken => {
                StatusCode::UNAUTHORIZED
            }
            SignInErrorKind::NotAllowed => StatusCode::FORBIDDEN,
            SignInErrorKind::NotFound => StatusCode::NOT_FOUND,
            SignInErrorKind::Conflict => StatusCode::CONFLICT,
            SignInErrorKind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            SignInErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<ProviderError> for SignInError {
    fn from(error: ProviderError) -> Self {
        let shown = match error.kind {
            ProviderErrorKind::Invalid | ProviderErrorKind::Foreign => {
                Self::authentication("The identity provider's answer could not be verified")
            }
            ProviderErrorKind::KeptOut => Self::not_allowed(
                "This account may not sign in here: choose another, or ask your administrator",
            ),
            ProviderErrorKind::Absent => {
                Self::authentication("The proxy in front of this portal named nobody")
            }
            ProviderErrorKind::Refused => {
                Self::authentication("The identity provider refused the sign-in")
            }
            ProviderErrorKind::Unavailable => Self::new(
                SignInErrorKind::Unavailable,
                "The identity provider can't be reached right now",
            ),
        };
        shown.because(error.detail)
    }
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::new(
            SignInErrorKind::Unavailable,
            "Signing in is not possible right now",
        )
        .because(error.to_string())
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.detail)
    }
}
