//! Signatures, through jsonwebtoken's explicit aws-lc-rs provider.
//!
//! Its process-wide default is never touched: it panics when another crate in the graph turns on
//! the other backend.

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as Alg, DecodingKey};

use super::jws::{Algorithm, Jws};

/// A shared secret: it verifies HS256 and nothing else.
#[derive(Clone)]
pub(crate) struct SymmetricKey(DecodingKey);

/// A public key. The type holds no secret, so no asymmetric issuer can ever select HMAC (JW-02).
#[derive(Clone)]
pub(crate) struct PublicKey(DecodingKey);

impl SymmetricKey {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(DecodingKey::from_secret(secret))
    }

    pub(crate) fn verifies(&self, jws: &Jws<'_>) -> bool {
        jws.header.algorithm == Algorithm::Hs256 && verify(&self.0, Alg::HS256, jws)
    }
}

impl PublicKey {
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self(DecodingKey::from_rsa_raw_components(n, e))
    }

    /// The uncompressed point `04 ‖ x ‖ y`.
    pub(crate) fn ec(point: &[u8]) -> Self {
        Self(DecodingKey::from_ec_der(point))
    }

    pub(crate) fn ed25519(x: &[u8]) -> Self {
        Self(DecodingKey::from_ed_der(x))
    }

    /// Whether the signature is this key's, under the token's algorithm. That the key may be used
    /// with that algorithm is for the caller to have established.
    pub(crate) fn verifies(&self, jws: &Jws<'_>) -> bool {
        let algorithm = match jws.header.algorithm {
            Algorithm::Hs256 => return false,
            Algorithm::Es256 => Alg::ES256,
            Algorithm::Es384 => Alg::ES384,
            Algorithm::Rs256 => Alg::RS256,
            Algorithm::Rs384 => Alg::RS384,
            Algorithm::Rs512 => Alg::RS512,
            Algorithm::Ps256 => Alg::PS256,
            Algorithm::Ps384 => Alg::PS384,
            Algorithm::Ps512 => Alg::PS512,
            Algorithm::EdDsa => Alg::EdDSA,
        };
        verify(&self.0, algorithm, jws)
    }
}

fn verify(key: &DecodingKey, algorithm: Alg, jws: &Jws<'_>) -> bool {
    (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key).is_ok_and(|verifier| {
        verifier
            .verify(jws.signed.as_bytes(), &jws.signature)
            .is_ok()
    })
}
