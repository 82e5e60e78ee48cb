//! People, on axum: a page that says who you are, and sends you to sign in first.
//! The provider runs in this process, so it works offline.
//!
//! ```text
//! cargo run --example sign_in
//! ```

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::{Router, response::Html, routing::get};
use tower_identity::catalog::FileCatalog;
use tower_identity::provider::Oidc;
use tower_identity::sign_in::{Resolver, SignIn};
use tower_identity::{Identity, OAuthCallbackLayer, testing};

const URL: &str = "http://localhost:7013";

const PEOPLE: &str = "{ apiVersion: backstage.io/v1alpha1, kind: User, metadata: { name: ada },
  spec: { profile: { email: ada@example.com }, memberOf: [analysts] } }";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = testing::Provider::start().await?;
    let (id, secret) = (provider.client_id(), provider.client_secret());
    let oidc = Oidc::new(provider.issuer(), id, secret);
    let sign_in = SignIn::builder(URL)
        .with_provider("oidc", oidc, [Resolver::email()])
        .with_catalog(FileCatalog::from_yaml("people", PEOPLE)?)
        .build()?;

    // With axum's `layer` the last one is the outermost, and covers the routes that stand above it.
    let app = Router::new()
        .route("/whoami", get(whoami))
        .layer(sign_in.identity_layer().with_sign_in_page("/"))
        .route("/", get(page).with_state(sign_in.clone()))
        .layer(OAuthCallbackLayer::new(sign_in));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:7013").await?;
    println!("Open {URL}/whoami in a browser.\nlistening on {URL}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// The layer says in `return_to` which page was asked for; the sign-in checks that it is one of ours.
async fn page(
    State(sign_in): State<SignIn>,
    Query(query): Query<HashMap<String, String>>,
) -> Html<String> {
    let back = query.get("return_to").map_or("/whoami", String::as_str);
    let start = sign_in.start_url("oidc", back).replace('&', "&amp;");
    Html(format!("<a href=\"{start}\">Sign in</a>, as Ada."))
}

async fn whoami(identity: Identity) -> String {
    let owned = identity.user().map(|user| user.ownership());
    let owned: Vec<_> = owned.into_iter().flatten().map(|e| e.as_str()).collect();
    format!("You are {}, and own {owned:?}.", identity.subject())
}
