//! `app-config.yaml`, as Backstage reads it.
//!
//! [`Config`] is the way in. Below it, the files become one tree of nodes that know their places, and a reader
//! walks it section by section, remembering every mistake with its file, line and key.

mod app;
mod auth;
mod duration;
mod key_set;
mod merge;
mod reader;
mod server;
mod service_keys;
mod source;
mod substitute;
mod suggest;
mod values;
mod variables;

pub use self::app::{Config, Layers, Listen};
pub(crate) use self::reader::{Reader, Section};
#[cfg(test)]
pub(crate) use self::source::parse;
pub(crate) use self::source::{default_files, load};
pub(crate) use self::variables::Env;
pub(crate) use crate::yaml::{Node, Value};
