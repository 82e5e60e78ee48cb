//! Values that must never be seen: redacted when printed, wiped when dropped, compared in constant time.
//!
//! This is also the one room that touches cryptographic primitives directly: digests, randomness
//! and the sealing of cookies all come from aws-lc-rs, through the few functions here.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

pub(crate) mod digest;
pub(crate) mod encoding;
pub(crate) mod random;
mod seal;

pub use self::seal::{SealError, SealingKey, SealingKeys};

/// A value that is redacted in `Debug`, wiped on drop, and compared in constant time.
///
/// It deliberately implements neither `Display`, `Serialize` nor `PartialEq`.
///
/// ```
/// use tower_identity::Secret;
///
/// let secret = Secret::new(String::from("hunter2-hunter2"));
/// assert_eq!(format!("{secret:?}"), "[redacted]");
/// assert!(secret.matches(b"hunter2-hunter2"));
/// ```
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into custody.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Lets the value be seen.
    ///
    /// # Security
    ///
    /// Whatever receives the reference must neither log, display nor store it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Whether the secret equals `candidate`, in time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        digest::constant_time_eq(self.expose().as_ref(), candidate)
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}
