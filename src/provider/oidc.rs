//! Any OpenID Connect provider, known by its discovery document.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use url::Url;

use super::discovery::{Discovered, Discovery};
use super::id_token::{self, Expected};
use super::oauth_client::TokenResponse;
use super::{
    AuthorizationRequest, Context, Grant, OAuthClient, Provider, ProviderError, ProviderProfile,
    Renewed, revocation,
};
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::http_client::{Outward, json_of};
use crate::secret::Secret;
use crate::verify::jwt::Algorithm;

/// Sign-in with any OpenID Connect provider: the code flow with PKCE, state and nonce.
#[derive(Clone)]
#[must_use]
pub struct Oidc {
    metadata_url: String,
    client_id: String,
    client_secret: Secret<String>,
    authentication: ClientAuthentication,
    prompt: Option<Prompt>,
    algorithm: Option<Algorithm>,
    start_parameters: Vec<(String, String)>,
    pub(crate) callback_url: Option<String>,
}

/// What this crate sets itself: no configuration may set it a second time (LF-19).
const RESERVED: [&str; 12] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "prompt",
    "redirect_uri",
    "request",
    "request_uri",
    "response_type",
    "scope",
    "state",
];

/// How the client authenticates at the token endpoint (OpenID Connect Core section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    #[default]
    Basic,
    /// `client_secret_post`.
    Post,
}

/// What the provider should ask of a person (OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prompt {
    /// `none`: no page at all; Backstage's default.
    None,
    /// `login`: to sign in anew.
    Login,
    /// `consent`: to consent anew.
    Consent,
    /// `select_account`: to choose an account.
    SelectAccount,
}

struct OidcProvider {
    config: Oidc,
    discovery: Discovery,
    redirect_uri: Url,
    outward: Outward,
    clock: Clock,
}

// ===== impl Oidc =====

impl Oidc {
    /// The client of this id and secret at the provider whose issuer, or discovery document, is `metadata_url`.
    /// The provider has to name that issuer to the letter; of a document, its place tells all but a slash at the end.
    /// The provider decides what it asks of a person, and the secret goes into a Basic header.
    pub fn new(
        metadata_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret<String>>,
    ) -> Self {
        Self {
            metadata_url: metadata_url.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            authentication: ClientAuthentication::default(),
            prompt: None,
            algorithm: None,
            start_parameters: Vec::new(),
            callback_url: None,
        }
    }

    /// Replaces how the client authenticates.
    pub fn with_authentication(mut self, method: ClientAuthentication) -> Self {
        self.authentication = method;
        self
    }

    /// Asks for this prompt.
    pub fn with_prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = Some(prompt);
        self
    }

    /// Accepts ID tokens of this algorithm only (`tokenSignedResponseAlg`).
    pub fn with_id_token_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Sends a parameter of the provider's own with each authorization request.
    ///
    /// # Errors
    ///
    /// If it is one that the protocol sets, such as `redirect_uri`.
    pub fn add_start_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, ConfigMistake> {
        let name = name.into();
        if RESERVED.contains(&name.as_str()) {
            return Err(ConfigMistake::new(
                "startUrlSearchParams",
                format!("{name} is set by the sign-in itself"),
            ));
        }
        self.start_parameters.push((name, value.into()));
        Ok(self)
    }

    /// Replaces the callback URL that is registered with the client.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }

    pub(super) fn build(&self, context: Context) -> Result<Box<dyn Provider>, ConfigMistake> {
        let discovery = Discovery::new(
            &self.metadata_url,
            context.client.clone(),
            context.clock.clone(),
        )
        .map_err(|e| ConfigMistake::new("metadataUrl", e))?;
        Ok(Box::new(OidcProvider {
            config: self.clone(),
            discovery,
            redirect_uri: context.redirect_uri,
            outward: context.client,
            clock: context.clock,
        }))
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc")
            .field("metadata_url", &self.metadata_url)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Prompt {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }
}

// ===== impl OidcProvider =====

impl Provider for OidcProvider {
    fn authorization_url<'a>(
        &'a self,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<Url, ProviderError>> {
        async move {
            let provider = self.discovery.get().await?;
            let mut extra = vec![("nonce", request.nonce.as_str())];
            extra.extend(self.config.prompt.map(|prompt| ("prompt", prompt.as_str())));
            let own = self.config.start_parameters.iter();
            extra.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
            Ok(self.oauth(&provider).authorization_url(request, &extra))
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
                Some(iss) if iss == provider.issuer => Ok(()),
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
            let claims = self
                .verify(&provider, id_token, Some(&request.nonce), &tokens)
                .await?;
            let claims = self.complete(&provider, claims, &tokens).await?;
            Ok((profile(claims)?, tokens.into()))
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
            let profile = (!claims.is_empty()).then(|| profile(claims)).transpose()?;
            Ok((profile, tokens.into()))
        }
        .boxed()
    }

    fn revoke<'a>(&'a self, refresh_token: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move {
            let provider = self.discovery.get().await?;
            let Some(endpoint) = &provider.revocation_endpoint else {
                return Ok(());
            };
            let client = (&*self.config.client_id, &self.config.client_secret);
            let method = self.config.authentication;
            revocation::revoke(&self.outward, endpoint, client, method, refresh_token).await
        }
        .boxed()
    }

    fn sign_out<'a>(&'a self, back_to: &'a Url) -> BoxFuture<'a, Option<Url>> {
        async move {
            let provider = self.discovery.get().await.ok()?;
            let mut url = provider.end_session_endpoint.clone()?;
            url.query_pairs_mut()
                .append_pair("client_id", &self.config.client_id)
                .append_pair("post_logout_redirect_uri", back_to.as_str());
            Some(url)
        }
        .boxed()
    }

    fn required_scopes(&self) -> &'static [&'static str] {
        &["openid", "profile", "email"]
    }
}

impl OidcProvider {
    fn oauth(&self, provider: &Discovered) -> OAuthClient {
        OAuthClient::new(
            (&self.config.client_id, &self.config.client_secret),
            (
                provider.authorization_endpoint.clone(),
                provider.token_endpoint.clone(),
            ),
            self.redirect_uri.clone(),
            self.config.authentication == ClientAuthentication::Post,
            self.outward.clone(),
        )
    }

    async fn verify(
        &self,
        provider: &Discovered,
        id_token: &Secret<String>,
        nonce: Option<&str>,
        tokens: &TokenResponse,
    ) -> Result<Map<String, Value>, ProviderError> {
        let expected = Expected {
            client_id: &self.config.client_id,
            nonce,
            access_token: tokens.access_token.expose(),
            algorithm: self.config.algorithm,
            now: self.clock.now(),
        };
        id_token::verify(id_token.expose(), provider, &expected).await
    }

    /// Completes the ID token's claims with userinfo, whose `sub` must be the same (Core section 5.3.2).
    async fn complete(
        &self,
        provider: &Arc<Discovered>,
        mut claims: Map<String, Value>,
        tokens: &TokenResponse,
    ) -> Result<Map<String, Value>, ProviderError> {
        let Some(endpoint) = &provider.userinfo_endpoint else {
            return Ok(claims);
        };
        let info = self
            .outward
            .get_with_token(endpoint, "application/json", &tokens.access_token)
            .await?;
        let mut info: Map<String, Value> = json_of(&info)?;
        if claims
            .get("sub")
            .is_some_and(|sub| info.get("sub") != Some(sub))
        {
            return Err(ProviderError::foreign(
                "userinfo is about somebody else (sub)",
            ));
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

/// Whom the claims describe.
fn profile(claims: Map<String, Value>) -> Result<ProviderProfile, ProviderError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let subject = text("sub").filter(|sub| !sub.trim().is_empty());
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    Ok(ProviderProfile {
        subject: subject.ok_or_else(|| ProviderError::invalid("nobody is named (sub)"))?,
        user_id: None,
        username: text("preferred_username"),
        preferred_username: text("preferred_username"),
        email: text("email").filter(|_| verified),
        display_name: text("name").or_else(|| text("preferred_username")),
        picture: text("picture"),
        claims,
    })
}
