//! Nothing secret is logged, at any level, whatever happens; and nothing that holds a secret prints it.
//!
//! A program of its own: one subscriber hears every thread from the first line on.
#![cfg(all(feature = "testing", feature = "app-config", feature = "axum"))]

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/everybody.rs"]
mod everybody;
mod flows;
mod overheard;
#[path = "../support/portal.rs"]
mod portal;
#[path = "../support/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;

use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tower::Layer as _;
use tower_identity::catalog::{CachedCatalog, FileCatalog, RemoteCatalog};
use tower_identity::clock::Clock;
use tower_identity::credential::BearerToken;
use tower_identity::http_client::HyperClient;
use tower_identity::identity::EntityRef;
use tower_identity::provider::{
    Auth0, ClientCredential, CloudflareAccess, GitHub, GitLab, Google, Microsoft, OAuth2, Oidc,
    Okta, ProviderConfig,
};
use tower_identity::secret::{SealingKey, SealingKeys};
use tower_identity::session::Sessions;
use tower_identity::sign_in::SignIn;
use tower_identity::store::MemoryStore;
use tower_identity::testing::{self, Client};
use tower_identity::token::TokenIssuer;
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::{ApiKey, BearerKeyLayer, OAuthCallbackLayer, Secret};

use self::everybody::Portal;
use self::overheard::{Log, Overheard, Seen};
use self::support::get;

const CANARY: &str = "canary-0123456789-abcdefghij-canary";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn er_03_nothing_secret_is_logged_at_any_level() {
    let (log, seen) = (Log::default(), Seen::default());
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();

    let client = Overheard(HyperClient::new().unwrap(), seen.clone());
    let portal = Portal::with(|sign_in| sign_in.with_client(client).add_secret(CANARY)).await;
    seen.note("client_secret", portal.provider.client_secret());
    seen.note("session secret", CANARY);
    flows::people(&portal, &seen).await;
    flows::machines(&seen).await;
    flows::tokens(&portal, &seen).await;
    flows::files(&seen);

    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    for said in ["signed in", "refused", "TRACE", "ERROR"] {
        assert!(text.contains(said), "{said:?} should be in the log by now");
    }
    let seen = seen.0.lock().unwrap();
    let kinds: BTreeSet<_> = seen.iter().map(|(what, _)| *what).collect();
    for kind in [
        "code",
        "state",
        "nonce",
        "code_verifier",
        "client_secret",
        "authorization",
        "access_token",
        "id_token",
        "refresh_token",
        "token",
        "cookie",
        "key",
    ] {
        assert!(kinds.contains(kind), "no {kind} came by: {kinds:?}");
    }
    for (what, secret) in seen.iter() {
        assert!(
            secret.len() >= 7,
            "{what}: {secret:?} can't be searched for"
        );
        for line in text.lines() {
            assert!(
                !line.contains(secret.as_str()),
                "the {what} {secret} was logged: {line}"
            );
        }
    }
}

#[tokio::test]
async fn er_05_nothing_that_holds_a_secret_prints_it() {
    let key = ApiKey::generate("tid");
    let sealing = || SealingKeys::new(SealingKey::from_secret(CANARY.as_bytes()).unwrap(), []);
    let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")]).unwrap();
    let legacy = Secret::new(CANARY.to_owned());
    let keys = keys.with_legacy_secret(
        &legacy,
        KeyRecord::new(ApiKey::generate("tid").digest(), "b", "cd"),
    );
    let keys = keys.unwrap();
    let tokens = TokenIssuer::new(
        "https://x.example",
        Duration::from_secs(60),
        Clock::system(),
    );
    let ada = EntityRef::parse("user:default/ada").unwrap();
    let minted = tokens.mint_user(&ada, &[]).now_or_never().unwrap().unwrap();
    let builder = SignIn::builder("https://x.example")
        .add_secret(CANARY)
        .with_provider("oidc", Oidc::new("https://idp.example", "id", CANARY), [])
        .with_provider("github", GitHub::new("id", CANARY), []);
    let mut shown = format!(
        "{builder:?} {minted:?} {key:?} {keys:?} {legacy:?} {tokens:?} {:?}",
        tokens.keys()
    );
    shown.push_str(&format!(
        "{:?} {:?}",
        Oidc::new("https://idp.example", "id", CANARY),
        GitHub::new("id", CANARY)
    ));
    let credential = ClientCredential::from(CANARY);
    shown.push_str(&format!(
        "{credential:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        Google::new("id", CANARY),
        Microsoft::new("common", "id", credential.clone()),
        Okta::new("https://x.example", "id", CANARY),
        GitLab::new("id", CANARY),
        Auth0::new("x.example", "id", CANARY),
        OAuth2::new("id", CANARY),
    ));
    let sign_in = builder.with_catalog(FileCatalog::from_yaml("x", "").unwrap());
    let sign_in = sign_in.build().unwrap();
    let callback = OAuthCallbackLayer::new(sign_in.clone());
    let bearer = BearerKeyLayer::new(keys.clone());
    let identity = sign_in.identity_layer();
    shown.push_str(&format!(
        "{sign_in:?} {:?} {callback:?} {:?} {bearer:?} {:?} {identity:?} {:?}",
        sign_in.sessions(),
        callback.layer(()),
        bearer.layer(()),
        identity.layer(()),
    ));
    let store = Arc::new(MemoryStore::new(Clock::system()));
    let sessions = Sessions::of_portal("https://x.example/a", sealing(), store);
    shown.push_str(&format!("{:?} {:?}", sealing(), sessions.unwrap()));
    let provider = testing::Provider::builder().with_client(Client::new("id", CANARY));
    shown.push_str(&format!("{provider:?} {:?}", Client::new("id", CANARY)));
    let provider = provider.start().await.unwrap();
    shown.push_str(&format!("{provider:?} {:?}", provider.token()));
    let line = format!("Bearer {}", key.expose());
    let headers = get(&[("authorization", &line)]).headers().clone();
    let presented = BearerToken::from_headers(&headers).unwrap();
    shown.push_str(&format!("{presented:?}"));
    let catalog = RemoteCatalog::new("https://x.example/api/catalog").unwrap();
    let catalog = catalog.with_token(CANARY);
    let access = CloudflareAccess::new("team", "aud").add_service_token(CANARY, "ci@x.example");
    shown.push_str(&format!("{catalog:?} {access:?}"));
    let catalog = CachedCatalog::new(catalog, Duration::from_secs(1));
    shown.push_str(&format!("{catalog:?} {:?}", ProviderConfig::from(access)));
    for secret in [
        CANARY,
        &key.expose()[key.expose().len() - 20..],
        minted.expose(),
    ] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    assert!(shown.len() > 1000, "{shown}");
}
