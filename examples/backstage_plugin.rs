//! A plugin of a Backstage backend, written in Rust: Backstage's own plugins call it and are called by it.
//!
//! It believes the portal's users, and plugins, also on behalf of users; it publishes its keys where they look for
//! them; `/health` is open, and below `/static` the browser's cookie will do.
//!
//! ```text
//! cargo run --example backstage_plugin -- --id todo --backend http://localhost:7007 --listen 127.0.0.1:7009
//! ```
//!
//! For the backend to find it, its `app-config.yaml` says where it is:
//!
//! ```yaml
//! discovery:
//!   endpoints:
//!     - { target: "http://localhost:7009/api/{{pluginId}}", plugins: [todo] }
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Json, Router, http::Request, http::StatusCode, routing::get};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower_identity::layer::{PathPolicy, Plugin};
use tower_identity::token::{PluginTokens, UserInfo};
use tower_identity::verify::{Issuer, JwtVerifier, PluginDirectory};
use tower_identity::{Identity, IdentityLayer};

struct Others {
    tokens: PluginTokens,
    portal: UserInfo,
    directory: PluginDirectory,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (id, backend) = (
        flag("--id", "todo"),
        flag("--backend", "http://localhost:7007"),
    );
    let auth = flag("--auth", &format!("{backend}/api/auth"));
    let tokens = PluginTokens::new(id.as_str())?;
    let directory = PluginDirectory::new(&backend);
    let verifier = JwtVerifier::new([
        Issuer::portal(auth.as_str()),
        Issuer::plugins(id.as_str(), directory.clone()),
    ])?;
    let portal = UserInfo::of_portal(&auth)?;
    let plugin = Plugin::new(id.as_str())
        .add_policy(PathPolicy::unauthenticated("/health")?)
        .add_policy(PathPolicy::user_cookie("/static")?)
        .with_urls(&backend, &backend)?
        .with_tokens(tokens.clone());

    let app = Router::new()
        .route(&format!("/api/{id}/health"), get(|| async { "ok" }))
        .route(&format!("/api/{id}/whoami"), get(whoami))
        .route(&format!("/api/{id}/static/whoami"), get(whoami))
        .route(&format!("/api/{id}/owns"), get(owns))
        .route(&format!("/api/{id}/ask/{{plugin}}/{{*path}}"), get(ask))
        // Requests that no route takes are judged too: the layer answers the plugin's own paths.
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(IdentityLayer::new(verifier).for_plugin(plugin))
        .with_state(Arc::new(Others {
            tokens,
            portal,
            directory,
        }));

    let listener = tokio::net::TcpListener::bind(flag("--listen", "127.0.0.1:7009")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn whoami(who: Identity) -> Json<Identity> {
    Json(who)
}

/// What whoever asks owns, which a Backstage token does not say.
async fn owns(
    State(others): State<Arc<Others>>,
    who: Identity,
) -> Result<Json<Vec<String>>, (StatusCode, String)> {
    let owned = others.portal.ownership(&who).await;
    let owned = owned.map_err(|e| (StatusCode::BAD_GATEWAY, e.to_string()))?;
    Ok(Json(owned.iter().map(ToString::to_string).collect()))
}

/// Asks another plugin, on behalf of whoever asks this one.
async fn ask(
    State(others): State<Arc<Others>>,
    Path((plugin, path)): Path<(String, String)>,
    who: Identity,
) -> Result<(StatusCode, Bytes), (StatusCode, String)> {
    let refused =
        |e: tower_identity::token::DelegationError| (StatusCode::FORBIDDEN, e.to_string());
    let failed = |e: &dyn std::fmt::Display| (StatusCode::BAD_GATEWAY, e.to_string());
    let token = others.tokens.token_for(&plugin, &who).map_err(refused)?;
    let request = Request::get(format!("{}/{path}", others.directory.base_url(&plugin)))
        .header("authorization", format!("Bearer {}", token.expose()))
        .body(Full::<Bytes>::default())
        .map_err(|e| failed(&e))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|e| failed(&e))?;
    let (status, body) = (answer.status(), answer.into_body().collect().await);
    Ok((status, body.map_err(|e| failed(&e))?.to_bytes()))
}

fn flag(name: &str, default: &str) -> String {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).unwrap_or_else(|| default.into())
}
