//! oauth2-proxy (spec section 10.7).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName};
use serde_json::json;

use super::assertion::only;
use super::trusted_peers::TrustedPeers;
use super::{Built, Configured, Context, Kind, Named, ProviderError, ProviderProfile, Proxy};
use crate::credential::PeerAddress;
use crate::error::ConfigMistake;

const USER: HeaderName = HeaderName::from_static("x-forwarded-user");
const EMAIL: HeaderName = HeaderName::from_static("x-forwarded-email");
const PREFERRED: HeaderName = HeaderName::from_static("x-forwarded-preferred-username");
const ID_TOKEN: HeaderName = HeaderName::from_static("x-oauth2-proxy-id-token");
/// A longer name is nobody's.
const MAX_LENGTH: usize = 1024;

/// People who come through oauth2-proxy, which says who they are in `X-Forwarded-User`, `X-Forwarded-Email` and
/// `X-Forwarded-Preferred-Username`. The e-mail counts as verified.
///
/// ```
/// use tower_identity::provider::OAuth2Proxy;
/// use tower_identity::sign_in::{Resolver, SignIn};
///
/// let sign_in = SignIn::builder("https://portal.example.com")
///     .with_provider("oauth2Proxy", OAuth2Proxy::behind(["10.0.3.7"]), [Resolver::username()])
///     .build()?;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
///
/// # Security
///
/// It signs nothing: anybody who can reach this server could say the same. So these headers are believed of connections
/// from the proxy's own addresses only, which the server has to tell: [`PeerAddress`]. Whatever else runs at such an
/// address can be anybody.
#[derive(Clone, Debug)]
#[must_use]
pub struct OAuth2Proxy {
    /// `None` for everybody.
    peers: Option<Vec<String>>,
}

struct ForwardedHeaders {
    peers: Option<TrustedPeers>,
}

impl OAuth2Proxy {
    /// The proxy at these addresses or networks, such as `127.0.0.1` or `10.0.3.0/24`.
    pub fn behind<P: Into<String>>(peers: impl IntoIterator<Item = P>) -> Self {
        let peers = peers.into_iter().map(Into::into).collect();
        Self { peers: Some(peers) }
    }

    /// Believes the headers of whoever connects, as Backstage does.
    ///
    /// # Security
    ///
    /// Whoever can connect can be anybody. Something else has to see to it that only the proxy can: a Unix socket, or
    /// a network of its own.
    pub fn dangerously_behind_anybody() -> Self {
        Self { peers: None }
    }
}

impl Configured for OAuth2Proxy {
    fn build(&self, _: Context) -> Result<Built, ConfigMistake> {
        let peers = self.peers.as_deref().map(TrustedPeers::parse).transpose();
        let peers = peers.map_err(|reason| ConfigMistake::new("trustedPeers", reason))?;
        Ok(Built::Proxy(Box::new(ForwardedHeaders { peers })))
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Proxy
    }
}

impl Proxy for ForwardedHeaders {
    fn identify<'a>(
        &'a self,
        headers: &'a HeaderMap,
        peer: Option<PeerAddress>,
    ) -> BoxFuture<'a, Result<Named, ProviderError>> {
        async move {
            if let Some(trusted) = &self.peers {
                trusted.check(peer)?;
            }
            let (username, email) = (word(headers, &USER)?, word(headers, &EMAIL)?);
            let subject = username.clone().or(email.clone());
            let profile = ProviderProfile {
                subject: subject.ok_or_else(ProviderError::absent)?,
                display_name: username.clone(),
                username,
                preferred_username: word(headers, &PREFERRED)?,
                email,
                ..ProviderProfile::default()
            };
            let token = only(headers, &ID_TOKEN)?.unwrap_or_default();
            let token = token.strip_prefix("Bearer ").unwrap_or(token);
            let info = json!({ "accessToken": token });
            Ok(Named { profile, info })
        }
        .boxed()
    }
}

/// A header that is not empty.
fn word(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ProviderError> {
    match only(headers, name)? {
        Some(text) if text.len() > MAX_LENGTH => {
            Err(ProviderError::invalid("the proxy's header is too long"))
        }
        Some(text) if !text.trim().is_empty() => Ok(Some(text.to_owned())),
        _ => Ok(None),
    }
}
