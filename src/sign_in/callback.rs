//! `GET|POST {base}/{provider}/handler/frame` (spec section 2.4): state first, then `iss`, then `error`, then the code.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::attempt::{self, Attempt};
use super::resolver::{Resolved, resolve};
use super::{Entry, Inner, Params, SESSION, SignInError, SignInErrorKind};
use crate::clock::Timestamp;
use crate::identity::Profile;
use crate::provider::{Grant, ProviderProfile};
use crate::session::Session;

/// How a callback ends, and what the browser shall remember.
pub(crate) struct Completion {
    pub(crate) end: End,
    pub(crate) cookies: Vec<HeaderValue>,
}

pub(crate) enum End {
    /// To the page that began the redirect flow.
    Redirect(Url),
    /// The popup's frame, which tells the result to this origin.
    Frame { message: Value, origin: String },
    /// A page of our own: nobody is known who could be told.
    Page(SignInError),
}

impl Inner {
    /// Completes an attempt. Nothing is sent to the provider unless the state is this browser's.
    ///
    /// # Cancel safety
    ///
    /// An attempt that was begun to be completed is used up: dropping the future loses it.
    pub(crate) async fn callback(
        &self,
        provider: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Completion {
        let failed = |error| Completion {
            end: End::Page(error),
            cookies: Vec::new(),
        };
        let state = match params.get("state") {
            Ok(Some(state)) => state.to_owned(),
            Ok(None) => return failed(SignInError::input("The sign-in has no state")),
            Err(error) => return failed(error),
        };
        if let Err(error) = self.environments(provider) {
            return failed(error);
        }
        let mut cookies = Attempt::clear(self, headers, &state);
        let attempt = match self.take_attempt(provider, &state, headers).await {
            Ok(Some(attempt)) => attempt,
            // A stale tab, or the Back button: whoever has a session has nothing to lose (LF-03, LF-27).
            Ok(None) if self.has_live_session(headers).await => {
                return Completion {
                    end: End::Redirect(self.origins.app().clone()),
                    cookies,
                };
            }
            Ok(None) => {
                let error = SignInError::input(
                    "This sign-in was not begun in this browser, or too long ago",
                )
                .because("no attempt belongs to the state");
                return Completion {
                    end: End::Page(error),
                    cookies,
                };
            }
            Err(error) => {
                return Completion {
                    end: End::Page(error),
                    cookies,
                };
            }
        };
        match self.complete(&attempt, params, headers, &mut cookies).await {
            Ok(response) => Completion {
                end: success(attempt, response),
                cookies,
            },
            Err(error) => {
                tracing::info!(target: "tower_identity", provider, error = %error.message(), detail = ?error.detail(), "sign-in failed");
                Completion {
                    end: failure(attempt, &error),
                    cookies,
                }
            }
        }
    }

    /// The attempt of a state, once: the second to ask gets nothing.
    async fn take_attempt(
        &self,
        provider: &str,
        state: &str,
        headers: &HeaderMap,
    ) -> Result<Option<Attempt>, SignInError> {
        let Some(attempt) = Attempt::open(self, headers, state, provider) else {
            return Ok(None);
        };
        let first = self
            .store
            .put_if_absent(&attempt.used_key(), b"", attempt::LIFE)
            .await?;
        Ok(first.then_some(attempt))
    }

    async fn has_live_session(&self, headers: &HeaderMap) -> bool {
        match self.sessions.open(headers) {
            Some(session) => self.sessions.is_revoked(&session).await == Ok(false),
            None => false,
        }
    }

    async fn complete(
        &self,
        attempt: &Attempt,
        params: &Params,
        headers: &HeaderMap,
        cookies: &mut Vec<HeaderValue>,
    ) -> Result<Value, SignInError> {
        let entry = self.entry(&attempt.provider, &attempt.environment)?;
        let [iss, error, code] = [
            params.get("iss")?,
            params.get("error")?,
            params.get("code")?,
        ];
        entry.provider.check_issuer(iss).await?;
        if let Some(code) = error {
            let known = [
                "access_denied",
                "login_required",
                "interaction_required",
                "consent_required",
            ];
            let shown = if code == "access_denied" {
                "Authentication rejected"
            } else {
                "Authentication failed"
            };
            let detail = known
                .iter()
                .find(|k| **k == code)
                .copied()
                .unwrap_or("another error code");
            return Err(SignInError::authentication(shown).because(detail));
        }
        let code = code
            .ok_or_else(|| SignInError::input("Unexpected redirect: the provider sent no code"))?;
        let grant = entry.provider.exchange(code, &attempt.request()).await?;
        let now = self.clock.now();
        let parts = SessionParts {
            provider: &attempt.provider,
            environment: &attempt.environment,
            scope: grant.scope.clone().unwrap_or_else(|| attempt.scope.clone()),
            authenticated_at: now,
        };
        self.admit(entry, &parts, &grant, headers, cookies).await
    }

    /// Finds out who a grant's person is to the catalog, and gives them session, cookies and token.
    pub(super) async fn admit(
        &self,
        entry: &Entry,
        parts: &SessionParts<'_>,
        grant: &Grant,
        headers: &HeaderMap,
        cookies: &mut Vec<HeaderValue>,
    ) -> Result<Value, SignInError> {
        let subject = &grant.profile.subject;
        tracing::debug!(target: "tower_identity", provider = parts.provider, ?subject, "the provider named somebody");
        let profile = shown_profile(&grant.profile);
        let mut response = json!({ "profile": profile });
        let mut info = json!({ "accessToken": grant.access_token.expose(), "scope": parts.scope });
        if let Some(id_token) = &grant.id_token {
            info["idToken"] = id_token.expose().as_str().into();
        }
        if let Some(life) = grant.expires_in {
            info["expiresInSeconds"] = life.into();
        }
        response["providerInfo"] = info;
        if !entry.resolvers.is_empty() {
            let resolved =
                resolve(&entry.resolvers, &grant.profile, self.catalog.as_deref()).await?;
            response["backstageIdentity"] = self
                .begin_session(&resolved, profile, parts, entry.longest, headers, cookies)
                .await?;
        }
        self.remember(entry, parts, grant, headers, cookies)?;
        Ok(response)
    }

    /// A fresh session and a token for a resolved user. Whatever session the browser brought ends (LF-16).
    pub(super) async fn begin_session(
        &self,
        resolved: &Resolved,
        profile: Profile,
        parts: &SessionParts<'_>,
        longest: std::time::Duration,
        headers: &HeaderMap,
        cookies: &mut Vec<HeaderValue>,
    ) -> Result<Value, SignInError> {
        let now = self.clock.now();
        let until = now.plus(SESSION).min(parts.authenticated_at.plus(longest));
        let identity = self.identity_json(resolved)?;
        let mut session = Session::new(
            &resolved.user,
            &resolved.ownership,
            profile,
            (parts.provider, parts.environment),
            parts.authenticated_at,
            until,
        );
        session.scope = parts.scope.clone();
        let lines = self.sessions.seal(&session, headers).ok_or_else(|| {
            SignInError::new(
                SignInErrorKind::NotAllowed,
                "This account owns too much for a session cookie",
            )
        })?;
        if let Some(old) = self.sessions.open(headers) {
            self.sessions.revoke(&old).await?;
        }
        tracing::info!(target: "tower_identity", provider = parts.provider, user = %resolved.user, "signed in");
        cookies.extend(lines);
        Ok(identity)
    }

    /// The member `backstageIdentity`: a fresh token and whom it proves (spec section 4.2).
    pub(super) fn identity_json(&self, resolved: &Resolved) -> Result<Value, SignInError> {
        let token = self
            .tokens
            .mint_user(&resolved.user, &resolved.ownership)
            .map_err(|e| {
                SignInError::new(
                    SignInErrorKind::NotAllowed,
                    "This account owns too much for a token",
                )
                .because(e.to_string())
            })?;
        let ownership: Vec<&str> = resolved
            .ownership
            .iter()
            .map(|entity| entity.as_str())
            .collect();
        Ok(json!({
            "token": token.expose(),
            "identity": {
                "type": "user",
                "userEntityRef": resolved.user.as_str(),
                "ownershipEntityRefs": ownership,
            },
            "expiresInSeconds": token.expires_at().since(self.clock.now()).as_secs(),
        }))
    }
}

/// What a session is made of besides its person.
pub(super) struct SessionParts<'a> {
    pub(super) provider: &'a str,
    pub(super) environment: &'a str,
    pub(super) scope: String,
    pub(super) authenticated_at: Timestamp,
}

/// How a person is shown: the provider's words, without what could not be displayed.
pub(super) fn shown_profile(profile: &ProviderProfile) -> Profile {
    let clean = |text: &Option<String>| {
        let text = text
            .as_deref()?
            .chars()
            .filter(|c| !c.is_control())
            .take(256)
            .collect::<String>();
        (!text.trim().is_empty()).then_some(text)
    };
    let picture = profile.picture.as_deref().filter(|url| url.len() <= 1024);
    Profile {
        display_name: clean(&profile.display_name),
        email: clean(&profile.email),
        picture: picture
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"))
            .map(str::to_owned),
    }
}

fn success(attempt: Attempt, response: Value) -> End {
    match attempt
        .return_to
        .as_deref()
        .and_then(|url| Url::parse(url).ok())
    {
        Some(url) => End::Redirect(url),
        None => End::Frame {
            message: json!({ "type": "authorization_response", "response": response }),
            origin: attempt.origin,
        },
    }
}

fn failure(attempt: Attempt, error: &SignInError) -> End {
    match attempt
        .return_to
        .as_deref()
        .and_then(|url| Url::parse(url).ok())
    {
        Some(mut url) => {
            let others: Vec<(String, String)> = url
                .query_pairs()
                .filter(|(name, _)| name != "error")
                .map(|(k, v)| (k.into(), v.into()))
                .collect();
            url.query_pairs_mut()
                .clear()
                .extend_pairs(others)
                .append_pair("error", error.message());
            End::Redirect(url)
        }
        None => End::Frame {
            message: json!({
                "type": "authorization_response",
                "error": { "name": error.name(), "message": error.message() },
            }),
            origin: attempt.origin,
        },
    }
}
