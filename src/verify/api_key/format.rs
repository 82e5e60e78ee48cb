//! The keys we make: `<prefix>_<id>_<secret><checksum>`, and the digest that is stored of one.

use std::fmt;

use crate::error::ConfigMistake;
use crate::secret::digest::{Digest, sha256};
use crate::secret::encoding::{from_hex, hex};
use crate::secret::{Secret, random};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 256 bits in base 62.
const SECRET_LENGTH: usize = 43;
/// 32 bits in base 62.
const CHECKSUM_LENGTH: usize = 6;
const ID_LENGTH: usize = 12;

/// A new API key, to be shown once.
///
/// `tid_<id>_<secret><checksum>`: a prefix that secret scanners can look for, a public id,
/// 256 secret bits in base 62, and a CRC32 over all that stands before it, so that a mistyped key
/// is told from an unknown one without asking any store.
///
/// ```
/// let key = tower_identity::ApiKey::generate("tid");
/// assert!(key.expose().starts_with("tid_"));
/// println!("store this: {}", key.digest()); // sha256:…
/// ```
pub struct ApiKey {
    text: Secret<String>,
    id: String,
}

/// What is stored of a key: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest(Digest);

// ===== impl ApiKey =====

impl ApiKey {
    /// Makes a key. Of `prefix` only ASCII letters and digits are kept, at most 16 of them.
    #[must_use]
    pub fn generate(prefix: &str) -> Self {
        let prefix: String = prefix
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(16)
            .collect();
        let id = base62(&random::bytes::<16>(), ID_LENGTH);
        let secret = base62(&random::bytes::<32>(), SECRET_LENGTH);
        let mut text = format!("{prefix}_{id}_{secret}");
        text.push_str(&checksum(&text));
        Self {
            text: Secret::new(text),
            id,
        }
    }

    /// The key itself.
    ///
    /// # Security
    ///
    /// Show it to its owner once and store only its [`digest`](Self::digest).
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The public id within the key: safe to log and to list.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What to store.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.expose())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

// ===== impl KeyDigest =====

impl KeyDigest {
    /// The digest of a key's text.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(sha256(key.as_bytes()))
    }

    /// Reads `sha256:<64 hexadecimal digits>`.
    ///
    /// # Errors
    ///
    /// If it is anything else.
    pub fn parse(text: &str) -> Result<Self, ConfigMistake> {
        text.strip_prefix("sha256:")
            .and_then(from_hex)
            .map(Self)
            .ok_or_else(|| {
                ConfigMistake::new("tokenHash", "expected sha256: and 64 hexadecimal digits")
            })
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex(&self.0))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the form alone tells of a presented key, without looking it up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It has the form of our keys, and its checksum holds.
    Ours,
    /// It has the form of our keys, and its checksum does not hold: mistyped, or made up.
    Broken,
    /// A key of another form, such as a token from a configuration file.
    Other,
}

pub(super) fn form_of(key: &str) -> Form {
    let Some(body_length) = key.len().checked_sub(CHECKSUM_LENGTH) else {
        return Form::Other;
    };
    let Some((body, sum)) = key.split_at_checked(body_length) else {
        return Form::Other;
    };
    let mut parts = key.splitn(3, '_');
    let ours = matches!(
        (parts.next(), parts.next(), parts.next()),
        (Some(prefix), Some(id), Some(rest))
            if (1..=16).contains(&prefix.len())
                && id.len() == ID_LENGTH
                && rest.len() == SECRET_LENGTH + CHECKSUM_LENGTH
                && [prefix, id, rest].iter().all(|p| p.bytes().all(|b| b.is_ascii_alphanumeric()))
    );
    match (ours, checksum(body) == sum) {
        (false, _) => Form::Other,
        (true, true) => Form::Ours,
        (true, false) => Form::Broken,
    }
}

fn checksum(text: &str) -> String {
    base62(&crc32(text.as_bytes()).to_be_bytes(), CHECKSUM_LENGTH)
}

/// CRC-32 (ISO 3309, as in zip and in GitHub's tokens), bit by bit: keys are short.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

/// The `length` lowest digits of a big-endian number, by long division.
fn base62(number: &[u8], length: usize) -> String {
    let mut number = number.to_vec();
    let mut digits: Vec<char> = (0..length)
        .map(|_| {
            let mut remainder = 0u32;
            for byte in &mut number {
                let value = remainder * 256 + u32::from(*byte);
                *byte = u8::try_from(value / 62).unwrap_or(0);
                remainder = value % 62;
            }
            char::from(ALPHABET[remainder as usize])
        })
        .collect();
    digits.reverse();
    digits.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ak_01_a_key_has_its_form_and_only_its_digest_is_printed() {
        let key = ApiKey::generate("tid");
        let text = key.expose();
        assert_eq!(text.len(), 3 + 1 + 12 + 1 + 43 + 6);
        assert!(text.starts_with(&format!("tid_{}_", key.id())));
        assert_eq!(form_of(text), Form::Ours);
        assert_ne!(text, ApiKey::generate("tid").expose());
        assert!(!format!("{key:?}").contains(&text[17..]));
        assert_eq!(
            KeyDigest::parse(&key.digest().to_string()),
            Ok(key.digest())
        );
        assert_eq!(form_of(ApiKey::generate("a b_c-é").expose()), Form::Ours);
    }

    #[test]
    fn ak_02_any_one_changed_character_breaks_the_checksum() {
        let key = ApiKey::generate("tid");
        for i in 17..key.expose().len() {
            let mut text = key.expose().as_bytes().to_vec();
            text[i] = if text[i] == b'a' { b'b' } else { b'a' };
            assert_eq!(
                form_of(std::str::from_utf8(&text).unwrap()),
                Form::Broken,
                "at {i}"
            );
        }
    }

    #[test]
    fn ak_15_other_forms_are_other() {
        let long = "x".repeat(200);
        for other in [
            "",
            "a",
            "tid__",
            "tid_a_b",
            "éééééé",
            &format!("{long}_a_b"),
            "a.b.c",
            "١٢٣_١_١",
        ] {
            assert_eq!(form_of(other), Form::Other, "{other}");
        }
    }

    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(base62(&61u32.to_be_bytes(), 2), "0z");
        assert_eq!(base62(&[0xff; 32], 43).len(), 43);
    }

    #[test]
    fn a_digest_of_another_form_is_refused() {
        let hex64 = "a".repeat(64);
        for bad in [
            "",
            "sha256:",
            "sha256:zz",
            &hex64,
            &format!("sha256:{hex64}0"),
            &format!("sha512:{hex64}"),
        ] {
            assert!(KeyDigest::parse(bad).is_err(), "{bad}");
        }
    }
}
