//! The guest's refresh, which is the sign-in itself (spec section 10.8).

use http::HeaderMap;
use http::header::HOST;
use serde_json::json;

use super::callback::SessionParts;
use super::refresh::Answer;
use super::resolver::ResolvedUser;
use super::{Inner, SESSION, SignInError};
use crate::catalog::UserQuery;
use crate::http_client::is_loopback;
use crate::identity::Profile;
use crate::session::Family;

impl Inner {
    pub(super) fn is_guest(&self, provider: &str) -> bool {
        provider == "guest" && self.guest.is_some()
    }

    /// Whether it has neither pages nor environments: its refresh is the sign-in.
    pub(super) fn is_proxy(&self, provider: &str) -> bool {
        self.is_guest(provider) || self.proxies.contains_key(provider)
    }

    /// Signs the guest in.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept on this side.
    pub(super) async fn guest(&self, headers: &HeaderMap) -> Result<Answer, SignInError> {
        let guest = self.guest.as_ref().filter(|guest| guest.allowed).ok_or_else(|| {
            SignInError::not_allowed("The guest provider cannot be used outside of a development environment unless 'auth.providers.guest.dangerouslyAllowOutsideDevelopment' is enabled")
        })?;
        if !guest.config.anywhere && !is_for_this_machine(headers) {
            return Err(SignInError::not_allowed(
                "The guest provider is for browsers on this machine only",
            ));
        }
        let user = guest
            .config
            .user
            .clone()
            .ok_or_else(|| SignInError::authentication("The guest is nobody"))?;
        let known = match &self.catalog {
            Some(catalog) => catalog.find_user(&UserQuery::Ref(user.clone())).await.ok(),
            None => None,
        };
        let profile = Profile {
            display_name: known
                .as_ref()
                .and_then(|found| found.display_name().map(str::to_owned)),
            ..Profile::default()
        };
        let resolved = known.map_or_else(
            || {
                let ownership = guest.config.ownership.iter().flatten().cloned();
                ResolvedUser::outside_catalog(user).with_ownership(ownership)
            },
            ResolvedUser::from,
        );
        let parts = SessionParts {
            provider: "guest",
            environment: &self.environment,
            subject: "guest",
            scope: String::new(),
            family: self.proxy_family("guest", None, headers).await?,
        };
        let mut cookies = Vec::new();
        let identity = self
            .begin_session(
                &resolved,
                profile.clone(),
                &parts,
                false,
                headers,
                &mut cookies,
            )
            .await?;
        tracing::info!(target: "tower_identity", provider = "guest", user = %resolved.entity_ref(), "signed in");
        Ok(Answer {
            body: Some(json!({ "profile": profile, "backstageIdentity": identity })),
            cookies,
        })
    }

    /// Who comes again goes on: whoever asks in a loop would fill the store with ended sign-ins otherwise.
    pub(super) async fn proxy_family(
        &self,
        provider: &str,
        user: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Family, SignInError> {
        let session = self.sessions.open(headers);
        let session = session.filter(|session| {
            let same = user.is_none_or(|user| session.person.user == user);
            session.provider == provider && same && session.family.ends_at() > self.clock.now()
        });
        if let Some(session) = session
            && !self.sessions.is_revoked(&session.family).await?
        {
            return Ok(session.family);
        }
        Ok(Family::new(self.clock.now().plus(SESSION)))
    }
}

/// Whether the request names this machine: a page that has its name point here, or a neighbour in the network, does not.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    authority.is_some_and(|authority| is_loopback(authority.host()))
}
