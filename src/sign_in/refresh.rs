//! `GET|POST {base}/{provider}/refresh` and `POST {base}/{provider}/logout` (spec sections 2.5, 2.6), and the guest.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::callback::SessionParts;
use super::resolver::Resolved;
use super::{Entry, Inner, Params, SESSION, SignInError, SignInErrorKind};
use crate::catalog::{CatalogError, UserQuery};
use crate::clock::Timestamp;
use crate::credential::Cookies;
use crate::http_client::is_loopback;
use crate::identity::{EntityRef, Profile};
use crate::provider::Grant;
use crate::session::Session;

/// A provider's refresh token, sealed into a cookie of the provider's own path.
#[derive(Deserialize, Serialize)]
struct Renewal {
    token: String,
    environment: String,
    scope: String,
    authenticated_at: u64,
}

/// An answer and what the browser shall remember.
pub(crate) struct Answer {
    pub(crate) body: Option<Value>,
    pub(crate) cookies: Vec<HeaderValue>,
}

impl Inner {
    /// Renews a session: the provider is asked again, and so is the catalog.
    ///
    /// # Cancel safety
    ///
    /// A provider that rotates its refresh tokens may have taken the old one: dropping the future then loses the session.
    pub(crate) async fn refresh(
        &self,
        provider: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Answer, SignInError> {
        if !self.is_guest(provider) {
            self.environments(provider)?;
        }
        check_requested_with(headers)?;
        if self.is_guest(provider) {
            return self.guest(headers).await;
        }
        let environment = params
            .get("env")?
            .ok_or_else(|| SignInError::input("Must specify 'env' query to select environment"))?;
        let entry = self.entry(provider, environment)?;
        self.renew(entry, provider, environment, headers)
            .await
            .map_err(SignInError::of_refresh)
    }

    async fn renew(
        &self,
        entry: &Entry,
        provider: &str,
        environment: &str,
        headers: &HeaderMap,
    ) -> Result<Answer, SignInError> {
        let (name, _) = self.provider_cookie(provider, "refresh-token");
        let renewal = Cookies::of(headers)
            .open(&self.sealing, &name)
            .and_then(|plain| serde_json::from_slice::<Renewal>(&plain).ok())
            .filter(|renewal| renewal.environment == environment);
        let Some(renewal) = renewal else {
            return self
                .renew_without_provider(provider, environment, headers)
                .await;
        };
        let authenticated_at = Timestamp::from_unix(renewal.authenticated_at);
        if authenticated_at.plus(entry.longest) <= self.clock.now() {
            return Err(SignInError::authentication(
                "The session has lasted as long as it may",
            ));
        }
        let grant = self.renewals.renew(&entry.provider, &renewal.token).await?;
        let parts = SessionParts {
            provider,
            environment,
            scope: grant.scope.clone().unwrap_or(renewal.scope),
            authenticated_at,
        };
        let mut cookies = Vec::new();
        let body = self
            .admit(entry, &parts, &grant, headers, &mut cookies)
            .await?;
        Ok(Answer {
            body: Some(body),
            cookies,
        })
    }

    /// A provider without refresh tokens: the session itself is good for a token until it ends,
    /// as long as the catalog still knows the person.
    async fn renew_without_provider(
        &self,
        provider: &str,
        environment: &str,
        headers: &HeaderMap,
    ) -> Result<Answer, SignInError> {
        let missing = || SignInError::input("Missing session cookie");
        let session = self
            .sessions
            .open(headers)
            .filter(|s| s.provider == provider && s.environment == environment)
            .ok_or_else(missing)?;
        if self.sessions.is_revoked(&session).await? {
            return Err(missing());
        }
        let resolved = self.still_known(&session).await?;
        let body = json!({
            "profile": session.profile,
            "providerInfo": { "scope": session.scope },
            "backstageIdentity": self.identity_json(&resolved)?,
        });
        Ok(Answer {
            body: Some(body),
            cookies: Vec::new(),
        })
    }

    async fn still_known(&self, session: &Session) -> Result<Resolved, SignInError> {
        let missing = || SignInError::authentication("The session names nobody");
        let user = EntityRef::parse(&session.user).map_err(|_| missing())?;
        let asked = match &self.catalog {
            None => Err(CatalogError::NotFound),
            Some(catalog) => catalog.find_user(&UserQuery::Ref(user.clone())).await,
        };
        match asked {
            Ok(found) => Ok(Resolved {
                user,
                ownership: found.ownership().to_vec(),
            }),
            // Who signed in without being in the catalog owns nothing but themselves.
            Err(CatalogError::NotFound) if session.ownership == [session.user.as_str()] => {
                Ok(Resolved {
                    ownership: vec![user.clone()],
                    user,
                })
            }
            Err(CatalogError::NotFound) => Err(SignInError::authentication(
                "The catalog does not know this user any more",
            )),
            Err(error) => Err(SignInError::new(
                SignInErrorKind::Unavailable,
                "The catalog can't be asked right now",
            )
            .because(format!("{error:?}"))),
        }
    }

    /// Keeps what renews the session, and which scopes were granted, in cookies of the provider's path.
    pub(super) fn remember(
        &self,
        entry: &Entry,
        parts: &SessionParts<'_>,
        grant: &Grant,
        headers: &HeaderMap,
        cookies: &mut Vec<HeaderValue>,
    ) -> Result<(), SignInError> {
        let life = parts
            .authenticated_at
            .plus(entry.longest)
            .since(self.clock.now());
        let present = Cookies::of(headers);
        if let Some(token) = &grant.refresh_token {
            let (name, set) = self.provider_cookie(parts.provider, "refresh-token");
            let renewal = Renewal {
                token: token.expose().clone(),
                environment: parts.environment.to_owned(),
                scope: parts.scope.clone(),
                authenticated_at: parts.authenticated_at.as_unix(),
            };
            let plain = zeroize::Zeroizing::new(serde_json::to_vec(&renewal).unwrap_or_default());
            let lines = set.seal(&self.sealing, &name, &plain, life, present);
            cookies.extend(lines.map_err(|_| {
                SignInError::not_allowed("The provider's refresh token is too long")
            })?);
        }
        let (name, set) = self.provider_cookie(parts.provider, "granted-scope");
        cookies.extend(
            set.seal(&self.sealing, &name, parts.scope.as_bytes(), life, present)
                .unwrap_or_default(),
        );
        Ok(())
    }

    /// Ends a session here first, then says where it can be ended at the provider.
    ///
    /// # Cancel safety
    ///
    /// A revocation that was begun is completed or not at all.
    pub(crate) async fn logout(
        &self,
        provider: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Answer, SignInError> {
        let guest = self.is_guest(provider);
        if !guest {
            self.environments(provider)?;
        }
        check_requested_with(headers)?;
        if let Some(origin) = headers.get(ORIGIN) {
            let allowed = origin
                .to_str()
                .is_ok_and(|origin| self.origins.allows(origin));
            if !allowed {
                return Err(SignInError::not_allowed("Origin is not allowed"));
            }
        }
        let mut cookies = Vec::new();
        if let Some(session) = self
            .sessions
            .open(headers)
            .filter(|s| s.provider == provider)
        {
            self.sessions.revoke(&session).await?;
            tracing::info!(target: "tower_identity", provider, user = session.user, "signed out");
        }
        cookies.extend(self.sessions.clear(headers));
        for kind in ["refresh-token", "granted-scope"] {
            let (name, set) = self.provider_cookie(provider, kind);
            cookies.extend(set.clear(&name, Cookies::of(headers)));
        }
        let environment = params.get("env")?;
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

    pub(super) fn is_guest(&self, provider: &str) -> bool {
        provider == "guest" && self.guest.is_some()
    }

    /// The guest's refresh is the sign-in itself (spec section 10.8).
    async fn guest(&self, headers: &HeaderMap) -> Result<Answer, SignInError> {
        let guest = self.guest.as_ref().filter(|guest| guest.allowed).ok_or_else(|| {
            SignInError::not_allowed("The guest provider cannot be used outside of a development environment unless 'auth.providers.guest.dangerouslyAllowOutsideDevelopment' is enabled")
        })?;
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
        let ownership = known.as_ref().map(|found| found.ownership().to_vec());
        let ownership = ownership
            .or_else(|| guest.config.ownership.clone())
            .unwrap_or_else(|| vec![user.clone()]);
        let parts = SessionParts {
            provider: "guest",
            environment: &self.environment,
            scope: String::new(),
            authenticated_at: self.clock.now(),
        };
        let mut cookies = Vec::new();
        let resolved = Resolved { user, ownership };
        let identity = self
            .begin_session(
                &resolved,
                profile.clone(),
                &parts,
                SESSION,
                headers,
                &mut cookies,
            )
            .await?;
        Ok(Answer {
            body: Some(json!({ "profile": profile, "backstageIdentity": identity })),
            cookies,
        })
    }
}

/// Only a script of an allowed origin can send this header: a form, an image or a link cannot.
fn check_requested_with(headers: &HeaderMap) -> Result<(), SignInError> {
    if headers
        .get("x-requested-with")
        .is_some_and(|value| value == "XMLHttpRequest")
    {
        Ok(())
    } else {
        Err(SignInError::authentication(
            "Invalid X-Requested-With header",
        ))
    }
}

fn may_navigate_to(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(is_loopback)
}
