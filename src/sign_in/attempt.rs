//! One attempt to sign in: a sealed record that only the browser that began it holds.
//!
//! Each attempt has a cookie of its own, named by a digest of its state, so that ten tabs do not
//! disturb one another. `state` on the wire is nothing but a random handle (LF-18).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::Inner;
use crate::clock::Timestamp;
use crate::credential::{CookieName, Cookies, SetCookie};
use crate::provider::AuthorizationRequest;
use crate::secret::digest::sha256;
use crate::secret::encoding::base64url;
use crate::secret::{Secret, random};

/// An attempt is over after this long.
pub(super) const LIFE: Duration = Duration::from_secs(600);
/// A browser holds at most this many; the oldest go first.
const MAX_PER_BROWSER: usize = 20;
const PREFIX: &str = "tid-attempt-";

/// What is remembered between the redirect to the provider and the way back.
#[derive(Deserialize, Serialize)]
pub(super) struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
    pub(super) provider: String,
    pub(super) environment: String,
    pub(super) scope: String,
    /// The page that began it and is told of the result.
    pub(super) origin: String,
    /// Set in the redirect flow: where to return to.
    pub(super) return_to: Option<String>,
    began: u64,
}

impl Attempt {
    pub(super) fn new(
        (provider, environment): (&str, &str),
        scope: String,
        origin: String,
        return_to: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            state: random::token(),
            nonce: random::token(),
            verifier: random::token(),
            provider: provider.to_owned(),
            environment: environment.to_owned(),
            scope,
            origin,
            return_to,
            began: now.as_unix(),
        }
    }

    pub(super) fn request(&self) -> AuthorizationRequest {
        AuthorizationRequest {
            state: self.state.clone(),
            nonce: self.nonce.clone(),
            pkce_verifier: Secret::new(self.verifier.clone()),
            scope: self.scope.clone(),
        }
    }

    /// The key under which the store remembers that it was used.
    pub(super) fn used_key(&self) -> String {
        format!("attempt:{}", handle(&self.state))
    }

    /// Seals it into its cookie, and clears the oldest if the browser holds too many.
    pub(super) fn seal(&self, sign_in: &Inner, present: &HeaderMap) -> Vec<HeaderValue> {
        let name = cookie_name(sign_in, &self.state);
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let set = SetCookie::host(sign_in.rule);
        let cookies = Cookies::of(present);
        let mut lines = evict(sign_in, present);
        lines.extend(
            set.seal(&sign_in.sealing, &name, &plain, LIFE, cookies)
                .unwrap_or_default(),
        );
        lines
    }

    /// Opens the attempt that `state` is the handle of: one that this browser began, for this provider, not too long ago.
    pub(super) fn open(
        sign_in: &Inner,
        headers: &HeaderMap,
        state: &str,
        provider: &str,
    ) -> Option<Self> {
        let plain = Cookies::of(headers).open(&sign_in.sealing, &cookie_name(sign_in, state))?;
        let attempt: Self = serde_json::from_slice(&plain).ok()?;
        let age = sign_in
            .clock
            .now()
            .since(Timestamp::from_unix(attempt.began));
        let ours = Secret::new(attempt.state.clone()).matches(state.as_bytes());
        (ours && attempt.provider == provider && age < LIFE).then_some(attempt)
    }

    /// Clears the cookie of `state`.
    pub(super) fn clear(sign_in: &Inner, headers: &HeaderMap, state: &str) -> Vec<HeaderValue> {
        SetCookie::host(sign_in.rule).clear(&cookie_name(sign_in, state), Cookies::of(headers))
    }
}

fn handle(state: &str) -> String {
    base64url(&sha256(state.as_bytes())[..16])
}

fn cookie_name(sign_in: &Inner, state: &str) -> CookieName {
    CookieName::host(sign_in.rule, &format!("{PREFIX}{}", handle(state)))
}

/// The lines that clear the oldest attempts, and whatever bears their name without being one.
fn evict(sign_in: &Inner, present: &HeaderMap) -> Vec<HeaderValue> {
    let prefix = CookieName::host(sign_in.rule, PREFIX);
    let cookies = Cookies::of(present);
    let mut attempts: Vec<(u64, CookieName)> = cookies
        .iter()
        .filter(|(name, _)| {
            name.strip_prefix(prefix.as_str()).is_some_and(|id| {
                id.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            })
        })
        .take(200)
        .map(|(name, _)| {
            let name = CookieName::path(name);
            let began = cookies
                .open(&sign_in.sealing, &name)
                .and_then(|plain| serde_json::from_slice::<Attempt>(&plain).ok())
                .map_or(0, |attempt| attempt.began);
            (began, name)
        })
        .collect();
    attempts.sort_by_key(|(began, _)| *began);
    let surplus = (attempts.len() + 1).saturating_sub(MAX_PER_BROWSER);
    let set = SetCookie::host(sign_in.rule);
    attempts[..surplus.min(attempts.len())]
        .iter()
        .flat_map(|(_, name)| set.clear(name, cookies))
        .collect()
}
