//! `POST {base}/{provider}/logout` (spec section 2.6).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use url::Url;

use super::refresh::{Answer, Failure, Renewal};
use super::{Inner, Params, SignInError};
use crate::credential::Cookies;
use crate::http_client::is_loopback;
use crate::provider::Provider;
use crate::secret::Secret;
use crate::session::Family;
use crate::store::StoreError;

impl Inner {
    /// Ends the sign-in of this browser here first, then says where it can be ended at the provider.
    ///
    /// # Cancel safety
    ///
    /// A revocation that was begun is completed or not at all.
    pub(crate) async fn logout(
        &self,
        provider: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Answer, Failure> {
        let entry = match self.is_proxy(provider) {
            true => None,
            false => Some(self.environment(provider, params)?.0),
        };
        self.check_caller(headers)?;
        let cookies = self.forget(provider, None, headers);
        // Even where the end can't be told to other nodes, this browser forgets.
        if let Err(error) = self.revoke_all(provider, headers).await {
            let error = SignInError::from(error);
            return Err(Failure { error, cookies });
        }
        let mut body = None;
        if let Some(entry) = entry {
            let (token, hint) = match self.renewal(provider, headers).map(Renewal::into_tokens) {
                Some((token, hint)) => (Some(token), hint),
                None => (None, None),
            };
            if let Some(token) = token {
                revoke(&entry.provider, provider, token);
            }
            let back_to = self.origins.app();
            let url = entry.provider.sign_out(back_to, hint.as_ref()).await;
            let url = url.filter(may_navigate_to);
            body = url.map(|url| json!({ "logoutUrl": url.as_str() }));
        }
        Ok(Answer { body, cookies })
    }

    /// Ends the sign-in with this provider. One with another provider beside it goes on, and keeps its session.
    async fn revoke_all(&self, provider: &str, headers: &HeaderMap) -> Result<(), StoreError> {
        let session = self.sessions.open(headers);
        if let Some(session) = session.filter(|session| session.provider == provider) {
            self.sessions.revoke(&session.family).await?;
            tracing::info!(target: "tower_identity", provider, user = session.person.user, "signed out");
        }
        // A session that has run out, or given way to another provider's, may have left what renews it.
        if let Some(renewal) = self.renewal(provider, headers) {
            self.sessions.revoke(&renewal.family).await?;
        }
        Ok(())
    }

    /// The lines by which a browser forgets the sign-in with a provider: what renews it, and the session, unless that
    /// is another's.
    pub(super) fn forget(
        &self,
        provider: &str,
        family: Option<&Family>,
        headers: &HeaderMap,
    ) -> Vec<HeaderValue> {
        let session = self.sessions.open(headers);
        let another = session.is_some_and(|session| {
            session.provider != provider && family.is_none_or(|family| session.family != *family)
        });
        let mut cookies = match another {
            true => Vec::new(),
            false => self.sessions.clear(headers),
        };
        for kind in ["refresh-token", "granted-scope"] {
            let (name, set) = self.provider_cookie(provider, kind);
            cookies.extend(set.clear(&name, Cookies::of(headers)));
        }
        cookies
    }
}

/// Ends the grant at the provider, in a task of its own: signing out here waits for nobody, and has been done.
pub(super) fn revoke(provider: &Arc<dyn Provider>, id: &str, refresh_token: Secret<String>) {
    let (provider, id) = (provider.clone(), id.to_owned());
    tokio::spawn(async move {
        match provider.revoke(refresh_token.expose()).await {
            Ok(()) => tracing::debug!(target: "tower_identity", provider = id, "grant revoked"),
            Err(error) => {
                tracing::warn!(target: "tower_identity", provider = id, %error, "the grant can't be revoked at the provider");
            }
        }
    });
}

fn may_navigate_to(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lo_02_nobody_is_sent_to_plain_http_beyond_this_machine() {
        for (url, good) in [
            ("https://idp.example.com/out", true),
            ("http://127.0.0.1:8080/out", true),
            ("http://localhost/out", true),
            ("http://idp.example.com/out", false),
            ("http://127.0.0.1.example.com/out", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
        ] {
            assert_eq!(may_navigate_to(&Url::parse(url).unwrap()), good, "{url}");
        }
    }
}
