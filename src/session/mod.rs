//! Sessions of people: a sealed cookie that says who they are, until it ends or is revoked.

mod record;
mod sessions;

pub(crate) use self::record::Session;
pub use self::sessions::Sessions;
pub(crate) use self::sessions::Site;
