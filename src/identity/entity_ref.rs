//! stub
use std::{fmt, sync::Arc};
/// x
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityRef(Arc<str>);
/// x
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EntityRefError;
impl EntityRef {
    /// x
    pub fn parse(t: &str) -> Result<Self, EntityRefError> {
        if t.contains(':') && t.contains('/') {
            Ok(Self(t.to_lowercase().into()))
        } else {
            Err(EntityRefError)
        }
    }
    /// x
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
