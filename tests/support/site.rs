//! A portal over a real socket, and how a browser signs in there.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tower_identity::catalog::FileCatalog;
use tower_identity::sign_in::SignIn;
use tower_identity::{Identity, OAuthCallbackLayer};

use super::browser::{Answer, Browser, choose};

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

impl Browser {
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

pub(crate) fn decode(text: &str) -> String {
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
