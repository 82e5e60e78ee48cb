//! One key set, parsed key by key: a bad key never sinks the good ones.

use std::fmt;

use serde_json::{Map, Value};

use crate::secret::encoding::from_base64url;
use crate::verify::jwt::jws::Algorithm;
use crate::verify::jwt::signature::PublicKey;

/// More keys than this are not read.
const MAX_KEYS: usize = 100;

/// An issuer's public keys.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone)]
pub(crate) struct Key {
    id: Option<Box<str>>,
    /// What the key may verify: settled by its type, curve, `alg`, `use` and `key_ops` together.
    algorithms: Vec<Algorithm>,
    public: PublicKey,
}

impl KeySet {
    /// Reads a JWK Set. Keys that are private, symmetric, weak, for encryption or of an unknown kind are
    /// left out; `None` if the text is no key set at all.
    ///
    /// ```
    /// use tower_identity::verify::jwks::KeySet;
    ///
    /// assert!(KeySet::parse(br#"{"keys":[]}"#).is_some());
    /// assert!(KeySet::parse(br#"<html>"#).is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        // Of a member that stands twice the last one counts: whoever can write the set can write any key into it.
        let set: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let keys = set.get("keys")?.as_array()?;
        let keys = keys
            .iter()
            .take(MAX_KEYS)
            .filter_map(|jwk| Key::parse(jwk.as_object()?))
            .collect();
        Some(Self { keys })
    }

    /// Whether there is no usable key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of usable keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The one key that fits. A token without a key id is served if exactly one fits;
    /// so is a key id that stands twice. More than one is ambiguous, and none.
    pub(crate) fn find(&self, algorithm: Algorithm, key_id: Option<&str>) -> Option<PublicKey> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm)
                && key_id.is_none_or(|id| key.id.as_deref() == Some(id))
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key.public.clone()),
            _ => None,
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| key.id.as_deref()))
            .finish()
    }
}

impl Key {
    fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        // `k` is a secret, `d` a private key: neither belongs into a published set, and neither is used.
        if jwk.contains_key("k") || jwk.contains_key("d") {
            return None;
        }
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        if let Some(ops) = jwk.get("key_ops")
            && !ops.as_array()?.iter().any(|op| op == "verify")
        {
            return None;
        }
        let id = match jwk.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.as_str().into()),
            // A key id of another type can't be named by a token, whose kid is a string.
            Some(_) => return None,
        };
        let number = |name: &str| text(name).and_then(public_number);
        let (public, fitting) = match text("kty")? {
            "RSA" => {
                let (n, e) = (number("n")?, number("e")?);
                strong_rsa(&n, &e).then_some(())?;
                (PublicKey::rsa(&n, &e), &Algorithm::ASYMMETRIC[2..8])
            }
            "EC" => {
                let (size, fitting) = match text("crv")? {
                    "P-256" => (32, &Algorithm::ASYMMETRIC[0..1]),
                    "P-384" => (48, &Algorithm::ASYMMETRIC[1..2]),
                    _ => return None,
                };
                let (x, y) = (number("x")?, number("y")?);
                (x.len() == size && y.len() == size).then_some(())?;
                (PublicKey::ec(&[&[4], x.as_slice(), &y].concat()), fitting)
            }
            "OKP" if text("crv") == Some("Ed25519") => {
                let x = number("x").filter(|x| x.len() == 32)?;
                (PublicKey::ed25519(&x), &Algorithm::ASYMMETRIC[8..])
            }
            _ => return None,
        };
        let algorithms: Vec<_> = match jwk.get("alg") {
            None => fitting.to_vec(),
            Some(alg) => {
                let only = Algorithm::parse(alg.as_str()?)?;
                fitting.iter().copied().filter(|a| *a == only).collect()
            }
        };
        (!algorithms.is_empty()).then_some(Self {
            id,
            algorithms,
            public,
        })
    }
}

/// A number of a public key. Some providers publish it in the other alphabet, or padded (Battle.net does);
/// what is published is public, and one number has one meaning in all of these forms.
fn public_number(text: &str) -> Option<Vec<u8>> {
    let plain = text
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    from_base64url(&plain)
}

/// 2048 to 8192 bits, odd, with an odd exponent above 2^16 that fits 33 bits (NIST SP 800-56B, JW-19).
fn strong_rsa(n: &[u8], e: &[u8]) -> bool {
    let strip = |number: &[u8]| {
        number
            .iter()
            .skip_while(|b| **b == 0)
            .copied()
            .collect::<Vec<u8>>()
    };
    let (n, e) = (strip(n), strip(e));
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let exponent = e
        .iter()
        .fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    (2048..=8192).contains(&bits)
        && n.last().is_some_and(|last| last & 1 == 1)
        && e.len() <= 5
        && exponent > 1 << 16
        && exponent & 1 == 1
}

/// Reads the members of one strict JWK object: for vectors that come one key at a time.
#[cfg(test)]
pub(crate) fn one(jwk: &str) -> KeySet {
    let key =
        crate::verify::jwt::json::parse_object(jwk.as_bytes()).and_then(|jwk| Key::parse(&jwk));
    KeySet {
        keys: key.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::encoding::base64url;

    fn ec(extra: &str) -> String {
        let x = base64url(&[1; 32]);
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"{extra}}}"#)
    }

    fn rsa(n: &[u8], e: &[u8]) -> String {
        format!(
            r#"{{"kty":"RSA","kid":"r","n":"{}","e":"{}"}}"#,
            base64url(n),
            base64url(e)
        )
    }

    #[test]
    fn jw_20_a_bad_key_is_skipped_and_the_good_one_used() {
        let bad = [
            r#"{"kty":"oct","k":"AAAA","alg":"HS256"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"","y":""}"#,
            "{}",
            "1",
            "null",
            r#"{"kty":"RSA"}"#,
            r#"{"kty":7}"#,
            &ec(r#","d":"AAAA""#),
            &ec(r#","kid":7"#),
            &ec(r#","use":"enc""#),
            &ec(r#","key_ops":["sign"]"#),
            &ec(r#","alg":"RS256""#),
            &ec(r#","alg":"ES384""#),
            r#"{"kty":"EC","crv":"P-256","x":"!","y":"!"}"#,
        ];
        let set = format!(
            r#"{{"keys":[{},{}]}}"#,
            bad.join(","),
            ec(r#","kid":"good""#)
        );
        let set = KeySet::parse(set.as_bytes()).unwrap();
        assert_eq!(set.len(), 1);
        assert!(set.find(Algorithm::Es256, Some("good")).is_some());
        assert!(
            set.find(Algorithm::Es256, None).is_some(),
            "exactly one fits"
        );
        assert!(set.find(Algorithm::Es256, Some("other")).is_none());
        assert!(set.find(Algorithm::Es384, Some("good")).is_none());
        assert!(set.find(Algorithm::Hs256, Some("good")).is_none());
    }

    #[test]
    fn st_09_an_ambiguous_key_is_none() {
        let set = format!(
            r#"{{"keys":[{},{}]}}"#,
            ec(r#","kid":"a""#),
            ec(r#","kid":"a""#)
        );
        let set = KeySet::parse(set.as_bytes()).unwrap();
        assert!(set.find(Algorithm::Es256, Some("a")).is_none());
        assert!(set.find(Algorithm::Es256, None).is_none());
    }

    #[test]
    fn jw_19_a_weak_rsa_key_is_skipped() {
        let n = [0xff; 256];
        for (n, e, good) in [
            (&n[..], &[1, 0, 1][..], true),
            (&n[..128], &[1, 0, 1], false),
            (&n, &[1], false),
            (&n, &[3], false),
            (&n, &[1, 0, 0], false),
            (&[&n[..255], &[0xfe]].concat(), &[1, 0, 1], false),
            (&[&[0; 200][..], &n[..100]].concat(), &[1, 0, 1], false),
            (&[0xff; 2000], &[1, 0, 1], false),
        ] {
            assert_eq!(
                !one(&rsa(n, e)).is_empty(),
                good,
                "{} bytes, e {e:?}",
                n.len()
            );
        }
    }

    #[test]
    fn what_is_no_key_set_is_none_and_a_large_one_is_cut() {
        for bad in ["", "[]", "<html>", "{}", r#"{"keys":{}}"#, r#"{"keys":"#] {
            assert!(KeySet::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        let many = vec![ec(""); 1000].join(",");
        assert_eq!(
            KeySet::parse(format!(r#"{{"keys":[{many}]}}"#).as_bytes())
                .unwrap()
                .len(),
            MAX_KEYS
        );
    }
}
