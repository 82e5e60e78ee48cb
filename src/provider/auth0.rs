//! Auth0.

use super::rules::Rules;
use super::{Built, ClientCredential, Configured, Context, Oidc};
use crate::error::ConfigMistake;

/// Sign-in with Auth0.
///
/// ```
/// use tower_identity::provider::Auth0;
///
/// let auth0 = Auth0::new("example.eu.auth0.com", "client-id", "client-secret");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Auth0 {
    domain: String,
    client_id: String,
    credential: ClientCredential,
    audience: Option<String>,
    connection: Option<String>,
    connection_scope: Option<String>,
    callback_url: Option<String>,
}

#[derive(Debug)]
struct Ways;

impl Auth0 {
    /// The client of this id, and secret or [key](super::ClientKey), at the tenant of this domain.
    pub fn new(
        domain: impl Into<String>,
        client_id: impl Into<String>,
        credential: impl Into<ClientCredential>,
    ) -> Self {
        Self {
            domain: domain.into(),
            client_id: client_id.into(),
            credential: credential.into(),
            audience: None,
            connection: None,
            connection_scope: None,
            callback_url: None,
        }
    }

    /// Asks for access tokens for this API.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Has people sign in with this connection.
    pub fn with_connection(mut self, name: impl Into<String>) -> Self {
        self.connection = Some(name.into());
        self
    }

    /// Asks the connection for these scopes, comma-separated.
    pub fn with_connection_scope(mut self, scope: impl Into<String>) -> Self {
        self.connection_scope = Some(scope.into());
        self
    }

    /// Replaces the callback URL that is registered with the client.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for Auth0 {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if self.domain.is_empty() || !self.domain.bytes().all(plain) {
            let message = "expected a domain such as example.eu.auth0.com";
            return Err(ConfigMistake::new("domain", message));
        }
        let client = (self.client_id.clone(), self.credential.clone());
        // Auth0's issuers end with a slash.
        let mut oidc = Oidc::of(format!("https://{}/", self.domain), client, Ways);
        for (name, value) in [
            ("audience", &self.audience),
            ("connection", &self.connection),
            ("connection_scope", &self.connection_scope),
        ] {
            if let Some(value) = value {
                oidc = oidc.asking(name, value);
            }
        }
        oidc.build(context)
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl Rules for Ways {
    fn scopes(&self) -> &'static [&'static str] {
        &["openid", "profile", "email", "offline_access"]
    }
}
