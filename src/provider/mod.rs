//! Identity providers: who says who a person is.
//!
//! | | for | who somebody is, by |
//! | --- | --- | --- |
//! | [`GitHub`] | OAuth apps and GitHub Apps, in the cloud or on premises | its API |
//! | [`Google`] | Google, or the Workspaces of some domains | the ID token |
//! | [`Microsoft`] | Entra: one tenant, some, or all | the ID token |
//! | [`Okta`] | an organisation, or an authorization server of its | the ID token, and userinfo |
//! | [`GitLab`] | in the cloud or on premises | its API |
//! | [`Auth0`] | a tenant | the ID token, and userinfo |
//! | [`Oidc`] | any other provider of OpenID Connect | the ID token, and userinfo |
//! | [`OAuth2`] | any other provider of OAuth 2.0 | an address that says so |
//! | [`GcpIap`], [`CloudflareAccess`], [`AwsAlb`], [`AzureEasyAuth`] | proxies in front of the app | what is signed for them |
//! | [`OAuth2Proxy`] | oauth2-proxy in front of the app | its headers, of connections from its addresses |
//! | [`Guest`] | nobody in particular | nothing: development only |
//!
//! With each of them PKCE, `state` and, for OpenID Connect, a nonce are always used; codes and tokens never leave the server
//! but to the page that asked; an e-mail counts only if somebody says that it was verified; and what a provider says of a
//! person is asked again at each renewal.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::HeaderMap;
use serde_json::{Map, Value};
use url::Url;

use crate::secret::Secret;

mod alb_keys;
mod asked;
mod assertion;
mod auth0;
mod aws_alb;
mod azure_easy_auth;
mod client;
mod client_key;
mod cloudflare_access;
mod discovery;
mod gcp_iap;
mod github;
mod github_groups;
mod gitlab;
mod google;
mod guest;
mod id_token;
mod metadata;
mod microsoft;
mod oauth2;
mod oauth2_proxy;
mod oauth_client;
mod oidc;
mod okta;
mod plain_oauth;
mod pushed;
mod relying_party;
mod revocation;
mod rules;
mod trusted_peers;
mod userinfo;

pub use self::asked::Prompt;
pub use self::auth0::Auth0;
pub use self::aws_alb::AwsAlb;
pub use self::azure_easy_auth::AzureEasyAuth;
pub use self::client::{ClientAuthentication, ClientCredential};
pub use self::client_key::ClientKey;
pub use self::cloudflare_access::CloudflareAccess;
pub use self::gcp_iap::GcpIap;
pub use self::github::GitHub;
pub use self::gitlab::GitLab;
pub use self::google::Google;
pub use self::guest::Guest;
pub use self::microsoft::Microsoft;
pub use self::oauth2::OAuth2;
pub use self::oauth2_proxy::OAuth2Proxy;
pub use self::oidc::Oidc;
pub use self::okta::Okta;
use crate::clock::Clock;
use crate::credential::PeerAddress;
use crate::error::ConfigMistake;
use crate::http_client::Outward;

/// An identity provider and how to use it: any of this module's types.
#[derive(Clone)]
pub struct ProviderConfig(Arc<dyn Configured>);

/// What every provider's type has: how it was configured, and how that becomes a provider at work.
pub(crate) trait Configured: fmt::Debug + Send + Sync + 'static {
    /// Builds the provider.
    fn build(&self, context: Context) -> Result<Built, ConfigMistake>;

    /// The callback URL that is registered with it, if that is another one than usual.
    fn callback_url(&self) -> Option<&str> {
        None
    }

    /// What it is to the sign-in.
    fn kind(&self) -> Kind<'_> {
        Kind::Page
    }
}

/// What a provider is to the sign-in.
pub(crate) enum Kind<'a> {
    /// It has pages of its own.
    Page,
    /// It stands in front of us, and has neither pages nor environments.
    Proxy,
    /// It is nobody in particular.
    Guest(&'a Guest),
}

/// A provider that was built.
pub(crate) enum Built {
    /// It has a page of its own.
    Page(Box<dyn Provider>),
    /// It stands in front of us.
    Proxy(Box<dyn Proxy>),
    /// It needs nothing.
    Guest,
}

/// What a provider is built with.
pub(crate) struct Context {
    pub(crate) redirect_uri: Url,
    pub(crate) client: Outward,
    pub(crate) clock: Clock,
}

/// A provider at work. Nothing here is on a hot path, so the futures are boxed.
pub(crate) trait Provider: Send + Sync {
    /// Where to send the browser (RFC 6749 section 4.1.1).
    fn authorization_url<'a>(
        &'a self,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<Url, ProviderError>>;

    /// Checks the `iss` of an authorization response (RFC 9207), before anything else in it is believed.
    fn check_issuer<'a>(&'a self, iss: Option<&'a str>)
    -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Exchanges a code and learns who the person is.
    fn exchange<'a>(
        &'a self,
        code: &'a str,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<(ProviderProfile, Grant), ProviderError>>;

    /// Renews a grant and learns who the person is now, unless the provider leaves that out.
    fn refresh<'a>(&'a self, refresh_token: &'a str) -> BoxFuture<'a, Renewed>;

    /// Ends a grant at the provider (RFC 7009), where it can be ended.
    fn revoke<'a>(&'a self, _refresh_token: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        ready(Ok(())).boxed()
    }

    /// Where the browser should go to sign out at the provider as well, if there is such a place.
    fn sign_out<'a>(
        &'a self,
        _back_to: &'a Url,
        _hint: Option<&'a Secret<String>>,
    ) -> BoxFuture<'a, Option<Url>> {
        ready(None).boxed()
    }

    /// Whether this is the provider's name as an issuer.
    fn is_issuer<'a>(&'a self, _issuer: &'a str) -> BoxFuture<'a, bool> {
        ready(false).boxed()
    }

    /// Begins to learn, in the background, what it has to know before the first person comes.
    fn warm_up(&self) {}

    /// Whether its answer comes as a request from another site.
    fn is_form_post(&self) -> bool {
        false
    }

    /// The scopes without which nothing works.
    fn required_scopes(&self) -> &'static [&'static str];
}

/// A proxy in front of us that says with every request who it is from.
pub(crate) trait Proxy: Send + Sync {
    /// Whom it names. Anybody may have sent the headers: it is the signature that counts, or else the peer.
    fn identify<'a>(
        &'a self,
        headers: &'a HeaderMap,
        peer: Option<PeerAddress>,
    ) -> BoxFuture<'a, Result<Named, ProviderError>>;
}

/// Whom a proxy names, and what the page gets of it.
pub(crate) struct Named {
    pub(crate) profile: ProviderProfile,
    pub(crate) info: Value,
}

/// One authorization request: everything in it is drawn afresh for each attempt.
pub(crate) struct AuthorizationRequest {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) pkce_verifier: Secret<String>,
    pub(crate) scope: String,
    /// Whom the provider should expect.
    pub(crate) login_hint: Option<String>,
}

/// What comes of a refresh.
pub(crate) type Renewed = Result<(Option<ProviderProfile>, Grant), ProviderError>;

/// What a provider granted.
pub(crate) struct Grant {
    pub(crate) access_token: Secret<String>,
    pub(crate) id_token: Option<Secret<String>>,
    pub(crate) refresh_token: Option<Secret<String>>,
    pub(crate) scope: Option<String>,
    pub(crate) expires_in: Option<u64>,
    /// The ID token, where the provider wants to see it again when the person signs out.
    pub(crate) sign_out_hint: Option<Secret<String>>,
}

/// A person as the provider describes them.
#[derive(Clone, Default)]
pub(crate) struct ProviderProfile {
    /// The provider's own, unchanging name for them.
    pub(crate) subject: String,
    /// The name that catalogs know them by in annotations, where it is another one.
    pub(crate) user_id: Option<String>,
    pub(crate) username: Option<String>,
    /// The claim of this name, which for some is not the username.
    pub(crate) preferred_username: Option<String>,
    /// Only an address that the provider says it has verified.
    pub(crate) email: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) picture: Option<String>,
    /// Whatever it said of them, for resolvers of somebody's own.
    pub(crate) claims: Map<String, Value>,
}

/// Why a provider did not say who somebody is.
#[derive(Clone, Debug)]
pub(crate) struct ProviderError {
    pub(crate) kind: ProviderErrorKind,
    /// For the operator. Holds no secret, and of the provider's own words only error codes.
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderErrorKind {
    /// It said something that cannot be believed.
    Invalid,
    /// It said nothing.
    Absent,
    /// It spoke of somebody else, to somebody else, or as somebody else.
    Foreign,
    /// It spoke of somebody whom the configuration keeps out.
    KeptOut,
    /// It refused the code or the refresh token.
    Refused,
    /// It is out of reach, or answers with errors of its own.
    Unavailable,
}

impl ProviderError {
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self {
            kind: ProviderErrorKind::Invalid,
            detail: detail.into(),
        }
    }

    pub(crate) fn absent() -> Self {
        Self {
            kind: ProviderErrorKind::Absent,
            detail: "the proxy's header is not there: did the request come through it?".into(),
        }
    }

    pub(crate) fn foreign(detail: impl Into<String>) -> Self {
        Self {
            kind: ProviderErrorKind::Foreign,
            detail: detail.into(),
        }
    }

    pub(crate) fn kept_out(detail: impl Into<String>) -> Self {
        Self {
            kind: ProviderErrorKind::KeptOut,
            detail: detail.into(),
        }
    }

    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self {
            kind: ProviderErrorKind::Refused,
            detail: detail.into(),
        }
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self {
            kind: ProviderErrorKind::Unavailable,
            detail: detail.into(),
        }
    }
}

impl From<crate::http_client::HttpError> for ProviderError {
    fn from(error: crate::http_client::HttpError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ProviderConfig {
    pub(crate) fn configured(&self) -> &dyn Configured {
        &*self.0
    }
}

impl<P: Configured> From<P> for ProviderConfig {
    fn from(provider: P) -> Self {
        Self(Arc::new(provider))
    }
}

impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
