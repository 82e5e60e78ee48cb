//! Which key signs now, which comes next, and which are still needed to verify.

use std::time::Duration;

use super::key::{PublicJwk, SigningKey};

/// A key is published this long before it signs: whoever keeps a copy of the key set looks again for a key that it does
/// not have, but no sooner than 30 seconds after it last did (spec section 6.6, KS-02).
pub(super) const AHEAD: Duration = Duration::from_secs(60);

/// Keys that replace one another; the newest first.
#[derive(Default)]
pub(super) struct Ring {
    keys: Vec<Held>,
}

struct Held {
    key: SigningKey,
    /// From when on it signs.
    from: Duration,
}

impl Ring {
    /// Adds a key that signs from now on.
    pub(super) fn replace(&mut self, now: Duration) {
        let key = SigningKey::generate();
        self.keys.insert(0, Held { key, from: now });
    }

    /// Makes the next key when it is time to publish it, and forgets those whose every token has ended: whether
    /// anything changed. Tokens live for `lifetime`, and a key signs as long.
    pub(super) fn turn(&mut self, now: Duration, lifetime: Duration) -> bool {
        let before = self.keys.len();
        let due = self.keys.first().map(|newest| newest.from + lifetime);
        let made = match due {
            None => {
                self.replace(now);
                true
            }
            Some(due) if now + AHEAD >= due => {
                let key = SigningKey::generate();
                // Nobody asked for a while: it was not made in time, and is published as long before it signs.
                let from = due.max(now + AHEAD);
                self.keys.insert(0, Held { key, from });
                true
            }
            Some(_) => false,
        };
        // A key signs until the next one does. What it signed last lives for one lifetime; a second is for clocks that
        // differ, and for tokens that others made longer.
        let mut next_from = None;
        self.keys.retain(|held| {
            let signs_until = next_from.replace(held.from);
            signs_until.is_none_or(|until| now < until + lifetime * 2)
        });
        made || self.keys.len() != before
    }

    /// The key that signs now.
    pub(super) fn signer(&self, now: Duration) -> Option<&SigningKey> {
        let mut started = self.keys.iter().filter(|held| held.from <= now);
        started.next().map(|held| &held.key)
    }

    pub(super) fn public(&self) -> impl Iterator<Item = &PublicJwk> {
        self.keys.iter().map(|held| &held.key.public)
    }
}
