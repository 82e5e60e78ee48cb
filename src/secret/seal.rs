//! Sealing: AES-256-GCM over a small record, bound to a purpose.
//!
//! A sealed text is `base64url(version ‖ key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16))`.
//! The purpose (such as a cookie's name) is authenticated with it, so that a text sealed for one
//! place never opens in another. The key id selects the key: there is no trial decryption.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::digest::sha256;
use super::encoding::from_base64url;
use super::random;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4;

/// The keys that seal cookies: the first seals, all of them open.
///
/// Put a new key in front to rotate; drop the old one when everything it sealed has expired.
#[derive(Clone, Debug)]
pub struct SealingKeys {
    keys: Arc<[SealingKey]>,
    /// Whose they are. What one portal sealed does not open at another that has the same secret.
    owner: Arc<str>,
}

/// One sealing key, derived from a secret of at least 32 bytes or made at random.
pub struct SealingKey {
    id: [u8; 4],
    key: LessSafeKey,
}

/// Why a text could not be sealed or opened. It never says more, so that it can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// The secret is shorter than 32 bytes.
    ShortSecret,
    /// The text is not one that these keys sealed for this purpose.
    NotOurs,
}

// ===== impl SealingKey =====

impl SealingKey {
    /// Derives a key from a secret (HKDF-SHA-256, RFC 5869).
    ///
    /// # Errors
    ///
    /// [`SealError::ShortSecret`] if the secret has fewer than 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < 32 {
            return Err(SealError::ShortSecret);
        }
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tower-identity");
        let mut key = Zeroizing::new([0u8; 32]);
        salt.extract(secret)
            .expand(&[b"seal v1"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key[..]))
            .map_err(|_| SealError::ShortSecret)?;
        Ok(Self::from_bytes(&key))
    }

    /// A fresh random key: what it seals does not survive the process.
    #[must_use]
    pub fn random() -> Self {
        Self::from_bytes(&Zeroizing::new(random::bytes::<32>()))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let digest = sha256(&[b"tower-identity key id".as_slice(), bytes].concat());
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("32 bytes are an AES-256 key");
        Self {
            id: [digest[0], digest[1], digest[2], digest[3]],
            key: LessSafeKey::new(key),
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey([redacted])")
    }
}

// ===== impl SealingKeys =====

impl SealingKeys {
    /// Seals with `current`, opens with it and with every key of `retired`.
    pub fn new(current: SealingKey, retired: impl IntoIterator<Item = SealingKey>) -> Self {
        Self {
            keys: std::iter::once(current).chain(retired).collect(),
            owner: "".into(),
        }
    }

    /// The same keys for one portal: what they seal is bound to its issuer URL.
    pub(crate) fn bound_to(&self, issuer: &str) -> Self {
        Self {
            keys: self.keys.clone(),
            owner: issuer.into(),
        }
    }

    /// Seals `plain` for `purpose`.
    pub(crate) fn seal(&self, purpose: &str, plain: &[u8]) -> String {
        let SealingKey { id, key } = &self.keys[0];
        let nonce = random::bytes::<NONCE_LEN>();
        let mut out = Vec::with_capacity(HEADER + NONCE_LEN + plain.len() + 16);
        out.push(VERSION);
        out.extend_from_slice(id);
        out.extend_from_slice(&nonce);
        let mut sealed = Zeroizing::new(plain.to_vec());
        let aad = Aad::from(self.associated_data(purpose));
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .expect("a cookie is far below the limits of AES-GCM");
        out.extend_from_slice(&sealed);
        out.extend_from_slice(tag.as_ref());
        super::encoding::base64url(&out)
    }

    /// Opens what [`seal`](Self::seal) made for the same purpose.
    pub(crate) fn open(&self, purpose: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let bytes = from_base64url(text).ok_or(SealError::NotOurs)?;
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(SealError::NotOurs)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::NotOurs)?;
        let key = match header {
            [VERSION, id @ ..] => self.keys.iter().find(|key| key.id == id),
            _ => None,
        };
        let key = key.ok_or(SealError::NotOurs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::NotOurs)?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let length = key
            .key
            .open_in_place(nonce, Aad::from(self.associated_data(purpose)), &mut buffer)
            .map_err(|_| SealError::NotOurs)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Neither an issuer URL nor a cookie's name holds a line end: the parts cannot run into one another.
    fn associated_data(&self, purpose: &str) -> Vec<u8> {
        format!("tower-identity v1\n{}\n{purpose}", self.owner).into_bytes()
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShortSecret => "a sealing secret needs at least 32 bytes",
            Self::NotOurs => "not sealed here for this purpose",
        })
    }
}

impl std::error::Error for SealError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[u8]) -> SealingKeys {
        let mut keys = secrets
            .iter()
            .map(|s| SealingKey::from_secret(&[*s; 32]).unwrap());
        let current = keys.next().unwrap();
        SealingKeys::new(current, keys)
    }

    #[test]
    fn what_was_sealed_opens() {
        let sealed = keys(&[1]).seal("session", b"hello");
        assert_eq!(
            keys(&[1]).open("session", &sealed).unwrap().as_slice(),
            b"hello"
        );
        assert_ne!(
            sealed,
            keys(&[1]).seal("session", b"hello"),
            "each seal has its own nonce"
        );
    }

    #[test]
    fn se_05_another_key_purpose_or_any_change_does_not_open() {
        let sealed = keys(&[1]).seal("session", b"hello");
        assert_eq!(keys(&[2]).open("session", &sealed), Err(SealError::NotOurs));
        assert_eq!(keys(&[1]).open("attempt", &sealed), Err(SealError::NotOurs));
        for i in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(keys(&[1]).open("session", &changed).is_err(), "byte {i}");
            assert!(
                keys(&[1]).open("session", &sealed[..i]).is_err(),
                "cut at {i}"
            );
        }
    }

    #[test]
    fn se_06_a_rotated_key_opens_until_it_is_dropped() {
        let old = keys(&[1]).seal("session", b"hello");
        assert!(keys(&[2, 1]).open("session", &old).is_ok());
        let new = keys(&[2, 1]).seal("session", b"hello");
        assert!(keys(&[2]).open("session", &new).is_ok());
        assert!(keys(&[2]).open("session", &old).is_err());
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(
            SealingKey::from_secret(&[7; 31]).unwrap_err(),
            SealError::ShortSecret
        );
    }
}
