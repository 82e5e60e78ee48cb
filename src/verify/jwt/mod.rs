//! JWTs (RFC 7519) of configured issuers, several at once.
//!
//! What a token must satisfy, in this order: three segments of canonical base64url; a header without
//! duplicate members, `crit` or an unknown `alg`; claims without duplicate members; an `iss` that is
//! configured, letter by letter; an algorithm and `typ` of that issuer; one key of *that* issuer that
//! fits; a signature that holds; `aud`, `exp`, `nbf`, `iat` and `sub` of the right type and value.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;

pub(crate) mod claims;
mod issuer;
pub(crate) mod json;
pub(crate) mod jws;
pub(crate) mod signature;

pub use self::issuer::Issuer;
pub use self::jws::Algorithm;
use self::jws::{Jws, JwsError};
use self::signature::PublicKey;
use super::jwks::{KeySource, Lookup};
use super::{Outcome, Verify};
use crate::clock::Clock;
use crate::credential::BearerToken;
use crate::error::ConfigError;
use crate::http_client::{HttpClient, HyperClient, Outward};
use crate::identity::VerifiedIdentity;
use crate::rejection::Rejection;

/// Verifies the JWTs of one or more issuers.
///
/// A token whose `iss` is not configured, and a text that is no JWT, are not recognised;
/// any other flaw is a rejection. A key set that can't be fetched is `Unavailable`.
#[derive(Clone)]
#[must_use]
pub struct JwtVerifier(Arc<Inner>);

struct Inner {
    issuers: HashMap<Arc<str>, (Issuer, KeySource)>,
    clock: Clock,
}

/// The verdict of a [`JwtVerifier`]: there at once, unless an issuer's keys must be fetched.
#[must_use = "futures do nothing unless polled"]
pub struct VerdictFuture(State);

enum State {
    Ready(Option<Result<Outcome, Rejection>>),
    /// Boxed, for it is rare: the first token of an issuer, or of a new key.
    Fetching(BoxFuture<'static, Result<Outcome, Rejection>>),
}

// ===== impl JwtVerifier =====

impl JwtVerifier {
    /// Verifies the tokens of these issuers, with the system's clock and the default HTTP client.
    ///
    /// # Errors
    ///
    /// All mistakes at once: an issuer given twice, a URL that may not be called, an empty audience.
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Result<Self, ConfigError> {
        let issuers: Vec<_> = issuers.into_iter().collect();
        let client = if issuers.iter().any(Issuer::is_remote) {
            let client = HyperClient::new()
                .map_err(|e| crate::ConfigMistake::new("HTTP client", e.to_string()))?;
            Some(Outward::new(client))
        } else {
            None
        };
        Self::build(issuers, client.as_ref(), Clock::system())
    }

    /// The same with a client and a clock of your own.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_client(
        issuers: impl IntoIterator<Item = Issuer>,
        client: impl HttpClient,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        Self::build(
            issuers.into_iter().collect(),
            Some(&Outward::new(client)),
            clock,
        )
    }

    pub(crate) fn build(
        issuers: Vec<Issuer>,
        client: Option<&Outward>,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let mut known = HashMap::new();
        for issuer in issuers {
            match issuer.key_source(client, &clock) {
                Err(mistake) => mistakes.push(mistake),
                Ok(source) => {
                    let url = issuer.url.clone();
                    if known.insert(url.clone(), (issuer, source)).is_some() {
                        let key = format!("issuer {url}");
                        mistakes.push(crate::ConfigMistake::new(key, "given twice"));
                    }
                }
            }
        }
        ConfigError::collect(mistakes)?;
        Ok(Self(Arc::new(Inner {
            issuers: known,
            clock,
        })))
    }
}

impl Inner {
    /// Judges a token. With `waited` a fetch has just ended, and there is no second one.
    fn judge(&self, token: &str, waited: bool) -> Result<Verdict, Rejection> {
        let jws = match Jws::parse(token) {
            Ok(jws) => jws,
            Err(JwsError::NotJws) => return Ok(Verdict::NotRecognised),
            Err(JwsError::Encrypted) => {
                return Err(Rejection::invalid("encrypted token not accepted"));
            }
            Err(JwsError::Header(reason)) => return Err(Rejection::invalid(reason)),
        };
        let claims = jws.claims().map_err(Rejection::invalid)?;
        let issuer = claims.get("iss").and_then(|iss| iss.as_str());
        let Some((issuer, keys)) = issuer.and_then(|iss| self.issuers.get(iss)) else {
            return Ok(Verdict::NotRecognised);
        };
        let refuse =
            |reason: &str| Rejection::invalid(format!("token of {}: {reason}", issuer.url));
        issuer.accepts(&jws.header).map_err(refuse)?;
        let key: PublicKey = match keys.look_up(jws.header.algorithm, jws.header.key_id.as_deref())
        {
            Lookup::Found(key) => key,
            Lookup::Wait(fetch) if !waited => return Ok(Verdict::Wait(fetch)),
            Lookup::Wait(_) | Lookup::Unknown => return Err(refuse("no published key fits")),
            Lookup::Unavailable => {
                return Err(Rejection::unavailable(format!(
                    "the keys of {} can't be fetched",
                    issuer.url
                )));
            }
        };
        if !key.verifies(&jws) {
            return Err(refuse("its signature is wrong"));
        }
        issuer
            .judge(&claims, self.clock.now())
            .map(|id| Verdict::Verified(Box::new(id)))
            .map_err(refuse)
    }
}

enum Verdict {
    Verified(Box<VerifiedIdentity>),
    NotRecognised,
    Wait(super::jwks::Fetch),
}

impl Verify for JwtVerifier {
    type Future = VerdictFuture;

    fn verify(&self, token: BearerToken<'_>) -> VerdictFuture {
        let ready = |verdict| VerdictFuture(State::Ready(Some(verdict)));
        match self.0.judge(token.as_str(), false) {
            Ok(Verdict::Verified(identity)) => ready(Ok(Outcome::Verified(identity))),
            Ok(Verdict::NotRecognised) => ready(Ok(Outcome::NotRecognised)),
            Err(rejection) => ready(Err(rejection)),
            Ok(Verdict::Wait(fetch)) => {
                let inner = self.0.clone();
                let token = crate::Secret::from(token.as_str());
                let verdict = async move {
                    let brought = fetch.await;
                    match inner.judge(token.expose(), true) {
                        Ok(Verdict::Verified(identity)) => Ok(Outcome::Verified(identity)),
                        Ok(_) => Ok(Outcome::NotRecognised),
                        // A key that may exist, but could not be asked for, is not a wrong one.
                        Err(r) if !brought => Err(Rejection::unavailable(format!(
                            "after a failed fetch: {}",
                            r.reason()
                        ))),
                        Err(rejection) => Err(rejection),
                    }
                };
                VerdictFuture(State::Fetching(verdict.boxed()))
            }
        }
    }
}

impl Future for VerdictFuture {
    type Output = Result<Outcome, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(verdict) => match verdict.take() {
                Some(verdict) => Poll::Ready(verdict),
                None => Poll::Pending,
            },
            State::Fetching(verdict) => verdict.poll_unpin(cx),
        }
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("issuers", &self.0.issuers.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerdictFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerdictFuture")
    }
}
