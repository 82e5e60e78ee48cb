//! What a request presents. Nothing here judges.

mod bearer;
mod cookie;
mod peer;
mod preflight;
#[cfg(feature = "sign-in")]
mod set_cookie;

pub(crate) use self::bearer::MAX_LENGTH;
pub use self::bearer::{BearerToken, MalformedCredential};
pub(crate) use self::cookie::{CookieName, Cookies, SiteRule, strip_cookies};
pub use self::peer::PeerAddress;
pub(crate) use self::preflight::is_preflight;
#[cfg(feature = "sign-in")]
pub(crate) use self::set_cookie::SetCookie;
