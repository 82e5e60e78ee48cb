//! A key of the app's own, with which it proves to a provider that it is the one: `private_key_jwt`
//! (OpenID Connect Core section 9, RFC 7523).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::secret::digest::sha256;
use crate::secret::encoding::base64url;
use crate::secret::{Secret, random};
use crate::verify::jwt::Algorithm;

/// An assertion is sent at once, and is good for as long as that may take.
const LIFE: Duration = Duration::from_secs(60);
/// Weaker keys are refused (RFC 7518 section 3.3).
const MIN_RSA_BITS: usize = 2048;

/// The app's own key: a provider that has its public half takes a signature instead of a secret.
///
/// ```no_run
/// use tower_identity::provider::{ClientKey, Oidc};
/// use tower_identity::verify::jwt::Algorithm;
///
/// let pem = std::fs::read_to_string("client.key")?;
/// let key = ClientKey::from_pem(Algorithm::Es256, &pem.into())?.with_key_id("2026");
/// let oidc = Oidc::new("https://login.example.com", "client-id", key);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one, and `openssl pkey -pubout` its public
/// half. Each assertion is for the provider's issuer, or at Okta and Microsoft for the endpoint, lives for a minute and is used
/// once.
#[derive(Clone)]
#[must_use]
pub struct ClientKey {
    algorithm: Algorithm,
    id: Option<String>,
    /// The digest of its certificate (`x5t#S256`).
    certificate: Option<String>,
    pair: Arc<Pair>,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl ClientKey {
    /// The private half, for this algorithm: PKCS #8 in PEM.
    ///
    /// # Errors
    ///
    /// If the key is not one for the algorithm, or an RSA key of less than 2048 bits. The message never shows the key.
    pub fn from_pem(algorithm: Algorithm, private: &Secret<String>) -> Result<Self, ConfigMistake> {
        let mistake = |message: String| ConfigMistake::new("client key", message);
        let der = PrivatePkcs8KeyDer::from_pem_slice(private.expose().as_bytes());
        let der = der.map_err(|_| {
            mistake("expected a private key, PKCS #8 in PEM (BEGIN PRIVATE KEY)".into())
        })?;
        let der = Zeroizing::new(der.secret_pkcs8_der().to_vec());
        let pair = Pair::of(algorithm, &der)
            .ok_or_else(|| mistake(format!("expected a key for {}", algorithm.as_str())))?;
        Ok(Self {
            algorithm,
            id: None,
            certificate: None,
            pair: Arc::new(pair),
        })
    }

    /// Names the key to the provider (`kid`).
    pub fn with_key_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Names the key to the provider by its certificate, in PEM (`x5t#S256`, RFC 7515 section 4.1.8), as Microsoft Entra wants
    /// it. Its algorithm there is PS256 or RS256.
    ///
    /// # Errors
    ///
    /// If it is no certificate in PEM. Whether it is this key's the provider tells.
    pub fn with_certificate(mut self, pem: &str) -> Result<Self, ConfigMistake> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            let message = "expected a certificate in PEM (BEGIN CERTIFICATE)";
            ConfigMistake::new("client key", message)
        })?;
        self.certificate = Some(base64url(&sha256(&der)));
        Ok(self)
    }

    /// An assertion of `client` for `audience`: used once, and soon.
    pub(super) fn assert(&self, client: &str, audience: &str, clock: &Clock) -> String {
        let now = clock.now();
        let mut header = json!({ "alg": self.algorithm.as_str(), "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = id.as_str().into();
        }
        if let Some(digest) = &self.certificate {
            header["x5t#S256"] = digest.as_str().into();
        }
        let claims = json!({
            "iss": client, "sub": client, "aud": audience, "jti": random::token(),
            "iat": now.as_unix(), "exp": now.plus(LIFE).as_unix(),
        });
        let part = |value: &serde_json::Value| base64url(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(&claims));
        format!(
            "{message}.{}",
            base64url(&self.pair.sign(message.as_bytes()))
        )
    }
}

impl Pair {
    /// `None` unless it is a key for that algorithm.
    fn of(algorithm: Algorithm, pkcs8: &[u8]) -> Option<Self> {
        let ec = |curve| EcdsaKeyPair::from_pkcs8(curve, pkcs8).ok().map(Self::Ec);
        let rsa = |encoding| {
            let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
            (pair.public_modulus_len() * 8 >= MIN_RSA_BITS).then_some(Self::Rsa(pair, encoding))
        };
        match algorithm {
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8);
                pair.ok().map(Self::Ed)
            }
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Ps384 => rsa(&RSA_PSS_SHA384),
            Algorithm::Ps512 => rsa(&RSA_PSS_SHA512),
            // A shared secret is no proof of one's own.
            Algorithm::Hs256 => None,
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = random::source();
        match self {
            Self::Ec(pair) => {
                let signed = pair.sign(&random, message);
                let signed = signed.expect("the operating system must give randomness");
                signed.as_ref().to_vec()
            }
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)
                    .expect("a key of 2048 bits has room for every digest");
                signature
            }
        }
    }
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientKey")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
