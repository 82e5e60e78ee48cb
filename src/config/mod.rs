//! `app-config.yaml`, as Backstage reads it.
//!
//! [`Config`] is the way in. Below it, the files become one tree of nodes that know their places, and a reader
//! walks it section by section, remembering every mistake with its file, line and key.

mod app;
mod auth;
mod catalog;
mod cors;
mod discovery;
mod duration;
mod environment;
mod external_issuer;
mod https;
mod key_store;
mod merge;
mod providers;
mod proxies;
mod reader;
mod record;
mod resolvers;
mod restrictions;
mod schema;
mod server;
mod service_keys;
mod source;
mod sources;
mod substitute;
mod suggest;
mod summary;
mod values;
mod variables;
mod whole;

pub use self::app::{Config, Layers, Listen};
pub use self::cors::Cors;
pub use self::https::Https;
pub(crate) use self::reader::{Reader, Section};
pub(crate) use self::source::default_files;
#[cfg(test)]
pub(crate) use self::source::parse;
pub use self::sources::Sources;
pub use self::summary::Summary;
pub(crate) use self::variables::Env;
pub(crate) use crate::yaml::{Node, Value};
