//! Any OpenID Connect provider, known by its discovery document.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::asked::{Asked, Prompt};
use super::client::Client;
use super::discovery::Discovery;
use super::relying_party::RelyingParty;
use super::rules::{Plain, Rules};
use super::{Built, ClientAuthentication, ClientCredential, Configured, Context};
use crate::error::ConfigMistake;
use crate::verify::jwt::Algorithm;

/// What this crate sets itself: no configuration may set it a second time (LF-19).
const RESERVED: [&str; 16] = [
    "acr_values",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// Sign-in with any OpenID Connect provider: the code flow with PKCE, state and nonce.
#[derive(Clone)]
#[must_use]
pub struct Oidc {
    metadata_url: String,
    client_id: String,
    credential: ClientCredential,
    authentication: ClientAuthentication,
    asked: Asked,
    algorithm: Option<Algorithm>,
    signed_userinfo: bool,
    /// Whether authorization requests are pushed to a provider that takes them.
    pushes: bool,
    rules: Arc<dyn Rules>,
    callback_url: Option<String>,
}

impl Oidc {
    /// The client of this id, and secret or [key](super::ClientKey), at the provider whose issuer, or discovery document,
    /// is `metadata_url`. The provider has to name that issuer to the letter; of a document, its place tells all but a
    /// slash at the end. The provider decides what it asks of a person, and a secret goes into a Basic header.
    pub fn new(
        metadata_url: impl Into<String>,
        client_id: impl Into<String>,
        credential: impl Into<ClientCredential>,
    ) -> Self {
        Self {
            metadata_url: metadata_url.into(),
            client_id: client_id.into(),
            credential: credential.into(),
            authentication: ClientAuthentication::default(),
            asked: Asked::default(),
            algorithm: None,
            signed_userinfo: false,
            pushes: true,
            rules: Arc::new(Plain),
            callback_url: None,
        }
    }

    /// A provider that is known, with its own ways.
    pub(super) fn of(
        metadata_url: String,
        (client_id, credential): (String, ClientCredential),
        rules: impl Rules + 'static,
    ) -> Self {
        let mut oidc = Self::new(metadata_url, client_id, credential);
        oidc.rules = Arc::new(rules);
        oidc
    }

    /// Replaces how the client's secret is sent.
    pub fn with_authentication(mut self, method: ClientAuthentication) -> Self {
        self.authentication = method;
        self
    }

    /// Asks for this prompt.
    pub fn with_prompt(mut self, prompt: Prompt) -> Self {
        self.asked.prompt = Some(prompt);
        self
    }

    /// Wants people to have signed in at the provider no longer ago than this (`max_age`), and believes its ID token about
    /// it: by `auth_time`, give or take a minute.
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.asked.max_age = Some(age);
        self
    }

    /// Wants people to have signed in in one of these ways (`acr_values`), the first rather than the others, and refuses an
    /// ID token whose `acr` is none of them.
    pub fn with_acr_values<V: Into<String>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.asked.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Has the provider post its answer (`response_mode=form_post`), so that no code is ever in an address.
    ///
    /// The way back is a request from another site: the one cookie that it needs is `SameSite=None`, which browsers take over
    /// https only. A portal on plain http, on this machine, needs its provider on the same host.
    pub fn with_form_post(mut self) -> Self {
        self.asked.form_post = true;
        self
    }

    /// Does not push authorization requests to the provider (RFC 9126), even if it says that it takes them.
    pub fn without_pushed_requests(mut self) -> Self {
        self.pushes = false;
        self
    }

    /// Accepts ID tokens of this algorithm only (`tokenSignedResponseAlg`).
    pub fn with_id_token_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Accepts userinfo only if the provider has signed it (`userinfo_signed_response_alg`).
    pub fn with_signed_userinfo(mut self) -> Self {
        self.signed_userinfo = true;
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
        self.asked.parameters.push((name, value.into()));
        Ok(self)
    }

    /// A parameter that a preset sends.
    pub(super) fn asking(mut self, name: &str, value: impl Into<String>) -> Self {
        self.asked.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces the callback URL that is registered with the client.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for Oidc {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let (outward, clock) = (context.client, context.clock);
        let discovery = Discovery::new(
            &self.metadata_url,
            self.rules.has_tenants(),
            outward.clone(),
            clock.clone(),
        );
        let discovery = discovery.map_err(|e| ConfigMistake::new("metadataUrl", e))?;
        let credential = self.credential.clone();
        let mut client = Client::new(&self.client_id, credential, self.authentication);
        client.signs_for_endpoints = self.rules.wants_signatures_for_endpoints();
        Ok(Built::Page(Box::new(RelyingParty {
            client,
            asked: self.asked.clone(),
            algorithm: self.algorithm,
            signed_userinfo: self.signed_userinfo,
            pushes: self.pushes,
            rules: self.rules.clone(),
            discovery,
            redirect_uri: context.redirect_uri,
            outward,
            clock,
        })))
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc")
            .field("metadata_url", &self.metadata_url)
            .field("client_id", &self.client_id)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
