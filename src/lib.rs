//! Tower middleware that answers, for every request: who is calling?

pub mod clock;
pub mod error;
pub mod secret;
#[cfg(feature = "testing")]
pub mod testing;

pub mod identity;
pub mod rejection;

pub mod credential;

pub mod http_client;
pub mod store;

pub mod verify;

pub mod token;

pub mod session;

pub mod layer;

pub use self::error::{ConfigError, ConfigMistake};
pub use self::identity::Identity;
pub use self::layer::{BearerKeyLayer, IdentityLayer};
pub use self::secret::Secret;
pub use self::verify::ApiKey;
