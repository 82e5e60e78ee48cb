//! A portal over a real socket, with a provider, and how a browser signs in there.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tower_identity::catalog::FileCatalog;
use tower_identity::provider::{GitHub, Guest, Oidc};
use tower_identity::sign_in::{Resolver, SignIn, SignInBuilder};
use tower_identity::testing::Provider;
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

pub(crate) struct Portal {
    pub(crate) url: String,
    pub(crate) provider: Provider,
}

impl Portal {
    /// With all its providers, and whatever else `change` does to it.
    pub(crate) async fn with(change: impl FnOnce(SignInBuilder) -> SignInBuilder) -> Self {
        let provider = Provider::start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (id, secret) = (provider.client_id(), provider.client_secret());
        let sign_in = change(SignIn::builder(&url))
            .with_provider(
                "oidc",
                Oidc::new(provider.issuer(), id, secret),
                [Resolver::email()],
            )
            .with_provider(
                "other",
                Oidc::new(provider.issuer(), id, secret),
                [Resolver::email()],
            )
            .with_provider(
                "github",
                GitHub::new(id, secret).with_enterprise_instance_url(provider.url()),
                [Resolver::username(), Resolver::email()],
            )
            .with_provider("guest", Guest::new(), [])
            .with_catalog(FileCatalog::from_yaml("catalog.yaml", CATALOG).unwrap())
            .build()
            .unwrap();
        let api = Router::new()
            .route("/api/whoami", get(|who: Identity| async move { Json(who) }))
            .layer(sign_in.identity_layer());
        let app = Router::new()
            .route("/", get(|| async { "home" }))
            .merge(api)
            .layer(OAuthCallbackLayer::new(sign_in));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, provider }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Browser {
    /// Begins a sign-in and lets `user` choose themselves: the URL that the provider sends the browser back to.
    pub(crate) async fn begin(
        &self,
        portal: &Portal,
        provider: &str,
        user: &str,
        flow: &str,
    ) -> String {
        let origin = &portal.url;
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

pub(crate) const REDIRECT: &str = "flow=redirect&redirectUrl=/welcome";
pub(crate) const POPUP: &str = "flow=popup";
