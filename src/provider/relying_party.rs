//! The relying party of OpenID Connect's code flow, whoever the provider is.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use url::Url;

use super::asked::Asked;
use super::client::Client;
use super::discovery::{Discovered, Discovery};
use super::id_token::{self, Expected, Fresh};
use super::oauth_client::{Endpoints, OAuthClient, TokenResponse};
use super::rules::Rules;
use super::{
    AuthorizationRequest, Grant, Provider, ProviderError, ProviderProfile, Renewed, pushed,
    revocation, userinfo,
};
use crate::clock::Clock;
use crate::http_client::Outward;
use crate::secret::Secret;
use crate::verify::jwt::Algorithm;

/// A longer ID token is not kept: it would be in a cookie.
const MAX_HINT: usize = 4096;

pub(super) struct RelyingParty {
    pub(super) client: Client,
    pub(super) asked: Asked,
    /// The one algorithm that the client is registered for.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) signed_userinfo: bool,
    pub(super) pushes: bool,
    pub(super) rules: Arc<dyn Rules>,
    pub(super) discovery: Discovery,
    pub(super) redirect_uri: Url,
    pub(super) outward: Outward,
    pub(super) clock: Clock,
}

impl Provider for RelyingParty {
    fn authorization_url<'a>(
        &'a self,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<Url, ProviderError>> {
        async move {
            let provider = self.discovery.get().await?;
            let asked = self.asked.parameters();
            let mut extra = vec![("nonce", request.nonce.as_str())];
            extra.extend(asked.iter().map(|(name, value)| (*name, value.as_str())));
            extra.extend(
                request
                    .login_hint
                    .as_deref()
                    .map(|hint| ("login_hint", hint)),
            );
            let scope = self.rules.scope(&request.scope);
            let oauth = self.oauth(&provider);
            let url = oauth.authorization_url(request, &scope, &extra);
            match &provider.pushed_request_endpoint {
                Some(endpoint) if self.pushes => {
                    let who = (&*provider.issuer, &self.clock);
                    let asked = (&provider.authorization_endpoint, &url);
                    pushed::push(&self.outward, endpoint, &self.client, who, asked).await
                }
                _ => Ok(url),
            }
        }
        .boxed()
    }

    fn check_issuer<'a>(
        &'a self,
        iss: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let provider = self.discovery.get().await?;
            match iss {
                Some(iss) if provider.is_named(iss) => Ok(()),
                Some(_) => Err(ProviderError::invalid(
                    "the response is another issuer's (iss)",
                )),
                None if provider.sends_issuer => {
                    Err(ProviderError::invalid("the response lacks iss"))
                }
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn exchange<'a>(
        &'a self,
        code: &'a str,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<(ProviderProfile, Grant), ProviderError>> {
        async move {
            let provider = self.discovery.get().await?;
            let tokens = self.oauth(&provider).exchange(code, request).await?;
            let Some(id_token) = &tokens.id_token else {
                return Err(ProviderError::invalid(
                    "the token endpoint gave no ID token",
                ));
            };
            let fresh = Fresh {
                nonce: &request.nonce,
                code,
                asked: &self.asked,
            };
            let claims = self
                .verify(&provider, id_token, Some(fresh), &tokens)
                .await?;
            let claims = self.complete(&provider, claims, &tokens).await?;
            let profile = self.rules.profile(claims)?;
            Ok((profile, grant(tokens, &provider)))
        }
        .boxed()
    }

    fn refresh<'a>(&'a self, refresh_token: &'a str) -> BoxFuture<'a, Renewed> {
        async move {
            let provider = self.discovery.get().await?;
            let tokens = self.oauth(&provider).refresh(refresh_token).await?;
            let claims = match &tokens.id_token {
                Some(id_token) => self.verify(&provider, id_token, None, &tokens).await?,
                // A refresh may leave the ID token out (Core section 12.2): then userinfo says who it is,
                // and if there is none they are who they were.
                None => Map::new(),
            };
            let claims = self.complete(&provider, claims, &tokens).await?;
            let profile = match claims.is_empty() {
                true => None,
                false => Some(self.rules.profile(claims)?),
            };
            Ok((profile, grant(tokens, &provider)))
        }
        .boxed()
    }

    fn revoke<'a>(&'a self, refresh_token: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let provider = self.discovery.get().await?;
            let Some(endpoint) = &provider.revocation_endpoint else {
                return Ok(());
            };
            let who = (&*provider.issuer, &self.clock);
            revocation::revoke(&self.outward, endpoint, &self.client, who, refresh_token).await
        }
        .boxed()
    }

    fn sign_out<'a>(
        &'a self,
        back_to: &'a Url,
        hint: Option<&'a Secret<String>>,
    ) -> BoxFuture<'a, Option<Url>> {
        async move {
            let provider = self.discovery.get().await.ok()?;
            let mut url = provider.end_session_endpoint.clone()?;
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &self.client.id);
            if let Some(hint) = hint {
                query.append_pair("id_token_hint", hint.expose());
            }
            query.append_pair("post_logout_redirect_uri", back_to.as_str());
            drop(query);
            Some(url)
        }
        .boxed()
    }

    fn is_issuer<'a>(&'a self, issuer: &'a str) -> BoxFuture<'a, bool> {
        async move {
            let provider = self.discovery.get().await;
            provider.is_ok_and(|provider| provider.is_named(issuer))
        }
        .boxed()
    }

    fn warm_up(&self) {
        self.discovery.warm_up();
    }

    fn is_form_post(&self) -> bool {
        self.asked.form_post
    }

    fn required_scopes(&self) -> &'static [&'static str] {
        self.rules.scopes()
    }
}

impl RelyingParty {
    fn oauth(&self, provider: &Discovered) -> OAuthClient {
        let endpoints = Endpoints {
            authorization: provider.authorization_endpoint.clone(),
            token: provider.token_endpoint.clone(),
            issuer: provider.issuer.clone(),
        };
        let (outward, clock) = (self.outward.clone(), self.clock.clone());
        let redirect_uri = self.redirect_uri.clone();
        OAuthClient::new(&self.client, endpoints, redirect_uri, outward, clock)
    }

    async fn verify(
        &self,
        provider: &Discovered,
        id_token: &Secret<String>,
        fresh: Option<Fresh<'_>>,
        tokens: &TokenResponse,
    ) -> Result<Map<String, Value>, ProviderError> {
        let expected = Expected {
            client_id: &self.client.id,
            fresh,
            access_token: tokens.access_token.expose(),
            algorithm: self.algorithm,
            now: self.clock.now(),
        };
        let claims = id_token::verify(id_token.expose(), provider, &expected).await?;
        self.rules.admit(&claims)?;
        Ok(claims)
    }

    /// Completes the ID token's claims with userinfo, whose `sub` must be the same (Core section 5.3.2).
    async fn complete(
        &self,
        provider: &Discovered,
        mut claims: Map<String, Value>,
        tokens: &TokenResponse,
    ) -> Result<Map<String, Value>, ProviderError> {
        let Some(endpoint) = provider
            .userinfo_endpoint
            .as_ref()
            .filter(|_| self.rules.has_userinfo())
        else {
            return Ok(claims);
        };
        let expected = userinfo::Expected {
            client_id: &self.client.id,
            signed: self.signed_userinfo,
            now: self.clock.now(),
        };
        let token = &tokens.access_token;
        let mut info = userinfo::ask(&self.outward, endpoint, token, provider, &expected).await?;
        if claims
            .get("sub")
            .is_some_and(|sub| info.get("sub") != Some(sub))
        {
            return Err(ProviderError::foreign(
                "userinfo is about somebody else (sub)",
            ));
        }
        if claims.is_empty() {
            self.rules.admit(&info)?;
        }
        // Whether an address is verified is said of the address beside it, and of no other.
        if claims.contains_key("email") {
            info.remove("email_verified");
        } else {
            claims.remove("email_verified");
        }
        for (name, value) in info {
            // What the signed token says is not overwritten.
            claims.entry(name).or_insert(value);
        }
        Ok(claims)
    }
}

/// What was granted, and what the provider will want to see of it at the end.
fn grant(tokens: TokenResponse, provider: &Discovered) -> Grant {
    let hint = tokens.id_token.clone().filter(|token| {
        provider.end_session_endpoint.is_some() && token.expose().len() <= MAX_HINT
    });
    Grant {
        sign_out_hint: hint,
        ..tokens.into()
    }
}
