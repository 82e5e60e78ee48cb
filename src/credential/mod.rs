//! What a request presents. Nothing here judges.

mod bearer;
mod cookie;
mod preflight;

pub use self::bearer::{BearerToken, MalformedCredential};
pub(crate) use self::cookie::{CookieName, Cookies, SetCookie, SiteRule, strip_cookies};
pub(crate) use self::preflight::is_preflight;
