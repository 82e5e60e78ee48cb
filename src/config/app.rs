//! From `app-config.yaml` to the three layers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::auth::Provider;
use super::cors::Cors;
use super::default_files;
use super::discovery::{Discovery, Endpoint};
use super::https::Https;
use super::service_keys::Services;
use super::sources::Sources;
use crate::catalog::{Catalog, FileCatalog, WatchedCatalog};
use crate::clock::Clock;
use crate::error::{ConfigError, ConfigMistake};
use crate::layer::{BearerKeyLayer, IdentityLayer, OAuthCallbackLayer};
use crate::secret::Secret;
use crate::sign_in::{NewProvider, SignIn};
use crate::token::{PluginTokens, SigningKeys};
use crate::verify::{ApiKeys, JwtVerifier, PluginDirectory};

/// Backstage's `app-config.yaml`, as far as it is ours: `app.baseUrl`, `backend.baseUrl`,
/// `backend.listen`, `backend.auth`, `auth`, and of `catalog` the `locations` of type `file`, or `remote`, which is ours.
///
/// ```no_run
/// use tower_identity::Config;
///
/// let config = Config::load(["app-config.yaml"])?;
/// let layers = config.layers()?;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
///
/// Keys of other plugins are ignored. Unknown keys of ours, variables that are not set and wrong values are
/// reported together, each with file, line, key and what was expected.
#[derive(Clone)]
pub struct Config {
    pub(super) listen: Listen,
    pub(super) base_url: Option<String>,
    pub(super) app_url: Option<String>,
    pub(super) auth: Auth,
    pub(super) services: Services,
    pub(super) files: Vec<PathBuf>,
    pub(super) people: Option<Known>,
    pub(super) cors: Option<Cors>,
    pub(super) https: Option<Https>,
    pub(super) discovery: Discovery,
}

/// The catalog.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) catalog: Arc<dyn Catalog>,
    /// Users and entities, where they can be counted.
    pub(super) counts: Option<(usize, usize)>,
    /// Where it is, if it is another backend's.
    pub(super) remote: Option<String>,
}

/// The three layers, in their order: outermost first.
///
/// ```no_run
/// # let config = tower_identity::Config::load(["app-config.yaml"])?;
/// let layers = config.layers()?;
/// // The sign-in's paths are answered for the whole app; keys and identities are asked of the API only.
/// let api = axum::Router::<()>::new() // .route("/api/…", …)
///     .layer(layers.identity)
///     .layer(layers.bearer_key);
/// let app = axum::Router::new().merge(api).layer(layers.oauth_callback);
/// # let _ = app;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
///
/// They require somebody: `layers.identity.optional()` lets nobody in as well. Keys with `accessRestrictions` are
/// refused until both layers that judge are told which plugin this is, with `for_plugin("catalog")`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Layers {
    /// Answers the sign-in's paths. Outermost.
    pub oauth_callback: OAuthCallbackLayer,
    /// Lets machines in by key, and leaves everything else to `identity`.
    pub bearer_key: BearerKeyLayer,
    /// Believes sessions and portal tokens, and requires one of them. Innermost.
    pub identity: IdentityLayer,
    /// The sign-in that they share.
    pub sign_in: SignIn,
}

/// Where the server listens (`backend.listen`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listen {
    /// A host name or address; `None` means all interfaces.
    pub host: Option<String>,
    /// The port, 7007 unless told.
    pub port: u16,
}

/// What stands under `auth`.
#[derive(Clone, Default)]
pub(super) struct Auth {
    pub(super) environment: Option<String>,
    pub(super) session_secret: Option<Secret<String>>,
    pub(super) token_life: Option<Duration>,
    pub(super) omits_ownership: bool,
    pub(super) signing_keys: Option<SigningKeys>,
    pub(super) origins: Vec<String>,
    pub(super) providers: Vec<Arc<NewProvider>>,
    /// The providers as they are listed.
    pub(super) listed: Vec<Provider>,
}

impl Config {
    /// Reads files, later ones on top of earlier ones, with `${VAR}` from the process's environment, and its
    /// `APP_CONFIG_*` variables on top of them.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn load<P: Into<PathBuf>>(files: impl IntoIterator<Item = P>) -> Result<Self, ConfigError> {
        Self::sources(files).load()
    }

    /// Reads what Backstage reads when it is told no file: `app-config.yaml` of a directory, and its `.local`
    /// and `BACKSTAGE_ENV` companions where they exist.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn load_from_directory(directory: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let env = |name: &str| std::env::var(name).ok();
        Self::load(default_files(directory.as_ref(), &env))
    }

    /// The same with variables from elsewhere, and no `APP_CONFIG_*`.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn load_with<P: Into<PathBuf>>(
        files: impl IntoIterator<Item = P>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::sources(files).with_variables(env).load()
    }

    /// The same step by step: with variables or a catalog from elsewhere.
    pub fn sources<'a, P: Into<PathBuf>>(files: impl IntoIterator<Item = P>) -> Sources<'a> {
        Sources::new(files.into_iter().map(Into::into).collect())
    }

    /// Where to listen.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Which pages may read what the server answers: `backend.cors`, if it is there.
    #[must_use]
    pub fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// The certificate that the server shows: `backend.https`, if it is there.
    #[must_use]
    pub fn https(&self) -> Option<&Https> {
        self.https.as_ref()
    }

    /// Where this backend finds the plugins: under `backend.baseUrl`, and those of `discovery.endpoints` at their
    /// internal targets. For [`Issuer::plugins`](crate::verify::Issuer::plugins).
    pub fn plugins(&self) -> PluginDirectory {
        self.directory(&self.discovery.internal)
    }

    /// Where browsers find them. The plugin `auth` there is the issuer of user tokens, for
    /// [`IdentityLayer::portal`](crate::IdentityLayer::portal):
    ///
    /// ```no_run
    /// use tower_identity::{Config, IdentityLayer};
    ///
    /// let config = Config::load(["app-config.yaml"])?;
    /// let layer = IdentityLayer::portal(&config.external_plugins().base_url("auth"))?;
    /// # Ok::<(), tower_identity::ConfigError>(())
    /// ```
    pub fn external_plugins(&self) -> PluginDirectory {
        self.directory(&self.discovery.external)
    }

    fn directory(&self, endpoints: &[Endpoint]) -> PluginDirectory {
        let directory = PluginDirectory::new(self.base_url());
        endpoints
            .iter()
            .fold(directory, |directory, (target, plugins)| {
                directory.add_endpoint(target.clone(), plugins.iter().cloned())
            })
    }

    /// Replaces the port, which the default URLs follow.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.listen.port = port;
        self
    }

    /// `backend.baseUrl`; where it is left out, `http://localhost:<port>`, or with `backend.https` the like.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.https.is_some() {
            "https"
        } else {
            "http"
        };
        let default = || format!("{scheme}://localhost:{}", self.listen.port);
        self.base_url.clone().unwrap_or_else(default)
    }

    /// Knows people by this catalog, whatever `catalog.locations` says. The files that it names have been read by
    /// now: [`Sources::with_catalog`] leaves them alone.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Catalog) -> Self {
        self.people = Some(Known::given(Arc::new(catalog)));
        self
    }

    /// Whether people can be known: a catalog was given, or `catalog.locations` names files.
    #[must_use]
    pub fn has_catalog(&self) -> bool {
        self.people.is_some()
    }

    /// The catalog: the one that was given, or that of `catalog.locations`; an empty one if there is neither.
    ///
    /// # Errors
    ///
    /// None: its files were judged when the configuration was read.
    pub fn catalog(&self) -> Result<Arc<dyn Catalog>, ConfigError> {
        match &self.people {
            Some(known) => Ok(known.catalog.clone()),
            None => Ok(Arc::new(FileCatalog::load([""; 0])?)),
        }
    }

    /// The keys of `backend.auth`.
    pub fn api_keys(&self) -> ApiKeys {
        self.services.keys.clone()
    }

    /// The tokens of the plugin `id`, signed with the keys of `backend.auth.pluginKeyStore`; where that names none, with
    /// keys that live in this process.
    ///
    /// # Errors
    ///
    /// If the id has other characters than letters, digits, `-` and `_`.
    pub fn plugin_tokens(&self, id: impl Into<Box<str>>) -> Result<PluginTokens, ConfigMistake> {
        match &self.services.plugin_keys {
            None => PluginTokens::new(id),
            Some(keys) => PluginTokens::with_keys(id, keys.clone(), Clock::system()),
        }
    }

    /// The sign-in of `auth`.
    ///
    /// # Errors
    ///
    /// Hardly ever: what can be known from the files has been judged by now.
    pub fn sign_in(&self) -> Result<SignIn, ConfigError> {
        let mut builder = SignIn::builder(self.base_url()).with_shared_catalog(self.catalog()?);
        // Left out, it is the same page as the backend's: ours serves both.
        if let Some(url) = &self.app_url {
            builder = builder.with_app_url(url.clone());
        }
        if let Some(environment) = &self.auth.environment {
            builder = builder.with_environment(environment.clone());
        }
        if let Some(secret) = &self.auth.session_secret {
            builder = builder.add_secret(secret.clone());
        }
        if let Some(life) = self.auth.token_life {
            builder = builder.with_token_lifetime(life);
        }
        if self.auth.omits_ownership {
            builder = builder.without_ownership_in_token();
        }
        if let Some(keys) = &self.auth.signing_keys {
            builder = builder.with_signing_keys(keys.clone());
        }
        for origin in &self.auth.origins {
            builder = builder.add_allowed_origin(origin.clone());
        }
        for provider in &self.auth.providers {
            builder = builder.add_provider(NewProvider::clone(provider));
        }
        builder.build()
    }

    /// The three layers.
    ///
    /// # Errors
    ///
    /// Hardly ever: what can be known from the files has been judged by now.
    pub fn layers(&self) -> Result<Layers, ConfigError> {
        let sign_in = self.sign_in()?;
        Ok(Layers {
            oauth_callback: OAuthCallbackLayer::new(sign_in.clone()),
            bearer_key: BearerKeyLayer::new(self.api_keys()).delegating(),
            identity: self.identity_layer(&sign_in)?,
            sign_in,
        })
    }

    /// Believes the sign-in, and beside it the issuers of `externalAccess`.
    fn identity_layer(&self, sign_in: &SignIn) -> Result<IdentityLayer, ConfigError> {
        let issuers = &self.services.issuers;
        if issuers.is_empty() {
            return Ok(sign_in.identity_layer());
        }
        let own = sign_in.tokens().as_issuer();
        let verifier = JwtVerifier::new(std::iter::once(own).chain(issuers.iter().cloned()))?;
        Ok(IdentityLayer::new(verifier).with_sessions(sign_in.sessions()))
    }
}

impl Known {
    pub(super) fn given(catalog: Arc<dyn Catalog>) -> Self {
        Self {
            catalog,
            counts: None,
            remote: None,
        }
    }

    pub(super) fn counted(read: WatchedCatalog) -> Self {
        Self {
            counts: Some(read.counts()),
            ..Self::given(Arc::new(read))
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            host: None,
            port: 7007,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}
