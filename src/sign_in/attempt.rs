//! One attempt to sign in: a sealed record that only the browser that began it holds.
//!
//! Each attempt has a cookie of its own, named by a digest of its state, so that ten tabs do not
//! disturb one another. `state` on the wire is nothing but a random handle (LF-18).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{Inner, SignInError};
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
/// And at most so many bytes of them: each comes with every request, and servers refuse long headers.
const MAX_BYTES: usize = 8 * 1024;
/// So many cookies of a request are looked at. Each may cost a line of the answer, and hyper, like many proxies, refuses
/// answers of more than a hundred.
const MAX_SEEN: usize = 64;
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
    ///
    /// # Errors
    ///
    /// If it does not fit into one cookie.
    pub(super) fn seal(
        &self,
        sign_in: &Inner,
        present: &HeaderMap,
    ) -> Result<Vec<HeaderValue>, SignInError> {
        let name = cookie_name(sign_in, &self.state);
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let set = SetCookie::host(sign_in.rule);
        let sealed = set.seal(&sign_in.sealing, &name, &plain, LIFE, Cookies::of(present));
        let sealed = sealed.unwrap_or_default();
        let [line] = &sealed[..] else {
            return Err(SignInError::input(
                "The scopes and the page to return to are too long",
            ));
        };
        let mut lines = evict(sign_in, present, line.len());
        lines.extend(sealed);
        Ok(lines)
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

/// The lines that clear the oldest attempts, and whatever bears their name without being one, so that another of
/// `length` bytes has room.
fn evict(sign_in: &Inner, present: &HeaderMap, length: usize) -> Vec<HeaderValue> {
    let prefix = CookieName::host(sign_in.rule, PREFIX);
    let is_handle = |id: &str| {
        id.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let attempts = Cookies::of(present)
        .iter()
        .take(MAX_SEEN)
        .filter(|(name, _)| name.strip_prefix(prefix.as_str()).is_some_and(is_handle));
    let mut attempts: Vec<(u64, &str, usize)> = attempts
        .map(|(name, value)| {
            let opened = sign_in.sealing.open(name, value).ok();
            let attempt = opened.and_then(|plain| serde_json::from_slice::<Attempt>(&plain).ok());
            let began = attempt.map_or(0, |attempt| attempt.began);
            (began, name, name.len() + value.len() + 3)
        })
        .collect();
    attempts.sort_by_key(|(began, ..)| std::cmp::Reverse(*began));
    // The youngest stay, as long as there is room.
    let mut bytes = length;
    let kept = attempts
        .iter()
        .take(MAX_PER_BROWSER - 1)
        .take_while(|(began, _, size)| {
            bytes += size;
            *began > 0 && bytes <= MAX_BYTES
        });
    let kept = kept.count();
    let set = SetCookie::host(sign_in.rule);
    let surplus = attempts[kept..].iter();
    surplus.map(|(_, name, _)| set.expire(name)).collect()
}
