//! Providers of plain OAuth 2.0: who somebody is, an API says.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::{Response, StatusCode, Uri};
use url::Url;

use super::client::Client;
use super::oauth_client::{Endpoints, OAuthClient};
use super::{
    AuthorizationRequest, Context, Grant, Provider, ProviderError, ProviderProfile, Renewed,
    revocation,
};
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::http_client::{Outward, check_url};
use crate::secret::Secret;

/// What is a provider's own.
pub(super) trait Api: Send + Sync {
    /// The scopes without which nothing works.
    fn scopes(&self) -> &'static [&'static str];

    /// The address that says who somebody is.
    fn user(&self) -> &Uri;

    /// Whom its answer describes.
    fn profile(&self, answer: &Response<Bytes>) -> Result<ProviderProfile, ProviderError>;
}

/// A provider at work.
pub(super) struct PlainOAuth<A> {
    api: A,
    client: Client,
    oauth: OAuthClient,
    /// Its name, should it come to say one.
    issuer: String,
    revocation: Option<Uri>,
    outward: Outward,
    clock: Clock,
}

impl<A: Api> PlainOAuth<A> {
    pub(super) fn new(
        api: A,
        client: Client,
        endpoints: Endpoints,
        revocation: Option<Uri>,
        context: Context,
    ) -> Self {
        let (outward, clock) = (context.client, context.clock);
        let issuer = endpoints.issuer.clone();
        let back = context.redirect_uri;
        Self {
            oauth: OAuthClient::new(&client, endpoints, back, outward.clone(), clock.clone()),
            api,
            client,
            issuer,
            revocation,
            outward,
            clock,
        }
    }

    async fn who(&self, token: &Secret<String>) -> Result<ProviderProfile, ProviderError> {
        let answer = self
            .outward
            .get_with_token(self.api.user(), "application/json", token)
            .await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let detail = "the provider refused its own access token";
            return Err(ProviderError::refused(detail));
        }
        self.api.profile(&answer)
    }
}

impl<A: Api> Provider for PlainOAuth<A> {
    fn authorization_url<'a>(
        &'a self,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<Url, ProviderError>> {
        let url = self.oauth.authorization_url(request, &request.scope, &[]);
        ready(Ok(url)).boxed()
    }

    fn check_issuer<'a>(
        &'a self,
        iss: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        // These have no description that says who they are: where they are does.
        let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        let ours = |iss: &str| origin(iss).is_some_and(|o| Some(o) == origin(&self.issuer));
        let verdict = match iss.is_none_or(ours) {
            true => Ok(()),
            false => Err(ProviderError::invalid(
                "the response is another issuer's (iss)",
            )),
        };
        ready(verdict).boxed()
    }

    fn exchange<'a>(
        &'a self,
        code: &'a str,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<(ProviderProfile, Grant), ProviderError>> {
        async move {
            let tokens = self.oauth.exchange(code, request).await?;
            let profile = self.who(&tokens.access_token).await?;
            Ok((profile, tokens.into()))
        }
        .boxed()
    }

    fn refresh<'a>(&'a self, refresh_token: &'a str) -> BoxFuture<'a, Renewed> {
        async move {
            let tokens = self.oauth.refresh(refresh_token).await?;
            let profile = self.who(&tokens.access_token).await?;
            Ok((Some(profile), tokens.into()))
        }
        .boxed()
    }

    fn revoke<'a>(&'a self, refresh_token: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let Some(endpoint) = &self.revocation else {
                return Ok(());
            };
            let who = (&*self.issuer, &self.clock);
            revocation::revoke(&self.outward, endpoint, &self.client, who, refresh_token).await
        }
        .boxed()
    }

    fn required_scopes(&self) -> &'static [&'static str] {
        self.api.scopes()
    }
}

/// A URL that may be called, or a mistake at `key`.
pub(super) fn called(key: &str, text: &str) -> Result<(Url, Uri), ConfigMistake> {
    let mistake = |reason: String| ConfigMistake::new(key, reason);
    let uri: Uri = text.parse().map_err(|_| mistake("expected a URL".into()))?;
    check_url(&uri).map_err(mistake)?;
    let url = Url::parse(text).map_err(|_| mistake("expected a URL".into()))?;
    Ok((url, uri))
}
