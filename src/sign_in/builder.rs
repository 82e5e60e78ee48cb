//! Putting a sign-in together: every mistake is found here, never at the first request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::entries::{self, NewProvider, Place};
use super::origins::{Origins, extra_origin, page_url};
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
use crate::token::{SigningKeys, TokenIssuer};
use crate::verify::JwtVerifier;

/// Where other origins are allowed; that is what their mistakes are told by.
const ORIGINS: &str = "auth.experimentalExtraAllowedOrigins";
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
    ownership_in_token: bool,
    store: Option<Arc<dyn Store>>,
    signing_keys: Option<SigningKeys>,
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
            ownership_in_token: true,
            store: None,
            signing_keys: None,
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

    /// Another origin whose pages may sign people in, such as `https://docs.example.com`; or a pattern of origins:
    /// `https://*.previews.example.com`, `https://{docs,wiki}.example.com`, `http://localhost:*`.
    ///
    /// # Security
    ///
    /// Its pages get the tokens of whoever is signed in. A pattern is as safe as the least safe host that it fits: whoever
    /// can have a name under `example.com` is trusted by `https://*.example.com`.
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

    /// Leaves what a user owns out of portal tokens, which are then small however much it is. Who has to know it asks
    /// `/v1/userinfo`, which asks the catalog.
    pub fn without_ownership_in_token(mut self) -> Self {
        self.ownership_in_token = false;
        self
    }

    /// Shares one-time things and revocations in this store, and with a [secret](Self::add_secret) the public halves of
    /// the signing keys as well: each node signs with its own, and knows those of the others. Without a store all of
    /// them are kept in memory, for one node.
    pub fn with_store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Signs tokens with these keys, such as [keys of your own](SigningKeys::fixed), which no store is asked about.
    pub fn with_signing_keys(mut self, keys: SigningKeys) -> Self {
        self.signing_keys = Some(keys);
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
        let mut judged = |key: &str, verdict: Result<Url, &'static str>| {
            verdict
                .map_err(|reason| mistakes.push(ConfigMistake::new(key, reason)))
                .ok()
        };
        let public = judged("backend.baseUrl", public_url(&self.public_url));
        // Left out, the page is the portal's own, which has been judged.
        let app_url = match &self.app_url {
            Some(url) => judged("app.baseUrl", page_url(url)),
            None => public.clone(),
        };
        let mut more = Vec::new();
        for text in &self.origins {
            match extra_origin(text) {
                Ok(origin) => more.push(origin),
                Err(reason) => mistakes.push(ConfigMistake::new(ORIGINS, reason)),
            }
        }
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
        let (Some(public), Some(sealing), Some(app_url), Some(client)) =
            (public, sealing, app_url, client)
        else {
            return Err(ConfigError::collect(mistakes)
                .err()
                .unwrap_or_else(|| ConfigMistake::new("", "incomplete").into()));
        };
        // The portal's own origin may always act with its own cookies.
        let origins = Origins::new(app_url, &public, more, &base_path);
        let base_url: Arc<str> =
            format!("{}{base_path}", self.public_url.trim_end_matches('/')).into();
        let place = Place {
            base_url: &base_url,
            local: public.host_str().is_some_and(is_loopback),
            environment: &self.environment,
            client: &client,
            clock: &self.clock,
        };
        let everybody = entries::build(&self.providers, &place, &mut mistakes);
        ConfigError::collect(mistakes)?;

        let rule = if public.scheme() == "https" {
            SiteRule::Secure
        } else {
            SiteRule::Plain
        };
        let shares = self.store.is_some();
        let host = public.host_str().unwrap_or_default();
        let across_sites = !origins.all().iter().all(|o| o.is_of_one_site_with(host));
        let store = self
            .store
            .unwrap_or_else(|| Arc::new(MemoryStore::new(self.clock.clone())));
        let site = Site {
            rule,
            issuer: base_url.clone(),
            base_path: base_path.as_str().into(),
            origins: origins.all().to_vec(),
        };
        let sealing = sealing.bound_to(&base_url);
        let sessions = Sessions::new(site, sealing.clone(), store.clone(), self.clock.clone());
        let mut tokens = TokenIssuer::new(base_url.clone(), self.token_life, self.clock.clone());
        if !self.ownership_in_token {
            tokens = tokens.without_ownership();
        }
        match self.signing_keys {
            Some(keys) => tokens = tokens.with_keys(keys),
            // Without a secret there is nothing that another node could open.
            None if shares && !self.secrets.is_empty() => {
                tokens = tokens.with_store(store.clone(), sealing.clone());
            }
            None => {}
        }
        let verifier = JwtVerifier::build(vec![tokens.as_issuer()], None, self.clock.clone())?;
        Ok(SignIn(Arc::new(Inner {
            base_url,
            base_path: base_path.into(),
            environment: self.environment.into(),
            rule,
            across_sites,
            origins,
            providers: everybody.providers,
            proxies: everybody.proxies,
            order: everybody.order,
            guest: everybody.guest,
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

/// The URL that browsers see the portal at: a page's, and a base of others.
pub(crate) fn public_url(text: &str) -> Result<Url, &'static str> {
    let url = page_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without a query and a fragment");
    }
    Ok(url)
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

/// Its URLs have not been judged yet: one may hold a password.
impl fmt::Debug for SignInBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInBuilder")
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{GitHub, Guest};

    #[test]
    fn the_rules_of_the_files_hold_without_files_and_nothing_is_repeated() {
        let github = || GitHub::new("a", "b");
        let builder = SignIn::builder("https://:canary@portal.example.com")
            .with_app_url("http://canary.example.com")
            .add_allowed_origin("https://canary.*.com")
            .add_secret("canary")
            .with_provider("corp", github(), [])
            .with_provider("Corp", github(), [])
            .with_provider("visitor", Guest::new(), []);
        assert!(!format!("{builder:?}").contains("canary"));
        let error = builder.build().unwrap_err();
        assert_eq!(
            error.to_string().lines().collect::<Vec<_>>(),
            [
                "backend.baseUrl: expected a URL without user information",
                "app.baseUrl: expected an https URL: plain http is accepted on loopback hosts only",
                "auth.experimentalExtraAllowedOrigins: expected the last two labels of the host to be written out, as in *.example.com",
                "auth.session.secret: a sealing secret needs at least 32 bytes",
            ]
        );
        let error = SignIn::builder("https://portal.example.com")
            .with_provider("corp", github(), [])
            .with_provider("Corp", github(), [])
            .with_provider("visitor", Guest::new(), [])
            .with_provider(
                "evil",
                github().with_callback_url("http://evil.example/cb"),
                [],
            )
            .build()
            .unwrap_err();
        assert_eq!(
            error.to_string().lines().collect::<Vec<_>>(),
            [
                "auth.providers.Corp: only its case tells it from \"corp\"",
                "auth.providers.visitor: the guest's id is \"guest\"",
                "auth.providers.evil.callbackUrl: expected an https URL: plain http is accepted on loopback hosts only",
            ]
        );
    }
}
