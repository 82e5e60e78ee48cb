//! Tower middleware that answers, for every request: who is calling?

pub mod clock;
pub mod error;
pub mod secret;

#[cfg(feature = "app-config")]
mod yaml;

pub mod identity;
pub mod rejection;

pub mod credential;

pub mod http_client;
pub mod store;

pub mod verify;

pub mod token;

pub mod session;

#[cfg(feature = "sign-in")]
pub mod catalog;
#[cfg(feature = "sign-in")]
pub mod provider;
#[cfg(feature = "sign-in")]
pub mod sign_in;

pub mod layer;

#[cfg(feature = "app-config")]
pub mod config;

#[cfg(feature = "axum")]
pub mod extract;

#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "app-config")]
pub use self::config::Config;
pub use self::error::{ConfigError, ConfigMistake};
pub use self::identity::Identity;
#[cfg(feature = "sign-in")]
pub use self::layer::OAuthCallbackLayer;
pub use self::layer::{BearerKeyLayer, IdentityLayer};
pub use self::secret::Secret;
pub use self::verify::ApiKey;
