//! The keys that sign: one at a time, replaced in time, and published as long as what they signed can live.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::secret::encoding::base64url;
use crate::secret::random;
use crate::verify::jwks::{KeySet, KeySource};

/// ES256 keys that live in this process: made at random, never written anywhere.
///
/// A key signs for one token lifetime and stays published for three (spec section 6.3), so that
/// whatever it signed can be verified to the end. Cloning shares the keys.
#[derive(Clone)]
pub struct SigningKeys(Arc<Inner>);

struct Inner {
    clock: Clock,
    lifetime: Duration,
    keys: Mutex<Vec<SigningKey>>,
    published: Arc<ArcSwap<KeySet>>,
}

struct SigningKey {
    id: String,
    key: EncodingKey,
    public: Value,
    made: Duration,
}

impl SigningKeys {
    /// A first key; `lifetime` is that of the tokens to be signed.
    #[must_use]
    pub fn new(clock: Clock, lifetime: Duration) -> Self {
        let keys = Self(Arc::new(Inner {
            clock,
            lifetime,
            keys: Mutex::default(),
            published: Arc::default(),
        }));
        keys.rotate();
        keys
    }

    /// Makes a new key that signs from now on. The one before stays published.
    pub fn rotate(&self) {
        let key = SigningKey::generate(self.0.clock.monotonic());
        let mut keys = self.lock();
        keys.insert(0, key);
        self.publish(&mut keys);
    }

    /// The published key set (RFC 7517), public halves only.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let mut keys = self.lock();
        self.publish(&mut keys);
        json!({ "keys": keys.iter().map(|key| &key.public).collect::<Vec<_>>() })
    }

    /// The same set for verifiers in this process.
    pub(crate) fn source(&self) -> KeySource {
        KeySource::Local(self.0.published.clone())
    }

    /// Signs with the current key: what `message` makes of its id, and the signature over that.
    pub(super) fn sign_with<R>(&self, f: impl FnOnce(&dyn Fn(&str) -> String, &str) -> R) -> R {
        let mut keys = self.lock();
        let due = keys
            .first()
            .is_none_or(|k| self.0.clock.monotonic() >= k.made + self.0.lifetime);
        if due {
            keys.insert(0, SigningKey::generate(self.0.clock.monotonic()));
            self.publish(&mut keys);
        }
        let (id, key) = (keys[0].id.clone(), keys[0].key.clone());
        // Signing takes tens of microseconds: nobody else should wait for it.
        drop(keys);
        f(&|message| sign(&key, message), &id)
    }

    fn publish(&self, keys: &mut Vec<SigningKey>) {
        let now = self.0.clock.monotonic();
        let current = keys.first().map(|key| key.id.clone());
        keys.retain(|k| Some(&k.id) == current.as_ref() || now < k.made + self.0.lifetime * 3);
        let set = json!({ "keys": keys.iter().map(|key| &key.public).collect::<Vec<_>>() });
        let set = KeySet::parse(set.to_string().as_bytes()).unwrap_or_default();
        self.0.published.store(Arc::new(set));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<SigningKey>> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SigningKey {
    fn generate(made: Duration) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the operating system must give randomness");
        let private = pair.to_pkcs8v1().expect("a fresh key has an encoding");
        let id = random::uuid();
        let point = pair.public_key().as_ref();
        let public = json!({
            "kty": "EC", "x": base64url(&point[1..33]), "y": base64url(&point[33..65]), "crv": "P-256",
            "kid": id, "alg": "ES256", "use": "sig",
        });
        Self {
            key: EncodingKey::from_ec_der(private.as_ref()),
            id,
            public,
            made,
        }
    }
}

fn sign(key: &EncodingKey, message: &str) -> String {
    let signer = (DEFAULT_PROVIDER.signer_factory)(&Algorithm::ES256, key)
        .expect("a key that was just made is a P-256 key");
    base64url(&signer.sign(message.as_bytes()))
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.lock().iter().map(|key| key.id.clone()).collect();
        f.debug_tuple("SigningKeys").field(&ids).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ClockHand, Timestamp};
    use crate::verify::jwks::Lookup;

    const LIFE: Duration = Duration::from_secs(3600);

    fn keys() -> (SigningKeys, ClockHand) {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
        (SigningKeys::new(clock, LIFE), hand)
    }

    /// The id of the key that signs now.
    fn signer(keys: &SigningKeys) -> String {
        keys.sign_with(|_, id| id.to_owned())
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
    fn se_06_a_key_signs_for_one_lifetime_and_is_published_for_three() {
        let (keys, hand) = keys();
        let first = signer(&keys);
        hand.advance(LIFE - Duration::from_secs(1));
        assert_eq!(signer(&keys), first, "not due yet");
        hand.advance(Duration::from_secs(1));
        let second = signer(&keys);
        assert_ne!(second, first, "due");
        assert_eq!(published(&keys), [second.clone(), first.clone()]);
        assert!(is_believed(&keys, &first) && is_believed(&keys, &second));

        hand.advance(LIFE * 2 - Duration::from_secs(1));
        assert!(published(&keys).contains(&first), "what it signed may live");
        hand.advance(Duration::from_secs(1));
        let third = signer(&keys);
        assert_eq!(published(&keys), [third.clone(), second]);
        assert!(!is_believed(&keys, &first), "all of it has ended");
        assert!(is_believed(&keys, &third));
    }

    #[test]
    fn se_06_the_key_that_signs_is_published_however_old_it_is() {
        let (keys, hand) = keys();
        let first = signer(&keys);
        hand.advance(LIFE * 100);
        assert_eq!(published(&keys), std::slice::from_ref(&first));
        let second = signer(&keys);
        assert_ne!(second, first);
        assert_eq!(published(&keys), [second]);
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
}
