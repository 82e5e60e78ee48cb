//! `IdentityLayer`: tokens of a real provider over real sockets, and the sessions of a portal.
#![cfg(all(feature = "testing", feature = "sign-in"))]

mod answers;
#[path = "../support/echo.rs"]
mod echo;
mod keys;
#[path = "../support/portal.rs"]
mod portal;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

use std::time::SystemTime;

use tower::Layer as _;
use tower_identity::IdentityLayer;
use tower_identity::clock::{Clock, ClockHand};
use tower_identity::http_client::HyperClient;
use tower_identity::layer::IdentityService;
use tower_identity::testing::{Provider, TokenBuilder};
use tower_identity::verify::{Issuer, JwtVerifier};

use self::echo::Echo;
use self::support::{Answer, get, send};

const BARE: &str = "Bearer realm=\"tower-identity\"";
const INVALID: &str = "Bearer realm=\"tower-identity\", error=\"invalid_token\"";
const API: &str = "https://api.example.com";

fn over<V>(layer: IdentityLayer<V>) -> (IdentityService<Echo, V>, Echo) {
    let echo = Echo::default();
    (layer.layer(echo.clone()), echo)
}

/// A layer that believes these providers' tokens for [`API`], and a hand on its clock.
fn believe<'a>(
    providers: impl IntoIterator<Item = &'a Provider>,
) -> (IdentityService<Echo>, Echo, ClockHand) {
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let issuers = providers.into_iter().map(|p| Issuer::oidc(p.issuer(), API));
    let client = HyperClient::new().unwrap();
    let verifier = JwtVerifier::with_client(issuers, client, clock).unwrap();
    let (service, inner) = over(IdentityLayer::new(verifier));
    (service, inner, hand)
}

/// A good token of Ada's that lives for a day.
fn ada(provider: &Provider) -> TokenBuilder {
    let token = provider.token().with_subject("user-ada").with_audience(API);
    token.with_lifetime(std::time::Duration::from_secs(86_400))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn ask(service: &IdentityService<Echo>, token: &str) -> Answer {
    send(service, get(&[("authorization", &bearer(token))])).await
}
