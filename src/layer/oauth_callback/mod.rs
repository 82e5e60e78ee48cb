//! People, by the identity provider of your choice.

mod answer;
mod future;
mod route;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::OAuthCallbackFuture;
use self::route::Route;
use super::order::{JudgedBy, Once};
use super::{IdentityLayer, ResponseBody};
use crate::sign_in::SignIn;

/// Signs people in with OAuth 2.0 and OpenID Connect: it answers the paths under its base path
/// (`/api/auth` unless told), and leaves every other request untouched.
///
/// | path | answer |
/// | --- | --- |
/// | `GET {base}/{provider}/start` | to the provider |
/// | `GET`, `POST {base}/{provider}/handler/frame` | back from it: a session, and the popup's message or a redirect |
/// | `GET`, `POST {base}/{provider}/refresh` | the session, renewed, with a fresh portal token |
/// | `POST {base}/{provider}/logout` | ends the session |
/// | `GET {base}/.well-known/jwks.json` | the keys that verify portal tokens |
/// | `GET {base}/.well-known/openid-configuration` | the portal as an issuer |
/// | `GET {base}/v1/userinfo` | whom a portal token proves |
///
/// The paths, messages and errors are Backstage's: its frontend signs in through this layer unchanged.
///
/// # Order
///
/// Outermost of the three. Inside one that judges, it answers its own paths with an error, and logs why.
#[derive(Clone, Debug)]
#[must_use]
pub struct OAuthCallbackLayer {
    sign_in: SignIn,
    wrong_order: Arc<Once>,
}

/// The service that an [`OAuthCallbackLayer`] makes.
#[derive(Clone, Debug)]
pub struct OAuthCallbackService<S> {
    inner: S,
    sign_in: SignIn,
    wrong_order: Arc<Once>,
}

impl OAuthCallbackLayer {
    /// Answers for this sign-in.
    pub fn new(sign_in: SignIn) -> Self {
        Self {
            sign_in,
            wrong_order: Arc::default(),
        }
    }
}

// Here and not beside the other methods: a sign-in knows nothing of the layers that use it.
impl SignIn {
    /// A layer that believes its sessions and its tokens.
    pub fn identity_layer(&self) -> IdentityLayer {
        IdentityLayer::new(self.inner().verifier().clone()).with_sessions(self.sessions())
    }
}

impl<S> Layer<S> for OAuthCallbackLayer {
    type Service = OAuthCallbackService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OAuthCallbackService {
            inner,
            sign_in: self.sign_in.clone(),
            wrong_order: self.wrong_order.clone(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for OAuthCallbackService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = OAuthCallbackFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match Route::of(request.uri().path(), self.sign_in.base_path()) {
            None => OAuthCallbackFuture::inner(self.inner.call(request)),
            Some(_) if JudgedBy::of(request.extensions()).is_some() => {
                self.wrong_order.error(
                    "OAuthCallbackLayer stands inside a layer that judges: it must be outermost",
                );
                OAuthCallbackFuture::own(answer::misconfigured(&request))
            }
            Some(route) => {
                OAuthCallbackFuture::own(answer::answer(self.sign_in.clone(), route, request))
            }
        }
    }
}
