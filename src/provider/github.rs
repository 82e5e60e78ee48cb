//! GitHub: OAuth 2.0 without OpenID Connect (spec section 10.1).

use std::fmt;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::{Response, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::client::Client;
use super::github_groups;
use super::oauth_client::{Endpoints, OAuthClient, TokenResponse};
use super::{
    AuthorizationRequest, Built, ClientAuthentication, Configured, Context, Grant, Provider,
    ProviderError, ProviderProfile, Renewed,
};
use crate::error::ConfigMistake;
use crate::http_client::{Outward, check_url, json_of};
use crate::secret::Secret;

/// An OAuth app gives tokens without end and without refresh token: the token itself is what renews
/// (Backstage's form of it, spec section 3).
const OWN_TOKEN: &str = "access-token-v2.";

/// Sign-in with GitHub, as an OAuth app or a GitHub App.
///
/// The e-mail is the primary address that GitHub has verified, asked of `/user/emails`, so that it is
/// known even where it is private.
#[derive(Clone)]
#[must_use]
pub struct GitHub {
    client_id: String,
    client_secret: Secret<String>,
    enterprise: Option<String>,
    organizations: Vec<String>,
    groups: bool,
    callback_url: Option<String>,
}

struct GitHubProvider {
    oauth: OAuthClient,
    web: String,
    api: String,
    /// Whose members are let in; everybody, if there are none.
    organizations: Vec<String>,
    groups: bool,
    outward: Outward,
}

#[derive(Deserialize)]
struct ApiUser {
    login: String,
    id: u64,
    node_id: Option<String>,
    name: Option<String>,
    avatar_url: Option<String>,
}

#[derive(Deserialize)]
struct ApiEmail {
    email: String,
    primary: bool,
    verified: bool,
}

// ===== impl GitHub =====

impl GitHub {
    /// The app of this client id and secret, at github.com.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<Secret<String>>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            enterprise: None,
            organizations: Vec::new(),
            groups: false,
            callback_url: None,
        }
    }

    /// A GitHub Enterprise server, such as `https://ghe.example.com`.
    pub fn with_enterprise_instance_url(mut self, url: impl Into<String>) -> Self {
        self.enterprise = Some(url.into());
        self
    }

    /// Only members of one of these organisations, by their names. Whoever leaves is signed out when the session is next
    /// renewed. It asks for the scope `read:org`, and the organisation has to have
    /// approved the app; a GitHub App needs the organisation permission "Members", to read.
    pub fn with_allowed_organizations<O: Into<String>>(
        mut self,
        organizations: impl IntoIterator<Item = O>,
    ) -> Self {
        self.organizations = organizations.into_iter().map(Into::into).collect();
        self
    }

    /// Asks for people's organisations and teams, with the scope `read:org`: resolvers find them in
    /// [`SignInInfo::groups`](crate::sign_in::SignInInfo::groups), as `acme` and `acme/platform`.
    pub fn with_organizations_and_teams(mut self) -> Self {
        self.groups = true;
        self
    }

    /// Replaces the callback URL that is registered with the app.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for GitHub {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(plain);
        if !self.organizations.iter().all(is_name) {
            let message = "expected the names of organisations, such as acme";
            return Err(ConfigMistake::new("allowedOrganizations", message));
        }
        let (web, api) = match &self.enterprise {
            None => (
                "https://github.com".to_owned(),
                "https://api.github.com".to_owned(),
            ),
            Some(url) => {
                let url = url.strip_suffix('/').unwrap_or(url);
                (url.to_owned(), format!("{url}/api/v3"))
            }
        };
        let parse = |path: &str| {
            let text = format!("{web}/login/oauth/{path}");
            let mistake = |e: String| ConfigMistake::new("enterpriseInstanceUrl", e);
            text.parse()
                .map_err(|_| "expected a URL".into())
                .and_then(|uri| check_url(&uri))
                .map_err(mistake)?;
            Url::parse(&text).map_err(|e| mistake(e.to_string()))
        };
        let endpoints = Endpoints {
            authorization: parse("authorize")?,
            token: parse("access_token")?,
            issuer: web.clone(),
        };
        let secret = self.client_secret.clone().into();
        let client = Client::new(&self.client_id, secret, ClientAuthentication::Post);
        let (outward, clock) = (context.client.clone(), context.clock);
        let oauth = OAuthClient::new(&client, endpoints, context.redirect_uri, outward, clock);
        Ok(Built::Page(Box::new(GitHubProvider {
            oauth,
            web,
            api,
            organizations: self.organizations.clone(),
            groups: self.groups,
            outward: context.client,
        })))
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("client_id", &self.client_id)
            .field("enterprise", &self.enterprise)
            .finish_non_exhaustive()
    }
}

// ===== impl GitHubProvider =====

impl Provider for GitHubProvider {
    fn authorization_url<'a>(
        &'a self,
        request: &'a AuthorizationRequest,
    ) -> BoxFuture<'a, Result<Url, ProviderError>> {
        ready(Ok(self.oauth.authorization_url(
            request,
            &request.scope,
            &[],
        )))
        .boxed()
    }

    /// GitHub documents no `iss`. Should it come to send one, it will be under its own address;
    /// any other is somebody else's (RFC 9207).
    fn check_issuer<'a>(
        &'a self,
        iss: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        let own = |iss: &str| {
            iss.strip_prefix(&self.web)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let verdict = if iss.is_none_or(own) {
            Ok(())
        } else {
            Err(ProviderError::invalid(
                "the response is another issuer's (iss)",
            ))
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
            self.grant(tokens).await
        }
        .boxed()
    }

    fn refresh<'a>(&'a self, refresh_token: &'a str) -> BoxFuture<'a, Renewed> {
        async move {
            let tokens = match refresh_token.strip_prefix(OWN_TOKEN) {
                None => self.oauth.refresh(refresh_token).await?,
                Some(token) => TokenResponse {
                    access_token: token.into(),
                    refresh_token: None,
                    id_token: None,
                    scope: None,
                    expires_in: None,
                },
            };
            let (profile, grant) = self.grant(tokens).await?;
            Ok((Some(profile), grant))
        }
        .boxed()
    }

    fn required_scopes(&self) -> &'static [&'static str] {
        match self.organizations.is_empty() && !self.groups {
            true => &["read:user", "user:email"],
            false => &["read:user", "user:email", "read:org"],
        }
    }
}

impl GitHubProvider {
    async fn grant(
        &self,
        tokens: TokenResponse,
    ) -> Result<(ProviderProfile, Grant), ProviderError> {
        let user = self.get("/user", &tokens.access_token).await?;
        if user.status() == StatusCode::UNAUTHORIZED {
            return Err(ProviderError::refused("GitHub refused the access token"));
        }
        let mut claims: Map<String, Value> = json_of(&user)?;
        let user: ApiUser = json_of(&user)?;
        let emails = self.get("/user/emails", &tokens.access_token).await?;
        let emails: Vec<ApiEmail> = match emails.status() {
            // Without the scope user:email: then there is no e-mail, and no error.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Vec::new(),
            _ => json_of(&emails)?,
        };
        let ask = |path: String| {
            let token = &tokens.access_token;
            async move { self.get(&path, token).await }.boxed()
        };
        if !self.organizations.is_empty()
            && !github_groups::is_member(&ask, &self.organizations).await?
        {
            let detail = "the account is of no organisation that is let in";
            return Err(ProviderError::kept_out(detail));
        }
        if self.groups {
            claims.insert("groups".into(), github_groups::all(&ask).await?.into());
        }
        let email = emails
            .into_iter()
            .find(|e| e.primary && e.verified)
            .map(|e| e.email);
        let refresh_token = match (&tokens.refresh_token, tokens.expires_in) {
            (None, None) => Some(Secret::new(format!(
                "{OWN_TOKEN}{}",
                tokens.access_token.expose()
            ))),
            _ => tokens.refresh_token,
        };
        let profile = ProviderProfile {
            subject: user.id.to_string(),
            user_id: user.node_id,
            display_name: user.name.or_else(|| Some(user.login.clone())),
            username: Some(user.login),
            preferred_username: None,
            email,
            picture: user.avatar_url,
            claims,
        };
        let grant = Grant {
            access_token: tokens.access_token,
            id_token: None,
            refresh_token,
            // What GitHub answers is not what was asked for: a wide scope stands for those that it covers, and
            // a GitHub App has none. Backstage's frontend would ask for the missing ones again and again, so
            // the scopes of the request count (spec sections 2.4 and 10.1).
            scope: None,
            expires_in: tokens.expires_in,
            sign_out_hint: None,
        };
        Ok((profile, grant))
    }

    /// Asks the API.
    async fn get(
        &self,
        path: &str,
        token: &Secret<String>,
    ) -> Result<Response<Bytes>, ProviderError> {
        let uri: Uri = format!("{}{path}", self.api)
            .parse()
            .map_err(|_| ProviderError::invalid("the API's address is not a URL"))?;
        let accept = "application/vnd.github+json";
        Ok(self.outward.get_with_token(&uri, accept, token).await?)
    }
}
