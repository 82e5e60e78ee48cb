//! A backend plugin, as a layer guards it: its policies by path, its key set and its cookie.

use http::Uri;

use crate::error::ConfigMistake;
use crate::token::PluginTokens;

mod cookie;
mod endpoint;
mod policy;

pub(super) use self::cookie::LimitedCookie;
pub(super) use self::endpoint::Endpoint;
pub use self::policy::PathPolicy;
pub(super) use self::policy::{Access, is_ambiguous};

/// A backend plugin: what [`IdentityLayer::for_plugin`](crate::IdentityLayer::for_plugin) guards.
///
/// ```
/// use tower_identity::IdentityLayer;
/// use tower_identity::layer::{PathPolicy, Plugin};
/// use tower_identity::token::PluginTokens;
/// use tower_identity::verify::{Issuer, JwtVerifier, PluginDirectory};
///
/// let tokens = PluginTokens::new("todo")?; // for calling other plugins
/// let plugin = Plugin::new("todo")
///     .add_policy(PathPolicy::unauthenticated("/health")?)
///     .add_policy(PathPolicy::user_cookie("/static")?)
///     .with_tokens(tokens.clone());
/// let verifier = JwtVerifier::new([
///     Issuer::portal("https://portal.example.com/api/auth"),
///     Issuer::plugins("todo", PluginDirectory::new("https://portal.example.com")),
/// ])?;
/// let layer = IdentityLayer::new(verifier).for_plugin(plugin);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What a request needs
///
/// | path | no credential | a user or a service | a limited user token, or the cookie with one |
/// | --- | --- | --- | --- |
/// | any other | 401 | passes | 401 |
/// | [`user_cookie`](PathPolicy::user_cookie) | 401 | passes | passes |
/// | [`unauthenticated`](PathPolicy::unauthenticated) | passes | passes, proven | passes, unproven |
///
/// Where there are policies, a path that can be read in two ways is a 400: dot segments, doubled slashes, and
/// encoded dots, slashes and backslashes.
///
/// # What it answers by itself
///
/// | request | answer |
/// | --- | --- |
/// | `GET /.backstage/auth/v1/jwks.json` | the keys of its tokens, to anybody; if it [has any](Self::with_tokens) |
/// | `GET /.backstage/auth/v1/cookie` | for a user token: the cookie `backstage-auth` with the limited token, and when it ends |
/// | `DELETE /.backstage/auth/v1/cookie` | clears it |
///
/// All paths are those inside the plugin: under `/api/<id>`, unless [`with_mount`](Self::with_mount) says otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plugin {
    id: Box<str>,
    mount: Box<str>,
    policies: Vec<PathPolicy>,
    tokens: Option<PluginTokens>,
    cookie: LimitedCookie,
}

impl Plugin {
    /// A plugin whose every path needs a user or a service.
    pub fn new(id: impl Into<Box<str>>) -> Self {
        let id = id.into();
        Self {
            mount: format!("/api/{id}").into(),
            id,
            policies: Vec::new(),
            tokens: None,
            cookie: LimitedCookie::default(),
        }
    }

    /// Replaces where it is mounted, as the layer sees the path: `""` inside axum's `Router::nest`, which takes the
    /// prefix away.
    pub fn with_mount(mut self, path: impl AsRef<str>) -> Self {
        self.mount = path.as_ref().trim_end_matches('/').into();
        self
    }

    /// Opens some paths.
    pub fn add_policy(mut self, policy: PathPolicy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Publishes the keys of these tokens, so that other plugins can believe them.
    pub fn with_tokens(mut self, tokens: PluginTokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Says at which URL browsers see the backend, and at which the app. On https, and on `localhost`, the cookie is
    /// `Secure`; and it is sent from the app's pages even if they are another site's.
    ///
    /// Without this it is `Secure`, and for pages of the backend's own site.
    ///
    /// # Errors
    ///
    /// If one is not an absolute URL.
    pub fn with_urls(mut self, backend: &str, app: &str) -> Result<Self, ConfigMistake> {
        let parse = |key: &str, url: &str| {
            url.parse::<Uri>()
                .ok()
                .filter(|uri| uri.scheme().is_some() && uri.authority().is_some())
                .ok_or_else(|| ConfigMistake::new(key, "expected an absolute URL"))
        };
        self.cookie = LimitedCookie::new(
            &parse("backend.baseUrl", backend)?,
            &parse("app.baseUrl", app)?,
        );
        Ok(self)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn tokens(&self) -> Option<&PluginTokens> {
        self.tokens.as_ref()
    }

    pub(super) fn cookie(&self) -> &LimitedCookie {
        &self.cookie
    }

    pub(super) fn has_policies(&self) -> bool {
        !self.policies.is_empty()
    }

    /// The path inside the plugin; `None` for one that is not.
    pub(super) fn inside<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&*self.mount)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// What a path of this plugin needs. The widest policy that fits it counts.
    pub(super) fn access(&self, path: &str) -> Access {
        let Some(inside) = self.inside(path) else {
            return Access::Default;
        };
        let fitting = self.policies.iter().filter(|p| p.covers(inside));
        fitting
            .map(PathPolicy::access)
            .max()
            .unwrap_or(Access::Default)
    }
}

impl From<&str> for Plugin {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

impl From<String> for Plugin {
    fn from(id: String) -> Self {
        Self::new(id)
    }
}
