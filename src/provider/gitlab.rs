//! GitLab (spec section 10.5).

use bytes::Bytes;
use http::{Response, Uri};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Client;
use super::oauth_client::Endpoints;
use super::plain_oauth::{Api, PlainOAuth, called};
use super::{
    Built, ClientAuthentication, ClientCredential, Configured, Context, ProviderError,
    ProviderProfile,
};
use crate::error::ConfigMistake;
use crate::http_client::json_of;
use crate::secret::Secret;

/// Sign-in with GitLab, in the cloud or on premises.
///
/// ```
/// use tower_identity::provider::GitLab;
///
/// let gitlab = GitLab::new("client-id", "client-secret").with_url("https://gitlab.example.com");
/// ```
///
/// It is asked by its API and needs the scope `read_user` alone, as Backstage does: an application that was registered for
/// Backstage works unchanged. The e-mail counts if GitLab has had it confirmed. Signing out revokes what was granted.
#[derive(Clone, Debug)]
#[must_use]
pub struct GitLab {
    url: String,
    client_id: String,
    credential: ClientCredential,
    callback_url: Option<String>,
}

struct Users(Uri);

#[derive(Deserialize)]
struct ApiUser {
    id: u64,
    username: String,
    name: Option<String>,
    email: Option<String>,
    confirmed_at: Option<String>,
    avatar_url: Option<String>,
}

impl GitLab {
    /// The application of this id and secret, at gitlab.com.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<Secret<String>>) -> Self {
        Self {
            url: "https://gitlab.com".into(),
            client_id: client_id.into(),
            credential: client_secret.into().into(),
            callback_url: None,
        }
    }

    /// Your own GitLab, such as `https://gitlab.example.com`.
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Replaces the callback URL that is registered with the application.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for GitLab {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let url = self.url.strip_suffix('/').unwrap_or(&self.url);
        let at = |path: &str| called("audience", &format!("{url}{path}"));
        let endpoints = Endpoints {
            authorization: at("/oauth/authorize")?.0,
            token: at("/oauth/token")?.0,
            issuer: url.to_owned(),
        };
        let credential = self.credential.clone();
        let client = Client::new(&self.client_id, credential, ClientAuthentication::Post);
        let users = Users(at("/api/v4/user")?.1);
        let revocation = Some(at("/oauth/revoke")?.1);
        let provider = PlainOAuth::new(users, client, endpoints, revocation, context);
        Ok(Built::Page(Box::new(provider)))
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl Api for Users {
    fn scopes(&self) -> &'static [&'static str] {
        &["read_user"]
    }

    fn user(&self) -> &Uri {
        &self.0
    }

    fn profile(&self, answer: &Response<Bytes>) -> Result<ProviderProfile, ProviderError> {
        let claims: Map<String, Value> = json_of(answer)?;
        let user: ApiUser = json_of(answer)?;
        if user.username.trim().is_empty() {
            return Err(ProviderError::invalid("nobody is named (username)"));
        }
        Ok(ProviderProfile {
            subject: user.id.to_string(),
            user_id: Some(user.id.to_string()),
            display_name: user.name.or_else(|| Some(user.username.clone())),
            username: Some(user.username),
            preferred_username: None,
            email: user.email.filter(|_| user.confirmed_at.is_some()),
            picture: user.avatar_url,
            claims,
        })
    }
}
