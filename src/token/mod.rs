//! What a portal issues itself: user tokens that any Backstage plugin believes.

mod keys;
mod mint;

pub use self::keys::SigningKeys;
pub use self::mint::{MintedToken, TokenIssuer};
