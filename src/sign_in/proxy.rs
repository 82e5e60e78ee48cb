//! The refresh of an identity-aware proxy, which is the sign-in itself (spec sections 4.2, 10.7).

use http::HeaderMap;
use serde_json::json;

use super::callback::{SessionParts, shown_profile};
use super::refresh::{Answer, Failure};
use super::resolver::{SignInInfo, resolve};
use super::{Inner, ProxyEntry, SignInError, SignInErrorKind};
use crate::credential::PeerAddress;

impl Inner {
    /// Signs in whom the proxy names now. A session of whom it named before ends, if it names nobody any more, or
    /// somebody whom the catalog does not know.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept on this side, but that a session has ended.
    pub(super) async fn proxied(
        &self,
        id: &str,
        entry: &ProxyEntry,
        headers: &HeaderMap,
        peer: Option<PeerAddress>,
    ) -> Result<Answer, Failure> {
        let named = entry.proxy.identify(headers, peer).await;
        let named = match named.map_err(SignInError::from) {
            Ok(named) => named,
            Err(error) => return Err(self.not_named(id, error, headers).await),
        };
        let profile = shown_profile(&named.profile);
        let subject = named.profile.subject.clone();
        let info = SignInInfo::new(id, named.profile);
        let resolved = match resolve(&entry.resolvers, &info, self.catalog.as_ref()).await {
            Ok(resolved) => resolved,
            Err(error) => return Err(self.not_named(id, error, headers).await),
        };
        let user = resolved.entity_ref().as_str();
        let parts = SessionParts {
            provider: id,
            environment: &self.environment,
            subject: &subject,
            scope: String::new(),
            family: self.proxy_family(id, Some(user), headers).await?,
        };
        let mut cookies = Vec::new();
        let session = (&resolved, profile.clone());
        let identity = self
            .begin_session(session.0, session.1, &parts, false, headers, &mut cookies)
            .await?;
        tracing::info!(target: "tower_identity", provider = id, user, "signed in");
        let body = json!({
            "profile": profile,
            "providerInfo": named.info,
            "backstageIdentity": identity,
        });
        Ok(Answer {
            body: Some(body),
            cookies,
        })
    }

    async fn not_named(&self, id: &str, error: SignInError, headers: &HeaderMap) -> Failure {
        let session = self.sessions.open(headers);
        let session = session.filter(|session| session.provider == id);
        match session {
            // What can't be told now says nothing of anybody.
            Some(session) if error.kind() != SignInErrorKind::Unavailable => {
                self.end(id, &session.family, error, headers).await
            }
            _ => error.into(),
        }
    }
}
