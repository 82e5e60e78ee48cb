//! `app-config.yaml`, as Backstage reads it.
//!
//! [`load`] makes one tree of several files; a [`Reader`] reads it section by section and remembers
//! every mistake with its file, line and key:
//!
//! ```text
//! let root = load(&files, &env)?;
//! let reader = Reader::default();
//! let top = reader.root(&root);
//! if let Some(backend) = top.section("backend") {
//!     let base_url = backend.required_url("baseUrl");
//!     …
//!     backend.finish();          // every other key is a mistake
//! }
//! top.finish_among_others();     // every other key is somebody else's
//! reader.finish()?;              // all mistakes at once
//! ```

mod duration;
mod merge;
mod reader;
mod source;
mod substitute;
mod suggest;
mod values;
mod variables;

pub(crate) use self::reader::{Reader, Section};
pub(crate) use self::source::{default_files, load, parse};
pub(crate) use self::variables::Env;
pub(crate) use crate::yaml::{Location, Node, Value};
