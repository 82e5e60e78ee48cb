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
pub struct IdentityRejection {
    rejection: Rejection,
    audience: Audience,
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
        Self {
            rejection,
            audience: Audience::of(&request),
        }
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
        if self.rejection.kind() == RejectionKind::Misconfigured {
            tracing::error!(target: "tower_identity", path = self.audience.path(), "{}", self.rejection.reason());
        }
        respond(self.rejection, &self.audience, &Challenge::default(), None).map(Body::from)
    }
}
