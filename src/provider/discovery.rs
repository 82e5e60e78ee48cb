//! A provider's own description (OpenID Connect Discovery section 3), fetched when first needed.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::Uri;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Host, Url};

use super::ProviderError;
use crate::clock::Clock;
use crate::http_client::{Outward, check_url, is_loopback};
use crate::verify::jwks::RemoteKeys;

/// How long a description is believed.
const FRESH: Duration = Duration::from_secs(3600);
/// After a failure nothing is tried for this long, so that callers fail at once.
const BACKOFF: Duration = Duration::from_secs(5);
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Fetches a description, and keeps it.
pub(super) struct Discovery {
    document: Uri,
    /// As configured, or without a trailing slash where only the document was.
    issuer: String,
    /// Whether the configuration names the issuer itself, and not just the document.
    exact: bool,
    client: Outward,
    clock: Clock,
    state: Mutex<State>,
    /// What was last known, for those who come while it is fetched anew.
    last: ArcSwapOption<Discovered>,
}

#[derive(Default)]
struct State {
    known: Option<(Duration, Arc<Discovered>)>,
    failed: Option<(Duration, ProviderError)>,
}

/// A description that was checked, and the keys it leads to.
pub(super) struct Discovered {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) userinfo_endpoint: Option<Uri>,
    pub(super) end_session_endpoint: Option<Url>,
    pub(super) revocation_endpoint: Option<Uri>,
    pub(super) sends_issuer: bool,
    pub(super) algorithms: Vec<String>,
    pub(super) keys: RemoteKeys,
    jwks_uri: Uri,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
}

impl Discovery {
    /// `metadata_url` is the issuer, or the document itself.
    pub(super) fn new(metadata_url: &str, client: Outward, clock: Clock) -> Result<Self, String> {
        let of_document = metadata_url.strip_suffix(WELL_KNOWN);
        let issuer = of_document.unwrap_or(metadata_url);
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let document: Uri = format!("{base}{WELL_KNOWN}")
            .parse()
            .map_err(|_| "expected a URL".to_owned())?;
        check_url(&document)?;
        Ok(Self {
            document,
            issuer: if of_document.is_some() { base } else { issuer }.to_owned(),
            exact: of_document.is_none(),
            client,
            clock,
            state: Mutex::default(),
            last: ArcSwapOption::empty(),
        })
    }

    /// The description. Concurrent callers wait for one fetch, unless there is one to go by meanwhile.
    ///
    /// # Cancel safety
    ///
    /// The next caller begins again.
    pub(super) async fn get(&self) -> Result<Arc<Discovered>, ProviderError> {
        let Ok(mut state) = self.state.try_lock() else {
            let last = self.last.load_full();
            return match last {
                Some(known) => Ok(known),
                None => self.get_in_turn(&mut *self.state.lock().await).await,
            };
        };
        self.get_in_turn(&mut state).await
    }

    async fn get_in_turn(&self, state: &mut State) -> Result<Arc<Discovered>, ProviderError> {
        let now = self.clock.monotonic();
        if let Some((_, known)) = state.known.as_ref().filter(|(at, _)| now < *at + FRESH) {
            return Ok(known.clone());
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| now < *at + BACKOFF) {
            return state
                .known
                .as_ref()
                .map(|(_, known)| known.clone())
                .ok_or_else(|| error.clone());
        }
        match self
            .fetch(state.known.as_ref().map(|(_, known)| &**known))
            .await
        {
            Ok(fetched) => {
                let fetched = Arc::new(fetched);
                self.last.store(Some(fetched.clone()));
                state.known = Some((self.clock.monotonic(), fetched.clone()));
                Ok(fetched)
            }
            Err(error) => {
                tracing::warn!(target: "tower_identity", issuer = self.issuer, %error, "discovery failed");
                state.failed = Some((self.clock.monotonic(), error.clone()));
                state
                    .known
                    .as_ref()
                    .map(|(_, known)| known.clone())
                    .ok_or(error)
            }
        }
    }

    async fn fetch(&self, before: Option<&Discovered>) -> Result<Discovered, ProviderError> {
        let metadata: Metadata = self.client.get_json(&self.document).await?;
        // An issuer is compared as it is; a document's place tells it up to one trailing slash (Discovery section 4.1).
        let without_slash = metadata.issuer.strip_suffix('/');
        let same = metadata.issuer == self.issuer
            || !self.exact && without_slash == Some(self.issuer.as_str());
        if !same {
            return Err(ProviderError::invalid(
                "the discovery document is another issuer's",
            ));
        }
        // A provider somewhere else has no business on this machine.
        let local = self.document.host().is_some_and(is_loopback);
        let url = |name: &str, text: &str| {
            let uri: Uri = text
                .parse()
                .map_err(|_| ProviderError::invalid(format!("{name} is not a URL")))?;
            check_url(&uri).map_err(|e| ProviderError::invalid(format!("{name}: {e}")))?;
            let url = Url::parse(text)
                .map_err(|_| ProviderError::invalid(format!("{name} is not a URL")))?;
            if !local && is_this_machine(&url) {
                let reason = format!("{name} is on this machine, and the provider is not");
                return Err(ProviderError::invalid(reason));
            }
            Ok((url, uri))
        };
        let jwks_uri = url("jwks_uri", &metadata.jwks_uri)?.1;
        let keys = match before {
            // The keys that are known outlive a refreshed description, unless it leads to others.
            Some(before) if before.jwks_uri == jwks_uri => before.keys.clone(),
            _ => RemoteKeys::at(jwks_uri.clone(), self.client.clone(), self.clock.clone()),
        };
        let optional =
            |name, text: &Option<String>| text.as_ref().map(|t| url(name, t)).transpose();
        Ok(Discovered {
            authorization_endpoint: url(
                "authorization_endpoint",
                &metadata.authorization_endpoint,
            )?
            .0,
            token_endpoint: url("token_endpoint", &metadata.token_endpoint)?.0,
            userinfo_endpoint: optional("userinfo_endpoint", &metadata.userinfo_endpoint)?
                .map(|u| u.1),
            end_session_endpoint: optional("end_session_endpoint", &metadata.end_session_endpoint)?
                .map(|u| u.0),
            revocation_endpoint: optional("revocation_endpoint", &metadata.revocation_endpoint)?
                .map(|u| u.1),
            sends_issuer: metadata.authorization_response_iss_parameter_supported,
            algorithms: metadata.id_token_signing_alg_values_supported,
            issuer: metadata.issuer,
            keys,
            jwks_uri,
        })
    }
}

/// Whether it leads here, however it is written: `Url` reads `127.1` and its like as the addresses that they are.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => {
            let mapped = ip.to_ipv4_mapped();
            ip.is_loopback()
                || ip.is_unspecified()
                || mapped.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
        }
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}
