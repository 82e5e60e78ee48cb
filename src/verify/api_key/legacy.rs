//! Backstage's legacy service tokens (spec section 8.2): HS256 over a shared secret, `sub` = `backstage-server`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use zeroize::Zeroizing;

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
const MIN_KEY: usize = 16;

/// And with fewer different bytes than this a key has been made up, not drawn.
const MIN_VARIETY: usize = 8;

#[derive(Clone)]
pub(super) struct LegacySecret {
    keys: Vec<SymmetricKey>,
    digests: Vec<Digest>,
    record: KeyRecord,
}

impl LegacySecret {
    /// # Errors
    ///
    /// If the key that Backstage makes of the secret can be guessed.
    pub(super) fn new(secret: &Secret<String>, record: KeyRecord) -> Result<Self, &'static str> {
        // Backstage signs with the base64 decoding of the secret; people who sign by hand use the text.
        let decoded = Zeroizing::new(decode_like_node(secret.expose()));
        // HMAC fills a key up with zeros: those at its end are none of it.
        let length = decoded
            .iter()
            .rposition(|b| *b != 0)
            .map_or(0, |last| last + 1);
        let effective = &decoded[..length];
        let decodes = decoded.len() >= MIN_KEY;
        if decodes && (length < MIN_KEY || variety(effective) < MIN_VARIETY) {
            return Err("expected a random secret: the key that it decodes to can be guessed");
        }
        let text = secret.expose().as_bytes();
        let keys = [Some(effective).filter(|_| decodes), Some(text)];
        let keys: Vec<&[u8]> = keys.into_iter().flatten().collect();
        Ok(Self {
            keys: keys.iter().map(|key| SymmetricKey::new(key)).collect(),
            digests: keys.iter().map(|key| sha256(key)).collect(),
            record,
        })
    }

    /// Whether a token signed with one could be taken for the other's.
    pub(super) fn shares_a_key(&self, other: &Self) -> bool {
        self.digests.iter().any(|key| other.digests.contains(key))
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

fn variety(key: &[u8]) -> usize {
    key.iter().collect::<std::collections::HashSet<_>>().len()
}

/// Node's `Buffer.from(text, 'base64url')`: both alphabets, padding optional, anything else skipped.
fn decode_like_node(text: &str) -> Vec<u8> {
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

    #[test]
    fn jw_03_a_secret_whose_key_can_be_guessed_is_refused() {
        let make = |text: &str| {
            let record = KeyRecord::new(crate::verify::api_key::KeyDigest::of(text), "id", "ci");
            LegacySecret::new(&Secret::from(text), record)
        };
        for weak in [
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "YWJjAAAAAAAAAAAAAAAAAAAA",
            "abababababababababababababababab",
        ] {
            assert!(make(weak).is_err(), "{weak}");
        }
        let good = make("c2VjcmV0LWtleS10aGF0LWlzLXJhbmRvbS1lbm91Z2g").unwrap();
        let padded = make("c2VjcmV0LWtleS10aGF0LWlzLXJhbmRvbS1lbm91Z2g=").unwrap();
        let other = make("YW5vdGhlci1rZXktdGhhdC1pcy1yYW5kb20tZW5vdWdo").unwrap();
        assert!(good.shares_a_key(&padded) && !good.shares_a_key(&other));
    }
}
