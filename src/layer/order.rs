//! Noticing layers that stand in the wrong order.

use std::sync::atomic::{AtomicBool, Ordering};

use http::Extensions;

/// Left in the request by a layer that has judged it. Its type is private: no header can forge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JudgedBy {
    Keys,
    Identity,
}

impl JudgedBy {
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }
}

/// Says something once, however many requests give reason for it.
#[derive(Debug, Default)]
pub(super) struct Once(AtomicBool);

impl Once {
    pub(super) fn error(&self, message: &str) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "tower_identity", "{message}");
        }
    }
}
