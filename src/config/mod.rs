//! `app-config.yaml`, as Backstage reads it.

mod merge;
mod substitute;
mod variables;
