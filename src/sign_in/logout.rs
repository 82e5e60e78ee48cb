//! `POST {base}/{provider}/logout` (spec section 2.6).

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use url::Url;

use super::refresh::{Answer, Failure};
use super::{Inner, Params, SignInError};
use crate::credential::Cookies;
use crate::http_client::is_loopback;
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
        let guest = self.is_guest(provider);
        if !guest {
            self.environments(provider)?;
        }
        self.check_caller(headers)?;
        let environment = params.get("env")?;
        let cookies = self.forget(self.providers.keys().map(|id| &**id), headers);
        // Even where the end can't be told to other nodes, this browser forgets.
        if let Err(error) = self.revoke_all(headers).await {
            let error = SignInError::from(error);
            return Err(Failure { error, cookies });
        }
        let mut body = None;
        if let Some(entry) = environment
            .filter(|_| !guest)
            .and_then(|env| self.entry(provider, env).ok())
        {
            let url = entry
                .provider
                .sign_out(self.origins.app())
                .await
                .filter(may_navigate_to);
            body = url.map(|url| json!({ "logoutUrl": url.as_str() }));
        }
        Ok(Answer { body, cookies })
    }

    /// Ends every sign-in that this request shows: whichever provider's, for all of it is forgotten here.
    async fn revoke_all(&self, headers: &HeaderMap) -> Result<(), StoreError> {
        let session = self.sessions.open(headers);
        if let Some(session) = &session {
            self.sessions.revoke(&session.family).await?;
            tracing::info!(target: "tower_identity", provider = session.provider, user = session.person.user, "signed out");
        }
        // A session that has run out, or that another sign-in took the place of, may have left what renews it.
        for provider in self.providers.keys() {
            if let Some(renewal) = self.renewal(provider, headers) {
                self.sessions.revoke(&renewal.family).await?;
            }
        }
        Ok(())
    }

    /// The lines by which a browser forgets the session, and what renews it by these providers.
    pub(super) fn forget<'a>(
        &self,
        providers: impl Iterator<Item = &'a str>,
        headers: &HeaderMap,
    ) -> Vec<HeaderValue> {
        let mut cookies = self.sessions.clear(headers);
        for provider in providers {
            for kind in ["refresh-token", "granted-scope"] {
                let (name, set) = self.provider_cookie(provider, kind);
                cookies.extend(set.clear(&name, Cookies::of(headers)));
            }
        }
        cookies
    }
}

fn may_navigate_to(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(is_loopback)
}
