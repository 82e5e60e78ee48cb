//! Why a request was refused, told twice: in the words of RFC 6750 to the caller, in full to the operator.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

mod challenge;
mod response;

pub use self::challenge::Challenge;
pub(crate) use self::response::{Audience, respond};

/// A refusal. It rides in the response's extensions, for logs and metrics;
/// the wire carries its kind only.
#[derive(Clone, Debug)]
#[must_use]
pub struct Rejection {
    kind: RejectionKind,
    reason: Cow<'static, str>,
    retry_after: Option<Duration>,
}

/// What kind of refusal it is; each has one status and one RFC 6750 error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No credential: 401, a challenge without an error code (RFC 6750 section 3.1).
    MissingCredentials,
    /// Two credentials of one kind, or a request that cannot be read: 400 `invalid_request`.
    InvalidRequest,
    /// A credential that is unknown, expired, revoked or broken: 401 `invalid_token`.
    InvalidToken,
    /// A good credential that may not do this: 403 `insufficient_scope`.
    InsufficientScope,
    /// A request that a browser was led into by another site: 403.
    CrossSite,
    /// What could tell is out of reach: 503 with `Retry-After`, never a 401 and never a pass.
    Unavailable,
    /// The layers stand in an order that cannot work: 500, and a line in the log.
    Misconfigured,
}

// ===== impl Rejection =====

impl Rejection {
    /// A refusal of this kind; `reason` is for the operator and must not hold a secret.
    pub fn new(kind: RejectionKind, reason: impl Into<Cow<'static, str>>) -> Self {
        let retry_after =
            (kind == RejectionKind::Unavailable).then_some(const { Duration::from_secs(5) });
        Self {
            kind,
            reason: reason.into(),
            retry_after,
        }
    }

    pub(crate) fn missing() -> Self {
        Self::new(RejectionKind::MissingCredentials, "no credential")
    }

    pub(crate) fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::InvalidToken, reason)
    }

    pub(crate) fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::Unavailable, reason)
    }

    /// When to try again; 5 seconds unless told.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// Why, in full. For logs: it is not shown to the caller.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.message(), self.reason)
    }
}

impl std::error::Error for Rejection {}

// ===== impl RejectionKind =====

impl RejectionKind {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::MissingCredentials | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::InsufficientScope | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `error` of the challenge (RFC 6750 section 3.1), if there is one.
    #[must_use]
    pub fn error_code(self) -> Option<&'static str> {
        match self {
            Self::InvalidRequest => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            _ => None,
        }
    }

    /// The name Backstage gives such an error (spec section 8.4).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingCredentials | Self::InvalidToken => "AuthenticationError",
            Self::InvalidRequest => "InputError",
            Self::InsufficientScope | Self::CrossSite => "NotAllowedError",
            Self::Unavailable => "ServiceUnavailableError",
            Self::Misconfigured => "Error",
        }
    }

    /// What the caller is told: the same words for every cause of one kind.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::MissingCredentials => "Missing credentials",
            Self::InvalidRequest => "Ambiguous or malformed credentials",
            Self::InvalidToken => "Invalid credentials",
            Self::InsufficientScope => "These credentials do not allow this",
            Self::CrossSite => "This request came from another site",
            Self::Unavailable => "Credentials can't be checked right now, try again later",
            Self::Misconfigured => "The service is not set up correctly",
        }
    }

    /// The gRPC status code that says the same.
    pub(crate) fn grpc_status(self) -> &'static str {
        match self {
            Self::MissingCredentials | Self::InvalidToken => "16",
            Self::InsufficientScope | Self::CrossSite => "7",
            Self::InvalidRequest => "3",
            Self::Unavailable => "14",
            Self::Misconfigured => "13",
        }
    }
}
