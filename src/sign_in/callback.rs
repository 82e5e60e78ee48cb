//! `GET|POST {base}/{provider}/handler/frame` (spec section 2.4): state first, then `iss`, then `error`, then the code.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use super::attempt::{self, Attempt};
use super::resolver::{ResolvedUser, SignInInfo, resolve};
use super::{Inner, Params, SESSION, SignInError, SignInErrorKind};
use crate::identity::Profile;
use crate::provider::{Grant, ProviderProfile};
use crate::session::{Family, Session};
use crate::token::MintError;

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

/// What is found of the attempt that a state is the handle of.
enum Taken {
    Fresh(Attempt),
    /// It was completed, or there is none: where it led, as far as that is known.
    Over(Option<Url>),
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
    ) -> Result<Completion, SignInError> {
        // Nobody is sent back to a provider that has no callback: this is no person's request.
        if self.is_proxy(provider) {
            return Err(SignInError::not_implemented());
        }
        self.environments(provider)?;
        Ok(self.complete_attempt(provider, params, headers).await)
    }

    async fn complete_attempt(
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
        let mut cookies = Attempt::clear(self, headers, &state);
        let cleared = cookies.len();
        let attempt = match self.take_attempt(provider, &state, params, headers).await {
            Ok(Taken::Fresh(attempt)) => attempt,
            // A stale tab, or the Back button: whoever has a session has nothing to lose (LF-03, LF-27).
            Ok(Taken::Over(led_to)) if self.has_live_session(headers).await => {
                // The way back may be gone more than once.
                let cookies = match led_to {
                    Some(_) => Vec::new(),
                    None => cookies,
                };
                let to = led_to.unwrap_or_else(|| self.origins.app().clone());
                return Completion {
                    end: End::Redirect(to),
                    cookies,
                };
            }
            Ok(Taken::Over(_)) => {
                // Whoever brings no cookie at all may have a browser that takes none.
                let words = match headers.contains_key(COOKIE) {
                    true => "This sign-in was not begun in this browser, or too long ago",
                    false => {
                        "This sign-in was not begun in this browser, or too long ago, or it takes no cookies"
                    }
                };
                let error = SignInError::input(words).because("no attempt belongs to the state");
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
            Ok(response) => {
                if attempt.return_to.is_some() {
                    // In place of the lines that clear it, which came first.
                    cookies.drain(..cleared);
                    cookies.extend(attempt.settle(self, headers));
                }
                Completion {
                    end: success(attempt, response),
                    cookies,
                }
            }
            Err(error) => {
                tracing::info!(target: "tower_identity", provider, error = ?error.message(), detail = ?error.detail(), "sign-in failed");
                Completion {
                    end: failure(attempt, &error),
                    cookies,
                }
            }
        }
    }

    /// The attempt of a state, once: the second to ask hears only where it led.
    async fn take_attempt(
        &self,
        provider: &str,
        state: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Taken, SignInError> {
        let Some(attempt) = Attempt::open(self, headers, state, provider) else {
            return Ok(Taken::Over(None));
        };
        if attempt.done {
            return Ok(Taken::Over(attempt.led_to()));
        }
        // Without a code there is nothing to use twice, and nothing that a stranger could fill the store with.
        if !matches!(params.get("code"), Ok(Some(_))) {
            return Ok(Taken::Fresh(attempt));
        }
        let first = self
            .store
            .put_if_absent(&attempt.used_key(), b"", attempt::LIFE)
            .await?;
        Ok(match first {
            true => Taken::Fresh(attempt),
            false => Taken::Over(attempt.led_to()),
        })
    }

    async fn has_live_session(&self, headers: &HeaderMap) -> bool {
        match self.sessions.open(headers) {
            Some(session) => self.sessions.is_revoked(&session.family).await == Ok(false),
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
        let (person, grant) = entry.provider.exchange(code, &attempt.request()).await?;
        let family = Family::new(self.clock.now().plus(entry.longest));
        let parts = SessionParts {
            provider: &attempt.provider,
            environment: &attempt.environment,
            subject: &person.subject,
            scope: grant.scope.clone().unwrap_or_else(|| attempt.scope.clone()),
            family,
        };
        let profile = shown_profile(&person);
        let resolved = match &entry.resolvers[..] {
            [] => None,
            resolvers => {
                let info = SignInInfo::new(&attempt.provider, person.clone());
                Some(resolve(resolvers, &info, self.catalog.as_ref()).await?)
            }
        };
        let who = (resolved.as_ref(), profile);
        let response = self.admit(&parts, &grant, who, headers, cookies).await?;
        if let Some(resolved) = &resolved {
            tracing::info!(target: "tower_identity", provider = parts.provider, user = %resolved.entity_ref(), "signed in");
        }
        Ok(response)
    }

    /// Gives whoever a grant's person is to the catalog a session, cookies and a token.
    pub(super) async fn admit(
        &self,
        parts: &SessionParts<'_>,
        grant: &Grant,
        (resolved, profile): (Option<&ResolvedUser>, Profile),
        headers: &HeaderMap,
        cookies: &mut Vec<HeaderValue>,
    ) -> Result<Value, SignInError> {
        let subject = parts.subject;
        tracing::debug!(target: "tower_identity", provider = parts.provider, ?subject, "the provider named somebody");
        let mut response = json!({ "profile": profile });
        let mut info = json!({ "accessToken": grant.access_token.expose(), "scope": parts.scope });
        if let Some(id_token) = &grant.id_token {
            info["idToken"] = id_token.expose().as_str().into();
        }
        if let Some(life) = grant.expires_in {
            info["expiresInSeconds"] = life.into();
        }
        response["providerInfo"] = info;
        if let Some(resolved) = resolved {
            let renewable = grant.refresh_token.is_some();
            response["backstageIdentity"] = self
                .begin_session(resolved, profile, parts, renewable, headers, cookies)
                .await?;
        }
        self.remember(parts, grant, resolved, headers, cookies)?;
        Ok(response)
    }

    /// A session and a token for a resolved user. Whatever other session the browser brought ends (LF-16), unless it is
    /// the same person's by another provider: people are signed in with two side by side.
    pub(super) async fn begin_session(
        &self,
        resolved: &ResolvedUser,
        profile: Profile,
        parts: &SessionParts<'_>,
        renewable: bool,
        headers: &HeaderMap,
        cookies: &mut Vec<HeaderValue>,
    ) -> Result<Value, SignInError> {
        let identity = self.identity_json(resolved).await?;
        let mut session = Session::new(
            parts.family.clone(),
            resolved.person(),
            (parts.provider, parts.environment),
            self.clock.now().plus(SESSION),
        );
        session.profile = profile;
        session.renewable = renewable;
        session.scope = parts.scope.clone();
        let lines = self.sessions.seal(&session, headers).ok_or_else(|| {
            SignInError::new(
                SignInErrorKind::NotAllowed,
                "This account owns too much for a session cookie",
            )
        })?;
        let old = self.sessions.open(headers);
        let ends = old.filter(|old| {
            let beside = old.provider != parts.provider && old.person.user == session.person.user;
            old.family != parts.family && !beside
        });
        if let Some(old) = ends {
            self.sessions.revoke(&old.family).await?;
        }
        cookies.extend(lines);
        Ok(identity)
    }

    /// The member `backstageIdentity`: a fresh token and whom it proves (spec section 4.2).
    pub(super) async fn identity_json(
        &self,
        resolved: &ResolvedUser,
    ) -> Result<Value, SignInError> {
        let minted = self
            .tokens
            .mint_user(resolved.entity_ref(), resolved.ownership())
            .await;
        let token = minted.map_err(|error| match error {
            MintError::Unavailable(error) => SignInError::from(error),
            error => SignInError::not_allowed("This account owns too much for a token")
                .because(error.to_string()),
        })?;
        let ownership: Vec<&str> = resolved
            .ownership()
            .iter()
            .map(|entity| entity.as_str())
            .collect();
        Ok(json!({
            "token": token.expose(),
            "identity": {
                "type": "user",
                "userEntityRef": resolved.entity_ref().as_str(),
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
    /// The provider's name for the person.
    pub(super) subject: &'a str,
    pub(super) scope: String,
    pub(super) family: Family,
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
    match attempt.led_to() {
        Some(url) => End::Redirect(url),
        None => End::Frame {
            message: json!({ "type": "authorization_response", "response": response }),
            origin: attempt.origin,
        },
    }
}

fn failure(attempt: Attempt, error: &SignInError) -> End {
    match attempt.led_to() {
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
