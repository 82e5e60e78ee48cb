//! What an issuer's tokens must look like, and whom they prove.

use serde_json::{Map, Value};

use super::claims::{audiences, is_issuer, subject, time_verdict};
use super::issuer::{Audiences, Issuer, Names, TokenProfile};
use super::jws::Header;
use super::kind;
use crate::clock::Timestamp;
use crate::identity::{EntityRef, Method, Profile, Scopes, Service, User, VerifiedIdentity};

/// More groups than this in one token are an error, never cut off.
const MAX_OWNERSHIP: usize = 10_000;

impl Issuer {
    /// Whether its algorithms include the token's.
    pub(super) fn accepts_algorithm(&self, header: &Header) -> Result<(), &'static str> {
        if self.algorithms.contains(&header.algorithm) {
            Ok(())
        } else {
            Err("its algorithm is not one of the issuer's")
        }
    }

    /// What can be said of a token before its signature is looked at.
    pub(super) fn accepts(&self, header: &Header) -> Result<(), &'static str> {
        self.accepts_algorithm(header)?;
        let typ = match self.profile {
            TokenProfile::Portal => header.typ.as_deref() == Some(kind::USER),
            TokenProfile::Plugins => header.typ.as_deref() == Some(kind::PLUGIN),
            TokenProfile::People | TokenProfile::Machines => {
                header.typ.is_none() || header.is_typ("JWT") || header.is_typ("at+jwt")
            }
        };
        typ.then_some(())
            .ok_or("its typ is that of another kind of token")
    }

    /// Tokens of the same issuer and audience that are for something else: a client's ID token, and the news that
    /// somebody has signed out (CL-08). Only a `typ` of its own tells an access token from them for sure (RFC 9068).
    pub(super) fn is_for_access(
        &self,
        header: &Header,
        claims: &Map<String, Value>,
    ) -> Result<(), &'static str> {
        let has = |name: &&str| claims.contains_key(*name);
        if !matches!(self.profile, TokenProfile::People | TokenProfile::Machines) {
            return Ok(());
        }
        if claims.contains_key("events") {
            return Err("it tells of an event, and is no access token");
        }
        if !header.is_typ("at+jwt") && ["nonce", "at_hash", "c_hash"].iter().any(has) {
            return Err("it is an ID token, and no access token");
        }
        Ok(())
    }

    /// Whether its `iss`, so far only claimed, does not rule it out.
    pub(super) fn may_be_of(&self, claims: &Map<String, Value>) -> bool {
        self.is_named_by(claims)
    }

    fn is_named_by(&self, claims: &Map<String, Value>) -> bool {
        match &self.names {
            Names::One(url) => is_issuer(claims, url),
            Names::OneOf { issuers, .. } => {
                issuers.is_empty() || issuers.iter().any(|iss| is_issuer(claims, iss))
            }
            Names::Plugins(_) => true,
        }
    }

    fn is_meant_for_us(&self, claims: &Map<String, Value>) -> Result<(), &'static str> {
        let Audiences::OneOf(ours) = &self.audiences else {
            return Ok(());
        };
        let meant_for = audiences(claims).ok_or("its aud is missing or malformed")?;
        if ours.iter().any(|ours| meant_for.contains(&&**ours)) {
            Ok(())
        } else {
            Err("it is meant for another audience")
        }
    }

    /// Judges the claims of a token whose signature holds.
    pub(super) fn judge(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<VerifiedIdentity, &'static str> {
        if !self.is_named_by(claims) {
            return Err("its iss is not the issuer's");
        }
        self.is_meant_for_us(claims)?;
        // A token bound to a key proves nothing without that key (RFC 9449 section 7.2, RFC 8705).
        if claims.contains_key("cnf") {
            return Err("it is sender-constrained, and was sent as a bearer token");
        }
        let expires_at = time_verdict(claims, now)?;
        let sub = subject(claims)?;
        for (claim, values) in &self.filters {
            if !has_one_of(claims.get(&**claim), values) {
                return Err("a claim that it must have has another value");
            }
        }
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
                let mut service = Service::new(format!("{prefix}{sub}"));
                if let Some(only) = &self.restrictions {
                    service = service.with_restrictions(only.iter().cloned());
                }
                VerifiedIdentity::assertion(service, Method::Token)
            }
            TokenProfile::Plugins => {
                if !claims.contains_key("iat") {
                    return Err("iat is missing");
                }
                VerifiedIdentity::assertion(Service::new(format!("plugin:{sub}")), Method::Token)
            }
        };
        let scopes = match claims.get("scope") {
            None => Scopes::default(),
            Some(Value::String(scope)) => Scopes::parse(scope),
            Some(_) => return Err("its scope is not a string"),
        };
        let identity = match (&self.names, claims.get("iss").and_then(Value::as_str)) {
            (Names::One(url), _) => identity.with_issuer(url.clone()),
            (Names::OneOf { .. }, Some(iss)) => identity.with_issuer(iss),
            _ => identity,
        };
        Ok(identity.with_expiry(expires_at).with_scopes(scopes))
    }

    /// Judges the claims of a limited user token of this portal whose signature holds.
    /// It says neither whose it is nor for whom: only its `typ` and the key do.
    pub(super) fn judge_limited(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<VerifiedIdentity, &'static str> {
        let expires_at = time_verdict(claims, now)?;
        if !claims.contains_key("iat") {
            return Err("iat is missing");
        }
        let user =
            EntityRef::parse(subject(claims)?).map_err(|_| "its sub is not an entity ref")?;
        let identity = VerifiedIdentity::assertion(User::new(user), Method::Token)
            .with_expiry(expires_at)
            .limited();
        Ok(match &self.names {
            Names::One(url) => identity.with_issuer(url.clone()),
            _ => identity,
        })
    }
}

/// Whether a claim has one of these values, as a text, a number, a boolean, or an item of a list of such.
fn has_one_of(claim: Option<&Value>, values: &[Box<str>]) -> bool {
    let fits = |value: &Value| match value {
        Value::String(text) => values.iter().any(|wanted| **wanted == **text),
        Value::Number(number) => values.iter().any(|wanted| **wanted == *number.to_string()),
        Value::Bool(truth) => values.iter().any(|wanted| **wanted == *truth.to_string()),
        _ => false,
    };
    match claim {
        Some(Value::Array(items)) => items.iter().any(fits),
        Some(value) => fits(value),
        None => false,
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
