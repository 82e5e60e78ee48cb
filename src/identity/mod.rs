//! Who is calling: the one value that the layers hand to the inner service.
//!
//! An [`Identity`] is a proof. It has no public constructor: it comes out of a layer, which made it
//! of the [`VerifiedIdentity`] that a verifier asserted, or out of the `testing` feature.

use std::fmt;
use std::sync::Arc;

use http::{Extensions, Request};

mod entity_ref;
mod json;
mod principal;
mod restriction;
mod scopes;

pub use self::entity_ref::{EntityRef, EntityRefError};
pub use self::principal::{Principal, Profile, Service, User};
pub use self::restriction::{Action, Permission, Restriction};
pub use self::scopes::Scopes;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// A caller whose identity has been proven for this request.
///
/// Found in the request's extensions, or with [`Identity::of`]. Cloning is cheap.
/// Serializes as the answer of the portal's `/api/whoami`:
///
/// ```json
/// {"principal":"user","subject":"user:default/ada","ownership":["user:default/ada","group:default/analysts"],
///  "scopes":[],"method":"session","issuer":"https://portal.example.com/api/auth","expiresAt":"2027-01-31T00:00:00Z"}
/// ```
#[derive(Clone)]
pub struct Identity(Arc<Facts>);

/// What a verifier has proven, before a layer makes it the request's [`Identity`].
///
/// [`assertion`](Self::assertion) is its only origin, so that one search finds every place
/// that vouches for a caller.
#[derive(Debug)]
#[must_use]
pub struct VerifiedIdentity(Facts);

/// How a caller was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// By an API key or a legacy service token.
    ApiKey,
    /// By a session cookie.
    Session,
    /// By a signed or introspected token.
    Token,
}

#[derive(Debug)]
struct Facts {
    principal: Principal,
    scopes: Scopes,
    method: Method,
    issuer: Option<Arc<str>>,
    provider: Option<Box<str>>,
    expires_at: Option<Timestamp>,
    limited: bool,
    /// The limited token that lets a plugin call others on the user's behalf.
    delegation: Option<Secret<String>>,
}

// ===== impl Identity =====

impl Identity {
    /// The identity proven for this request, if there is one.
    ///
    /// ```
    /// # use tower_identity::Identity;
    /// fn greeting(request: &http::Request<()>) -> String {
    ///     match Identity::of(request) {
    ///         Some(identity) => format!("hello, {}", identity.subject()),
    ///         None => "hello, whoever you are".into(),
    ///     }
    /// }
    /// # assert!(greeting(&http::Request::new(())).contains("whoever"));
    /// ```
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        Self::from_extensions(request.extensions())
    }

    /// The same for anything else that carries extensions, such as a `tonic::Request`'s `extensions()`.
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The person or the machine.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The person, if it is one.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match self.principal() {
            Principal::User(user) => Some(user),
            Principal::Service(_) => None,
        }
    }

    /// The machine, if it is one.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        match self.principal() {
            Principal::Service(service) => Some(service),
            Principal::User(_) => None,
        }
    }

    /// The subject: an entity ref for portal users, otherwise what the issuer calls it.
    ///
    /// # Security
    ///
    /// Only together with [`issuer`](Self::issuer) does it name somebody: two issuers may use one subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self.principal() {
            Principal::User(user) => user.subject(),
            Principal::Service(service) => service.subject(),
        }
    }

    /// What the credential was granted. Empty means nothing, never everything.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// How it was proven.
    #[must_use]
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// Who vouches for it: a token's or session's issuer. API keys have none.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// The id of the provider a session came from, such as `github`.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// When the proof ends. A key without expiry has none.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// Whether it was proven by a limited user token or the cookie that holds one: such a proof reaches
    /// only routes that are open to cookies.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.0.limited
    }

    pub(crate) fn delegation(&self) -> Option<&Secret<String>> {
        self.0.delegation.as_ref()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("principal", self.principal())
            .field("scopes", self.scopes())
            .field("method", &self.method())
            .field("issuer", &self.issuer())
            .field("expires_at", &self.expires_at())
            .finish()
    }
}

// ===== impl VerifiedIdentity =====

impl VerifiedIdentity {
    /// Vouches for a caller.
    ///
    /// # Security
    ///
    /// Call it only where a credential has just been verified: whatever is asserted here
    /// is believed everywhere behind the layer.
    pub fn assertion(principal: impl Into<Principal>, method: Method) -> Self {
        Self(Facts {
            principal: principal.into(),
            scopes: Scopes::default(),
            method,
            issuer: None,
            provider: None,
            expires_at: None,
            limited: false,
            delegation: None,
        })
    }

    /// What the credential was granted.
    pub fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.0.scopes = scopes;
        self
    }

    /// Who vouches for it.
    pub fn with_issuer(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.0.issuer = Some(issuer.into());
        self
    }

    /// The id of the provider a session came from.
    pub fn with_provider(mut self, provider: impl Into<Box<str>>) -> Self {
        self.0.provider = Some(provider.into());
        self
    }

    /// When the proof ends.
    pub fn with_expiry(mut self, expires_at: Timestamp) -> Self {
        self.0.expires_at = Some(expires_at);
        self
    }

    /// Marks a proof that is good only where a route says so: that of a limited user token.
    pub(crate) fn limited(mut self) -> Self {
        self.0.limited = true;
        self
    }

    /// Adds the limited token that lets others be called on the user's behalf.
    pub(crate) fn with_delegation(mut self, limited: Secret<String>) -> Self {
        self.0.delegation = Some(limited);
        self
    }

    /// The same proof, good everywhere: what was limited has been passed on by somebody who may.
    pub(crate) fn without_limit(mut self) -> Self {
        self.0.limited = false;
        self
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.0.limited
    }

    /// When the proof ends.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// The same proof of the same person, through a service that acts on their behalf; `None` for a service's.
    pub(crate) fn on_behalf(mut self, actor: Service) -> Option<Self> {
        let Principal::User(user) = self.0.principal else {
            return None;
        };
        self.0.principal = Principal::User(user.with_actor(actor));
        Some(self)
    }

    /// The person or the machine.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    pub(crate) fn into_identity(self) -> Identity {
        Identity(Arc::new(self.0))
    }
}

// ===== impl Method =====

impl Method {
    /// `api-key`, `session` or `token`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::Session => "session",
            Self::Token => "token",
        }
    }
}
