//! Who a caller is.

mod entity_ref;

pub use self::entity_ref::{EntityRef, EntityRefError};
