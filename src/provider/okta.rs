//! Okta (spec section 10.4).

use super::rules::Rules;
use super::{Built, ClientCredential, Configured, Context, Oidc};
use crate::error::ConfigMistake;

/// Sign-in with Okta, at an organisation's own authorization server or at a custom one.
///
/// ```
/// use tower_identity::provider::Okta;
///
/// let okta = Okta::new("https://example.okta.com", "client-id", "client-secret")
///     .with_authorization_server("default");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Okta {
    url: String,
    server: Option<String>,
    client_id: String,
    credential: ClientCredential,
    idp: Option<String>,
    callback_url: Option<String>,
}

#[derive(Debug)]
struct Ways;

impl Okta {
    /// The client of this id, and secret or [key](super::ClientKey), at the organisation of this URL.
    pub fn new(
        url: impl Into<String>,
        client_id: impl Into<String>,
        credential: impl Into<ClientCredential>,
    ) -> Self {
        Self {
            url: url.into(),
            server: None,
            client_id: client_id.into(),
            credential: credential.into(),
            idp: None,
            callback_url: None,
        }
    }

    /// Uses the custom authorization server of this id, such as `default`.
    pub fn with_authorization_server(mut self, id: impl Into<String>) -> Self {
        self.server = Some(id.into());
        self
    }

    /// Has people sign in with this identity provider behind Okta.
    pub fn with_idp(mut self, id: impl Into<String>) -> Self {
        self.idp = Some(id.into());
        self
    }

    /// Replaces the callback URL that is registered with the client.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for Okta {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let url = self.url.strip_suffix('/').unwrap_or(&self.url);
        let issuer = match &self.server {
            None => url.to_owned(),
            Some(id) if is_word(id) => format!("{url}/oauth2/{id}"),
            Some(_) => {
                let message = "expected the id of an authorization server, such as default";
                return Err(ConfigMistake::new("authServerId", message));
            }
        };
        let client = (self.client_id.clone(), self.credential.clone());
        let mut oidc = Oidc::of(issuer, client, Ways);
        if let Some(idp) = &self.idp {
            oidc = oidc.asking("idp", idp);
        }
        let built = oidc.build(context);
        built.map_err(|mistake| ConfigMistake::new("audience", mistake.message()))
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl Rules for Ways {
    fn scopes(&self) -> &'static [&'static str] {
        &["openid", "email", "profile", "offline_access"]
    }

    fn wants_signatures_for_endpoints(&self) -> bool {
        true
    }
}

fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.bytes().all(plain)
}
