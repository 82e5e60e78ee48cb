//! A browser over real sockets, and a portal for it to visit.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tower_identity::catalog::FileCatalog;
use tower_identity::sign_in::SignIn;
use tower_identity::{Identity, OAuthCallbackLayer};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

const CATALOG: &str = "
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: ada}
spec: {profile: {email: ada@example.com}, memberOf: [analysts]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: grace}
spec: {profile: {email: grace@example.com}, memberOf: []}
";

pub(crate) const POPUP: &str = "flow=popup";

/// Ada, who is in a group, and Grace, who is in none.
pub(crate) fn catalog() -> FileCatalog {
    FileCatalog::from_yaml("catalog.yaml", CATALOG).unwrap()
}

/// A free port, and the URL of what will listen there.
pub(crate) async fn bind() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A home page, an API that says who asks, and the sign-in in front of both.
pub(crate) fn serve(listener: TcpListener, sign_in: SignIn) {
    let api = Router::new()
        .route("/api/whoami", get(|who: Identity| async move { Json(who) }))
        .layer(sign_in.identity_layer());
    let app = Router::new()
        .route("/", get(|| async { "home" }))
        .merge(api)
        .layer(OAuthCallbackLayer::new(sign_in));
    tokio::spawn(async move { axum::serve(listener, app).await });
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        let location = self
            .headers
            .get(LOCATION)
            .unwrap_or_else(|| panic!("{}: {}", self.status, self.body));
        location.to_str().unwrap().to_owned()
    }

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

/// A browser of one host, whose tabs share the jar. It heeds `Max-Age=0` and paths.
#[derive(Clone, Default)]
pub(crate) struct Browser(pub(crate) Arc<Mutex<Vec<(String, String, String)>>>);

impl Browser {
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Answer {
        let jar: Vec<String> = {
            let path = request.uri().path();
            let jar = self.0.lock().unwrap();
            jar.iter()
                .filter(|(_, _, scope)| path.starts_with(scope.as_str()))
                .map(|(n, v, _)| format!("{n}={v}"))
                .collect()
        };
        if !jar.is_empty() {
            request
                .headers_mut()
                .insert(COOKIE, jar.join("; ").parse().unwrap());
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        for line in head.headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let path = line
                .split("; ")
                .find_map(|a| a.strip_prefix("Path="))
                .unwrap();
            let mut jar = self.0.lock().unwrap();
            jar.retain(|(n, _, p)| n != name || p != path);
            if !line.contains("Max-Age=0;") {
                jar.push((name.into(), value.into(), path.into()));
            }
        }
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send(Request::get(url).body(Full::default()).unwrap())
            .await
    }

    pub(crate) async fn ajax(&self, method: Method, url: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("x-requested-with", "XMLHttpRequest");
        self.send(request.body(Full::default()).unwrap()).await
    }

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

    /// Begins a sign-in and lets `user` choose themselves: the URL that the provider sends the browser back to.
    pub(crate) async fn begin(
        &self,
        origin: &str,
        provider: &str,
        user: &str,
        flow: &str,
    ) -> String {
        let start =
            format!("{origin}/api/auth/{provider}/start?env=development&origin={origin}&{flow}");
        let started = self.get(&start).await;
        choose(&started.location(), user).await
    }
}

/// Answers the provider's page as its form would.
pub(crate) async fn choose(page: &str, user: &str) -> String {
    let (page, query) = page.split_once('?').unwrap();
    let request = Request::post(page)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(format!("{query}&{user}")))
        .unwrap();
    Browser::default().send(request).await.location()
}

/// What a popup's frame posts: the decoded message and the origin it is for.
#[track_caller]
pub(crate) fn frame(answer: &Answer) -> (Value, String) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let literals: Vec<String> = answer
        .body
        .split('\'')
        .skip(1)
        .step_by(2)
        .map(decode)
        .collect();
    let message = literals
        .iter()
        .find(|text| text.contains("authorization_response"));
    let message =
        serde_json::from_str(message.unwrap_or_else(|| panic!("{}", answer.body))).unwrap();
    let origin = literals
        .iter()
        .find(|text| text.starts_with("http"))
        .cloned();
    (message, origin.unwrap_or_default())
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap_or(b'?'));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Collects what is logged, by every target at every level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects what is logged in this thread: a test's runtime has no other, so its whole portal logs here.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        // Of one subscriber alone `tracing` believes that it is every thread's: it asks a test's thread that has
        // none whether anybody listens, and remembers the no for all of them.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}
