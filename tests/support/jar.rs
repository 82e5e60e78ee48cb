//! What is in a browser's jar, and in an answer, for those who look closer.

use std::sync::{Arc, Mutex};

use http::header::SET_COOKIE;
use serde_json::Value;

use super::browser::{Answer, Browser};

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{}: {e}", self.body))
    }

    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap())
            .collect()
    }
}

impl Browser {
    /// How much of a request's header the jar would take.
    pub(crate) fn cookie_bytes(&self) -> usize {
        let jar = self.0.lock().unwrap();
        jar.iter()
            .map(|(name, value, _)| name.len() + value.len() + 3)
            .sum()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|(name, _, _)| name.clone())
            .collect()
    }

    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}
