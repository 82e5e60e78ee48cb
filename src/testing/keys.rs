//! The keys that sign, the key set that is published, and how one follows the other.

use std::io;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Map, Value, json};

use crate::secret::encoding::base64url;
use crate::secret::random;

/// How a [`Provider`](super::Provider) signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSA with 2048 bits and SHA-256: what every provider speaks, and the default.
    #[default]
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
}

/// One key of each algorithm; they come and go together.
pub(super) struct KeyPairs {
    rsa: (String, RsaKeyPair),
    ec: (String, EcdsaKeyPair),
}

/// The keys that sign now, and the earlier ones that are still published.
pub(super) struct KeyRing {
    current: Arc<KeyPairs>,
    retired: Vec<Arc<KeyPairs>>,
}

// ===== impl Algorithm =====

impl Algorithm {
    /// The `alg` of a JWT header (RFC 7518 section 3.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

// ===== impl KeyPairs =====

impl KeyPairs {
    /// New keys; an RSA key takes about 100 milliseconds, which no async task should be kept waiting for.
    pub(super) async fn generate() -> io::Result<Self> {
        tokio::task::spawn_blocking(|| {
            Ok(Self {
                rsa: (random::uuid(), RsaKeyPair::generate(KeySize::Rsa2048)?),
                ec: (
                    random::uuid(),
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
                ),
            })
        })
        .await?
        .map_err(|Unspecified| io::Error::other("the keys could not be generated"))
    }

    /// The `kid` of the key for `algorithm`.
    pub(super) fn id(&self, algorithm: Algorithm) -> &str {
        match algorithm {
            Algorithm::Rs256 => &self.rsa.0,
            Algorithm::Es256 => &self.ec.0,
        }
    }

    /// The `alg` and `kid` of the key for `algorithm`.
    pub(super) fn header(&self, algorithm: Algorithm) -> Map<String, Value> {
        let mut header = Map::new();
        header.insert("alg".into(), json!(algorithm.name()));
        header.insert("kid".into(), json!(self.id(algorithm)));
        header
    }

    /// A JWT (RFC 7515 section 7.1) of this header and these claims.
    pub(super) fn sign(
        &self,
        algorithm: Algorithm,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Result<String, Unspecified> {
        let [header, claims] = [header, claims]
            .map(|part| serde_json::to_vec(part).map(|json| base64url(&json)))
            .map(|part| part.map_err(|_| Unspecified));
        let message = format!("{}.{}", header?, claims?);
        let rng = SystemRandom::new();
        let signature = match algorithm {
            Algorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.1.public_modulus_len()];
                self.rsa
                    .1
                    .sign(&RSA_PKCS1_SHA256, &rng, message.as_bytes(), &mut signature)?;
                base64url(&signature)
            }
            Algorithm::Es256 => base64url(self.ec.1.sign(&rng, message.as_bytes())?.as_ref()),
        };
        Ok(format!("{message}.{signature}"))
    }

    fn jwks(&self) -> [Value; 2] {
        let public = self.rsa.1.public_key();
        // An uncompressed point: a byte 4, then 32 bytes each (SEC 1 section 2.3.3).
        let point = self.ec.1.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        [
            json!({
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.rsa.0,
                "n": base64url(public.modulus().big_endian_without_leading_zero()),
                "e": base64url(public.exponent().big_endian_without_leading_zero()),
            }),
            json!({
                "kty": "EC", "use": "sig", "alg": "ES256", "kid": self.ec.0,
                "crv": "P-256", "x": base64url(x), "y": base64url(y),
            }),
        ]
    }
}

// ===== impl KeyRing =====

impl KeyRing {
    pub(super) fn new(keys: KeyPairs) -> Self {
        Self {
            current: Arc::new(keys),
            retired: Vec::new(),
        }
    }

    /// The keys that sign; shared, so that nobody signs while holding a lock.
    pub(super) fn current(&self) -> Arc<KeyPairs> {
        self.current.clone()
    }

    /// Signs with `keys` from now on; what the old ones signed stays verifiable.
    pub(super) fn rotate(&mut self, keys: KeyPairs) {
        let old = std::mem::replace(&mut self.current, Arc::new(keys));
        self.retired.push(old);
    }

    /// Signs with `keys` from now on, and publishes no others.
    pub(super) fn replace(&mut self, keys: KeyPairs) {
        *self = Self::new(keys);
    }

    /// The published key set (RFC 7517 section 5), newest first.
    pub(super) fn jwks(&self) -> Value {
        let keys = std::iter::once(&self.current).chain(self.retired.iter().rev());
        json!({ "keys": keys.flat_map(|keys| keys.jwks()).collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rotated_key_stays_published_and_a_withdrawn_one_does_not() {
        let mut ring = KeyRing::new(KeyPairs::generate().await.unwrap());
        let first = ring.jwks()["keys"].clone();
        assert_eq!(first.as_array().unwrap().len(), 2);
        assert_eq!(first[1]["x"].as_str().unwrap().len(), 43);
        assert_eq!(first[1]["y"].as_str().unwrap().len(), 43);

        ring.rotate(KeyPairs::generate().await.unwrap());
        let second = ring.jwks()["keys"].clone();
        assert_eq!(second.as_array().unwrap().len(), 4);
        assert_eq!(second[2]["kid"], first[0]["kid"]);
        assert_eq!(
            second[0]["kid"],
            json!(ring.current().id(Algorithm::default()))
        );

        ring.replace(KeyPairs::generate().await.unwrap());
        let third = ring.jwks()["keys"].clone();
        assert_eq!(third.as_array().unwrap().len(), 2);
        assert_ne!(third[0]["kid"], second[0]["kid"]);
    }
}
