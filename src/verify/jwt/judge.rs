//! The verdict on a token: which issuer's it is, which key signed it, and whom it proves.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::issuer::{Issuer, Names};
use super::jws::{Jws, JwsError};
use super::kind;
use super::limited;
use super::plugins::PluginKeys;
use crate::clock::Clock;
use crate::error::{ConfigError, ConfigMistake};
use crate::http_client::Outward;
use crate::identity::{Service, VerifiedIdentity};
use crate::rejection::Rejection;
use crate::secret::encoding::from_base64url;
use crate::verify::Outcome;
use crate::verify::jwks::{Fetch, KeySource, Lookup};

/// A token may be judged anew after this many fetches: a plugin's and its portal's, and one to spare.
const MAX_FETCHES: usize = 3;

/// Everything that tokens are held against.
pub(super) struct Judge {
    /// By `iss`, letter by letter.
    issuers: HashMap<Arc<str>, Trusted>,
    /// Key sets whose tokens need not name one issuer, in the order in which they are asked.
    key_sets: Vec<Trusted>,
    /// The one portal among the issuers: a limited user token does not say whose it is.
    portal: Option<Arc<str>>,
    plugins: Option<(Issuer, PluginKeys)>,
    clock: Clock,
}

struct Trusted {
    issuer: Issuer,
    keys: KeySource,
}

/// Why there is no proof, or not yet.
pub(super) enum Stop {
    /// It is no token of anybody's here.
    NotRecognised,
    Refused(Rejection),
    /// It can be judged when this fetch is over.
    Wait(Fetch),
}

type Claims = Map<String, Value>;

// ===== impl Judge =====

impl Judge {
    pub(super) fn new(
        issuers: Vec<Issuer>,
        client: Option<&Outward>,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let mut judge = Self {
            issuers: HashMap::new(),
            key_sets: Vec::new(),
            portal: None,
            plugins: None,
            clock,
        };
        let mut mistakes = Vec::new();
        let mut portals = 0;
        for issuer in issuers {
            if let Err(mistake) = judge.add(issuer, client, &mut portals) {
                mistakes.push(mistake);
            }
        }
        if portals > 1 {
            judge.portal = None;
        }
        ConfigError::collect(mistakes)?;
        Ok(judge)
    }

    fn add(
        &mut self,
        issuer: Issuer,
        client: Option<&Outward>,
        portals: &mut usize,
    ) -> Result<(), ConfigMistake> {
        issuer.check()?;
        let twice = |what: String| ConfigMistake::new(what, "given twice");
        if let Names::Plugins(directory) = issuer.names() {
            let keys = PluginKeys::new(directory.clone(), issuer.client(client)?, &self.clock);
            if self.plugins.replace((issuer, keys)).is_some() {
                return Err(twice("plugin tokens".into()));
            }
            return Ok(());
        }
        let keys = issuer.key_source(client, &self.clock)?;
        let Names::One(url) = issuer.names() else {
            self.key_sets.push(Trusted { issuer, keys });
            return Ok(());
        };
        let url = url.clone();
        if issuer.is_portal() {
            *portals += 1;
            self.portal = Some(url.clone());
        }
        match self.issuers.insert(url.clone(), Trusted { issuer, keys }) {
            Some(_) => Err(twice(format!("issuer {url}"))),
            None => Ok(()),
        }
    }

    /// The issuers that are known by name.
    pub(super) fn names(&self) -> impl std::fmt::Debug {
        self.issuers.keys().cloned().collect::<Vec<_>>()
    }

    /// Judges a token by the keys that are known.
    pub(super) fn judge(&self, token: &str) -> Result<Outcome, Stop> {
        let jws = Jws::parse(token).map_err(|error| match error {
            JwsError::NotJws | JwsError::Encrypted => Stop::NotRecognised,
            JwsError::Header(reason) => self.broken(token, reason),
        })?;
        let claims = jws.claims().map_err(|reason| self.broken(token, reason))?;
        let proof = match jws.header.typ.as_deref() {
            Some(kind::PLUGIN) => self.plugin(&jws, &claims),
            Some(kind::LIMITED_USER) => self.limited_user(&jws, &claims),
            _ => self.issued(&jws, &claims),
        };
        proof.map(Outcome::verified)
    }

    /// Judges it when a fetch is over, and perhaps another one that it turns out to need.
    ///
    /// # Cancel safety
    ///
    /// The fetches go on without it.
    pub(super) async fn judge_after(
        &self,
        mut fetch: Fetch,
        token: &str,
    ) -> Result<Outcome, Rejection> {
        for _ in 0..MAX_FETCHES {
            let brought = fetch.await;
            fetch = match self.judge(token) {
                Err(Stop::Wait(next)) if brought => next,
                Err(Stop::Wait(_)) => break,
                // A key that may exist, but could not be asked for, is not a wrong one.
                Err(Stop::Refused(r)) if !brought => {
                    return Err(Rejection::unavailable(format!(
                        "after a failed fetch: {}",
                        r.reason()
                    )));
                }
                verdict => return verdict.or_else(Stop::into_outcome),
            };
        }
        Err(Rejection::unavailable("no published key fits so far"))
    }

    /// A token that cannot be one of ours: bad if it says that it is, otherwise somebody else's.
    fn broken(&self, token: &str, reason: &'static str) -> Stop {
        let payload = token.split('.').nth(1).and_then(from_base64url);
        let claims = payload.and_then(|text| serde_json::from_slice::<Claims>(&text).ok());
        let named = claims
            .as_ref()
            .and_then(|claims| claims.get("iss")?.as_str());
        match named.and_then(|iss| self.issuers.get(iss)) {
            Some(ours) => ours.refuse(reason),
            None => Stop::NotRecognised,
        }
    }

    /// A token that names its issuer, or one whose key is in a set that is trusted whoever it names.
    fn issued(&self, jws: &Jws<'_>, claims: &Claims) -> Result<VerifiedIdentity, Stop> {
        let named = claims.get("iss").and_then(Value::as_str);
        if let Some(trusted) = named.and_then(|iss| self.issuers.get(iss)) {
            let proof = trusted.prove(jws, claims, &self.clock)?;
            let limited = trusted
                .issuer
                .is_portal()
                .then(|| limited::of_user(jws, claims));
            let limited = limited.flatten();
            return Ok(limited
                .into_iter()
                .fold(proof, VerifiedIdentity::with_delegation));
        }
        let mut last = Stop::NotRecognised;
        for trusted in &self.key_sets {
            if !trusted.issuer.may_be_of(claims) {
                continue;
            }
            match trusted.prove(jws, claims, &self.clock) {
                Ok(proof) => return Ok(proof),
                // Another set may have the key: what can't be told yet weighs more than a refusal.
                Err(stop) => last = last.or(stop),
            }
        }
        Err(last)
    }

    /// A limited user token: the portal's, though it does not say so (spec section 6.2).
    fn limited_user(&self, jws: &Jws<'_>, claims: &Claims) -> Result<VerifiedIdentity, Stop> {
        let portal = self
            .portal
            .as_ref()
            .and_then(|portal| self.issuers.get(portal));
        let portal = portal.ok_or(Stop::NotRecognised)?;
        let algorithm = portal.issuer.accepts_algorithm(&jws.header);
        algorithm.map_err(|reason| portal.refuse(reason))?;
        signed(&portal.keys, jws, &portal.issuer.to_string())?;
        portal
            .issuer
            .judge_limited(claims, self.clock.now())
            .map_err(|reason| portal.refuse(reason))
    }

    /// A plugin's token, perhaps on behalf of a user (spec section 6.4).
    fn plugin(&self, jws: &Jws<'_>, claims: &Claims) -> Result<VerifiedIdentity, Stop> {
        let (issuer, keys) = self.plugins.as_ref().ok_or(Stop::NotRecognised)?;
        let refuse = |reason: &str| Stop::invalid(format!("plugin token: {reason}"));
        let id = claims.get("sub").and_then(Value::as_str);
        let id = id
            .filter(|id| kind::is_plugin_id(id))
            .ok_or_else(|| refuse("its sub is not a plugin"))?;
        issuer.accepts(&jws.header).map_err(refuse)?;
        let Some(source) = keys.of(id) else {
            let reason = "plugin token: too many plugins are asked about that nobody knows";
            return Err(Stop::Refused(Rejection::unavailable(reason)));
        };
        signed(&source, jws, &format!("plugin {id}"))?;
        let plugin = issuer.judge(claims, self.clock.now()).map_err(refuse)?;
        let Some(user) = claims.get("obo") else {
            return Ok(plugin);
        };
        let token = user.as_str().ok_or_else(|| refuse("its obo is no token"))?;
        let user = self.on_behalf_of(token)?;
        let until = plugin
            .expires_at()
            .into_iter()
            .chain(user.expires_at())
            .min();
        let actor = Service::new(format!("plugin:{id}"));
        let user = user
            .on_behalf(actor)
            .ok_or_else(|| refuse("its obo is not a user's"))?;
        Ok(until
            .into_iter()
            .fold(user, VerifiedIdentity::with_expiry)
            .without_limit())
    }

    /// The user of an `obo`: a limited token, or a full one.
    fn on_behalf_of(&self, token: &str) -> Result<VerifiedIdentity, Stop> {
        let invalid = || Stop::invalid("plugin token: its obo is not a user token");
        let jws = Jws::parse(token).map_err(|_| invalid())?;
        let claims = jws.claims().map_err(|_| invalid())?;
        let proof = match jws.header.typ.as_deref() {
            // What was passed on once may be passed on again.
            Some(kind::LIMITED_USER) => self
                .limited_user(&jws, &claims)
                .map(|user| user.with_delegation(crate::Secret::from(token))),
            Some(kind::USER) => self.issued(&jws, &claims),
            _ => return Err(invalid()),
        };
        proof.map_err(|stop| match stop {
            Stop::NotRecognised => invalid(),
            other => other,
        })
    }
}

// ===== impl Trusted =====

impl Trusted {
    fn prove(
        &self,
        jws: &Jws<'_>,
        claims: &Claims,
        clock: &Clock,
    ) -> Result<VerifiedIdentity, Stop> {
        let fits = self.issuer.accepts(&jws.header);
        let fits = fits.and_then(|()| self.issuer.is_for_access(&jws.header, claims));
        fits.map_err(|reason| self.refuse(reason))?;
        signed(&self.keys, jws, &self.issuer.to_string())?;
        self.issuer
            .judge(claims, clock.now())
            .map_err(|reason| self.refuse(reason))
    }

    fn refuse(&self, reason: &str) -> Stop {
        Stop::invalid(format!("token of {}: {reason}", self.issuer))
    }
}

/// Whether a key of this source signed it.
fn signed(keys: &KeySource, jws: &Jws<'_>, whose: &str) -> Result<(), Stop> {
    let refuse = |reason: &str| Stop::invalid(format!("token of {whose}: {reason}"));
    match keys.look_up(jws.header.algorithm, jws.header.key_id.as_deref()) {
        Lookup::Found(key) if key.verifies(jws) => Ok(()),
        Lookup::Found(_) => Err(refuse("its signature is wrong")),
        Lookup::Unknown => Err(refuse("no published key fits")),
        Lookup::Wait(fetch) => Err(Stop::Wait(fetch)),
        Lookup::Unavailable => Err(Stop::Refused(Rejection::unavailable(format!(
            "the keys of {whose} can't be fetched"
        )))),
    }
}

// ===== impl Stop =====

impl Stop {
    fn invalid(reason: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::Refused(Rejection::invalid(reason))
    }

    /// Of two reasons the weightier one: to wait, to be unable to tell, to refuse, not to know.
    fn or(self, other: Self) -> Self {
        use crate::rejection::RejectionKind::Unavailable;
        let weight = |stop: &Self| match stop {
            Self::NotRecognised => 0,
            Self::Refused(rejection) if rejection.kind() != Unavailable => 1,
            Self::Refused(_) => 2,
            Self::Wait(_) => 3,
        };
        if weight(&other) > weight(&self) {
            other
        } else {
            self
        }
    }

    /// What it comes to when nobody waits any more.
    pub(super) fn into_outcome(self) -> Result<Outcome, Rejection> {
        match self {
            Self::NotRecognised => Ok(Outcome::NotRecognised),
            Self::Refused(rejection) => Err(rejection),
            Self::Wait(_) => Err(Rejection::unavailable("the key may be on its way")),
        }
    }
}
