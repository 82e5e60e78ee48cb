//! Extractors for axum handlers.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_identity::Identity;
//! use tower_identity::identity::{Service, User};
//!
//! async fn anybody(identity: Identity) -> String {
//!     format!("hello, {}", identity.subject())
//! }
//!
//! async fn perhaps(identity: Option<Identity>) -> &'static str {
//!     if identity.is_some() { "hello" } else { "hello, whoever you are" }
//! }
//!
//! async fn people(user: User) -> String {
//!     format!("hello, {}", user.profile().display_name.as_deref().unwrap_or(user.subject()))
//! }
//!
//! async fn machines(service: Service) -> String {
//!     format!("hello, {}", service.subject())
//! }
//!
//! let app: Router = Router::new()
//!     .route("/anybody", get(anybody))
//!     .route("/perhaps", get(perhaps))
//!     .route("/people", get(people))
//!     .route("/machines", get(machines));
//! ```
//!
//! | extractor | no identity, but a layer looked | a principal of the other kind | no layer at all |
//! | --- | --- | --- | --- |
//! | `Identity`, `User`, `Service` | 401 | 403 | 500, and the log names the layer to add |
//! | `Option<Identity>` | `None` | | 500, likewise |
//! | `Option<User>`, `Option<Service>` | `None` | `None` | 500, likewise |
//!
//! The layers of [`Config`](crate::Config) require somebody: an `Option` is of use behind
//! `layers.identity.optional()`. A scope is asked for with a type that names it: see [`Scoped`].

use std::marker::PhantomData;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::Request;
use http::request::Parts;

use crate::identity::{Identity, Service, User};
use crate::layer::JudgedBy;
use crate::rejection::{Audience, Challenge, Rejection, RejectionKind, respond};

/// Why a handler did not get the identity it asks for.
#[derive(Debug)]
pub struct IdentityRejection(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    rejection: Rejection,
    audience: Audience,
    challenge: Challenge,
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = IdentityRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, IdentityRejection> {
        let identity = find(parts)?;
        identity.ok_or_else(|| IdentityRejection::new(parts, Rejection::missing()))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = IdentityRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, IdentityRejection> {
        find(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = IdentityRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, IdentityRejection> {
        let identity = <Identity as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        identity.user().cloned().ok_or_else(|| {
            IdentityRejection::other_kind(parts, "a service, where a user is asked for")
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Service {
    type Rejection = IdentityRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, IdentityRejection> {
        let identity = <Identity as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        identity.service().cloned().ok_or_else(|| {
            IdentityRejection::other_kind(parts, "a user, where a service is asked for")
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for User {
    type Rejection = IdentityRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, IdentityRejection> {
        Ok(find(parts)?.and_then(|identity| identity.user().cloned()))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Service {
    type Rejection = IdentityRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, IdentityRejection> {
        Ok(find(parts)?.and_then(|identity| identity.service().cloned()))
    }
}

/// A scope, or several separated by spaces, by the name of a type.
pub trait RequiredScope {
    /// Such as `items.write`.
    const SCOPE: &'static str;
}

/// An [`Identity`] that was granted what `R` names; otherwise the handler is not called, and the answer is a 403
/// that names it.
///
/// ```
/// use tower_identity::extract::{RequiredScope, Scoped};
///
/// struct ItemsWrite;
///
/// impl RequiredScope for ItemsWrite {
///     const SCOPE: &str = "items.write";
/// }
///
/// async fn delete(who: Scoped<ItemsWrite>) -> String {
///     format!("gone, said {}", who.identity().subject())
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::delete(delete));
/// ```
#[derive(Debug)]
pub struct Scoped<R>(Identity, PhantomData<fn() -> R>);

impl<R> Scoped<R> {
    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0
    }
}

impl<S: Send + Sync, R: RequiredScope> FromRequestParts<S> for Scoped<R> {
    type Rejection = IdentityRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, IdentityRejection> {
        let identity = <Identity as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let mut wanted = R::SCOPE.split_ascii_whitespace();
        if wanted.all(|scope| identity.scopes().contains(scope)) {
            return Ok(Self(identity, PhantomData));
        }
        let reason = format!("the scope {} was not granted", R::SCOPE);
        let rejection = Rejection::new(RejectionKind::InsufficientScope, reason);
        let mut refusal = IdentityRejection::new(parts, rejection);
        refusal.0.challenge = Challenge::default().with_scope(R::SCOPE);
        Err(refusal)
    }
}

fn find(parts: &Parts) -> Result<Option<Identity>, IdentityRejection> {
    let identity = Identity::from_extensions(&parts.extensions).cloned();
    if identity.is_none() && JudgedBy::of(&parts.extensions).is_none() {
        let reason = "no layer has looked at this request: add IdentityLayer or BearerKeyLayer to the router";
        return Err(IdentityRejection::new(
            parts,
            Rejection::new(RejectionKind::Misconfigured, reason),
        ));
    }
    Ok(identity)
}

impl IdentityRejection {
    fn new(parts: &Parts, rejection: Rejection) -> Self {
        let mut request = Request::new(());
        *request.method_mut() = parts.method.clone();
        *request.version_mut() = parts.version;
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        Self(Box::new(Refusal {
            rejection,
            audience: Audience::of(&request),
            challenge: Challenge::default(),
        }))
    }

    fn other_kind(parts: &Parts, reason: &'static str) -> Self {
        Self::new(
            parts,
            Rejection::new(RejectionKind::InsufficientScope, reason),
        )
    }
}

impl IntoResponse for IdentityRejection {
    fn into_response(self) -> Response {
        let Refusal {
            rejection,
            audience,
            challenge,
        } = *self.0;
        if rejection.kind() == RejectionKind::Misconfigured {
            tracing::error!(target: "tower_identity", path = audience.path(), "{}", rejection.reason());
        }
        respond(rejection, &audience, &challenge, None).map(Body::from)
    }
}
