//! API keys: who holds one is the service it was made for.

mod file;
mod format;
mod key;
mod legacy;
mod pieces;
mod rules;
mod set;

pub use self::format::{ApiKey, KeyDigest};
pub use self::key::KeyRecord;
#[cfg(feature = "app-config")]
pub(crate) use self::rules::{MIN_TOKEN, check_key, check_legacy_secret, check_name};
pub use self::set::ApiKeys;
#[cfg(feature = "app-config")]
pub(crate) use self::set::Clash;
