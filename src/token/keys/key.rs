//! One key that signs: made at random, or an operator's own.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey,
};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::ConfigMistake;
use crate::secret::encoding::base64url;
use crate::secret::{Secret, random};

/// What stands before the point in the DER of every P-256 public key (RFC 5480 section 2).
const SPKI_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key id is a short word: it stands in the header of every token.
const MAX_ID: usize = 128;

/// A P-256 key for ES256 (RFC 7518 section 3.4), and the public half as it is published.
#[derive(Clone)]
pub(super) struct SigningKey {
    pub(super) public: PublicJwk,
    key: Arc<EncodingKey>,
}

/// A public key in a key set.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::token) struct PublicJwk {
    pub(in crate::token) id: String,
    pub(in crate::token) jwk: Value,
}

/// A signing key of your own, from PEM: for [`SigningKeys::fixed`](super::SigningKeys::fixed).
///
/// ```no_run
/// use tower_identity::token::{SigningKeys, StaticKey};
///
/// let key = std::fs::read_to_string("portal.key")?;
/// let retired = std::fs::read_to_string("portal-2025.pub")?;
/// let keys = SigningKeys::fixed([
///     StaticKey::from_pem("2026", &key.into())?,
///     StaticKey::retired_from_pem("2025", &retired)?,
/// ])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one, and `openssl pkey -pubout` its public
/// half.
#[derive(Clone)]
pub struct StaticKey {
    pub(super) public: PublicJwk,
    /// A retired key has none.
    pub(super) private: Option<SigningKey>,
}

// ===== impl SigningKey =====

impl SigningKey {
    pub(super) fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the operating system must give randomness");
        let private = pair.to_pkcs8v1().expect("a fresh key has an encoding");
        Self::of(random::uuid(), &pair, private.as_ref())
    }

    fn of(id: String, pair: &EcdsaKeyPair, pkcs8: &[u8]) -> Self {
        Self {
            public: PublicJwk::of_point(id, pair.public_key().as_ref()),
            key: Arc::new(EncodingKey::from_ec_der(pkcs8)),
        }
    }

    pub(super) fn sign(&self, message: &str) -> String {
        let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::ES256, &self.key)
            .expect("only P-256 keys are made or accepted");
        base64url(&signer.sign(message.as_bytes()))
    }
}

// ===== impl PublicJwk =====

impl PublicJwk {
    /// Of an uncompressed point (SEC 1 section 2.3.3).
    fn of_point(id: String, point: &[u8]) -> Self {
        let jwk = json!({
            "kty": "EC", "x": base64url(&point[1..33]), "y": base64url(&point[33..65]), "crv": "P-256",
            "kid": id, "alg": "ES256", "use": "sig",
        });
        Self { id, jwk }
    }
}

// ===== impl StaticKey =====

impl StaticKey {
    /// The key of this id, and its private half: PKCS #8 in PEM, as Backstage's `privateKeyFile` is.
    ///
    /// # Errors
    ///
    /// If it is no P-256 key, or the id is no word of at most 128 visible characters. The message never shows the key.
    pub fn from_pem(
        id: impl Into<String>,
        private: &Secret<String>,
    ) -> Result<Self, ConfigMistake> {
        let id = checked_id(id.into())?;
        let wrong = || mistake("expected a P-256 private key, PKCS #8 in PEM (BEGIN PRIVATE KEY)");
        let der = PrivatePkcs8KeyDer::from_pem_slice(private.expose().as_bytes());
        let der = Zeroizing::new(der.map_err(|_| wrong())?.secret_pkcs8_der().to_vec());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
            .map_err(|_| wrong())?;
        let key = SigningKey::of(id, &pair, &der);
        Ok(Self {
            public: key.public.clone(),
            private: Some(key),
        })
    }

    /// A key that does not sign any more, by its public half: a SubjectPublicKeyInfo in PEM, as Backstage's
    /// `publicKeyFile` is. Keep it for as long as what it signed can live.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn retired_from_pem(id: impl Into<String>, public: &str) -> Result<Self, ConfigMistake> {
        let id = checked_id(id.into())?;
        let point = p256_point(public)
            .ok_or_else(|| mistake("expected a P-256 public key in PEM (BEGIN PUBLIC KEY)"))?;
        Ok(Self {
            public: PublicJwk::of_point(id, &point),
            private: None,
        })
    }

    /// Checks that this is its public half as well.
    ///
    /// # Errors
    ///
    /// If it is another key's.
    pub fn with_public_pem(self, public: &str) -> Result<Self, ConfigMistake> {
        let given = Self::retired_from_pem(self.public.id.clone(), public)?;
        if given.public != self.public {
            return Err(mistake("is not the public half of the private key"));
        }
        Ok(self)
    }
}

impl std::fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticKey")
            .field("id", &self.public.id)
            .field("signs", &self.private.is_some())
            .finish()
    }
}

/// The uncompressed point of a P-256 public key: a SubjectPublicKeyInfo in PEM.
pub(crate) fn p256_point(pem: &str) -> Option<[u8; 65]> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
    let point: [u8; 65] = der.strip_prefix(SPKI_HEADER.as_slice())?.try_into().ok()?;
    // Not every pair of numbers is a point of the curve.
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
    (point[0] == 4).then_some(point)
}

fn checked_id(id: String) -> Result<String, ConfigMistake> {
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(mistake("expected an id of visible characters"));
    }
    Ok(id)
}

fn mistake(message: &str) -> ConfigMistake {
    ConfigMistake::new("signing key", message)
}
