//! Backstage user tokens, member by member as its plugins expect them (spec section 6.1).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::SigningKeys;
use crate::clock::{Clock, Timestamp};
use crate::identity::EntityRef;
use crate::secret::Secret;
use crate::secret::encoding::base64url;
use crate::verify::Issuer;
use crate::verify::jwt::{kind, limited};

/// A token that no layer would read is refused when it is minted, not at every request later on.
const MAX_TOKEN: usize = crate::credential::MAX_LENGTH;

/// Mints the portal's tokens.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    issuer: Arc<str>,
    keys: SigningKeys,
    lifetime: Duration,
    clock: Clock,
}

/// A token and when it ends.
#[derive(Clone)]
pub struct MintedToken {
    text: Secret<String>,
    expires_at: Timestamp,
}

/// The user owns so much that the token would not fit into a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenTooLong;

impl TokenIssuer {
    /// Mints tokens of `issuer`, the URL under which its keys are published.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, lifetime: Duration, clock: Clock) -> Self {
        let keys = SigningKeys::new(clock.clone(), lifetime);
        Self {
            issuer: issuer.into(),
            keys,
            lifetime,
            clock,
        }
    }

    /// The issuer URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The keys it signs with.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Its own tokens, for a verifier in the same process.
    pub fn as_issuer(&self) -> Issuer {
        Issuer::portal(self.issuer.clone()).with_key_source(self.keys.source())
    }

    /// Mints the token of a user, with the entities they own in `ent`: a plugin then needs no second call.
    ///
    /// # Errors
    ///
    /// If it would be longer than 16 KiB: a layer would not read it.
    pub fn mint_user(
        &self,
        user: &EntityRef,
        ownership: &[EntityRef],
    ) -> Result<MintedToken, TokenTooLong> {
        let now = self.clock.now();
        let expires_at = now.plus(self.lifetime);
        let (iat, exp, sub) = (now.as_unix(), expires_at.as_unix(), user.as_str());
        let ent: Vec<&str> = ownership.iter().map(EntityRef::as_str).collect();
        let text = self.keys.sign_with(|sign, kid| {
            // The limited token's signature travels as `uip`: anybody can rebuild that token from this one.
            let limited = limited::message("ES256", kid, sub, &iat.into(), &exp.into());
            let message = encode(
                &json!({ "typ": kind::USER, "alg": "ES256", "kid": kid }),
                &json!({
                    "iss": &*self.issuer, "sub": sub, "ent": ent, "aud": kind::PORTAL_AUDIENCE,
                    "iat": iat, "exp": exp, "uip": sign(&limited),
                }),
            );
            format!("{message}.{}", sign(&message))
        });
        if text.len() > MAX_TOKEN {
            return Err(TokenTooLong);
        }
        Ok(MintedToken::new(text, expires_at))
    }
}

impl MintedToken {
    pub(super) fn new(text: String, expires_at: Timestamp) -> Self {
        Self {
            text: Secret::new(text),
            expires_at,
        }
    }

    /// The token.
    ///
    /// # Security
    ///
    /// Whoever has it is the user until it ends: it must not be logged.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TokenTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token would be longer than 16 KiB")
    }
}

impl std::error::Error for TokenTooLong {}

pub(super) fn encode(header: &Value, payload: &Value) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(payload))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::credential::BearerToken;
    use crate::rejection::RejectionKind;
    use crate::verify::{JwtVerifier, Outcome, Verify as _};

    const HOUR: Duration = Duration::from_secs(3600);

    fn judge(verifier: &JwtVerifier, token: &str) -> Result<bool, RejectionKind> {
        let mut headers = HeaderMap::new();
        headers.insert(
            "authorization",
            HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
        );
        let token = BearerToken::from_headers(&headers).unwrap().unwrap();
        match verifier.verify(token).now_or_never().unwrap() {
            Ok(Outcome::Verified(_)) => Ok(true),
            Ok(Outcome::NotRecognised) => Ok(false),
            Err(rejection) => Err(rejection.kind()),
        }
    }

    #[test]
    fn a_minted_token_verifies_until_it_ends_and_survives_rotation() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1_000_000));
        let issuer = TokenIssuer::new("https://portal/api/auth", HOUR, clock.clone());
        let verifier = JwtVerifier::build(vec![issuer.as_issuer()], None, clock).unwrap();
        let ada = EntityRef::parse("user:default/ada").unwrap();
        let first = issuer.mint_user(&ada, std::slice::from_ref(&ada)).unwrap();
        assert_eq!(judge(&verifier, first.expose()), Ok(true));
        issuer.keys().rotate();
        let second = issuer.mint_user(&ada, std::slice::from_ref(&ada)).unwrap();
        for token in [&first, &second] {
            assert_eq!(judge(&verifier, token.expose()), Ok(true));
        }
        assert_eq!(issuer.keys().jwks()["keys"].as_array().unwrap().len(), 2);
        hand.advance(HOUR);
        assert_eq!(
            judge(&verifier, first.expose()),
            Err(RejectionKind::InvalidToken)
        );
        // Keys are made anew when they are due, and forgotten when nothing they signed can live.
        hand.advance(HOUR * 3);
        let third = issuer.mint_user(&ada, std::slice::from_ref(&ada)).unwrap();
        assert_eq!(judge(&verifier, third.expose()), Ok(true));
        assert_eq!(issuer.keys().jwks()["keys"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn another_issuer_is_not_recognised_and_another_key_is_refused() {
        let clock = Clock::system();
        let ours = TokenIssuer::new("https://portal/api/auth", HOUR, clock.clone());
        let forger = TokenIssuer::new("https://portal/api/auth", HOUR, clock.clone());
        let other = TokenIssuer::new("https://other/api/auth", HOUR, clock.clone());
        let verifier = JwtVerifier::build(vec![ours.as_issuer()], None, clock).unwrap();
        let ada = EntityRef::parse("user:default/ada").unwrap();
        let mint = |issuer: &TokenIssuer| issuer.mint_user(&ada, &[]).unwrap();
        assert_eq!(
            judge(&verifier, mint(&forger).expose()),
            Err(RejectionKind::InvalidToken)
        );
        assert_eq!(judge(&verifier, mint(&other).expose()), Ok(false));
    }

    #[test]
    fn a_token_that_would_not_fit_is_not_minted() {
        let issuer = TokenIssuer::new("https://portal/api/auth", HOUR, Clock::system());
        let groups: Vec<_> = (0..2000)
            .map(|i| EntityRef::parse(&format!("group:default/team-{i}")).unwrap())
            .collect();
        assert!(issuer.mint_user(&groups[0], &groups).is_err());
    }
}
