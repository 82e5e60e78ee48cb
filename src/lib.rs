//! Tower middleware that answers, for every request: who is calling?

pub mod clock;
pub mod error;
pub mod secret;
#[cfg(feature = "testing")]
pub mod testing;

pub use self::error::{ConfigError, ConfigMistake};
pub use self::secret::Secret;
