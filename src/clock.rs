//! Time as an argument: the only place that reads it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from: the system, or a hand in a test.
///
/// Wall time judges tokens; lifetimes of caches and throttles are counted on the monotonic clock,
/// so that a clock that jumps neither empties nor freezes them.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System(Instant),
    Manual(Arc<AtomicU64>),
}

/// A point in wall time, in whole seconds since 1970 (RFC 7519 `NumericDate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Moves the [`Clock`] it came with.
#[derive(Clone, Debug)]
pub struct ClockHand(Arc<AtomicU64>);

// ===== impl Clock =====

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System(Instant::now()))
    }

    /// A clock that stands still until its hand is moved: for tests.
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, ClockHand) {
        let seconds = Arc::new(AtomicU64::new(start.0));
        (Self(Kind::Manual(seconds.clone())), ClockHand(seconds))
    }

    /// The wall time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System(_) => SystemTime::now().into(),
            Kind::Manual(seconds) => Timestamp(seconds.load(Ordering::SeqCst)),
        }
    }

    /// Time since some fixed moment: never goes back.
    pub(crate) fn monotonic(&self) -> Duration {
        match &self.0 {
            Kind::System(origin) => origin.elapsed(),
            Kind::Manual(seconds) => Duration::from_secs(seconds.load(Ordering::SeqCst)),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::System(_) => "Clock(system)",
            Kind::Manual(_) => "Clock(manual)",
        })
    }
}

// ===== impl ClockHand =====

impl ClockHand {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

// ===== impl Timestamp =====

impl Timestamp {
    /// From seconds since 1970.
    #[must_use]
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn as_unix(self) -> u64 {
        self.0
    }

    /// Later by `duration`, in whole seconds; saturates.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// In UTC, by a format of `strftime`.
    pub(crate) fn strftime(self, format: &str) -> String {
        self.to_jiff().strftime(format).to_string()
    }

    fn to_jiff(self) -> jiff::Timestamp {
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX)
    }

    /// Reads an RFC 3339 date and time, such as `2027-01-31T00:00:00Z`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(time.as_second()).ok().map(Self)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
        )
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH
            .checked_add(Duration::from_secs(time.0))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// RFC 3339, in UTC; a time past the year 9999 prints as that year's end.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.to_jiff())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_and_parses_as_rfc_3339() {
        let time = Timestamp::from_unix(1_750_000_000);
        assert_eq!(time.to_string(), "2025-06-15T15:06:40Z");
        assert_eq!(Timestamp::parse("2025-06-15T15:06:40Z"), Some(time));
        for bad in ["", "tomorrow", "2025-06-15", "1969-12-31T23:59:59Z"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
        assert!(
            Timestamp::from_unix(u64::MAX)
                .to_string()
                .starts_with("9999-12-3")
        );
    }

    #[test]
    fn cl_14_a_clock_before_1970_is_not_a_panic() {
        let early = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Timestamp::from(early), Timestamp::from_unix(0));
        assert_eq!(SystemTime::from(Timestamp::from_unix(u64::MAX)), UNIX_EPOCH);
    }
}
