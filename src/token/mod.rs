//! What portals and plugins issue themselves: user tokens that any Backstage plugin believes, and the tokens that
//! plugins call one another with.

mod keys;
mod mint;
mod plugin;

pub use self::keys::SigningKeys;
pub use self::mint::{MintedToken, TokenIssuer};
pub use self::plugin::{DelegationError, PluginTokens};
