//! Any provider of OAuth 2.0 that has an address which says who somebody is.

use bytes::Bytes;
use http::{Response, Uri};
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

/// Sign-in with any provider of OAuth 2.0.
///
/// ```
/// use tower_identity::provider::OAuth2;
///
/// let oauth2 = OAuth2::new("client-id", "client-secret")
///     .with_authorization_url("https://login.example.com/oauth/authorize")
///     .with_token_url("https://login.example.com/oauth/token")
///     .with_user_info_url("https://login.example.com/api/me")
///     .with_subject_claim("id");
/// ```
///
/// OAuth 2.0 itself says nothing of who somebody is: what the address of
/// [`with_user_info_url`](Self::with_user_info_url) answers does. For OpenID Connect there is [`Oidc`](super::Oidc), which
/// verifies more.
///
/// # Security
///
/// An e-mail counts where the answer has `email_verified: true` beside it.
#[derive(Clone, Debug)]
#[must_use]
pub struct OAuth2 {
    client_id: String,
    credential: ClientCredential,
    authentication: ClientAuthentication,
    authorization_url: String,
    token_url: String,
    user_info_url: String,
    names: Names,
    trusts_email: bool,
    callback_url: Option<String>,
}

/// Which members of the answer say what.
#[derive(Clone, Debug)]
struct Names {
    subject: String,
    username: String,
}

struct UserInfo {
    at: Uri,
    names: Names,
    trusts_email: bool,
}

impl OAuth2 {
    /// The client of this id and secret.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<Secret<String>>) -> Self {
        Self {
            client_id: client_id.into(),
            credential: client_secret.into().into(),
            authentication: ClientAuthentication::Post,
            authorization_url: String::new(),
            token_url: String::new(),
            user_info_url: String::new(),
            names: Names {
                subject: "sub".into(),
                username: "preferred_username".into(),
            },
            trusts_email: false,
            callback_url: None,
        }
    }

    /// Where people sign in. What is in its query stays there.
    pub fn with_authorization_url(mut self, url: impl Into<String>) -> Self {
        self.authorization_url = url.into();
        self
    }

    /// Where a code becomes a token.
    pub fn with_token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = url.into();
        self
    }

    /// What says who the bearer of a token is: a JSON object.
    pub fn with_user_info_url(mut self, url: impl Into<String>) -> Self {
        self.user_info_url = url.into();
        self
    }

    /// Replaces how the secret is sent, in the body.
    pub fn with_authentication(mut self, method: ClientAuthentication) -> Self {
        self.authentication = method;
        self
    }

    /// The member of the answer that is the person's unchanging id, a string or a number; `sub` unless told.
    pub fn with_subject_claim(mut self, name: impl Into<String>) -> Self {
        self.names.subject = name.into();
        self
    }

    /// The member of the answer that is the username; `preferred_username` unless told.
    pub fn with_username_claim(mut self, name: impl Into<String>) -> Self {
        self.names.username = name.into();
        self
    }

    /// Takes every `email` for one that the provider has verified.
    ///
    /// # Security
    ///
    /// Where people can write whatever they like there, they can be whoever they like here.
    pub fn dangerously_trust_email(mut self) -> Self {
        self.trusts_email = true;
        self
    }

    /// Replaces the callback URL that is registered with the client.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for OAuth2 {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let authorization = called("authorizationUrl", &self.authorization_url)?.0;
        let endpoints = Endpoints {
            issuer: authorization.origin().ascii_serialization(),
            authorization,
            token: called("tokenUrl", &self.token_url)?.0,
        };
        let client = Client::new(
            &self.client_id,
            self.credential.clone(),
            self.authentication,
        );
        let api = UserInfo {
            at: called("userInfoUrl", &self.user_info_url)?.1,
            names: self.names.clone(),
            trusts_email: self.trusts_email,
        };
        let provider = PlainOAuth::new(api, client, endpoints, None, context);
        Ok(Built::Page(Box::new(provider)))
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl Api for UserInfo {
    fn scopes(&self) -> &'static [&'static str] {
        &[]
    }

    fn user(&self) -> &Uri {
        &self.at
    }

    fn profile(&self, answer: &Response<Bytes>) -> Result<ProviderProfile, ProviderError> {
        let claims: Map<String, Value> = json_of(answer)?;
        let text = |name: &str| {
            let text = claims.get(name).and_then(Value::as_str);
            text.filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
        };
        let subject = match claims.get(&self.names.subject) {
            Some(Value::Number(number)) => number.as_u64().map(|number| number.to_string()),
            _ => text(&self.names.subject),
        };
        let nobody = || {
            let name = &self.names.subject;
            ProviderError::invalid(format!("nobody is named ({name})"))
        };
        let verified = claims.get("email_verified") == Some(&Value::Bool(true));
        let username = text(&self.names.username);
        Ok(ProviderProfile {
            subject: subject.ok_or_else(nobody)?,
            user_id: None,
            display_name: text("name").or_else(|| username.clone()),
            preferred_username: username.clone(),
            username,
            email: text("email").filter(|_| verified || self.trusts_email),
            picture: text("picture"),
            claims,
        })
    }
}
