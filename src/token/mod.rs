//! What portals and plugins issue themselves: user tokens that any Backstage plugin believes, and the tokens that
//! plugins call one another with.

mod keys;
mod mint;
mod plugin;
mod shared;
mod user_info;

#[cfg(feature = "sign-in")]
pub(crate) use self::keys::p256_point;
pub use self::keys::{SigningKeys, StaticKey};
pub use self::mint::{MintError, MintedToken, TokenIssuer};
pub use self::plugin::{DelegationError, PluginTokens};
pub use self::user_info::{UserInfo, UserInfoError};
