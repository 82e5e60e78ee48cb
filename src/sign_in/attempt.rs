//! One attempt to sign in: a sealed record that only the browser that began it holds.
//!
//! Each attempt has a cookie of its own, named by a digest of its state, so that ten tabs do not
//! disturb one another. `state` on the wire is nothing but a random handle (LF-18).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

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
    #[serde(skip)]
    pub(super) login_hint: Option<String>,
    /// Whether the provider's answer is a request from another site.
    #[serde(default)]
    across_sites: bool,
    /// Whether it is over, and only tells where it led.
    #[serde(default)]
    pub(super) done: bool,
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
            login_hint: None,
            across_sites: false,
            done: false,
            began: now.as_unix(),
        }
    }

    /// The page that it returns to, in the redirect flow.
    pub(super) fn led_to(&self) -> Option<Url> {
        let url = self.return_to.as_deref();
        url.and_then(|url| Url::parse(url).ok())
    }

    /// Expects the provider's answer as a form from another site.
    pub(super) fn across_sites(mut self, wanted: bool) -> Self {
        self.across_sites = wanted;
        self
    }

    pub(super) fn expecting(mut self, login_hint: Option<String>) -> Self {
        self.login_hint = login_hint;
        self
    }

    pub(super) fn request(&self) -> AuthorizationRequest {
        AuthorizationRequest {
            state: self.state.clone(),
            nonce: self.nonce.clone(),
            pkce_verifier: Secret::new(self.verifier.clone()),
            scope: self.scope.clone(),
            login_hint: self.login_hint.clone(),
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
        let set = SetCookie::host(sign_in.rule).across_sites(self.across_sites);
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

    /// The cookie in its place once it is over: where it led, for whoever comes by the same way again. Those of attempts
    /// that were over before go: it is the last way that people go back.
    pub(super) fn settle(&self, sign_in: &Inner, headers: &HeaderMap) -> Vec<HeaderValue> {
        let over = Self {
            nonce: String::new(),
            verifier: String::new(),
            state: self.state.clone(),
            provider: self.provider.clone(),
            environment: self.environment.clone(),
            scope: String::new(),
            origin: self.origin.clone(),
            return_to: self.return_to.clone(),
            login_hint: None,
            across_sites: self.across_sites,
            done: true,
            began: self.began,
        };
        let name = cookie_name(sign_in, &self.state);
        let plain = serde_json::to_vec(&over).unwrap_or_default();
        let age = sign_in.clock.now().since(Timestamp::from_unix(self.began));
        let left = LIFE.saturating_sub(age);
        let set = SetCookie::host(sign_in.rule).across_sites(self.across_sites);
        let sealed = set.seal(&sign_in.sealing, &name, &plain, left, Cookies::of(headers));
        let mut lines = sealed.unwrap_or_default();
        let others = present(sign_in, headers);
        let others = others.iter().filter(|other| {
            other.name != name.as_str() && other.attempt.as_ref().is_some_and(|a| a.done)
        });
        let expire = SetCookie::host(sign_in.rule);
        lines.extend(others.map(|other| expire.expire(other.name)));
        lines
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

/// An attempt's cookie, as a browser brought it, or what bears its name without being one.
struct Present<'h> {
    name: &'h str,
    size: usize,
    attempt: Option<Attempt>,
}

fn present<'h>(sign_in: &Inner, headers: &'h HeaderMap) -> Vec<Present<'h>> {
    let prefix = CookieName::host(sign_in.rule, PREFIX);
    let is_handle = |id: &str| {
        id.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    Cookies::of(headers)
        .iter()
        .take(MAX_SEEN)
        .filter(|(name, _)| name.strip_prefix(prefix.as_str()).is_some_and(is_handle))
        .map(|(name, value)| {
            let opened = sign_in.sealing.open(name, value).ok();
            Present {
                name,
                size: name.len() + value.len() + 3,
                attempt: opened.and_then(|plain| serde_json::from_slice(&plain).ok()),
            }
        })
        .collect()
}

/// The lines that clear the oldest attempts, those that are over before others, and whatever bears their name without
/// being one, so that another of `length` bytes has room.
fn evict(sign_in: &Inner, headers: &HeaderMap, length: usize) -> Vec<HeaderValue> {
    let mut attempts = present(sign_in, headers);
    attempts.sort_by_key(|present| {
        let attempt = present.attempt.as_ref();
        std::cmp::Reverse(attempt.map(|attempt| (!attempt.done, attempt.began)))
    });
    // The youngest stay, as long as there is room.
    let mut bytes = length;
    let kept = attempts
        .iter()
        .take(MAX_PER_BROWSER - 1)
        .take_while(|present| {
            bytes += present.size;
            present.attempt.is_some() && bytes <= MAX_BYTES
        });
    let kept = kept.count();
    let set = SetCookie::host(sign_in.rule);
    let surplus = attempts[kept..].iter();
    surplus.map(|present| set.expire(present.name)).collect()
}
