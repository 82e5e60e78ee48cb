//! Tower middleware that answers, for every request: who is calling?

#[cfg(feature = "sign-in")]
pub mod catalog;
pub mod clock;
#[cfg(feature = "app-config")]
mod config;
pub mod error;
pub mod identity;
pub mod secret;
#[cfg(feature = "app-config")]
mod yaml;

pub use self::error::{ConfigError, ConfigMistake};
pub use self::secret::Secret;
