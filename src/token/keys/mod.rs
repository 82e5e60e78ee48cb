//! The keys that sign: replaced in time, published before they sign, and as long as what they signed can live.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Value, json};

mod key;
mod ring;

pub(super) use self::key::PublicJwk;
use self::key::SigningKey;
pub use self::key::StaticKey;
#[cfg(feature = "sign-in")]
pub(crate) use self::key::p256_point;
use self::ring::Ring;
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::verify::jwks::{KeySet, KeySource};

/// ES256 keys: those of this process, which are made at random and never written anywhere, or keys of your own.
///
/// A key signs for one token lifetime. The next one is published a minute before it signs, so that no verifier meets a
/// token of a key that it could not have seen; and each stays published for two lifetimes after it has signed its last
/// token. Cloning shares the keys.
#[derive(Clone)]
pub struct SigningKeys(Arc<Inner>);

struct Inner {
    clock: Clock,
    keys: Keys,
    published: Arc<ArcSwap<KeySet>>,
}

enum Keys {
    Turning {
        ring: Mutex<Ring>,
        lifetime: Duration,
    },
    Fixed {
        signer: SigningKey,
        public: Vec<PublicJwk>,
    },
}

/// A key that signs now. What holds it may take its time.
pub(super) struct Signer(SigningKey);

impl SigningKeys {
    /// A first key; `lifetime` is that of the tokens to be signed.
    #[must_use]
    pub fn new(clock: Clock, lifetime: Duration) -> Self {
        let ring = Mutex::default();
        let keys = Self::of(clock, Keys::Turning { ring, lifetime });
        keys.turn();
        keys
    }

    /// Keys of your own: the first signs, and all of them are published. They are the same on every node and after
    /// every restart, and turning them over is yours.
    ///
    /// # Errors
    ///
    /// If there is none, the first is a retired one, or two have one id.
    pub fn fixed(keys: impl IntoIterator<Item = StaticKey>) -> Result<Self, ConfigMistake> {
        let keys: Vec<StaticKey> = keys.into_iter().collect();
        let mistake = |message| ConfigMistake::new("signing keys", message);
        let first = keys.first().ok_or_else(|| mistake("expected a key"))?;
        let signer = first.private.clone();
        let signer = signer.ok_or_else(|| mistake("the first must have its private half"))?;
        let public: Vec<PublicJwk> = keys.into_iter().map(|key| key.public).collect();
        let mut ids: Vec<&str> = public.iter().map(|key| key.id.as_str()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|two| two[0] == two[1]) {
            return Err(mistake("two have one id"));
        }
        let keys = Self::of(Clock::system(), Keys::Fixed { signer, public });
        keys.publish(keys.public().iter());
        Ok(keys)
    }

    /// Makes a new key that signs from now on. The one before stays published. Keys of your own stay as they are.
    pub fn rotate(&self) {
        if let Keys::Turning { ring, .. } = &self.0.keys {
            let mut ring = lock(ring);
            ring.replace(self.0.clock.monotonic());
            self.publish(ring.public());
        }
    }

    /// The published key set (RFC 7517), public halves only.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.turn();
        json!({ "keys": self.public().into_iter().map(|key| key.jwk).collect::<Vec<_>>() })
    }

    /// The same set for verifiers in this process.
    pub(crate) fn source(&self) -> KeySource {
        KeySource::Local(self.0.published.clone())
    }

    /// The key that signs now. It is published.
    pub(super) fn signer(&self) -> Signer {
        self.turn();
        Signer(match &self.0.keys {
            Keys::Fixed { signer, .. } => signer.clone(),
            Keys::Turning { ring, .. } => {
                let mut ring = lock(ring);
                let now = self.0.clock.monotonic();
                if ring.signer(now).is_none() {
                    ring.replace(now);
                }
                // Signing takes tens of microseconds: nobody else should wait for it.
                ring.signer(now)
                    .expect("one was made if there was none")
                    .clone()
            }
        })
    }

    /// The keys that sign, or will: of those that are published the newest, down to the one that signs now.
    pub(super) fn in_use(&self) -> Vec<PublicJwk> {
        let signer = self.signer();
        let mut keys = self.public();
        let last = keys.iter().position(|key| key.id == signer.id());
        keys.truncate(last.map_or(0, |last| last + 1));
        keys
    }

    /// Every key that is published, the newest first.
    pub(super) fn public(&self) -> Vec<PublicJwk> {
        match &self.0.keys {
            Keys::Fixed { public, .. } => public.clone(),
            Keys::Turning { ring, .. } => lock(ring).public().cloned().collect(),
        }
    }

    fn of(clock: Clock, keys: Keys) -> Self {
        let published = Arc::default();
        Self(Arc::new(Inner {
            clock,
            keys,
            published,
        }))
    }

    /// Does what is due, and publishes what came of it.
    fn turn(&self) {
        let Keys::Turning { ring, lifetime } = &self.0.keys else {
            return;
        };
        let mut ring = lock(ring);
        if ring.turn(self.0.clock.monotonic(), *lifetime) {
            self.publish(ring.public());
        }
    }

    /// Under the ring's lock: an older set must not come to lie on top of a newer one.
    fn publish<'k>(&self, keys: impl Iterator<Item = &'k PublicJwk>) {
        self.0.published.store(Arc::new(key_set(keys)));
    }
}

impl Signer {
    pub(super) fn id(&self) -> &str {
        &self.0.public.id
    }

    pub(super) fn public(&self) -> &PublicJwk {
        &self.0.public
    }

    pub(super) fn sign(&self, message: &str) -> String {
        self.0.sign(message)
    }
}

/// What verifiers make of published keys.
pub(super) fn key_set<'k>(keys: impl Iterator<Item = &'k PublicJwk>) -> KeySet {
    let set = json!({ "keys": keys.map(|key| &key.jwk).collect::<Vec<_>>() });
    KeySet::parse(set.to_string().as_bytes()).unwrap_or_default()
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.public().into_iter().map(|key| key.id).collect();
        f.debug_tuple("SigningKeys").field(&ids).finish()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::ring::AHEAD;
    use super::*;
    use crate::clock::{ClockHand, Timestamp};
    use crate::verify::jwks::Lookup;

    const LIFE: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);

    fn keys() -> (SigningKeys, ClockHand) {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
        (SigningKeys::new(clock, LIFE), hand)
    }

    /// The id of the key that signs now.
    fn signer(keys: &SigningKeys) -> String {
        keys.signer().id().to_owned()
    }

    fn published(keys: &SigningKeys) -> Vec<String> {
        let set = keys.jwks();
        let ids = set["keys"].as_array().unwrap().iter();
        ids.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    fn is_believed(keys: &SigningKeys, id: &str) -> bool {
        let algorithm = crate::verify::jwt::Algorithm::Es256;
        matches!(keys.source().look_up(algorithm, Some(id)), Lookup::Found(_))
    }

    #[test]
    fn se_06_a_key_is_published_before_it_signs_and_as_long_as_what_it_signed_can_live() {
        let (keys, hand) = keys();
        let first = signer(&keys);
        hand.advance(LIFE - AHEAD - SECOND);
        assert_eq!(
            published(&keys),
            std::slice::from_ref(&first),
            "not due yet"
        );
        hand.advance(SECOND);
        let set = published(&keys);
        assert_eq!((set.len(), &set[1]), (2, &first), "the next one is known");
        let second = set[0].clone();
        assert!(is_believed(&keys, &first) && is_believed(&keys, &second));
        hand.advance(AHEAD - SECOND);
        assert_eq!(signer(&keys), first, "and does not sign yet");
        hand.advance(SECOND);
        assert_eq!(signer(&keys), second);

        // The last thing that the first key signed is a second old. A token lives for one lifetime.
        hand.advance(LIFE * 2 - SECOND);
        assert!(published(&keys).contains(&first) && is_believed(&keys, &first));
        hand.advance(SECOND);
        assert!(!published(&keys).contains(&first), "all of it has ended");
        assert!(!is_believed(&keys, &first));
        assert!(is_believed(&keys, &signer(&keys)));
    }

    #[test]
    fn se_06_after_an_idle_time_the_next_key_is_published_as_long_before_it_signs() {
        let (keys, hand) = keys();
        let first = signer(&keys);
        hand.advance(LIFE * 100);
        assert_eq!(signer(&keys), first);
        let set = published(&keys);
        assert_eq!((set.len(), &set[1]), (2, &first));
        hand.advance(AHEAD - SECOND);
        assert_eq!(signer(&keys), first);
        hand.advance(SECOND);
        assert_eq!(signer(&keys), set[0]);
        hand.advance(LIFE * 2 - SECOND);
        assert!(is_believed(&keys, &first), "it signed until a moment ago");
        hand.advance(SECOND);
        assert!(!published(&keys).contains(&first));
    }

    #[test]
    fn se_06_a_key_made_by_hand_signs_at_once() {
        let (keys, _hand) = keys();
        let first = signer(&keys);
        keys.rotate();
        let second = signer(&keys);
        assert_ne!(second, first);
        assert_eq!(published(&keys), [second, first]);
    }

    #[test]
    fn op_12_a_key_set_has_public_halves_only() {
        let (keys, _) = keys();
        keys.rotate();
        for key in keys.jwks()["keys"].as_array().unwrap() {
            let members: Vec<_> = key.as_object().unwrap().keys().collect();
            assert_eq!(members, ["kty", "x", "y", "crv", "kid", "alg", "use"]);
        }
    }

    // Made by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, for this test only.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDVTWNq7CdHE+aICw\nkwQuBaQBp92qhe/7bNxfY5Uk0/ahRANCAARE3jH6fXPy21JB3R7LGdZqZd4XQ/Df\nwEk5uma58/ci9GRNt1ZqC8VvbOY/QGKmxpX+7nDn/XDcDB6YhLrBqPjq\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERN4x+n1z8ttSQd0eyxnWamXeF0Pw\n38BJObpmufP3IvRkTbdWagvFb2zmP0BipsaV/u5w5/1w3AwemIS6waj46g==\n-----END PUBLIC KEY-----\n";
    const P384: &str = "-----BEGIN PRIVATE KEY-----\nMIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDjBVKELbb8frG4BHK5\nYBfGt896+3w4PxncPRG1aWyLbt/oETd8RmYwq+zT9xzHecihZANiAATUS2ZoGZte\n64vnWdDrhwv9FJ3TCBzzwqyW2qQP6qvMAwExXpFLEda3leNCTLn+rs0kBOMaLDi/\nMe9iAJKEfqOTj5NksDYVbHg+dDV3gGrZGbWiPyZpgF//ZpYbV10UFQ4=\n-----END PRIVATE KEY-----\n";
    const P384_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE1EtmaBmbXuuL51nQ64cL/RSd0wgc88Ks\nltqkD+qrzAMBMV6RSxHWt5XjQky5/q7NJATjGiw4vzHvYgCShH6jk4+TZLA2FWx4\nPnQ1d4Bq2Rm1oj8maYBf/2aWG1ddFBUO\n-----END PUBLIC KEY-----\n";

    #[test]
    fn keys_of_ones_own_are_the_same_everywhere_and_stay() {
        let own = || StaticKey::from_pem("2026", &PRIVATE.to_owned().into()).unwrap();
        let retired = StaticKey::retired_from_pem("2025", PUBLIC).unwrap();
        let keys = SigningKeys::fixed([own(), retired.clone()]).unwrap();
        let twin = SigningKeys::fixed([own().with_public_pem(PUBLIC).unwrap()]).unwrap();
        assert_eq!(published(&keys), ["2026", "2025"]);
        assert_eq!(keys.jwks()["keys"][0], twin.jwks()["keys"][0]);
        assert_eq!(signer(&keys), "2026");
        keys.rotate();
        assert_eq!(signer(&keys), "2026");
        assert!(is_believed(&keys, "2026") && is_believed(&keys, "2025"));
        let shown = format!("{:?} {keys:?}", own());
        assert!(
            !shown.contains("MIG") && !shown.contains(&PRIVATE[40..60]),
            "{shown}"
        );
        for (set, message) in [
            (Vec::new(), "expected a key"),
            (
                vec![retired.clone(), own()],
                "the first must have its private half",
            ),
            (vec![own(), own()], "two have one id"),
        ] {
            assert_eq!(SigningKeys::fixed(set).err().unwrap().message(), message);
        }
    }

    #[test]
    fn what_is_no_p_256_key_signs_nothing_and_is_not_repeated() {
        let other = PUBLIC.replace("MFkw", "MFkx");
        for bad in [
            "",
            "canary",
            PUBLIC,
            P384,
            "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
        ] {
            let error = StaticKey::from_pem("a", &bad.to_owned().into())
                .err()
                .unwrap();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        for bad in ["", "canary", PRIVATE, P384_PUBLIC, &other] {
            assert!(StaticKey::retired_from_pem("a", bad).is_err(), "{bad}");
        }
        for id in ["", "a b", "a\n", &"x".repeat(129)] {
            assert!(StaticKey::retired_from_pem(id, PUBLIC).is_err(), "{id:?}");
        }
        // A point that is not on the curve.
        let lines = PUBLIC.lines().filter(|line| !line.starts_with('-'));
        let der = STANDARD.decode(lines.collect::<String>()).unwrap();
        let mut off = der.clone();
        *off.last_mut().unwrap() ^= 1;
        let pem = |der: &[u8]| {
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                STANDARD.encode(der)
            )
        };
        assert!(StaticKey::retired_from_pem("a", &pem(&der)).is_ok());
        assert!(StaticKey::retired_from_pem("a", &pem(&off)).is_err());
        let own = StaticKey::from_pem("a", &PRIVATE.to_owned().into()).unwrap();
        assert!(own.clone().with_public_pem(&pem(&off)).is_err());
        // Another key's, which is good by itself.
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let another = pair.public_key().as_der().unwrap();
        let another = pem(another.as_ref());
        assert!(StaticKey::retired_from_pem("a", &another).is_ok());
        let error = own.with_public_pem(&another).err().unwrap();
        assert_eq!(error.message(), "is not the public half of the private key");
    }
}
