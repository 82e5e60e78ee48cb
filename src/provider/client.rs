//! This app as a provider knows it: its id, and how it proves to be the one (RFC 6749 section 2.3, RFC 7523).

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use url::form_urlencoded::Serializer;

use super::{ClientKey, ProviderError};
use crate::clock::Clock;
use crate::http_client::basic;
use crate::secret::Secret;

/// What a signed assertion is called on the wire (RFC 7523 section 2.2).
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the app has to show: a secret, or a key to sign with.
///
/// A secret converts by itself: `Oidc::new(url, "client-id", "client-secret")`; and so does a [`ClientKey`].
#[derive(Clone)]
pub struct ClientCredential(Shown);

#[derive(Clone)]
enum Shown {
    Secret(Secret<String>),
    Key(ClientKey),
}

/// How the app's secret is sent to the token endpoint (OpenID Connect Core section 9). A key is never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    #[default]
    Basic,
    /// `client_secret_post`.
    Post,
}

/// The app at one provider.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) proof: Proof,
    /// Whether a signature is for the endpoint that it is sent to, and not for the issuer.
    pub(super) signs_for_endpoints: bool,
}

/// How it proves to be the one.
#[derive(Clone)]
pub(super) enum Proof {
    Basic(Secret<String>),
    Post(Secret<String>),
    Key(ClientKey),
}

impl Client {
    pub(super) fn new(
        id: impl Into<String>,
        credential: ClientCredential,
        method: ClientAuthentication,
    ) -> Self {
        let proof = match (credential.0, method) {
            (Shown::Secret(secret), ClientAuthentication::Basic) => Proof::Basic(secret),
            (Shown::Secret(secret), ClientAuthentication::Post) => Proof::Post(secret),
            (Shown::Key(key), _) => Proof::Key(key),
        };
        Self {
            id: id.into(),
            proof,
            signs_for_endpoints: false,
        }
    }

    /// A form for an endpoint of the provider, with the proof in it or beside it.
    pub(super) fn post(
        &self,
        endpoint: &Uri,
        (issuer, clock): (&str, &Clock),
        form: &[(&str, &str)],
    ) -> Result<Request<Bytes>, ProviderError> {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(form);
        let mut request = Request::post(endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        match &self.proof {
            Proof::Basic(secret) => {
                request = request.header(AUTHORIZATION, basic(&self.id, secret.expose())?);
            }
            Proof::Post(secret) => {
                body.append_pair("client_id", &self.id)
                    .append_pair("client_secret", secret.expose());
            }
            Proof::Key(key) => {
                let audience = match self.signs_for_endpoints {
                    true => endpoint.to_string(),
                    false => issuer.to_owned(),
                };
                body.append_pair("client_id", &self.id)
                    .append_pair("client_assertion_type", ASSERTION_TYPE)
                    .append_pair("client_assertion", &key.assert(&self.id, &audience, clock));
            }
        }
        let request = request.body(Bytes::from(body.finish()));
        request.map_err(|_| ProviderError::invalid("the endpoint can't be called like that"))
    }
}

// ===== impl ClientCredential =====

impl From<Secret<String>> for ClientCredential {
    fn from(secret: Secret<String>) -> Self {
        Self(Shown::Secret(secret))
    }
}

impl From<String> for ClientCredential {
    fn from(secret: String) -> Self {
        Secret::from(secret).into()
    }
}

impl From<&str> for ClientCredential {
    fn from(secret: &str) -> Self {
        Secret::from(secret).into()
    }
}

impl From<&Secret<String>> for ClientCredential {
    fn from(secret: &Secret<String>) -> Self {
        secret.clone().into()
    }
}

impl From<ClientKey> for ClientCredential {
    fn from(key: ClientKey) -> Self {
        Self(Shown::Key(key))
    }
}

impl std::fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Shown::Secret(_) => f.write_str("[redacted]"),
            Shown::Key(key) => key.fmt(f),
        }
    }
}
