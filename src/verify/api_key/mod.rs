//! API keys: who holds one is the service it was made for.

mod file;
mod format;
mod key;
mod legacy;
mod set;

pub use self::format::{ApiKey, KeyDigest};
pub use self::key::KeyRecord;
pub use self::set::ApiKeys;
#[cfg(feature = "app-config")]
pub(crate) use self::set::{check_secret, check_token};
