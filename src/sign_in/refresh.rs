//! `GET|POST {base}/{provider}/refresh` (spec section 2.5): the provider is asked again, and so is the catalog.

use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::callback::{SessionParts, shown_profile};
use super::logout::revoke;
use super::resolver::{ResolvedUser, SignInInfo, resolve};
use super::{Entry, Inner, Params, SignInError, SignInErrorKind};
use crate::catalog::{CatalogError, UserQuery};
use crate::credential::{Cookies, PeerAddress};
use crate::identity::EntityRef;
use crate::provider::{Grant, ProviderErrorKind};
use crate::secret::Secret;
use crate::session::{Family, Person, Session};

/// A provider's refresh token, and whose it is: sealed into a cookie of its own.
#[derive(Deserialize, Serialize)]
pub(super) struct Renewal {
    token: String,
    environment: String,
    scope: String,
    /// The provider's name for the person: a refresh must not change them (RF-07).
    subject: String,
    person: Option<Person>,
    /// What the provider wants to see again when the person signs out.
    #[serde(default)]
    sign_out_hint: Option<String>,
    pub(super) family: Family,
}

/// An answer, and what the browser shall remember.
pub(crate) struct Answer {
    pub(crate) body: Option<Value>,
    pub(crate) cookies: Vec<HeaderValue>,
}

/// A failure, and what the browser shall forget.
pub(crate) struct Failure {
    pub(crate) error: SignInError,
    pub(crate) cookies: Vec<HeaderValue>,
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        let cookies = Vec::new();
        Self { error, cookies }
    }
}

impl Renewal {
    /// The refresh token, and the hint for the provider's own sign-out.
    pub(super) fn into_tokens(self) -> (Secret<String>, Option<Secret<String>>) {
        (self.token.into(), self.sign_out_hint.map(Secret::new))
    }
}

impl Inner {
    /// Renews a session.
    ///
    /// # Cancel safety
    ///
    /// A provider that rotates its refresh tokens may have taken the old one; whoever asks again within 30
    /// seconds gets what it gave for it.
    pub(crate) async fn refresh(
        &self,
        provider: &str,
        params: &Params,
        headers: &HeaderMap,
        peer: Option<PeerAddress>,
    ) -> Result<Answer, Failure> {
        if self.is_guest(provider) {
            self.check_caller(headers)?;
            return Ok(self.guest(headers).await?);
        }
        if let Some(entry) = self.proxies.get(provider) {
            self.check_caller(headers)?;
            return self.proxied(provider, entry, headers, peer).await;
        }
        let (entry, environment) = self.environment(provider, params)?;
        self.check_caller(headers)?;
        let renewed = match self.renewal(provider, headers) {
            Some(renewal) if renewal.environment == environment => {
                self.renew(entry, provider, renewal, headers).await
            }
            _ => self.repeat(provider, environment, headers).await,
        };
        renewed.map_err(|failure| Failure {
            error: failure.error.of_refresh(),
            ..failure
        })
    }

    /// What renews the session of a provider in this browser.
    pub(super) fn renewal(&self, provider: &str, headers: &HeaderMap) -> Option<Renewal> {
        let (name, _) = self.provider_cookie(provider, "refresh-token");
        let plain = Cookies::of(headers).open(&self.sealing, &name)?;
        serde_json::from_slice(&plain).ok()
    }

    /// With a refresh token the provider decides.
    async fn renew(
        &self,
        entry: &Entry,
        provider: &str,
        renewal: Renewal,
        headers: &HeaderMap,
    ) -> Result<Answer, Failure> {
        let family = &renewal.family;
        // A cookie that a neighbour planted must not make somebody else of whoever is signed in.
        let session = self.sessions.open(headers);
        let other = |session: &Session| {
            let person = renewal.person.as_ref();
            session.family != *family && person.is_some_and(|p| p.user != session.person.user)
        };
        if session.as_ref().is_some_and(other) {
            return Err(missing()
                .because("the refresh token is somebody else's")
                .into());
        }
        self.check_alive(family).await?;
        let key = format!("{provider}:{}", renewal.environment);
        let token = &renewal.token;
        let renewed = self.renewals.renew(&entry.provider, &key, token).await;
        let renewed = match renewed {
            Ok(renewed) => renewed,
            // Whom the provider has refused for good, or taken for another, is signed out here as well (RF-04, RF-07).
            Err(error)
                if matches!(
                    error.kind,
                    ProviderErrorKind::Refused
                        | ProviderErrorKind::Foreign
                        | ProviderErrorKind::KeptOut
                ) =>
            {
                return Err(self.end(provider, family, error.into(), headers).await);
            }
            Err(error) => return Err(SignInError::from(error).into()),
        };
        let (profile, grant) = &*renewed;
        if profile
            .as_ref()
            .is_some_and(|profile| profile.subject != renewal.subject)
        {
            let error = SignInError::authentication("The provider named somebody else");
            return Err(self.end(provider, family, error, headers).await);
        }
        let resolved = match (profile, &renewal.person) {
            (_, None) => None,
            (Some(profile), Some(_)) => {
                let info = SignInInfo::new(provider, profile.clone());
                Some(resolve(&entry.resolvers, &info, self.catalog.as_ref()).await)
            }
            (None, Some(person)) => Some(self.still_known(person).await),
        };
        let resolved = match resolved.transpose() {
            Ok(resolved) => resolved,
            Err(error) if error.kind() == SignInErrorKind::Unavailable => return Err(error.into()),
            Err(error) => return Err(self.end(provider, family, error, headers).await),
        };
        let shown = match (profile, session) {
            (Some(profile), _) => shown_profile(profile),
            (None, Some(session)) => session.profile,
            (None, None) => crate::identity::Profile::default(),
        };
        let parts = SessionParts {
            provider,
            environment: &renewal.environment,
            subject: &renewal.subject,
            scope: grant.scope.clone().unwrap_or_else(|| renewal.scope.clone()),
            family: family.clone(),
        };
        let mut cookies = Vec::new();
        let who = (resolved.as_ref(), shown);
        let body = self
            .admit(&parts, grant, who, headers, &mut cookies)
            .await?;
        tracing::debug!(target: "tower_identity", provider, "renewed");
        // Signing out may have overtaken this refresh while the provider took its time.
        if let Err(error) = self.check_alive(family).await {
            // What it brought was not there to be revoked then.
            if let Some(token) = &grant.refresh_token {
                revoke(&entry.provider, provider, token.clone());
            }
            return Err(error.into());
        }
        let body = Some(body);
        Ok(Answer { body, cookies })
    }

    /// Without one the session itself is good for a token until it ends, as long as the catalog still knows the person.
    async fn repeat(
        &self,
        provider: &str,
        environment: &str,
        headers: &HeaderMap,
    ) -> Result<Answer, Failure> {
        let session = self.sessions.open(headers).filter(|session| {
            // A session that the provider renews is renewed by nothing else.
            !session.renewable && session.provider == provider && session.environment == environment
        });
        let session = session.ok_or_else(missing)?;
        self.check_alive(&session.family).await?;
        let resolved = match self.still_known(&session.person).await {
            Ok(resolved) => resolved,
            Err(error) if error.kind() == SignInErrorKind::Unavailable => return Err(error.into()),
            Err(error) => return Err(self.end(provider, &session.family, error, headers).await),
        };
        let body = json!({
            "profile": session.profile,
            "providerInfo": { "scope": session.scope },
            "backstageIdentity": self.identity_json(&resolved).await?,
        });
        Ok(Answer {
            body: Some(body),
            cookies: Vec::new(),
        })
    }

    async fn check_alive(&self, family: &Family) -> Result<(), SignInError> {
        if family.ends_at() <= self.clock.now() {
            return Err(SignInError::authentication(
                "The session has lasted as long as it may",
            ));
        }
        if self.sessions.is_revoked(family).await? {
            return Err(missing().because("the sign-in was ended"));
        }
        Ok(())
    }

    /// Ends a sign-in that must not go on, here and in this browser.
    pub(super) async fn end(
        &self,
        provider: &str,
        family: &Family,
        error: SignInError,
        headers: &HeaderMap,
    ) -> Failure {
        let error = match self.sessions.revoke(family).await {
            Ok(()) => error,
            Err(store) => error.because(store.to_string()),
        };
        let cookies = self.forget(provider, Some(family), headers);
        Failure { error, cookies }
    }

    async fn still_known(&self, person: &Person) -> Result<ResolvedUser, SignInError> {
        let nobody = || SignInError::authentication("The session names nobody");
        let user = EntityRef::parse(&person.user).map_err(|_| nobody())?;
        let asked = match &self.catalog {
            None => Err(CatalogError::NotFound),
            Some(catalog) => catalog.find_user(&UserQuery::Ref(user.clone())).await,
        };
        match asked {
            Ok(found) if person.in_catalog => Ok(found.into()),
            // Whom a resolver let in without the catalog is not the user that it has by this name now.
            Ok(_) => Err(SignInError::authentication(
                "The catalog has come to know this user: sign in again",
            )),
            Err(CatalogError::NotFound) if !person.in_catalog => {
                let ownership = person.ownership.iter();
                let ownership = ownership.filter_map(|text| EntityRef::parse(text).ok());
                Ok(ResolvedUser::outside_catalog(user).with_ownership(ownership))
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

    /// Keeps what renews the session, and which scopes were granted, in cookies.
    pub(super) fn remember(
        &self,
        parts: &SessionParts<'_>,
        grant: &Grant,
        resolved: Option<&ResolvedUser>,
        headers: &HeaderMap,
        cookies: &mut Vec<HeaderValue>,
    ) -> Result<(), SignInError> {
        let life = parts.family.ends_at().since(self.clock.now());
        let present = Cookies::of(headers);
        if let Some(token) = &grant.refresh_token {
            let hint = grant.sign_out_hint.as_ref();
            let (name, set) = self.provider_cookie(parts.provider, "refresh-token");
            let renewal = Renewal {
                token: token.expose().clone(),
                environment: parts.environment.to_owned(),
                scope: parts.scope.clone(),
                subject: parts.subject.to_owned(),
                person: resolved.map(ResolvedUser::person),
                sign_out_hint: hint.map(|hint| hint.expose().clone()),
                family: parts.family.clone(),
            };
            let plain = Zeroizing::new(serde_json::to_vec(&renewal).unwrap_or_default());
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
}

fn missing() -> SignInError {
    SignInError::input("Missing session cookie")
}
