//! Google (spec section 10.2).

use serde_json::{Map, Value};

use super::asked::Prompt;
use super::rules::Rules;
use super::{
    Built, ClientAuthentication, ClientCredential, Configured, Context, Oidc, ProviderError,
};
use crate::error::ConfigMistake;
use crate::secret::Secret;

const ISSUER: &str = "https://accounts.google.com";

/// Sign-in with Google.
///
/// ```
/// use tower_identity::provider::Google;
///
/// let google = Google::new("client-id", "client-secret").with_hosted_domains(["example.com"]);
/// ```
///
/// It asks for offline access and for consent each time, as Backstage does: otherwise there is no refresh token to renew a
/// session by. Signing out revokes what was granted.
///
/// # Security
///
/// Anybody in the world has an account at Google, or can make one. [`with_hosted_domains`](Self::with_hosted_domains) keeps
/// out whoever is not of a Workspace of yours, whatever e-mail they have.
#[derive(Clone, Debug)]
#[must_use]
pub struct Google {
    client_id: String,
    credential: ClientCredential,
    domains: Vec<String>,
    callback_url: Option<String>,
}

#[derive(Debug)]
struct Ways {
    domains: Vec<String>,
}

impl Google {
    /// The client of this id and secret.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<Secret<String>>) -> Self {
        Self {
            client_id: client_id.into(),
            credential: client_secret.into().into(),
            domains: Vec::new(),
            callback_url: None,
        }
    }

    /// Only accounts of a Workspace of one of these domains (`hd`).
    pub fn with_hosted_domains<D: Into<String>>(
        mut self,
        domains: impl IntoIterator<Item = D>,
    ) -> Self {
        self.domains = domains.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the callback URL that is registered with the client.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for Google {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        if self.domains.iter().any(|domain| domain.trim().is_empty()) {
            let message = "expected domains such as example.com, found an empty string";
            return Err(ConfigMistake::new("hostedDomains", message));
        }
        let client = (self.client_id.clone(), self.credential.clone());
        let domains = self.domains.clone();
        let mut oidc = Oidc::of(ISSUER.into(), client, Ways { domains })
            .with_authentication(ClientAuthentication::Post)
            .with_prompt(Prompt::Consent)
            .asking("access_type", "offline")
            .asking("include_granted_scopes", "true");
        // What Google shows of it is a help to people; it is the claim that counts.
        oidc = match &self.domains[..] {
            [] => oidc,
            [one] => oidc.asking("hd", one),
            _ => oidc.asking("hd", "*"),
        };
        oidc.build(context)
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl Rules for Ways {
    fn scopes(&self) -> &'static [&'static str] {
        &[
            "openid",
            "https://www.googleapis.com/auth/userinfo.email",
            "https://www.googleapis.com/auth/userinfo.profile",
        ]
    }

    /// The ID token has all of it.
    fn has_userinfo(&self) -> bool {
        false
    }

    fn admit(&self, claims: &Map<String, Value>) -> Result<(), ProviderError> {
        let of = claims.get("hd").and_then(Value::as_str);
        let ours = |domain: &str| self.domains.iter().any(|d| d.eq_ignore_ascii_case(domain));
        match self.domains.is_empty() || of.is_some_and(ours) {
            true => Ok(()),
            false => Err(ProviderError::kept_out(
                "the account is of no hosted domain that is let in (hd)",
            )),
        }
    }
}
