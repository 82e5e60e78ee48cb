//! From `app-config.yaml` to the three layers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Env, Reader, auth, default_files, load, server, service_keys};
use crate::catalog::{Catalog, FileCatalog};
use crate::error::{ConfigError, ConfigMistake};
use crate::layer::{BearerKeyLayer, IdentityLayer, OAuthCallbackLayer};
use crate::secret::Secret;
use crate::sign_in::{NewProvider, SignIn};
use crate::verify::{ApiKeys, Issuer, JwtVerifier};

/// Backstage's `app-config.yaml`, as far as it is ours: `app.baseUrl`, `backend.baseUrl`,
/// `backend.listen`, `backend.auth`, `auth` and `catalog.locations` of type `file`.
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
    keys: ApiKeys,
    issuers: Vec<Issuer>,
    catalog_files: Vec<PathBuf>,
    catalog: Option<Arc<dyn Catalog>>,
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
    pub(super) origins: Vec<String>,
    pub(super) providers: Vec<Arc<NewProvider>>,
}

impl Config {
    /// Reads files, later ones on top of earlier ones, with `${VAR}` from the process's environment.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn load<P: Into<PathBuf>>(files: impl IntoIterator<Item = P>) -> Result<Self, ConfigError> {
        Self::load_with(files, |name| std::env::var(name).ok())
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

    /// The same with variables from elsewhere.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn load_with<P: Into<PathBuf>>(
        files: impl IntoIterator<Item = P>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let files: Vec<PathBuf> = files.into_iter().map(Into::into).collect();
        let env: &Env<'_> = &env;
        let root = load(&files, env)?;
        let reader = Reader::default();
        let top = reader.root(&root);
        let app_url = top.section("app").and_then(|app| {
            let url = app.secure_url("baseUrl").map(server::without_slash);
            app.finish_among_others();
            url
        });
        let server = top.section("backend").map(|backend| {
            let server = server::read(&backend);
            let access = backend
                .section("auth")
                .map(service_keys::read)
                .unwrap_or_default();
            backend.finish_among_others();
            (server, access)
        });
        let (server, access) = server.unwrap_or_default();
        let auth = top.section("auth").map(auth::read).unwrap_or_default();
        let catalog_files = top
            .section("catalog")
            .map(server::catalog_files)
            .unwrap_or_default();
        top.finish_among_others();
        let keys = match service_keys::build(access.keys) {
            Ok(keys) => Some(keys),
            Err(error) => {
                error
                    .into_mistakes()
                    .into_iter()
                    .for_each(|mistake| reader.add(mistake));
                None
            }
        };
        reader.finish()?;
        let keys = keys.ok_or_else(|| ConfigMistake::new("backend.auth", "can't be read"))?;
        Ok(Self {
            listen: server.listen,
            base_url: server.base_url,
            app_url,
            auth,
            keys,
            issuers: access.issuers,
            catalog_files,
            catalog: None,
        })
    }

    /// Where to listen.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Replaces the port, which the default URLs follow.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.listen.port = port;
        self
    }

    /// `backend.baseUrl`; where it is left out, `http://localhost:<port>`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.base_url
            .clone()
            .unwrap_or_else(|| format!("http://localhost:{}", self.listen.port))
    }

    /// Knows people by this catalog, whatever `catalog.locations` says.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Catalog) -> Self {
        self.catalog = Some(Arc::new(catalog));
        self
    }

    /// Whether people can be known: a catalog was given, or `catalog.locations` names files.
    #[must_use]
    pub fn has_catalog(&self) -> bool {
        self.catalog.is_some() || !self.catalog_files.is_empty()
    }

    /// The catalog: the one that was given, or that of `catalog.locations`.
    ///
    /// # Errors
    ///
    /// Every mistake in its files at once.
    pub fn catalog(&self) -> Result<Arc<dyn Catalog>, ConfigError> {
        match &self.catalog {
            Some(catalog) => Ok(catalog.clone()),
            None => Ok(Arc::new(FileCatalog::load(&self.catalog_files)?)),
        }
    }

    /// The keys of `backend.auth`.
    pub fn api_keys(&self) -> ApiKeys {
        self.keys.clone()
    }

    /// The sign-in of `auth`.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn sign_in(&self) -> Result<SignIn, ConfigError> {
        let mut mistakes = Vec::new();
        let mut builder = SignIn::builder(self.base_url());
        match self.catalog() {
            Ok(catalog) => builder = builder.with_shared_catalog(catalog),
            Err(error) => mistakes.extend(error.into_mistakes()),
        }
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
        for origin in &self.auth.origins {
            builder = builder.add_allowed_origin(origin.clone());
        }
        for provider in &self.auth.providers {
            builder = builder.add_provider(NewProvider::clone(provider));
        }
        let built = builder
            .build()
            .map_err(|e| mistakes.extend(e.into_mistakes()));
        ConfigError::collect(mistakes)?;
        built.map_err(|()| ConfigMistake::new("auth", "can't be built").into())
    }

    /// The three layers.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn layers(&self) -> Result<Layers, ConfigError> {
        let sign_in = self.sign_in()?;
        let issuers = std::iter::once(sign_in.tokens().as_issuer()).chain(self.issuers.clone());
        let identity = IdentityLayer::new(JwtVerifier::new(issuers)?);
        Ok(Layers {
            oauth_callback: OAuthCallbackLayer::new(sign_in.clone()),
            bearer_key: BearerKeyLayer::new(self.api_keys()).delegating(),
            identity: identity.with_sessions(sign_in.sessions()),
            sign_in,
        })
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
