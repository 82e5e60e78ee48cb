//! Tokens of an OpenID Connect provider, on axum. The provider runs in this process, so it works offline.
//!
//! ```text
//! cargo run --example jwt
//! ```

use axum::routing::get;
use axum::{Json, Router};
use tower_identity::verify::{Issuer, JwtVerifier};
use tower_identity::{Identity, IdentityLayer, testing};

/// What the provider calls this service: a token for another one is refused.
const AUDIENCE: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = testing::Provider::start().await?;

    let verifier = JwtVerifier::new([Issuer::oidc(provider.issuer(), AUDIENCE)])?;
    let app = Router::new()
        .route("/", get(whoami))
        .layer(IdentityLayer::new(verifier));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:7012").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let token = provider.access_token("user-ada", AUDIENCE);
    println!(
        "The demo token, for you, good for an hour:\n\n  curl -H 'Authorization: Bearer {token}' {url}\n"
    );
    println!("listening on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}

async fn whoami(identity: Identity) -> Json<Identity> {
    Json(identity)
}
