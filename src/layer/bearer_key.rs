//! Machines, by API key.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HeaderName;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::guard::{Guard, Stance};
use super::order::JudgedBy;
use super::plugin::Plugin;
use super::{ResponseBody, ResponseFuture};
use crate::rejection::Challenge;
use crate::verify::{ApiKeys, Verify};

/// Lets machines in by API key: `Authorization: Bearer <key>`, or a header of your choice.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_identity::verify::api_key::{ApiKey, ApiKeys, KeyRecord};
/// use tower_identity::{BearerKeyLayer, Identity};
///
/// let key = ApiKey::generate("tid");
/// let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")])?;
/// let service = ServiceBuilder::new().layer(BearerKeyLayer::new(keys)).service_fn(
///     |request: http::Request<String>| async move {
///         let caller = Identity::of(&request).map(|who| who.subject().to_owned());
///         Ok::<_, std::convert::Infallible>(http::Response::new(caller.unwrap_or_default()))
///     },
/// );
/// # let _ = service;
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
/// 2. Two credentials, in two lines or two headers, are a 400.
/// 3. A key restricted to other plugins is a 403.
/// 4. What can't be judged now is a 503 with `Retry-After`.
/// 5. The key is removed before the inner service sees the request.
///
/// # Order
///
/// Inside `OAuthCallbackLayer`, outside [`IdentityLayer`](super::IdentityLayer) and then delegating.
#[derive(Debug)]
#[must_use]
pub struct BearerKeyLayer<V = ApiKeys> {
    guard: Arc<Guard<V>>,
}

/// The service that a [`BearerKeyLayer`] makes.
#[derive(Debug)]
pub struct BearerKeyService<S, V = ApiKeys> {
    inner: S,
    guard: Arc<Guard<V>>,
}

// ===== impl BearerKeyLayer =====

impl<V> BearerKeyLayer<V> {
    /// Requires a key that `verifier` accepts.
    pub fn new(verifier: V) -> Self {
        Self {
            guard: Arc::new(Guard::new(JudgedBy::Keys, verifier)),
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

    /// Takes the key from this header as well, such as `x-api-key`; sending both is a 400.
    pub fn with_header(self, name: HeaderName) -> Self {
        self.with(|guard| guard.header = Some(name))
    }

    /// Says which plugin this is: keys restricted to others are refused.
    /// Without it every restricted key is.
    pub fn for_plugin(self, plugin: impl Into<Plugin>) -> Self {
        self.with(|guard| guard.plugin = Some(Arc::new(plugin.into())))
    }

    /// Replaces the challenge of 401s.
    pub fn with_challenge(self, challenge: Challenge) -> Self {
        self.with(|guard| guard.challenge = challenge)
    }

    /// Leaves the key in the request.
    ///
    /// # Security
    ///
    /// The inner service, and whatever it forwards the request to, can then use the key itself.
    pub fn forward_credentials(self) -> Self {
        self.with(|guard| guard.forward = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Guard<V>)) -> Self {
        // A copy, where the layer or a service of it shares the guard: those keep what they have.
        change(Arc::make_mut(&mut self.guard));
        self
    }
}

impl<V> Clone for BearerKeyLayer<V> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
        }
    }
}

impl<S, V> Layer<S> for BearerKeyLayer<V> {
    type Service = BearerKeyService<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        BearerKeyService {
            inner,
            guard: self.guard.clone(),
        }
    }
}

// ===== impl BearerKeyService =====

impl<S: Clone, V> Clone for BearerKeyService<S, V> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            guard: self.guard.clone(),
        }
    }
}

impl<S, V, B, R> Service<Request<B>> for BearerKeyService<S, V>
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
