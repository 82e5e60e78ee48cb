//! Sessions of people: a sealed cookie that says who they are, until it ends or is revoked.

mod family;
#[cfg_attr(
    not(feature = "sign-in"),
    expect(dead_code, reason = "only a sign-in has patterns")
)]
mod origin;
mod record;
mod sessions;
#[cfg(feature = "sign-in")]
mod write;

pub(crate) use self::family::Family;
pub(crate) use self::origin::OriginPattern;
#[cfg(feature = "sign-in")]
pub(crate) use self::record::Person;
pub(crate) use self::record::Session;
pub use self::sessions::Sessions;
#[cfg(feature = "sign-in")]
pub(crate) use self::sessions::Site;
