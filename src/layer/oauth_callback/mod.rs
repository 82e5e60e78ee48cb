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
use super::plugin::Plugin;
use super::{IdentityLayer, ResponseBody};
use crate::sign_in::SignIn;
use crate::token::PluginTokens;

/// Signs people in with OAuth 2.0 and OpenID Connect: it answers the paths under its base path
/// (`/api/auth` unless told), and leaves every other request untouched.
///
/// | path | answer |
/// | --- | --- |
/// | `GET {base}/{provider}/start` | to the provider |
/// | `GET`, `POST {base}/{provider}/initiate` | the same, where the provider begins (`iss`, `login_hint`, `target_link_uri`) |
/// | `GET`, `POST {base}/{provider}/handler/frame` | back from it: a session, and the popup's message or a redirect |
/// | `GET`, `POST {base}/{provider}/refresh` | the session, renewed, with a fresh portal token |
/// | `POST {base}/{provider}/logout` | ends the session |
/// | `GET {base}/.well-known/jwks.json` | the keys that verify portal tokens |
/// | `GET {base}/.well-known/openid-configuration` | the portal as an issuer |
/// | `GET {base}/v1/userinfo` | whom a portal token proves, a limited one too |
/// | `GET`, `DELETE {base}/.backstage/auth/v1/cookie` | the cookie with the limited token of a user token |
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
    plugin: Arc<Plugin>,
    wrong_order: Arc<Once>,
}

/// The service that an [`OAuthCallbackLayer`] makes.
#[derive(Clone, Debug)]
pub struct OAuthCallbackService<S> {
    inner: S,
    sign_in: SignIn,
    plugin: Arc<Plugin>,
    wrong_order: Arc<Once>,
}

impl OAuthCallbackLayer {
    /// Answers for this sign-in. On a Tokio runtime it begins to learn where the providers are, so that the first person
    /// need not wait; what can't be learned now is asked for again and again, and keeps no other provider waiting.
    pub fn new(sign_in: SignIn) -> Self {
        sign_in.inner().warm_up();
        Self {
            plugin: Arc::new(as_plugin(&sign_in)),
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

/// The sign-in is Backstage's plugin `auth`, and has what every plugin has.
fn as_plugin(sign_in: &SignIn) -> Plugin {
    let engine = sign_in.inner();
    let mut plugin = Plugin::new("auth").with_mount(sign_in.base_path());
    if let Ok(tokens) = PluginTokens::new("auth") {
        plugin = plugin.with_tokens(tokens);
    }
    let urls = plugin
        .clone()
        .with_urls(engine.base_url(), engine.app_url());
    urls.unwrap_or(plugin)
}

impl<S> Layer<S> for OAuthCallbackLayer {
    type Service = OAuthCallbackService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OAuthCallbackService {
            inner,
            sign_in: self.sign_in.clone(),
            plugin: self.plugin.clone(),
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
                let (sign_in, plugin) = (self.sign_in.clone(), self.plugin.clone());
                OAuthCallbackFuture::own(answer::answer(sign_in, plugin, route, request))
            }
        }
    }
}
