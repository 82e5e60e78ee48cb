//! What an introspection is made of.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Uri;

use super::asking::Endpoint;
use super::conditions::Conditions;
use super::{Inner, Introspection};
use crate::clock::Clock;
use crate::error::{ConfigError, ConfigMistake};
use crate::http_client::{HttpClient, HyperClient, Outward, basic, check_url};
use crate::secret::{Secret, random};

/// Answers are not remembered for longer: so long a revoked token would be good.
const LONGEST: Duration = Duration::from_secs(300);

/// Makes an [`Introspection`].
#[must_use]
pub struct IntrospectionBuilder {
    conditions: Conditions,
    endpoint: String,
    client: Option<(String, Secret<String>)>,
    remembered_for: Duration,
    outward: Option<Outward>,
    clock: Clock,
}

impl IntrospectionBuilder {
    pub(super) fn new(issuer: Arc<str>, audience: Box<str>) -> Self {
        Self {
            conditions: Conditions {
                issuer,
                audience: Some(audience),
                service_prefix: None,
            },
            endpoint: String::new(),
            client: None,
            remembered_for: Duration::from_secs(10),
            outward: None,
            clock: Clock::system(),
        }
    }

    /// Where the issuer answers: its `introspection_endpoint`.
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Who asks: the id and secret of this service at the issuer, sent as `client_secret_basic`.
    pub fn with_client(mut self, id: impl Into<String>, secret: impl Into<Secret<String>>) -> Self {
        self.client = Some((id.into(), secret.into()));
        self
    }

    /// Its tokens prove machines: the subject becomes `<prefix><sub>`, or `<prefix><client_id>` if there is no `sub`.
    pub fn with_service_subjects(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.conditions.service_prefix = Some(prefix.into());
        self
    }

    /// Remembers answers for this long, and none for longer than the token lives; held to 5 minutes at the most. Zero asks
    /// for each request.
    pub fn remember_for(mut self, time: Duration) -> Self {
        self.remembered_for = time.min(LONGEST);
        self
    }

    /// Accepts tokens whoever they are meant for.
    ///
    /// # Security
    ///
    /// A token that was issued for another service, and that this service's holder can therefore read, is then
    /// good here as well.
    pub fn dangerously_accept_any_audience(mut self) -> Self {
        self.conditions.audience = None;
        self
    }

    /// Replaces the HTTP client.
    pub fn with_http_client(mut self, client: impl HttpClient) -> Self {
        self.outward = Some(Outward::new(client));
        self
    }

    /// Replaces the clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// All mistakes at once: no endpoint or one that may not be called, no client, an empty issuer or audience.
    pub fn build(self) -> Result<Introspection, ConfigError> {
        let mut mistakes = Vec::new();
        let mut wrong = |key: &str, message: String| {
            mistakes.push(ConfigMistake::new(format!("introspection.{key}"), message));
        };
        if self.conditions.issuer.is_empty() {
            wrong("issuer", "expected an issuer, found an empty string".into());
        }
        if self
            .conditions
            .audience
            .as_ref()
            .is_some_and(|a| a.is_empty())
        {
            wrong(
                "audience",
                "expected an audience, found an empty string".into(),
            );
        }
        let uri: Result<Uri, String> = self
            .endpoint
            .parse()
            .map_err(|_| "expected a URL".to_owned())
            .and_then(|uri| check_url(&uri).map(|()| uri));
        let uri = uri.map_err(|reason| wrong("endpoint", reason)).ok();
        let credentials = match &self.client {
            Some((id, secret)) if !id.is_empty() => basic(id, secret.expose())
                .map_err(|error| wrong("client", error.to_string()))
                .ok(),
            _ => {
                wrong(
                    "client",
                    "expected the client that asks: strangers get no answer".into(),
                );
                None
            }
        };
        let outward = match self.outward {
            Some(outward) => Some(outward),
            None => HyperClient::new()
                .map(Outward::new)
                .map_err(|error| wrong("HTTP client", error.to_string()))
                .ok(),
        };
        ConfigError::collect(mistakes)?;
        let (Some(uri), Some(credentials), Some(client)) = (uri, credentials, outward) else {
            // Whatever is missing is a mistake that has just been returned.
            return Err(ConfigMistake::new("introspection", "incomplete").into());
        };
        Ok(Introspection(Arc::new(Inner {
            endpoint: Endpoint {
                uri,
                client,
                credentials,
            },
            conditions: self.conditions,
            clock: self.clock,
            salt: random::bytes(),
            remembered_for: self.remembered_for,
            state: Mutex::default(),
        })))
    }
}

impl fmt::Debug for IntrospectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionBuilder")
            .field("issuer", &self.conditions.issuer)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
