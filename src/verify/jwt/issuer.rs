//! One issuer: what its tokens must look like, and whom they prove.

use std::sync::Arc;

use http::Uri;
use serde_json::{Map, Value};

use super::claims::{audiences, is_issuer, subject, time_verdict};
use super::jws::{Algorithm, Header};
use crate::clock::{Clock, Timestamp};
use crate::error::ConfigMistake;
use crate::http_client::{Outward, check_url};
use crate::identity::{EntityRef, Method, Profile, Scopes, Service, User, VerifiedIdentity};
use crate::verify::jwks::{KeySet, KeySource, RemoteKeys};

/// More groups than this in one token are an error, never cut off.
const MAX_OWNERSHIP: usize = 10_000;

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
    pub(super) url: Arc<str>,
    audiences: Vec<Box<str>>,
    profile: TokenProfile,
    algorithms: Vec<Algorithm>,
    keys: Keys,
    subject_prefix: Option<Box<str>>,
}

/// Which kind of token it issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenProfile {
    /// Backstage user tokens: `typ` `vnd.backstage.user`, `aud` `backstage`, a catalog user as `sub`.
    Portal,
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
        let mut issuer = Self::oidc(url, "backstage");
        issuer.profile = TokenProfile::Portal;
        issuer.algorithms = vec![Algorithm::Es256];
        issuer
    }

    /// An OpenID Connect provider whose access tokens name this service as `audience`.
    /// Each proves a person, known as [`User::foreign`]. Keys are found by discovery.
    pub fn oidc(url: impl Into<Arc<str>>, audience: impl Into<Box<str>>) -> Self {
        Self {
            url: url.into(),
            audiences: vec![audience.into()],
            profile: TokenProfile::People,
            algorithms: Algorithm::ASYMMETRIC.to_vec(),
            keys: Keys::Discovery,
            subject_prefix: None,
        }
    }

    /// Accepts another audience as well.
    pub fn add_audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.push(audience.into());
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

    pub(super) fn key_source(
        &self,
        client: Option<&Outward>,
        clock: &Clock,
    ) -> Result<KeySource, ConfigMistake> {
        let mistake = |message: String| ConfigMistake::new(format!("issuer {}", self.url), message);
        if self.audiences.iter().any(|a| a.is_empty()) {
            return Err(mistake("the audience is empty".into()));
        }
        if self.algorithms.is_empty() {
            return Err(mistake("no asymmetric algorithm is left to accept".into()));
        }
        let parse = |url: &str| {
            let uri: Uri = url
                .parse()
                .map_err(|_| mistake(format!("{url} is not a URL")))?;
            check_url(&uri).map(|()| uri).map_err(mistake)
        };
        let client = || {
            client
                .cloned()
                .ok_or_else(|| mistake("no HTTP client".into()))
        };
        match &self.keys {
            Keys::Source(source) => Ok(source.clone()),
            Keys::At(url) => Ok(KeySource::Remote(RemoteKeys::at(
                parse(url)?,
                client()?,
                clock.clone(),
            ))),
            Keys::Discovery => {
                let base = self.url.strip_suffix('/').unwrap_or(&self.url);
                let document = parse(&format!("{base}/.well-known/openid-configuration"))?;
                let keys = RemoteKeys::discovered(&self.url, document, client()?, clock.clone());
                Ok(KeySource::Remote(keys))
            }
        }
    }

    /// What can be said of a token before its signature is looked at.
    pub(super) fn accepts(&self, header: &Header) -> Result<(), &'static str> {
        if !self.algorithms.contains(&header.algorithm) {
            return Err("its algorithm is not one of the issuer's");
        }
        let typ = match self.profile {
            TokenProfile::Portal => header.typ.as_deref() == Some("vnd.backstage.user"),
            TokenProfile::People | TokenProfile::Machines => {
                header.typ.is_none() || header.is_typ("JWT") || header.is_typ("at+jwt")
            }
        };
        typ.then_some(())
            .ok_or("its typ is that of another kind of token")
    }

    /// Judges the claims of a token whose signature holds.
    pub(super) fn judge(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<VerifiedIdentity, &'static str> {
        if !is_issuer(claims, &self.url) {
            return Err("its iss is not the issuer's");
        }
        let meant_for = audiences(claims).ok_or("its aud is missing or malformed")?;
        if !self
            .audiences
            .iter()
            .any(|ours| meant_for.contains(&&**ours))
        {
            return Err("it is meant for another audience");
        }
        // A token bound to a key proves nothing without that key (RFC 9449 section 7.2, RFC 8705).
        if claims.contains_key("cnf") {
            return Err("it is sender-constrained, and was sent as a bearer token");
        }
        let expires_at = time_verdict(claims, now)?;
        let sub = subject(claims)?;
        let identity = match self.profile {
            TokenProfile::Portal => {
                let user = EntityRef::parse(sub).map_err(|_| "its sub is not an entity ref")?;
                let ownership = ownership(claims, &user)?;
                VerifiedIdentity::assertion(
                    User::new(user).with_ownership(ownership),
                    Method::Token,
                )
            }
            TokenProfile::People => {
                let user = User::foreign(sub).with_profile(profile(claims));
                VerifiedIdentity::assertion(user, Method::Token)
            }
            TokenProfile::Machines => {
                let prefix = self.subject_prefix.as_deref().unwrap_or_default();
                let service = Service::new(format!("{prefix}{sub}"));
                VerifiedIdentity::assertion(service, Method::Token)
            }
        };
        let scopes = match claims.get("scope") {
            None => Scopes::default(),
            Some(Value::String(scope)) => Scopes::parse(scope),
            Some(_) => return Err("its scope is not a string"),
        };
        Ok(identity
            .with_issuer(self.url.clone())
            .with_expiry(expires_at)
            .with_scopes(scopes))
    }
}

/// `ent`: a list of entity refs. A token without it owns what the user is.
fn ownership(
    claims: &Map<String, Value>,
    user: &EntityRef,
) -> Result<Vec<EntityRef>, &'static str> {
    match claims.get("ent") {
        None => Ok(vec![user.clone()]),
        Some(Value::Array(list)) if list.len() <= MAX_OWNERSHIP => list
            .iter()
            .map(|item| item.as_str().and_then(|text| EntityRef::parse(text).ok()))
            .collect::<Option<_>>()
            .ok_or("its ent holds what is not an entity ref"),
        Some(_) => Err("its ent is not a list, or a too long one"),
    }
}

fn profile(claims: &Map<String, Value>) -> Profile {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    Profile {
        display_name: text("name").or_else(|| text("preferred_username")),
        email: text("email").filter(|_| verified),
        picture: text("picture"),
    }
}
