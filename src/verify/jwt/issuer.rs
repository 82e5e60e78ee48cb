//! One issuer: what its tokens must look like, and whom they prove.

use std::fmt;
use std::sync::Arc;

use http::Uri;

use super::jws::Algorithm;
use super::kind::PORTAL_AUDIENCE;
use super::plugins::PluginDirectory;
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::http_client::{Outward, check_url};
use crate::identity::Restriction;
use crate::verify::jwks::{KeySet, KeySource, RemoteKeys};

/// An issuer whose tokens are believed, and under which conditions.
///
/// ```no_run
/// use tower_identity::{IdentityLayer, verify::{Issuer, JwtVerifier}};
///
/// let verifier = JwtVerifier::new([
///     // A portal made with this crate, or a Backstage backend:
///     Issuer::portal("https://portal.example.com/api/auth"),
///     // Any OpenID Connect provider; the audience is what it calls this service:
///     Issuer::oidc("https://login.example.com", "https://api.example.com"),
/// ])?;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Issuer {
    pub(super) names: Names,
    pub(super) audiences: Audiences,
    pub(super) profile: TokenProfile,
    pub(super) algorithms: Vec<Algorithm>,
    keys: Keys,
    pub(super) subject_prefix: Option<Box<str>>,
    pub(super) restrictions: Option<Vec<Restriction>>,
    /// Claims that must have one of some values.
    pub(super) filters: Vec<(Box<str>, Vec<Box<str>>)>,
}

/// Whom its tokens name in `iss`.
#[derive(Clone, Debug)]
pub(super) enum Names {
    /// This one.
    One(Arc<str>),
    /// One of these, or anybody if there are none: the key set is what is trusted.
    OneOf {
        key_set: Arc<str>,
        issuers: Vec<Box<str>>,
    },
    /// Nobody: plugins name themselves in `sub`.
    Plugins(PluginDirectory),
}

/// For whom its tokens are.
#[derive(Clone, Debug)]
pub(super) enum Audiences {
    OneOf(Vec<Box<str>>),
    Anybody,
}

/// Which kind of token it issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenProfile {
    /// Backstage user tokens: `typ` `vnd.backstage.user`, `aud` `backstage`, a catalog user as `sub`.
    Portal,
    /// Backstage plugin tokens: `typ` `vnd.backstage.plugin`, a plugin as `sub`.
    Plugins,
    /// Access tokens of an OpenID Connect provider that prove people.
    People,
    /// The same, but they prove machines.
    Machines,
}

#[derive(Clone, Debug)]
enum Keys {
    Discovery,
    At(String),
    Source(KeySource),
}

impl Issuer {
    /// A portal: its user tokens prove catalog users. Keys are found by discovery.
    pub fn portal(url: impl Into<Arc<str>>) -> Self {
        let mut issuer = Self::oidc(url, PORTAL_AUDIENCE);
        issuer.profile = TokenProfile::Portal;
        issuer.algorithms = vec![Algorithm::Es256];
        issuer
    }

    /// The plugins of a Backstage backend, whose tokens prove services such as `plugin:search` to the plugin
    /// `own_id`, and users on whose behalf they call. Each plugin's keys are found through the directory.
    ///
    /// For whom a plugin acts is proved by the portal's key: the same verifier needs an [`Issuer::portal`].
    pub fn plugins(own_id: impl Into<Box<str>>, directory: PluginDirectory) -> Self {
        let mut issuer = Self::oidc("", own_id);
        issuer.names = Names::Plugins(directory);
        issuer.profile = TokenProfile::Plugins;
        issuer.algorithms = vec![Algorithm::Es256];
        issuer
    }

    /// Whoever signs with a key of the set at this URL, whatever `iss` it names, for this `audience`.
    /// Its tokens prove machines: see [`with_service_subjects`](Self::with_service_subjects).
    ///
    /// This is Backstage's `externalAccess` of type `jwks`. A token of a configured issuer is never
    /// judged by such a set.
    pub fn key_set(url: impl Into<Arc<str>>, audience: impl Into<Box<str>>) -> Self {
        let key_set: Arc<str> = url.into();
        let mut issuer = Self::oidc("", audience).with_service_subjects("external:");
        issuer.keys = Keys::At(key_set.to_string());
        issuer.names = Names::OneOf {
            key_set,
            issuers: Vec::new(),
        };
        issuer
    }

    /// An OpenID Connect provider whose access tokens name this service as `audience`.
    /// Each proves a person, known as [`User::foreign`](crate::identity::User::foreign). Keys are found by discovery.
    pub fn oidc(url: impl Into<Arc<str>>, audience: impl Into<Box<str>>) -> Self {
        Self {
            names: Names::One(url.into()),
            audiences: Audiences::OneOf(vec![audience.into()]),
            profile: TokenProfile::People,
            algorithms: Algorithm::ASYMMETRIC.to_vec(),
            keys: Keys::Discovery,
            subject_prefix: None,
            restrictions: None,
            filters: Vec::new(),
        }
    }

    /// Accepts another audience as well.
    pub fn add_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        match &mut self.audiences {
            Audiences::OneOf(ours) => ours.push(audience.into()),
            Audiences::Anybody => self.audiences = Audiences::OneOf(vec![audience.into()]),
        }
        self
    }

    /// Accepts tokens whoever they are meant for.
    ///
    /// # Security
    ///
    /// A token that was issued for another service, and that this service's holder can therefore read, is then
    /// good here as well.
    pub fn dangerously_accept_any_audience(mut self) -> Self {
        self.audiences = Audiences::Anybody;
        self
    }

    /// Of a [`key_set`](Self::key_set): its tokens must name this `iss`, or another that was added.
    pub fn add_issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        if let Names::OneOf { issuers, .. } = &mut self.names {
            issuers.push(issuer.into());
        }
        self
    }

    /// Its tokens must have this claim, with one of these values: the pipelines of one project, say. A number or a
    /// boolean counts as its text, and of a list one item is enough.
    pub fn add_required_claim<V: Into<Box<str>>>(
        mut self,
        claim: impl Into<Box<str>>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.filters.push((claim.into(), values));
        self
    }

    /// The services that its tokens prove may be used here only. An empty list allows nothing.
    pub fn with_restrictions(mut self, only: impl IntoIterator<Item = Restriction>) -> Self {
        self.restrictions = Some(only.into_iter().collect());
        self
    }

    /// Its tokens prove machines: the subject becomes `<prefix><sub>`, such as `external:ci:` and the `sub`.
    pub fn with_service_subjects(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.profile = TokenProfile::Machines;
        self.subject_prefix = Some(prefix.into());
        self
    }

    /// Takes the keys from this URL, without discovery.
    pub fn with_key_set_url(mut self, url: impl Into<String>) -> Self {
        self.keys = Keys::At(url.into());
        self
    }

    /// Takes the keys from this set, without the network.
    pub fn with_key_set(mut self, keys: KeySet) -> Self {
        self.keys = Keys::Source(KeySource::fixed(keys));
        self
    }

    /// Takes the keys from this source.
    pub fn with_key_source(mut self, source: KeySource) -> Self {
        self.keys = Keys::Source(source);
        self
    }

    /// Narrows the algorithms. Every asymmetric one is accepted unless told; of a portal only ES256.
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms
            .into_iter()
            .filter(|a| *a != Algorithm::Hs256)
            .collect();
        self
    }

    /// Whether building it needs a client.
    pub(super) fn is_remote(&self) -> bool {
        !matches!(self.keys, Keys::Source(_))
    }

    pub(super) fn is_portal(&self) -> bool {
        self.profile == TokenProfile::Portal
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether its conditions can be met at all.
    pub(super) fn check(&self) -> Result<(), ConfigMistake> {
        let empty = match &self.audiences {
            Audiences::OneOf(ours) => ours.is_empty() || ours.iter().any(|a| a.is_empty()),
            Audiences::Anybody => false,
        };
        if empty {
            return Err(self.mistake("the audience is empty"));
        }
        if self.algorithms.is_empty() {
            return Err(self.mistake("no asymmetric algorithm is left to accept"));
        }
        let Names::Plugins(directory) = &self.names else {
            return Ok(());
        };
        match &self.audiences {
            Audiences::OneOf(ids) if ids.iter().all(|id| PluginDirectory::is_id(id)) => {
                directory.check()
            }
            _ => Err(self.mistake("expected an id of letters, digits, '-' and '_'")),
        }
    }

    pub(super) fn client(&self, client: Option<&Outward>) -> Result<Outward, ConfigMistake> {
        client
            .cloned()
            .ok_or_else(|| self.mistake("no HTTP client"))
    }

    pub(super) fn key_source(
        &self,
        client: Option<&Outward>,
        clock: &Clock,
    ) -> Result<KeySource, ConfigMistake> {
        let parse = |url: &str| {
            let uri: Uri = url
                .parse()
                .map_err(|_| self.mistake(format!("{url} is not a URL")))?;
            check_url(&uri).map(|()| uri).map_err(|e| self.mistake(e))
        };
        let keys = match (&self.keys, &self.names) {
            (Keys::Source(source), _) => return Ok(source.clone()),
            (Keys::At(url), _) => RemoteKeys::at(parse(url)?, self.client(client)?, clock.clone()),
            (Keys::Discovery, Names::One(url)) => {
                let base = url.strip_suffix('/').unwrap_or(url);
                let document = parse(&format!("{base}/.well-known/openid-configuration"))?;
                RemoteKeys::discovered(url, document, self.client(client)?, clock.clone())
            }
            (Keys::Discovery, _) => return Err(self.mistake("no key set is named")),
        };
        Ok(KeySource::Remote(keys))
    }

    fn mistake(&self, message: impl Into<String>) -> ConfigMistake {
        ConfigMistake::new(format!("issuer {self}"), message)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names {
            Names::One(url) => f.write_str(url),
            Names::OneOf { key_set, .. } => f.write_str(key_set),
            Names::Plugins(_) => f.write_str("plugins"),
        }
    }
}
