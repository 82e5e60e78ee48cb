//! Whoever has been proved elsewhere: by a portal's session, or by a token of a known issuer.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::guard::{Guard, Stance};
use super::order::JudgedBy;
use super::plugin::Plugin;
use super::{ResponseBody, ResponseFuture};
use crate::error::ConfigError;
use crate::rejection::Challenge;
use crate::session::Sessions;
use crate::verify::{Issuer, JwtVerifier, Verify};

/// Believes people and services that somebody else has proved: portal tokens and JWTs of
/// configured issuers, and the session cookies of a portal in the same process.
///
/// ```no_run
/// use tower_identity::IdentityLayer;
///
/// // A custom backend plugin: all it needs to know is the portal's issuer URL.
/// let layer = IdentityLayer::portal("https://portal.example.com/api/auth")?;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
///
/// # What it does
///
/// | stance | no credential | one it does not know | one it knows and finds bad |
/// | --- | --- | --- | --- |
/// | required (default) | 401, bare challenge | 401 `invalid_token` | 401 `invalid_token` |
/// | [`optional`](Self::optional) | inner service, no identity | 401 `invalid_token` | 401 `invalid_token` |
/// | [`delegating`](Self::delegating) | passes on | passes on | 401 `invalid_token` |
///
/// 1. A request that an outer layer has proved, and a CORS preflight, pass.
/// 2. Two `Authorization` lines are a 400.
/// 3. A bearer token beside a session cookie decides alone: a bad one is a 401 even with a good cookie.
/// 4. A session cookie on an unsafe method, or an upgrade, counts only for a request of an allowed
///    origin (`Sec-Fetch-Site`, else `Origin`): 403 otherwise.
/// 5. A person whose navigation lacks a session is sent to the sign-in page, if there is one
///    ([`with_sign_in_page`](Self::with_sign_in_page)); programs get a 401.
/// 6. What can't be judged now is a 503 with `Retry-After`, never a 401 and never a pass.
/// 7. Token and session cookie are removed before the inner service sees the request.
///
/// # Order
///
/// Innermost of the three.
#[derive(Debug)]
#[must_use]
pub struct IdentityLayer<V = JwtVerifier> {
    guard: Arc<Guard<V>>,
}

/// The service that a [`IdentityLayer`] makes.
#[derive(Debug)]
pub struct IdentityService<S, V = JwtVerifier> {
    inner: S,
    guard: Arc<Guard<V>>,
}

// ===== impl IdentityLayer =====

impl IdentityLayer {
    /// Believes the tokens of one portal, whose keys are found by discovery and kept up to date.
    /// While the portal is away, the keys that are known stay good for an hour.
    ///
    /// # Errors
    ///
    /// If the URL is not https (plain http is accepted on loopback hosts only).
    pub fn portal(issuer: &str) -> Result<Self, ConfigError> {
        JwtVerifier::new([Issuer::portal(issuer)]).map(Self::new)
    }
}

impl<V> IdentityLayer<V> {
    /// Requires a credential that `verifier` accepts.
    pub fn new(verifier: V) -> Self {
        Self {
            guard: Arc::new(Guard::new(JudgedBy::Identity, verifier)),
        }
    }

    /// Lets requests without a credential through, without an identity.
    pub fn optional(self) -> Self {
        self.with(|guard| guard.stance = Stance::Optional)
    }

    /// Leaves what it does not know to the layer inside it.
    pub fn delegating(self) -> Self {
        self.with(|guard| guard.stance = Stance::Delegating)
    }

    /// Accepts these session cookies as well.
    pub fn with_sessions(self, sessions: Sessions) -> Self {
        self.with(|guard| guard.sessions = Some(sessions))
    }

    /// Sends a person's navigation that lacks a session to this page, a path such as `/`, with the path
    /// they wanted in its `return_to`.
    pub fn with_sign_in_page(self, path: impl Into<Box<str>>) -> Self {
        self.with(|guard| guard.sign_in_page = Some(path.into()))
    }

    /// Says which plugin this is, by its id or as a [`Plugin`] with policies, keys and a cookie of its own:
    /// services restricted to others are refused. Without it every restricted service is.
    pub fn for_plugin(self, plugin: impl Into<Plugin>) -> Self {
        self.with(|guard| guard.plugin = Some(Arc::new(plugin.into())))
    }

    /// Replaces the challenge of 401s.
    pub fn with_challenge(self, challenge: Challenge) -> Self {
        self.with(|guard| guard.challenge = challenge)
    }

    /// Leaves token and cookie in the request.
    ///
    /// # Security
    ///
    /// The inner service, and whatever it forwards the request to, can then act as the caller.
    pub fn forward_credentials(self) -> Self {
        self.with(|guard| guard.forward = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Guard<V>)) -> Self {
        // A copy, where the layer or a service of it shares the guard: those keep what they have.
        change(Arc::make_mut(&mut self.guard));
        self
    }
}

impl<V> Clone for IdentityLayer<V> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
        }
    }
}

impl<S, V> Layer<S> for IdentityLayer<V> {
    type Service = IdentityService<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        IdentityService {
            inner,
            guard: self.guard.clone(),
        }
    }
}

// ===== impl IdentityService =====

impl<S: Clone, V> Clone for IdentityService<S, V> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            guard: self.guard.clone(),
        }
    }
}

impl<S, V, B, R> Service<Request<B>> for IdentityService<S, V>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    V: Verify,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, V>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let not_ready_inner = self.inner.clone();
        let ready_inner = std::mem::replace(&mut self.inner, not_ready_inner);
        ResponseFuture::new(&self.guard, ready_inner, request)
    }
}
