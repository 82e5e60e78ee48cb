//! Tokens made to order, signed by the provider's own keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::keys::{Algorithm, KeyPairs};
use crate::clock::Timestamp;
use crate::secret::random;

/// Makes a JWT that the provider's key set verifies; begun by [`Provider::token`](super::Provider::token).
///
/// It starts as a good access token (RFC 9068): `typ` is `at+jwt`, and the claims are `iss`, `sub` and
/// `client_id` (both the provider's first client), `aud` (the issuer), `iat`, `exp` and `jti`. Whatever is
/// replaced or left out from there is what the test is about.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # use std::time::Duration;
/// # use tower_identity::testing::{Algorithm, Provider};
/// let provider = Provider::start().await?;
/// let good = provider
///     .token()
///     .with_subject("user-ada")
///     .with_audience("https://api.example.com")
///     .with_claim("scope", "read write")
///     .with_lifetime(Duration::from_secs(60));
///
/// for bad in [
///     good.clone().without_claim("exp"),
///     good.clone().with_claim("iss", "https://elsewhere.example"),
///     good.clone().with_header("alg", "none"),
///     good.clone().with_header("kid", "unknown"),
/// ] {
///     assert_ne!(bad.sign(), good.sign());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a token is made by `sign`"]
pub struct TokenBuilder {
    keys: Arc<KeyPairs>,
    algorithm: Algorithm,
    now: Timestamp,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

// ===== impl TokenBuilder =====

impl TokenBuilder {
    pub(super) fn new(
        keys: Arc<KeyPairs>,
        algorithm: Algorithm,
        now: Timestamp,
        lifetime: Duration,
    ) -> Self {
        let mut token = Self {
            keys,
            algorithm,
            now,
            header: Map::new(),
            claims: Map::new(),
        };
        token.header.insert("typ".into(), json!("at+jwt"));
        token.claims.insert("iat".into(), json!(now.as_unix()));
        token.claims.insert("jti".into(), json!(random::uuid()));
        token.with_lifetime(lifetime)
    }

    /// Sets the `sub`.
    pub fn with_subject(self, subject: impl Into<String>) -> Self {
        self.with_claim("sub", subject.into())
    }

    /// Sets the `aud`; for several, give a list to [`with_claim`](Self::with_claim).
    pub fn with_audience(self, audience: impl Into<String>) -> Self {
        self.with_claim("aud", audience.into())
    }

    /// Sets the `exp` to this long after now, in whole seconds; zero makes a token that has just expired.
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        let expiry = self.now.plus(lifetime).as_unix();
        self.with_claim("exp", expiry)
    }

    /// Sets a claim, of any name and type.
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.shift_remove(name);
        self
    }

    /// Sets a header parameter, such as `typ`, or an `alg` or `kid` that do not match the key.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Signs with this algorithm instead of the provider's usual one.
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The JWT, in compact form.
    ///
    /// # Panics
    ///
    /// If the machine is out of memory or entropy; never because of what the token says.
    #[must_use]
    pub fn sign(&self) -> String {
        self.try_sign()
            .expect("a key of the provider's own can sign")
    }

    /// As [`sign`](Self::sign), for what is asked for over the wire.
    pub(super) fn try_sign(&self) -> Result<String, aws_lc_rs::error::Unspecified> {
        self.sign_bent(|_, _| {})
    }

    /// As [`sign`](Self::sign), with the last word on what is signed, `alg` and `kid` too.
    pub(super) fn sign_bent(
        &self,
        bend: impl FnOnce(&mut Map<String, Value>, &mut Map<String, Value>),
    ) -> Result<String, aws_lc_rs::error::Unspecified> {
        let mut header = self.keys.header(self.algorithm);
        header.extend(self.header.clone());
        let mut claims = self.claims.clone();
        bend(&mut header, &mut claims);
        self.keys.sign(self.algorithm, &header, &claims)
    }

    /// Adds claims, replacing those of the same name.
    pub(super) fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims.extend(claims);
        self
    }
}

/// Without the claims: a log is no place for them.
impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
