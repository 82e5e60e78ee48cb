//! Putting a sign-in together: every mistake is found here, never at the first request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::entries::{self, NewProvider, Place};
use super::origins::Origins;
use super::renewals::Renewals;
use super::{Inner, Resolver, SignIn};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::credential::SiteRule;
use crate::error::{ConfigError, ConfigMistake};
use crate::http_client::{HttpClient, HyperClient, Outward, is_loopback};
use crate::provider::ProviderConfig;
use crate::secret::{SealingKey, SealingKeys, Secret};
use crate::session::{Sessions, Site};
use crate::store::{MemoryStore, Store};
use crate::token::TokenIssuer;
use crate::verify::JwtVerifier;

const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// Builds a [`SignIn`].
#[must_use]
pub struct SignInBuilder {
    public_url: String,
    app_url: Option<String>,
    base_path: String,
    environment: String,
    origins: Vec<String>,
    providers: Vec<NewProvider>,
    catalog: Option<Arc<dyn Catalog>>,
    secrets: Vec<Secret<String>>,
    token_life: Duration,
    store: Option<Arc<dyn Store>>,
    client: Option<Outward>,
    clock: Clock,
}

impl SignInBuilder {
    pub(super) fn new(public_url: String) -> Self {
        Self {
            public_url,
            app_url: None,
            base_path: "/api/auth".into(),
            environment: "development".into(),
            origins: Vec::new(),
            providers: Vec::new(),
            catalog: None,
            secrets: Vec::new(),
            token_life: TOKEN_LIFE,
            store: None,
            client: None,
            clock: Clock::system(),
        }
    }

    /// Adds a provider under a path segment of its own. With no resolver it signs nobody in:
    /// it then only hands its access tokens to the page.
    pub fn with_provider(
        self,
        id: impl Into<String>,
        config: impl Into<ProviderConfig>,
        resolvers: impl IntoIterator<Item = Resolver>,
    ) -> Self {
        self.add_provider(NewProvider {
            id: id.into(),
            environment: None,
            config: config.into(),
            resolvers: resolvers.into_iter().collect(),
            additional_scopes: Vec::new(),
            longest: None,
        })
    }

    pub(crate) fn add_provider(mut self, provider: NewProvider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Knows people by this catalog.
    pub fn with_catalog(mut self, catalog: impl Catalog) -> Self {
        self.catalog = Some(Arc::new(catalog));
        self
    }

    #[cfg(feature = "app-config")]
    pub(crate) fn with_shared_catalog(mut self, catalog: Arc<dyn Catalog>) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// Seals cookies with a key of this secret, which must have at least 32 bytes. The first seals, all open.
    /// Without any the key is random, and sessions end with the process.
    pub fn add_secret(mut self, secret: impl Into<Secret<String>>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// The page that people see, if it is not at the public URL itself: it hears of the results.
    pub fn with_app_url(mut self, url: impl Into<String>) -> Self {
        self.app_url = Some(url.into());
        self
    }

    /// Another origin whose pages may sign people in, such as `https://docs.example.com`.
    pub fn add_allowed_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Replaces the path under which it answers, `/api/auth`.
    pub fn with_base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// Replaces the name of the environment, `development`.
    pub fn with_environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = environment.into();
        self
    }

    /// Replaces how long a portal token lives, an hour; held between 10 minutes and a day.
    pub fn with_token_lifetime(mut self, life: Duration) -> Self {
        self.token_life = life.clamp(Duration::from_secs(600), Duration::from_secs(86_400));
        self
    }

    /// Shares one-time things and revocations in this store. Without one they are kept in memory, for one node.
    pub fn with_store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Makes outward calls with this client.
    pub fn with_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Outward::new(client));
        self
    }

    /// Reads time from this clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// Every mistake at once: URLs that are none, plain http beyond this machine, a short secret, an id given twice.
    pub fn build(self) -> Result<SignIn, ConfigError> {
        let mut mistakes = Vec::new();
        let public = self.public_url(&mut mistakes);
        let base_path = self.base_path.trim_end_matches('/').to_owned();
        if !is_path(&base_path) {
            mistakes.push(ConfigMistake::new(
                "base path",
                format!(
                    "expected a path such as /api/auth, found {:?}",
                    self.base_path
                ),
            ));
        }
        let sealing = self.sealing(&mut mistakes);
        let app_url = self
            .app_url
            .clone()
            .unwrap_or_else(|| self.public_url.clone());
        // The portal's own origin may always act with its own cookies.
        let mut more = self.origins.clone();
        more.extend(
            public
                .as_ref()
                .map(|url| url.origin().ascii_serialization()),
        );
        let origins = Origins::new(&app_url, &more, &base_path)
            .map_err(|more| mistakes.extend(more))
            .ok();
        let client = match self
            .client
            .clone()
            .map_or_else(|| HyperClient::new().map(Outward::new), Ok)
        {
            Ok(client) => Some(client),
            Err(error) => {
                mistakes.push(ConfigMistake::new("HTTP client", error.to_string()));
                None
            }
        };
        let (Some(public), Some(sealing), Some(origins), Some(client)) =
            (public, sealing, origins, client)
        else {
            return Err(ConfigError::collect(mistakes)
                .err()
                .unwrap_or_else(|| ConfigMistake::new("", "incomplete").into()));
        };
        let base_url: Arc<str> =
            format!("{}{base_path}", self.public_url.trim_end_matches('/')).into();
        let place = Place {
            base_url: &base_url,
            local: public.host_str().is_some_and(is_loopback),
            environment: &self.environment,
            client: &client,
            clock: &self.clock,
        };
        let (providers, guest) = entries::build(&self.providers, &place, &mut mistakes);
        ConfigError::collect(mistakes)?;

        let rule = if public.scheme() == "https" {
            SiteRule::Secure
        } else {
            SiteRule::Plain
        };
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryStore::new(self.clock.clone())));
        let site = Site {
            rule,
            issuer: base_url.clone(),
            base_path: base_path.as_str().into(),
            origins: origins.all().map(Into::into).collect(),
        };
        let sealing = sealing.bound_to(&base_url);
        let sessions = Sessions::new(site, sealing.clone(), store.clone(), self.clock.clone());
        let tokens = TokenIssuer::new(base_url.clone(), self.token_life, self.clock.clone());
        let verifier = JwtVerifier::build(vec![tokens.as_issuer()], None, self.clock.clone())?;
        Ok(SignIn(Arc::new(Inner {
            base_url,
            base_path: base_path.into(),
            environment: self.environment.into(),
            rule,
            origins,
            order: in_order(&self.providers),
            providers,
            guest,
            catalog: self.catalog,
            sealing,
            sessions,
            tokens,
            verifier,
            store,
            renewals: Renewals::new(self.clock.clone()),
            clock: self.clock,
        })))
    }

    fn public_url(&self, mistakes: &mut Vec<ConfigMistake>) -> Option<Url> {
        let url = Url::parse(&self.public_url).ok().filter(|url| {
            let scheme = url.scheme() == "https"
                || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback));
            let plain = url.username().is_empty() && url.password().is_none();
            scheme && plain && url.query().is_none() && url.fragment().is_none()
        });
        if url.is_none() {
            mistakes.push(ConfigMistake::new(
                "backend.baseUrl",
                "expected an https URL, or http on a loopback host, without user information",
            ));
        }
        url
    }

    fn sealing(&self, mistakes: &mut Vec<ConfigMistake>) -> Option<SealingKeys> {
        let mut keys = Vec::new();
        for secret in &self.secrets {
            match SealingKey::from_secret(secret.expose().as_bytes()) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    mistakes.push(ConfigMistake::new("auth.session.secret", error.to_string()))
                }
            }
        }
        if keys.len() < self.secrets.len() {
            return None;
        }
        let mut keys = keys.into_iter();
        let current = keys.next().unwrap_or_else(SealingKey::random);
        Some(SealingKeys::new(current, keys))
    }
}

/// Each id once.
fn in_order(providers: &[NewProvider]) -> Vec<Box<str>> {
    let mut order: Vec<Box<str>> = Vec::new();
    for id in providers.iter().map(|new| new.id.as_str()) {
        if !order.iter().any(|known| &**known == id) {
            order.push(id.into());
        }
    }
    order
}

fn is_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty()
            && rest.split('/').all(|s| {
                !s.is_empty()
                    && s.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                    && !s.starts_with('.')
            })
    })
}

impl fmt::Debug for SignInBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInBuilder")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}
