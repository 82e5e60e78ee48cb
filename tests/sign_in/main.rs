//! Signing in over real sockets: a portal, a provider, and a browser that holds many tabs.
#![cfg(all(feature = "testing", feature = "sign-in", feature = "axum"))]

#[path = "../support/browser.rs"]
mod browser;
mod refusals;
#[path = "../support/socket.rs"]
mod socket;
mod ways;

use std::sync::{Arc, Mutex};

use serde_json::Value;

use self::browser::{Answer, Browser};
use self::socket::Portal;

impl Portal {
    async fn start() -> Self {
        Self::with(|sign_in| sign_in).await
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{}: {e}", self.body))
    }

    fn cookies(&self) -> Vec<&str> {
        let lines = self.headers.get_all(http::header::SET_COOKIE).iter();
        lines.map(|line| line.to_str().unwrap()).collect()
    }
}

impl Browser {
    fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    /// How much of a request's header the jar would take.
    fn cookie_bytes(&self) -> usize {
        let jar = self.0.lock().unwrap();
        jar.iter()
            .map(|(name, value, _)| name.len() + value.len() + 3)
            .sum()
    }

    fn names(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|(name, _, _)| name.clone())
            .collect()
    }
}
