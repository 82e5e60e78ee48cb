//! Tower middleware that answers, for every request: who is calling?
//!
//! Put a layer around a service, and what reaches the service has been proved: a person who signed in
//! with OAuth 2.0 or OpenID Connect, or a machine with an API key or a token. The proof is one value,
//! [`Identity`]. Whatever is not proved is answered before the service is called, in the words of
//! RFC 6750, and the credential itself goes no further.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_identity::verify::api_key::{ApiKey, ApiKeys, KeyRecord};
//! use tower_identity::{BearerKeyLayer, Identity};
//!
//! let key = ApiKey::generate("demo"); // for its owner, once
//! let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")])?; // the digest, for the server
//! let service = ServiceBuilder::new().layer(BearerKeyLayer::new(keys)).service_fn(
//!     |request: http::Request<String>| async move {
//!         let caller = Identity::of(&request).map_or("nobody", Identity::subject);
//!         Ok::<_, std::convert::Infallible>(http::Response::new(format!("hello, {caller}")))
//!     },
//! );
//! # tokio_test::block_on(async {
//! # use tower::ServiceExt as _;
//! # let ask = |key: &str| http::Request::get("/").header("authorization", format!("Bearer {key}")).body(String::new());
//! # assert_eq!(service.clone().oneshot(ask(key.expose()).unwrap()).await.unwrap().status(), 200);
//! # assert_eq!(service.oneshot(ask("another").unwrap()).await.unwrap().status(), 401);
//! # });
//! # Ok::<(), tower_identity::ConfigError>(())
//! ```
//!
//! # The types that matter
//!
//! * [`Identity`]: who is calling. It cannot be made, only proved: it comes out of a layer, or of the
//!   `testing` feature.
//! * [`BearerKeyLayer`]: machines, by API key.
//! * [`IdentityLayer`]: whoever has been proved elsewhere, by a token of a known issuer or by a session.
//!   [`IdentityLayer::portal`] is all that a service behind a portal needs.
//! * `OAuthCallbackLayer`: signs people in. It answers the paths under `/api/auth`, and nothing else.
//! * `Config`: all three of them, out of Backstage's `app-config.yaml`.
//!
//! # Contents
//!
//! * [`guide`]: [architecture](guide::architecture), [threats](guide::threats),
//!   [defaults](guide::defaults), [compatibility with Backstage](guide::backstage)
//! * [`layer`]: the three layers, their order and their services
//! * [`identity`]: people, machines, entity refs, scopes
//! * [`verify`]: API keys, JWTs by issuer, and verifiers of your own
//! * [`rejection`]: why a request was refused, for logs and metrics
//! * `sign_in`, `provider`, `catalog`: how people sign in, where, and who they are
//! * [`token`], [`session`], [`store`]: what a portal issues and remembers
//! * `config`: `app-config.yaml`; `extract`: arguments of axum handlers; `testing`: for the tests of your app
//! * [`http_client`], [`clock`], [`secret`], [`error`]: what everything else stands on
//!
//! # Crate features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `axum` | yes | `extract`: [`Identity`], `Option<Identity>`, `User` and `Service` as extractors |
//! | `app-config` | yes | `Config` and catalogs in YAML; brings `sign-in` |
//! | `sign-in` | by `app-config` | `OAuthCallbackLayer`, `sign_in`, `provider`, `catalog` |
//! | `testing` | no | a real OpenID Connect provider in the process, tokens and identities to order |
//!
//! A feature adds API and never changes behaviour. Without any there are the two layers that judge.

pub mod clock;
pub mod error;
pub mod secret;

#[cfg(feature = "app-config")]
mod yaml;

pub mod identity;
pub mod rejection;

pub mod credential;

pub mod http_client;
pub mod store;

pub mod verify;

pub mod token;

pub mod session;

#[cfg(feature = "sign-in")]
pub mod catalog;
#[cfg(feature = "sign-in")]
pub mod provider;
#[cfg(feature = "sign-in")]
pub mod sign_in;

pub mod layer;

#[cfg(feature = "app-config")]
pub mod config;

#[cfg(feature = "axum")]
pub mod extract;

#[cfg(feature = "testing")]
pub mod testing;

pub mod guide;

#[cfg(feature = "app-config")]
pub use self::config::Config;
pub use self::error::{ConfigError, ConfigMistake};
pub use self::identity::Identity;
#[cfg(feature = "sign-in")]
pub use self::layer::OAuthCallbackLayer;
pub use self::layer::{BearerKeyLayer, IdentityLayer};
pub use self::secret::Secret;
pub use self::verify::ApiKey;

/// The README's examples are tests too.
#[cfg(all(doctest, feature = "app-config", feature = "axum", feature = "testing"))]
#[doc = include_str!("../README.md")]
struct ReadMe;
