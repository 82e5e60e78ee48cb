//! OAuth 2.0 (RFC 6749, RFC 7636) through the `oauth2` crate, whose types stay in this file.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret,
    CsrfToken, EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::client::{ASSERTION_TYPE, Proof};
use super::{AuthorizationRequest, ClientKey, Grant, ProviderError};
use crate::clock::Clock;
use crate::http_client::{HttpError, Outward};
use crate::secret::Secret;

type Inner = Client<
    BasicErrorResponse,
    Response,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;
type Response = StandardTokenResponse<IdTokenField, BasicTokenType>;

/// A client at one provider's authorization and token endpoints.
#[derive(Clone)]
pub(super) struct OAuthClient {
    inner: Inner,
    signs: Option<Signs>,
    caller: Caller,
}

/// A client that has a key, and whom it signs for.
#[derive(Clone)]
struct Signs {
    key: ClientKey,
    client: String,
    audience: String,
    clock: Clock,
}

/// Where a provider takes codes and tokens, and who it is.
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    /// Whom a client that signs signs for.
    pub(super) issuer: String,
}

/// What the token endpoint gave (RFC 6749 section 5.1).
pub(super) struct TokenResponse {
    pub(crate) access_token: Secret<String>,
    pub(crate) refresh_token: Option<Secret<String>>,
    pub(crate) id_token: Option<Secret<String>>,
    pub(crate) scope: Option<String>,
    pub(crate) expires_in: Option<u64>,
}

#[derive(Clone, Deserialize, Serialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

// The trait asks for it; the token must not be seen.
impl std::fmt::Debug for IdTokenField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdTokenField([redacted])")
    }
}

impl OAuthClient {
    /// The app at these endpoints, which send people back to `redirect_uri`.
    pub(super) fn new(
        client: &super::client::Client,
        endpoints: Endpoints,
        redirect_uri: Url,
        outward: Outward,
        clock: Clock,
    ) -> Self {
        let (id, token) = (&client.id, endpoints.token.to_string());
        let mut inner = Client::new(ClientId::new(id.clone()))
            .set_auth_uri(AuthUrl::from_url(endpoints.authorization))
            .set_token_uri(TokenUrl::from_url(endpoints.token))
            .set_redirect_uri(RedirectUrl::from_url(redirect_uri));
        let (method, secret, signs) = match &client.proof {
            Proof::Basic(secret) => (AuthType::BasicAuth, Some(secret), None),
            Proof::Post(secret) => (AuthType::RequestBody, Some(secret), None),
            Proof::Key(key) => {
                let audience = match client.signs_for_endpoints {
                    true => token,
                    false => endpoints.issuer,
                };
                let signs = Signs {
                    key: key.clone(),
                    client: id.clone(),
                    audience,
                    clock,
                };
                (AuthType::RequestBody, None, Some(signs))
            }
        };
        if let Some(secret) = secret {
            inner = inner.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        Self {
            inner: inner.set_auth_type(method),
            signs,
            caller: Caller(outward),
        }
    }

    /// The signed proof of a client that has a key.
    fn assertion(&self) -> Vec<(&'static str, String)> {
        let signed = self.signs.iter().flat_map(|signs| {
            let assertion = signs
                .key
                .assert(&signs.client, &signs.audience, &signs.clock);
            [
                ("client_assertion_type", ASSERTION_TYPE.to_owned()),
                ("client_assertion", assertion),
            ]
        });
        signed.collect()
    }

    /// The URL to send the browser to, with state and an S256 challenge, always.
    pub(super) fn authorization_url(
        &self,
        request: &AuthorizationRequest,
        scope: &str,
        extra: &[(&str, &str)],
    ) -> Url {
        let verifier = PkceCodeVerifier::new(request.pkce_verifier.expose().clone());
        let state = request.state.clone();
        let mut url = self
            .inner
            .authorize_url(move || CsrfToken::new(state))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
            url = url.add_scope(Scope::new(scope.to_owned()));
        }
        for (name, value) in extra {
            url = url.add_extra_param(*name, *value);
        }
        url.url().0
    }

    /// Exchanges an authorization code.
    pub(super) fn exchange(
        &self,
        code: &str,
        request: &AuthorizationRequest,
    ) -> BoxFuture<'static, Result<TokenResponse, ProviderError>> {
        let verifier = PkceCodeVerifier::new(request.pkce_verifier.expose().clone());
        let code = AuthorizationCode::new(code.to_owned());
        let (Self { inner, caller, .. }, proof) = (self.clone(), self.assertion());
        async move {
            let mut request = inner.exchange_code(code).set_pkce_verifier(verifier);
            for (name, value) in proof {
                request = request.add_extra_param(name, value);
            }
            let tokens = request.request_async(&caller).await.map_err(token_error)?;
            TokenResponse::try_from(tokens)
        }
        .boxed()
    }

    /// Renews by refresh token, which stays good unless there is a new one (RFC 6749 section 6).
    pub(super) fn refresh(
        &self,
        refresh_token: &str,
    ) -> BoxFuture<'static, Result<TokenResponse, ProviderError>> {
        let token = RefreshToken::new(refresh_token.to_owned());
        let (Self { inner, caller, .. }, proof) = (self.clone(), self.assertion());
        async move {
            let mut request = inner.exchange_refresh_token(&token);
            for (name, value) in proof {
                request = request.add_extra_param(name, value);
            }
            let tokens = request.request_async(&caller).await.map_err(token_error)?;
            let mut tokens = TokenResponse::try_from(tokens)?;
            tokens
                .refresh_token
                .get_or_insert_with(|| Secret::new(token.secret().clone()));
            Ok(tokens)
        }
        .boxed()
    }
}

/// `oauth2` calls through our own door. Its trait promises no `Send`, which is why this is a type
/// with a boxed future and not a closure.
#[derive(Clone)]
struct Caller(Outward);

impl<'c> AsyncHttpClient<'c> for Caller {
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<HttpResponse, HttpError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let outward = self.0.clone();
        async move {
            let response = outward.send(request.map(Bytes::from)).await?;
            let mut response = response.map(|body| body.to_vec());
            // GitHub reports errors with status 200: `oauth2` would take them for a broken token.
            if response.status().is_success() && is_error(response.body()) {
                *response.status_mut() = http::StatusCode::BAD_REQUEST;
            }
            Ok(response)
        }
        .boxed()
    }
}

impl TryFrom<Response> for TokenResponse {
    type Error = ProviderError;

    fn try_from(response: Response) -> Result<Self, ProviderError> {
        // A token of a kind that is not understood must not be used (RFC 6749 section 7.1).
        if *response.token_type() != BasicTokenType::Bearer {
            let reason = "the access token is not a bearer token";
            return Err(ProviderError::invalid(reason));
        }
        let scope = response.scopes().map(|scopes| {
            scopes
                .iter()
                .map(|scope| scope.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        });
        Ok(Self {
            access_token: Secret::new(response.access_token().secret().clone()),
            refresh_token: response
                .refresh_token()
                .map(|t| Secret::new(t.secret().clone())),
            id_token: response.extra_fields().id_token.clone().map(Secret::new),
            scope,
            expires_in: response.expires_in().map(|life| life.as_secs()),
        })
    }
}

impl From<TokenResponse> for Grant {
    fn from(tokens: TokenResponse) -> Self {
        Self {
            access_token: tokens.access_token,
            id_token: tokens.id_token,
            refresh_token: tokens.refresh_token,
            scope: tokens.scope,
            expires_in: tokens.expires_in,
            sign_out_hint: None,
        }
    }
}

fn is_error(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok_and(
        |members| {
            members
                .get("error")
                .is_some_and(serde_json::Value::is_string)
        },
    )
}

/// Of the provider's answer only its error code is kept: descriptions may repeat what was sent.
fn token_error(error: RequestTokenError<HttpError, BasicErrorResponse>) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(response) => {
            let code: String = response
                .error()
                .as_ref()
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect();
            let detail = format!("the token endpoint refused: {code}");
            // Only these are about the person; the others are about us, or pass.
            match code.as_str() {
                "invalid_grant"
                | "access_denied"
                | "bad_verification_code"
                | "bad_refresh_token" => ProviderError::refused(detail),
                _ => ProviderError::unavailable(detail),
            }
        }
        RequestTokenError::Request(error) => ProviderError::from(error),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            ProviderError::unavailable("the token endpoint's answer is not one that OAuth knows")
        }
    }
}
