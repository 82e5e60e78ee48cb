//! Asking more of a route than that somebody is known: a user, a service, a scope.
//!
//! These stand inside a layer that judges, around the routes they are for. They prove nobody: they look at the
//! [`Identity`] that is there, and refuse it with a 403, or its absence with a 401.
//!
//! ```
//! use axum::{Router, routing::{delete, get}};
//! use tower_identity::layer::require;
//!
//! let app: Router = Router::new()
//!     .route("/me", get(|| async { "a person" }).layer(require::user()))
//!     .route("/sync", get(|| async { "a machine" }).layer(require::service()))
//!     .route("/items", delete(|| async { "gone" }).layer(require::scope("items.write")));
//! // .layer(IdentityLayer::…)
//! ```

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::ResponseBody;
use super::inner_or::InnerOr;
use super::order::JudgedBy;
use crate::identity::{Identity, Principal};
use crate::rejection::{Audience, Challenge, Rejection, RejectionKind, respond};

/// Lets through whom it was made for: see [`user`], [`service`] and [`scope`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RequireLayer {
    what: What,
    challenge: Challenge,
}

/// The service that a [`RequireLayer`] makes.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    require: RequireLayer,
}

/// The future of [`RequireService`].
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct RequireFuture<F>(#[pin] InnerOr<F, Ready<Response<Bytes>>>);

#[derive(Clone, Debug)]
enum What {
    User,
    Service,
    Scope(Box<str>),
}

/// Asks for a user: also one on whose behalf a plugin calls.
pub fn user() -> RequireLayer {
    RequireLayer::new(What::User)
}

/// Asks for a service, such as a plugin or the holder of a key.
pub fn service() -> RequireLayer {
    RequireLayer::new(What::Service)
}

/// Asks for a scope, or for each of several that are separated by spaces. Its 403 names them in the challenge
/// (RFC 6750 section 3).
pub fn scope(scope: impl Into<Box<str>>) -> RequireLayer {
    RequireLayer::new(What::Scope(scope.into()))
}

// ===== impl RequireLayer =====

impl RequireLayer {
    fn new(what: What) -> Self {
        Self {
            what,
            challenge: Challenge::default(),
        }
    }

    /// Replaces the challenge of its refusals.
    pub fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = challenge;
        self
    }

    fn judge<B>(&self, request: &Request<B>) -> Result<(), Rejection> {
        let Some(identity) = Identity::of(request) else {
            return Err(match JudgedBy::of(request.extensions()) {
                Some(_) => Rejection::missing(),
                // Nobody has looked: that nobody is known means nothing.
                None => Rejection::new(
                    RejectionKind::Misconfigured,
                    "no layer has looked at this request: IdentityLayer or BearerKeyLayer must stand outside",
                ),
            });
        };
        let fits = match (&self.what, identity.principal()) {
            (What::User, Principal::User(_)) | (What::Service, Principal::Service(_)) => true,
            (What::Scope(wanted), _) => wanted
                .split_ascii_whitespace()
                .all(|scope| identity.scopes().contains(scope)),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let reason = match &self.what {
            What::User => "a service, where a user is asked for".to_owned(),
            What::Service => "a user, where a service is asked for".to_owned(),
            What::Scope(wanted) => format!("the scope {wanted} was not granted"),
        };
        Err(Rejection::new(RejectionKind::InsufficientScope, reason))
    }

    fn refuse<B>(&self, rejection: Rejection, request: &Request<B>) -> Response<Bytes> {
        let audience = Audience::of(request);
        if rejection.kind() == RejectionKind::Misconfigured {
            tracing::error!(target: "tower_identity", path = audience.path(), "{}", rejection.reason());
        } else {
            tracing::info!(target: "tower_identity", path = audience.path(), reason = rejection.reason(), "refused");
        }
        let challenge = match &self.what {
            What::Scope(wanted) => self.challenge.clone().with_scope(wanted),
            _ => self.challenge.clone(),
        };
        respond(rejection, &audience, &challenge, None)
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        RequireService {
            inner,
            require: self.clone(),
        }
    }
}

// ===== impl RequireService =====

impl<S, B, R> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        RequireFuture(match self.require.judge(&request) {
            Ok(()) => InnerOr::Inner(self.inner.call(request)),
            Err(rejection) => InnerOr::Own(ready(self.require.refuse(rejection, &request))),
        })
    }
}

impl<F, R, E> Future for RequireFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx)
    }
}

impl<F> std::fmt::Debug for RequireFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequireFuture")
    }
}
