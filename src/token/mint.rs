//! Backstage user tokens, member by member as its plugins expect them (spec section 6.1).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::SigningKeys;
use super::shared::SharedKeys;
use crate::clock::{Clock, Timestamp};
use crate::identity::EntityRef;
use crate::secret::encoding::base64url;
use crate::secret::{SealingKeys, Secret};
use crate::store::{Store, StoreError};
use crate::verify::Issuer;
use crate::verify::jwks::KeySource;
use crate::verify::jwt::{kind, limited};

/// A token that no layer would read is refused when it is minted, not at every request later on.
const MAX_TOKEN: usize = crate::credential::MAX_LENGTH;

/// Mints the portal's tokens.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    issuer: Arc<str>,
    keys: SigningKeys,
    /// The keys of other nodes, which know those of this one by it.
    shared: Option<SharedKeys>,
    lifetime: Duration,
    says_ownership: bool,
    clock: Clock,
}

/// A token and when it ends.
#[derive(Clone)]
pub struct MintedToken {
    text: Secret<String>,
    expires_at: Timestamp,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MintError {
    /// The user owns so much that it would be longer than 16 KiB: no layer would read it.
    TooLong,
    /// The key could not be published to the other nodes: they would not believe it.
    Unavailable(StoreError),
}

impl TokenIssuer {
    /// Mints tokens of `issuer`, the URL under which its keys are published.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, lifetime: Duration, clock: Clock) -> Self {
        let keys = SigningKeys::new(clock.clone(), lifetime);
        Self {
            issuer: issuer.into(),
            keys,
            shared: None,
            lifetime,
            says_ownership: true,
            clock,
        }
    }

    /// Replaces the keys, such as by [keys of your own](SigningKeys::fixed).
    #[must_use]
    pub fn with_keys(mut self, keys: SigningKeys) -> Self {
        self.keys = keys;
        self
    }

    /// Knows the keys of other nodes by this store, and makes its own known there before they sign.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>, sealing: SealingKeys) -> Self {
        let (lifetime, clock) = (self.lifetime, self.clock.clone());
        let shared = SharedKeys::new(&self.issuer, lifetime, store, sealing, clock);
        self.shared = Some(shared);
        self
    }

    /// Leaves what a user owns out of their tokens: whoever has to know asks the portal's `/v1/userinfo`.
    #[must_use]
    pub fn without_ownership(mut self) -> Self {
        self.says_ownership = false;
        self
    }

    #[cfg(feature = "sign-in")]
    pub(crate) fn says_ownership(&self) -> bool {
        self.says_ownership
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
        Issuer::portal(self.issuer.clone()).with_key_source(self.key_source())
    }

    pub(super) fn key_source(&self) -> KeySource {
        let own = self.keys.source();
        match &self.shared {
            None => own,
            Some(shared) => own.beside(shared.as_remote_keys()),
        }
    }

    /// The key set to publish (RFC 7517): the keys of every node, public halves only.
    ///
    /// # Errors
    ///
    /// If the store has never been reached: a set without the keys of the other nodes would have their tokens refused.
    pub async fn jwks(&self) -> Result<Value, StoreError> {
        let own = self.keys.jwks();
        let Some(shared) = &self.shared else {
            return Ok(own);
        };
        let published = shared.publish(&self.keys.in_use()).await;
        let others = match (shared.read().await, published) {
            (Ok(others), Ok(())) => others,
            (Ok(others), Err(error)) => {
                tracing::warn!(target: "tower_identity", %error, "a signing key can't be published to other nodes");
                others
            }
            (Err(error), _) => return Err(error),
        };
        let mut keys = own["keys"].as_array().cloned().unwrap_or_default();
        let others = others.iter().map(|key| &key.jwk);
        let others: Vec<_> = others.filter(|jwk| !keys.contains(jwk)).cloned().collect();
        keys.extend(others);
        Ok(json!({ "keys": keys }))
    }

    /// Mints the token of a user, with the entities they own in `ent`, unless they are left out: a plugin then needs no
    /// second call.
    ///
    /// # Errors
    ///
    /// If it would be too long, or nobody else would believe it.
    pub async fn mint_user(
        &self,
        user: &EntityRef,
        ownership: &[EntityRef],
    ) -> Result<MintedToken, MintError> {
        let signer = self.keys.signer();
        if let Some(shared) = &self.shared {
            let mut keys = self.keys.in_use();
            // It may have given way to the next one a moment ago.
            if keys.iter().all(|key| key.id != signer.id()) {
                keys.push(signer.public().clone());
            }
            if let Err(error) = shared.publish(&keys).await {
                // The one that signs may be known all the same: then only its successor has to wait.
                if !shared.is_published(signer.public()) {
                    return Err(error.into());
                }
                tracing::warn!(target: "tower_identity", %error, "the next signing key can't be published to other nodes");
            }
        }
        let now = self.clock.now();
        let expires_at = now.plus(self.lifetime);
        let (iat, exp, sub) = (now.as_unix(), expires_at.as_unix(), user.as_str());
        let ent: Vec<&str> = ownership.iter().map(EntityRef::as_str).collect();
        let kid = signer.id();
        // The limited token's signature travels as `uip`: anybody can rebuild that token from this one.
        let limited = limited::message("ES256", kid, sub, &iat.into(), &exp.into());
        let mut claims = json!({
            "iss": &*self.issuer, "sub": sub, "ent": ent, "aud": kind::PORTAL_AUDIENCE,
            "iat": iat, "exp": exp, "uip": signer.sign(&limited),
        });
        if let Some(claims) = claims.as_object_mut().filter(|_| !self.says_ownership) {
            claims.shift_remove("ent");
        }
        let header = json!({ "typ": kind::USER, "alg": "ES256", "kid": kid });
        let message = encode(&header, &claims);
        let text = format!("{message}.{}", signer.sign(&message));
        if text.len() > MAX_TOKEN {
            return Err(MintError::TooLong);
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

impl From<StoreError> for MintError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the token would be longer than 16 KiB"),
            Self::Unavailable(error) => write!(f, "the signing key can't be published: {error}"),
        }
    }
}

impl std::error::Error for MintError {}

pub(super) fn encode(header: &Value, payload: &Value) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(payload))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use futures::FutureExt as _;
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::credential::BearerToken;
    use crate::rejection::RejectionKind;
    use crate::token::StaticKey;
    use crate::verify::{JwtVerifier, Outcome, Verify as _};

    const HOUR: Duration = Duration::from_secs(3600);

    fn minted(
        issuer: &TokenIssuer,
        user: &EntityRef,
        ownership: &[EntityRef],
    ) -> Result<MintedToken, MintError> {
        issuer.mint_user(user, ownership).now_or_never().unwrap()
    }

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
        let first = minted(&issuer, &ada, std::slice::from_ref(&ada)).unwrap();
        assert_eq!(judge(&verifier, first.expose()), Ok(true));
        issuer.keys().rotate();
        let second = minted(&issuer, &ada, std::slice::from_ref(&ada)).unwrap();
        for token in [&first, &second] {
            assert_eq!(judge(&verifier, token.expose()), Ok(true));
        }
        let published = issuer.keys().jwks();
        let oldest = &published["keys"][1];
        hand.advance(HOUR);
        assert_eq!(
            judge(&verifier, first.expose()),
            Err(RejectionKind::InvalidToken)
        );
        // Keys are made anew when they are due, and forgotten when nothing they signed can live.
        hand.advance(HOUR * 3);
        let third = minted(&issuer, &ada, std::slice::from_ref(&ada)).unwrap();
        assert_eq!(judge(&verifier, third.expose()), Ok(true));
        let published = issuer.keys().jwks();
        assert!(!published["keys"].as_array().unwrap().contains(oldest));
    }

    #[test]
    fn another_issuer_is_not_recognised_and_another_key_is_refused() {
        let clock = Clock::system();
        let ours = TokenIssuer::new("https://portal/api/auth", HOUR, clock.clone());
        let forger = TokenIssuer::new("https://portal/api/auth", HOUR, clock.clone());
        let other = TokenIssuer::new("https://other/api/auth", HOUR, clock.clone());
        let verifier = JwtVerifier::build(vec![ours.as_issuer()], None, clock).unwrap();
        let ada = EntityRef::parse("user:default/ada").unwrap();
        let mint = |issuer: &TokenIssuer| minted(issuer, &ada, &[]).unwrap();
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
        let refused = minted(&issuer, &groups[0], &groups);
        assert_eq!(refused.err(), Some(MintError::TooLong));
    }

    #[test]
    fn keys_of_ones_own_sign_what_the_same_keys_elsewhere_believe() {
        let pem = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pem = STANDARD.encode(pem.to_pkcs8v1().unwrap());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
        let node = || {
            let key = StaticKey::from_pem("own", &pem.clone().into()).unwrap();
            let issuer = TokenIssuer::new("https://portal/api/auth", HOUR, Clock::system());
            issuer.with_keys(SigningKeys::fixed([key]).unwrap())
        };
        let (signs, believes) = (node(), node());
        let verifier =
            JwtVerifier::build(vec![believes.as_issuer()], None, Clock::system()).unwrap();
        let ada = EntityRef::parse("user:default/ada").unwrap();
        let token = minted(&signs, &ada, &[]).unwrap();
        assert_eq!(judge(&verifier, token.expose()), Ok(true));
    }
}
