//! What was answered about tokens, for a moment and within bounds (IN-07, IN-08).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::secret::digest::Digest;

/// So many active tokens are remembered, and as many others: they can't push one another out.
const MAX: usize = 10_000;
/// A token that is not active is asked about again after this long.
const INACTIVE: Duration = Duration::from_secs(10);

/// What an issuer says of a token.
#[derive(Clone)]
pub(super) enum Answer {
    Active(Arc<Map<String, Value>>),
    Inactive,
}

/// The answers that are remembered.
#[derive(Default)]
pub(super) struct Answers {
    active: Bounded<Arc<Map<String, Value>>>,
    inactive: Bounded<()>,
}

/// A map of so many entries; the oldest go first.
struct Bounded<T> {
    entries: HashMap<Digest, Entry<T>>,
    /// By when they were put. What was put again or removed has left its old place behind.
    order: VecDeque<(u64, Digest)>,
    puts: u64,
}

struct Entry<T> {
    put: u64,
    until: Duration,
    value: T,
}

impl Answers {
    pub(super) fn get(&self, digest: &Digest, now: Duration) -> Option<Answer> {
        if let Some(claims) = self.active.get(digest, now) {
            return Some(Answer::Active(claims.clone()));
        }
        self.inactive.get(digest, now).map(|()| Answer::Inactive)
    }

    /// Remembers an answer for `life` at the most.
    pub(super) fn put(&mut self, digest: Digest, answer: Answer, now: Duration, life: Duration) {
        self.active.remove(&digest);
        match answer {
            Answer::Active(claims) => {
                self.inactive.remove(&digest);
                self.active.put(digest, now + life, claims);
            }
            Answer::Inactive => self.inactive.put(digest, now + INACTIVE.min(life), ()),
        }
    }
}

impl<T> Bounded<T> {
    fn get(&self, digest: &Digest, now: Duration) -> Option<&T> {
        let entry = self.entries.get(digest)?;
        (now < entry.until).then_some(&entry.value)
    }

    fn remove(&mut self, digest: &Digest) {
        self.entries.remove(digest);
    }

    fn put(&mut self, digest: Digest, until: Duration, value: T) {
        self.puts += 1;
        let put = self.puts;
        self.entries.insert(digest, Entry { put, until, value });
        self.order.push_back((put, digest));
        while self.entries.len() > MAX {
            let Some((put, oldest)) = self.order.pop_front() else {
                return;
            };
            if self.is_current(put, &oldest) {
                self.entries.remove(&oldest);
            }
        }
        // Once in a long while: each time there is room for as many again.
        if self.order.len() > 2 * MAX {
            let order = std::mem::take(&mut self.order).into_iter();
            self.order = order
                .filter(|(put, digest)| self.is_current(*put, digest))
                .collect();
        }
    }

    fn is_current(&self, put: u64, digest: &Digest) -> bool {
        self.entries
            .get(digest)
            .is_some_and(|entry| entry.put == put)
    }
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            puts: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::digest::sha256;

    const LIFE: Duration = Duration::from_secs(60);

    fn digest(number: usize) -> Digest {
        sha256(&number.to_be_bytes())
    }

    fn active() -> Answer {
        Answer::Active(Arc::default())
    }

    #[test]
    fn in_08_a_flood_of_bad_tokens_pushes_no_good_one_out() {
        let mut answers = Answers::default();
        answers.put(digest(0), active(), Duration::ZERO, LIFE);
        for number in 1..3 * MAX {
            answers.put(digest(number), Answer::Inactive, Duration::ZERO, LIFE);
        }
        assert!(matches!(
            answers.get(&digest(0), Duration::ZERO),
            Some(Answer::Active(_))
        ));
        assert!(
            answers.get(&digest(1), Duration::ZERO).is_none(),
            "the oldest went"
        );
        assert!(answers.get(&digest(3 * MAX - 1), Duration::ZERO).is_some());
        assert!(answers.inactive.entries.len() <= MAX && answers.inactive.order.len() <= 2 * MAX);
    }

    #[test]
    fn in_07_answers_end_and_the_last_one_counts() {
        let mut answers = Answers::default();
        answers.put(digest(0), active(), Duration::ZERO, LIFE);
        assert!(
            answers
                .get(&digest(0), LIFE - Duration::from_nanos(1))
                .is_some()
        );
        assert!(answers.get(&digest(0), LIFE).is_none());
        answers.put(digest(0), Answer::Inactive, LIFE, LIFE);
        assert!(matches!(
            answers.get(&digest(0), LIFE),
            Some(Answer::Inactive)
        ));
        assert!(answers.get(&digest(0), LIFE + INACTIVE).is_none());
        answers.put(digest(0), active(), LIFE, LIFE);
        assert!(matches!(
            answers.get(&digest(0), LIFE),
            Some(Answer::Active(_))
        ));
        // The same token again and again takes no more room.
        for _ in 0..5 * MAX {
            answers.put(digest(0), Answer::Inactive, LIFE, LIFE);
            answers.put(digest(0), active(), LIFE, LIFE);
        }
        assert!(answers.active.order.len() <= 2 * MAX && answers.inactive.order.len() <= 2 * MAX);
    }
}
