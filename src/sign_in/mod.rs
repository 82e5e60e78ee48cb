//! Signing people in: from the first redirect to a session, and from a session to fresh tokens.

mod attempt;
mod builder;
mod callback;
mod entries;
mod error;
mod guest;
mod logout;
mod origins;
mod params;
mod proxy;
mod refresh;
mod renewals;
mod resolver;
mod start;
mod user_info;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::ORIGIN;

pub use self::builder::SignInBuilder;
#[cfg(feature = "app-config")]
pub(crate) use self::builder::public_url;
pub(crate) use self::callback::{Completion, End};
#[cfg(feature = "app-config")]
pub(crate) use self::entries::{Ids, NewProvider, callback_url};
pub(crate) use self::error::{SignInError, SignInErrorKind};
use self::origins::Origins;
#[cfg(feature = "app-config")]
pub(crate) use self::origins::{extra_origin, page_url};
pub(crate) use self::params::Params;
pub(crate) use self::refresh::{Answer, Failure};
use self::renewals::Renewals;
#[cfg(feature = "app-config")]
pub(crate) use self::resolver::names;
pub use self::resolver::{ResolvedUser, Resolver, ResolverContext, ResolverError, SignInInfo};
pub(crate) use self::start::Started;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::credential::{CookieName, SetCookie, SiteRule};
use crate::provider::{Guest, Provider, Proxy};
use crate::secret::SealingKeys;
use crate::session::Sessions;
use crate::store::Store;
use crate::token::TokenIssuer;
use crate::verify::JwtVerifier;

/// How long a person may stay signed in without the provider being asked again.
const SESSION: Duration = Duration::from_secs(12 * 3600);

/// The sign-in of a portal: its providers, who their people are to the catalog, and what they get.
///
/// Made by [`SignIn::builder`], or from `app-config.yaml` by `Config`. Cloning shares it.
///
/// ```
/// use tower_identity::provider::GitHub;
/// use tower_identity::sign_in::{Resolver, SignIn};
/// use tower_identity::OAuthCallbackLayer;
///
/// let sign_in = SignIn::builder("http://localhost:7007")
///     .with_provider("github", GitHub::new("client-id", "client-secret"), [
///         Resolver::username().dangerously_allow_sign_in_without_user_in_catalog(),
///     ])
///     .build()?;
/// let layer = OAuthCallbackLayer::new(sign_in.clone());
/// // And inside it, to believe the sessions and tokens that it makes:
/// let layer = sign_in.identity_layer();
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SignIn(Arc<Inner>);

pub(crate) struct Inner {
    /// `https://portal.example.com/api/auth`: the issuer, and the base of every path.
    base_url: Arc<str>,
    base_path: Box<str>,
    environment: Box<str>,
    rule: SiteRule,
    /// Whether some page that may sign people in is of another site.
    across_sites: bool,
    origins: Origins,
    providers: HashMap<Box<str>, HashMap<Box<str>, Entry>>,
    /// The ids of them all, the guest's too, as they were added.
    order: Vec<Box<str>>,
    guest: Option<GuestEntry>,
    proxies: HashMap<Box<str>, ProxyEntry>,
    catalog: Option<Arc<dyn Catalog>>,
    sealing: SealingKeys,
    sessions: Sessions,
    tokens: TokenIssuer,
    verifier: JwtVerifier,
    store: Arc<dyn Store>,
    renewals: Renewals,
    clock: Clock,
}

/// One provider in one environment.
struct Entry {
    provider: Arc<dyn Provider>,
    resolvers: Vec<Resolver>,
    additional_scopes: Vec<String>,
    /// How long a person stays signed in at the most, however often the session is renewed.
    longest: Duration,
}

/// A proxy in front of the portal.
struct ProxyEntry {
    proxy: Box<dyn Proxy>,
    resolvers: Vec<Resolver>,
}

struct GuestEntry {
    config: Guest,
    allowed: bool,
}

/// What the sign-in page needs to know of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// The path segment.
    pub id: String,
    /// Whether it signs in by itself on `refresh`, without a page of its own.
    pub is_proxy: bool,
}

impl SignIn {
    /// Begins the sign-in of a portal whose browsers see it at `public_url`, such as `https://portal.example.com`.
    pub fn builder(public_url: impl Into<String>) -> SignInBuilder {
        SignInBuilder::new(public_url.into())
    }

    /// The issuer of its tokens: also the base URL of its paths.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.base_url
    }

    /// The path under which it answers, `/api/auth` unless told.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.0.base_path
    }

    /// The environment that its page signs in to, such as `development`.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.0.environment
    }

    /// A link that begins a sign-in by redirect and comes back to `return_to`, a path such as `/` or a URL
    /// on an allowed origin.
    ///
    /// ```
    /// # use tower_identity::{provider::GitHub, sign_in::SignIn};
    /// # let sign_in = SignIn::builder("http://localhost:7007")
    /// #     .with_provider("github", GitHub::new("id", "secret"), []).build()?;
    /// assert_eq!(
    ///     sign_in.start_url("github", "/catalog?kind=api"),
    ///     "/api/auth/github/start?env=development&flow=redirect&redirectUrl=%2Fcatalog%3Fkind%3Dapi",
    /// );
    /// # Ok::<(), tower_identity::ConfigError>(())
    /// ```
    #[must_use]
    pub fn start_url(&self, provider: &str, return_to: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("env", self.environment())
            .append_pair("flow", "redirect")
            .append_pair("redirectUrl", return_to)
            .finish();
        format!("{}/{provider}/start?{query}", self.base_path())
    }

    /// The sessions it makes, for an [`IdentityLayer`](crate::IdentityLayer).
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        self.0.sessions.clone()
    }

    /// The tokens it mints.
    #[must_use]
    pub fn tokens(&self) -> &TokenIssuer {
        &self.0.tokens
    }

    /// The providers of its environment, in the order in which they were added.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderInfo> {
        let guest = self.0.guest.as_ref().is_some_and(|guest| guest.allowed);
        let here = |id: &str| {
            let environments = self.0.providers.get(id);
            environments.is_some_and(|envs| envs.contains_key(&self.0.environment))
        };
        let info = |id: &str| {
            let is_proxy = !self.0.providers.contains_key(id);
            let offered = match is_proxy {
                true => guest && id == "guest" || self.0.proxies.contains_key(id),
                false => here(id),
            };
            offered.then(|| ProviderInfo {
                id: id.to_owned(),
                is_proxy,
            })
        };
        let order = self.0.order.iter();
        order.filter_map(|id| info(id)).collect()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    pub(crate) fn tokens(&self) -> &TokenIssuer {
        &self.tokens
    }

    /// Begins to learn where the providers are.
    pub(crate) fn warm_up(&self) {
        for entry in self.providers.values().flat_map(HashMap::values) {
            entry.provider.warm_up();
        }
    }

    pub(crate) fn verifier(&self) -> &JwtVerifier {
        &self.verifier
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(crate) fn app_url(&self) -> &str {
        self.origins.app().as_str()
    }

    /// The id of a provider as it is configured: paths ignore case, as Backstage's do.
    pub(crate) fn id_of<'a>(&'a self, named: &'a str) -> &'a str {
        if self.guest.is_some() && named.eq_ignore_ascii_case("guest") {
            return "guest";
        }
        let mut ids = self.providers.keys().chain(self.proxies.keys());
        if self.providers.contains_key(named) || self.proxies.contains_key(named) {
            return named;
        }
        ids.find(|id| id.eq_ignore_ascii_case(named))
            .map_or(named, |id| id)
    }

    /// The environment that a request names, which the provider must be set up in.
    fn environment<'a>(
        &self,
        provider: &str,
        params: &'a Params,
    ) -> Result<(&Entry, &'a str), SignInError> {
        self.environments(provider)?;
        let environment = params
            .get("env")?
            .ok_or_else(|| SignInError::input("Must specify 'env' query to select environment"))?;
        Ok((self.entry(provider, environment)?, environment))
    }

    /// The provider of a path, whatever the environment.
    fn environments(&self, provider: &str) -> Result<&HashMap<Box<str>, Entry>, SignInError> {
        self.providers.get(provider).ok_or_else(|| {
            let sentence = "There is no such way to sign in here";
            SignInError::not_found("Unknown auth provider ", provider, "", sentence)
        })
    }

    fn entry(&self, provider: &str, environment: &str) -> Result<&Entry, SignInError> {
        self.environments(provider)?
            .get(environment)
            .ok_or_else(|| {
                let (before, after) = (
                    "No configuration available for the ",
                    " environment of this provider.",
                );
                let sentence = "This way to sign in is not set up in this environment";
                SignInError::not_found(before, environment, after, sentence)
            })
    }

    /// Whether a request may act with this browser's cookies: only a script of an allowed origin can send the header,
    /// a form, an image or a link cannot; and it must not come from somewhere else all the same.
    fn check_caller(&self, headers: &HeaderMap) -> Result<(), SignInError> {
        let header = headers.get("x-requested-with");
        if header.is_none_or(|value| value != "XMLHttpRequest") {
            return Err(SignInError::authentication(
                "Invalid X-Requested-With header",
            ));
        }
        let allowed = match headers.get(ORIGIN) {
            Some(origin) => origin
                .to_str()
                .is_ok_and(|origin| self.origins.allows(origin)),
            None => headers
                .get("sec-fetch-site")
                .is_none_or(|site| site != "cross-site"),
        };
        if allowed {
            Ok(())
        } else {
            Err(SignInError::not_allowed("Origin is not allowed"))
        }
    }

    /// A cookie of one provider. On https it is the whole host's, because only such a cookie cannot be planted by a
    /// neighbour; on plain http, in development, it keeps to Backstage's name and path (spec section 3).
    ///
    /// A page of another site needs it to renew a session. Whoever acts by it looks at the caller first.
    fn provider_cookie(&self, provider: &str, kind: &str) -> (CookieName, SetCookie) {
        let name = format!("{provider}-{kind}");
        match self.rule {
            SiteRule::Secure => (
                CookieName::host(self.rule, &format!("tid-{name}")),
                SetCookie::host(self.rule).across_sites(self.across_sites),
            ),
            SiteRule::Plain => (
                CookieName::path(&name),
                SetCookie::path(self.rule, &format!("{}/{provider}", self.base_path)),
            ),
        }
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("issuer", &self.0.base_url)
            .field("providers", &self.0.providers.keys())
            .finish_non_exhaustive()
    }
}
