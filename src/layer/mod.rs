//! The three layers.
//!
//! # Order
//!
//! Outermost first: `OAuthCallbackLayer`, [`BearerKeyLayer`] (delegating),
//! [`IdentityLayer`]. With `tower::ServiceBuilder` that is the order in which they are written; with
//! axum's `Router::layer` it is the reverse. Every other order fails closed and says so in the log, once.

mod bearer_key;
mod body;
mod future;
mod guard;
mod identity;
mod inner_or;
#[cfg(feature = "sign-in")]
mod oauth_callback;
mod order;
#[cfg(feature = "sign-in")]
mod page;
mod plugin;
pub mod require;
mod uri_component;

pub use self::bearer_key::{BearerKeyLayer, BearerKeyService};
pub use self::body::ResponseBody;
pub use self::future::ResponseFuture;
pub use self::identity::{IdentityLayer, IdentityService};
#[cfg(feature = "sign-in")]
pub use self::oauth_callback::{OAuthCallbackFuture, OAuthCallbackLayer, OAuthCallbackService};
#[cfg(feature = "axum")]
pub(crate) use self::order::JudgedBy;
pub use self::plugin::{PathPolicy, Plugin};
