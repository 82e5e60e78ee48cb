//! For the tests of your own app: a real OpenID Connect provider on a loopback port, in the same process.
//!
//! [`Provider`] speaks what a provider on the internet speaks: discovery, a published key set, an
//! authorization page, PKCE, single-use codes, rotating refresh tokens, userinfo, introspection, revocation and
//! logout. On the same port it answers as GitHub does, oddities included. Nothing is mocked, so what passes here
//! has run the same code that runs against the real one; nothing leaves the machine, so it runs offline.
//!
//! ```
//! use tower_identity::testing::{Provider, User};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let provider = Provider::builder()
//!     .add_user(User::new("linus").with_email("linus@example.com", true))
//!     .sign_in_as("linus") // no page: the browser comes straight back with a code
//!     .start()
//!     .await?;
//!
//! // Sign-in under test: configure it with these three.
//! let (issuer, id, secret) = (provider.issuer(), provider.client_id(), provider.client_secret());
//! # let _ = (id, secret);
//! assert!(issuer.starts_with("http://127.0.0.1:"));
//!
//! // Handlers behind bearer tokens: mint what they should accept, and what they should refuse.
//! let good = provider.access_token("user-linus", "https://api.example.com");
//! let eternal = provider.token().without_claim("exp").sign();
//! # let _ = (good, eternal);
//!
//! // Bad days: keys that change, and a provider that is away.
//! provider.rotate_keys().await?;
//! provider.pause();
//! assert_eq!(provider.requests("/jwks"), 0);
//!
//! // A provider that lies: see `Lie`.
//! let lie = provider.bend_id_token(|_, claims| { claims.remove("nonce"); });
//! assert_eq!(lie.told(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it answers
//!
//! | path | what |
//! | --- | --- |
//! | `/.well-known/openid-configuration`, `/jwks` | the metadata; both an RS256 and an ES256 key, whichever of them signs |
//! | `/authorize` | a page with a choice of users, or at once with [`sign_in_as`](ProviderBuilder::sign_in_as); `S256` PKCE is required; `iss` is in every response (RFC 9207); `response_mode=form_post` works |
//! | `/token` | codes (60 seconds, once) and refresh tokens (once each: a second use ends the session); `client_secret_basic` or `client_secret_post` |
//! | `/userinfo`, `/introspect`, `/revoke`, `/logout` | for tokens that `/token` gave |
//! | `/login/oauth/authorize`, `/login/oauth/access_token` | GitHub's OAuth apps; errors come with status 200 |
//! | `/user`, `/user/emails`, and both under `/api/v3` | GitHub's API; `/user/emails` is a 404 without the scope |
//!
//! Nobody stays signed in at the provider: each authorization request asks again, and with `prompt=none` and no
//! [`sign_in_as`](ProviderBuilder::sign_in_as) it is a `login_required`. A token's `aud` is the `resource` (or
//! `audience`) of the authorization request, otherwise the issuer.
//!
//! Everyone may choose any user, so the provider only ever listens on a loopback address.
//!
//! # Who is there by default
//!
//! | username | subject | email | on GitHub |
//! | --- | --- | --- | --- |
//! | `ada` | `user-ada` | `ada@example.com` | the email is public |
//! | `grace` | `user-grace` | `grace@example.com` | the email is private |
//! | `mallory` | `user-mallory` | `mallory@example.com`, **not verified** | the email is public |

mod authorize;
mod clients;
mod github;
mod grants;
mod identity;
mod keys;
mod lie;
mod mint;
mod pages;
mod provider;
mod server;
mod token;
mod userinfo;
mod users;
mod wire;

pub use self::clients::Client;
pub use self::identity::{IdentityBuilder, identity, service};
pub use self::keys::Algorithm;
pub use self::lie::Lie;
pub use self::mint::TokenBuilder;
pub use self::provider::{Provider, ProviderBuilder};
pub use self::users::User;
