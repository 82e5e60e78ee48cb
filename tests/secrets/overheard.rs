//! What is logged, and every secret that comes by.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value;
use tower_identity::http_client::{HttpClient, HttpError, HyperClient};

use super::browser::{Answer, Browser};

/// All that is logged, by every target at every level.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every secret that came by, with what it is.
#[derive(Clone, Default)]
pub(crate) struct Seen(pub(crate) Arc<Mutex<BTreeSet<(&'static str, String)>>>);

impl Seen {
    pub(crate) fn note(&self, what: &'static str, secret: &str) {
        if !secret.is_empty() {
            self.0.lock().unwrap().insert((what, secret.to_owned()));
        }
    }

    /// The secrets of a query or a form.
    pub(crate) fn query(&self, text: &str) {
        for pair in text.split(['?', '&', '#']) {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            for what in SECRET_PARAMETERS {
                if name == what {
                    self.note(what, value);
                }
            }
        }
    }

    pub(crate) fn json(&self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let (Some(what), Some(text)) =
                        (SECRET_MEMBERS.iter().find(|m| *m == name), value.as_str())
                    {
                        self.note(what, text);
                    }
                    self.json(value);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.json(value)),
            _ => {}
        }
    }

    pub(crate) fn jar(&self, browser: &Browser) {
        for (_, value, _) in browser.0.lock().unwrap().iter() {
            self.note("cookie", value);
        }
    }

    pub(crate) fn answer(&self, answer: &Answer) {
        if let Some(location) = answer.headers.get("location") {
            self.query(location.to_str().unwrap());
        }
        if let Ok(json) = serde_json::from_str(&answer.body) {
            self.json(&json);
        }
    }
}

const SECRET_PARAMETERS: [&str; 8] = [
    "code",
    "state",
    "nonce",
    "code_challenge",
    "code_verifier",
    "client_secret",
    "refresh_token",
    "token",
];

const SECRET_MEMBERS: [&str; 6] = [
    "access_token",
    "id_token",
    "refresh_token",
    "accessToken",
    "idToken",
    "token",
];

/// The way outwards, overheard: verifiers, client secrets and the provider's tokens show up nowhere else.
pub(crate) struct Overheard(pub(crate) HyperClient, pub(crate) Seen);

impl HttpClient for Overheard {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let seen = self.1.clone();
        seen.query(&String::from_utf8_lossy(request.body()));
        if let Some(line) = request.headers().get("authorization") {
            let (_, secret) = line.to_str().unwrap().split_once(' ').unwrap();
            seen.note("authorization", secret);
        }
        let answer = self.0.send(request);
        async move {
            let response = answer.await?;
            if let Ok(json) = serde_json::from_slice(response.body()) {
                seen.json(&json);
            }
            // GitHub answers with a form, unless asked otherwise.
            seen.query(&String::from_utf8_lossy(response.body()));
            Ok(response)
        }
        .boxed()
    }
}
