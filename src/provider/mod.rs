//! Identity providers: who says who a person is. One small file each over one shared OAuth client.

use std::fmt;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::HeaderMap;
use serde_json::{Map, Value};
use url::Url;

use crate::secret::Secret;

mod alb_keys;
mod assertion;
mod aws_alb;
mod cloudflare_access;
mod discovery;
mod gcp_iap;
mod github;
mod guest;
mod id_token;
mod oauth2_proxy;
mod oauth_client;
mod oidc;
mod revocation;
mod trusted_peers;

pub use self::aws_alb::AwsAlb;
pub use self::cloudflare_access::CloudflareAccess;
pub use self::gcp_iap::GcpIap;
pub use self::github::GitHub;
pub use self::guest::Guest;
pub(crate) use self::oauth_client::OAuthClient;
pub use self::oauth2_proxy::OAuth2Proxy;
pub use self::oidc::{ClientAuthentication, Oidc, Prompt};
use crate::clock::Clock;
use crate::credential::PeerAddress;
use crate::error::ConfigMistake;
use crate::http_client::Outward;

/// An identity provider and how to use it; made with [`GitHub`], [`Oidc`], [`GcpIap`], [`CloudflareAccess`], [`AwsAlb`],
/// [`OAuth2Proxy`] or [`Guest`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProviderConfig {
    /// GitHub, in the cloud or on premises.
    GitHub(GitHub),
    /// Any OpenID Connect provider.
    Oidc(Oidc),
    /// Nobody in particular: development only.
    Guest(Guest),
    /// Google's Identity-Aware Proxy.
    GcpIap(GcpIap),
    /// Cloudflare Access.
    CloudflareAccess(CloudflareAccess),
    /// Amazon's Application Load Balancer.
    AwsAlb(AwsAlb),
    /// oauth2-proxy.
    OAuth2Proxy(OAuth2Proxy),
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
    fn sign_out<'a>(&'a self, back_to: &'a Url) -> BoxFuture<'a, Option<Url>>;

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
    /// Builds the provider.
    pub(crate) fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        Ok(match self {
            Self::GitHub(github) => Built::Page(github.build(context)?),
            Self::Oidc(oidc) => Built::Page(oidc.build(context)?),
            Self::Guest(_) => Built::Guest,
            Self::GcpIap(proxy) => Built::Proxy(proxy.build(&context)?),
            Self::CloudflareAccess(proxy) => Built::Proxy(proxy.build(&context)?),
            Self::AwsAlb(proxy) => Built::Proxy(proxy.build(&context)?),
            Self::OAuth2Proxy(proxy) => Built::Proxy(proxy.build()?),
        })
    }

    /// Whether it stands in front of us, and has neither a page nor environments.
    pub(crate) fn is_proxy(&self) -> bool {
        match self {
            Self::GcpIap(_)
            | Self::CloudflareAccess(_)
            | Self::AwsAlb(_)
            | Self::OAuth2Proxy(_) => true,
            Self::GitHub(_) | Self::Oidc(_) | Self::Guest(_) => false,
        }
    }

    pub(crate) fn callback_url(&self) -> Option<&str> {
        match self {
            Self::GitHub(github) => github.callback_url.as_deref(),
            Self::Oidc(oidc) => oidc.callback_url.as_deref(),
            _ => None,
        }
    }
}

impl From<GcpIap> for ProviderConfig {
    fn from(proxy: GcpIap) -> Self {
        Self::GcpIap(proxy)
    }
}

impl From<AwsAlb> for ProviderConfig {
    fn from(proxy: AwsAlb) -> Self {
        Self::AwsAlb(proxy)
    }
}

impl From<OAuth2Proxy> for ProviderConfig {
    fn from(proxy: OAuth2Proxy) -> Self {
        Self::OAuth2Proxy(proxy)
    }
}

impl From<CloudflareAccess> for ProviderConfig {
    fn from(proxy: CloudflareAccess) -> Self {
        Self::CloudflareAccess(proxy)
    }
}

impl From<GitHub> for ProviderConfig {
    fn from(github: GitHub) -> Self {
        Self::GitHub(github)
    }
}

impl From<Oidc> for ProviderConfig {
    fn from(oidc: Oidc) -> Self {
        Self::Oidc(oidc)
    }
}

impl From<Guest> for ProviderConfig {
    fn from(guest: Guest) -> Self {
        Self::Guest(guest)
    }
}
