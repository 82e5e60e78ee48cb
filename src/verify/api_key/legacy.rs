//! Backstage's legacy service tokens (spec section 8.2): HS256 over a shared secret, `sub` = `backstage-server`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::KeyRecord;
use crate::clock::Timestamp;
use crate::identity::VerifiedIdentity;
use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::secret::digest::{Digest, sha256};
use crate::verify::jwt::claims::time_verdict;
use crate::verify::jwt::jws::{Algorithm, Jws};
use crate::verify::jwt::signature::SymmetricKey;

/// Keys shorter than this are not used for HMAC, whatever the secret they were decoded from.
pub(super) const MIN_KEY: usize = 16;

#[derive(Clone)]
pub(super) struct LegacySecret {
    keys: Vec<SymmetricKey>,
    /// What tells the keys apart as HMAC has them.
    digests: Vec<Digest>,
    record: KeyRecord,
}

impl LegacySecret {
    pub(super) fn new(secret: &Secret<String>, record: KeyRecord) -> Self {
        // Backstage signs with the base64 decoding of the secret; people who sign by hand use the text.
        let decoded = decode_like_node(secret.expose());
        let keys = [decoded, secret.expose().as_bytes().to_vec()];
        let keys = keys.iter().filter(|k| k.len() >= MIN_KEY);
        Self {
            digests: keys.clone().map(|k| hmac_digest(k)).collect(),
            keys: keys.map(|k| SymmetricKey::new(k)).collect(),
            record,
        }
    }

    /// Equal digests are equal keys, however they were written.
    pub(super) fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// `None` if the token is not one of this secret's.
    pub(super) fn judge(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Option<Result<VerifiedIdentity, Rejection>> {
        let jws = Jws::parse(token).ok()?;
        if jws.header.algorithm != Algorithm::Hs256 {
            return None;
        }
        let claims = jws.claims().ok()?;
        let subject = claims.get("sub").and_then(|sub| sub.as_str());
        if subject != Some("backstage-server") || claims.contains_key("aud") {
            return None;
        }
        if !self.keys.iter().any(|key| key.verifies(&jws)) {
            return None;
        }
        // Backstage lets a token without exp live for ever (trap 4); ours ends or is refused.
        Some(match time_verdict(&claims, now) {
            Ok(expires_at) if self.record.expires_at.is_none_or(|at| at > now) => {
                Ok(self.record.identity(Some(expires_at)))
            }
            Ok(_) => Err(Rejection::invalid(format!(
                "the key {} has expired",
                self.record.id
            ))),
            Err(reason) => Err(Rejection::invalid(format!("legacy token: {reason}"))),
        })
    }
}

/// A digest of the key as HMAC uses it: longer ones are hashed, shorter ones padded with zeros (RFC 2104).
fn hmac_digest(key: &[u8]) -> Digest {
    const BLOCK: usize = 64;
    if key.len() > BLOCK {
        sha256(significant(&sha256(key)))
    } else {
        sha256(significant(key))
    }
}

/// A key without the zeros at its end.
pub(super) fn significant(key: &[u8]) -> &[u8] {
    let end = key.iter().rposition(|byte| *byte != 0).map_or(0, |i| i + 1);
    key.get(..end).unwrap_or_default()
}

/// Node's `Buffer.from(text, 'base64url')`: both alphabets, padding optional, anything else skipped.
pub(super) fn decode_like_node(text: &str) -> Vec<u8> {
    let until_padding = text.split('=').next().unwrap_or_default();
    let mut clean: String = until_padding
        .chars()
        .filter_map(|c| match c {
            '+' => Some('-'),
            '/' => Some('_'),
            c if c.is_ascii_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect();
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&URL_SAFE, config)
        .decode(clean)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_decoded_as_node_does() {
        for (text, expected) in [
            ("aGVsbG8", &b"hello"[..]),
            ("aGVsbG8=", b"hello"),
            ("aGVs bG8", b"hello"),
            ("a-_/+A", &[0x6b, 0xef, 0xff, 0xf8]),
            ("", b""),
            ("a", b""),
        ] {
            assert_eq!(decode_like_node(text), expected, "{text}");
        }
    }
}
