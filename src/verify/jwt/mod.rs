//! JWTs (RFC 7519) of configured issuers, several at once.
//!
//! What a token of an issuer must satisfy, in this order: three segments of canonical base64url; a header without
//! duplicate members, `crit` or an unknown `alg`; claims without duplicate members; an `iss` that is
//! configured, letter by letter; an algorithm and `typ` of that issuer; one key of *that* issuer that
//! fits; a signature that holds; `aud`, `exp`, `nbf`, `iat` and `sub` of the right type and value.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;

pub(crate) mod claims;
mod conditions;
mod issuer;
pub(crate) mod json;
mod judge;
pub(crate) mod jws;
pub(crate) mod kind;
pub(crate) mod limited;
mod plugins;
pub(crate) mod signature;

pub use self::issuer::Issuer;
use self::judge::{Judge, Stop};
pub use self::jws::Algorithm;
pub use self::plugins::PluginDirectory;
use super::{Outcome, Verify};
use crate::clock::Clock;
use crate::credential::BearerToken;
use crate::error::ConfigError;
use crate::http_client::{HttpClient, HyperClient, Outward};
use crate::rejection::Rejection;

/// Verifies the JWTs of one or more issuers.
///
/// A token whose `iss` is not configured, and a text that is no JWT, are not recognised;
/// any other flaw is a rejection. A key set that can't be fetched is `Unavailable`.
#[derive(Clone)]
#[must_use]
pub struct JwtVerifier(Arc<Judge>);

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
        Judge::new(issuers, client, clock).map(|judge| Self(Arc::new(judge)))
    }
}

impl Verify for JwtVerifier {
    type Future = VerdictFuture;

    fn verify(&self, token: BearerToken<'_>) -> VerdictFuture {
        let fetch = match self.0.judge(token.as_str()) {
            Err(Stop::Wait(fetch)) => fetch,
            verdict => {
                return VerdictFuture(State::Ready(Some(verdict.or_else(Stop::into_outcome))));
            }
        };
        let inner = self.0.clone();
        let token = crate::Secret::from(token.as_str());
        VerdictFuture(State::Fetching(
            async move { inner.judge_after(fetch, token.expose()).await }.boxed(),
        ))
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
            .field("issuers", &self.0.names())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerdictFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerdictFuture")
    }
}
