//! Cloudflare Access (spec section 10.7).

use std::fmt;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::assertion::{Assertions, only, text};
use super::{Built, Configured, Context, Kind, Named, ProviderError, ProviderProfile, Proxy};
use crate::credential::{Cookies, PeerAddress};
use crate::error::ConfigMistake;
use crate::verify::jwt::Algorithm;

const HEADER: &str = "cf-access-jwt-assertion";
const COOKIE: &str = "CF_Authorization";

/// People and services that come through Cloudflare Access, which signs who they are into `cf-access-jwt-assertion`, and
/// into the cookie `CF_Authorization`.
///
/// The e-mail counts as verified. What else Cloudflare knows of them (`get-identity`) is not asked for.
#[derive(Clone)]
#[must_use]
pub struct CloudflareAccess {
    team: String,
    audience: String,
    service_tokens: Vec<(String, String)>,
    header: String,
    cookie: String,
}

struct CloudflareProxy {
    assertions: Assertions,
    service_tokens: Vec<(String, String)>,
    header: HeaderName,
    cookie: String,
}

impl CloudflareAccess {
    /// The application of this audience tag, of the team `<team>.cloudflareaccess.com`.
    pub fn new(team: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            team: team.into(),
            audience: audience.into(),
            service_tokens: Vec::new(),
            header: HEADER.into(),
            cookie: COOKIE.into(),
        }
    }

    /// Takes a service token, by its client id, for whoever has the e-mail `subject`.
    pub fn add_service_token(mut self, id: impl Into<String>, subject: impl Into<String>) -> Self {
        self.service_tokens.push((id.into(), subject.into()));
        self
    }

    /// Replaces the header.
    pub fn with_header(mut self, name: impl Into<String>) -> Self {
        self.header = name.into();
        self
    }

    /// Replaces the cookie, which counts where there is no such header.
    pub fn with_cookie(mut self, name: impl Into<String>) -> Self {
        self.cookie = name.into();
        self
    }
}

impl Configured for CloudflareAccess {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if self.team.is_empty() || !self.team.bytes().all(plain) {
            let message = "expected the name of a team: letters, digits and '-'";
            return Err(ConfigMistake::new("teamName", message));
        }
        let issuer = format!("https://{}.cloudflareaccess.com", self.team);
        let keys = format!("{issuer}/cdn-cgi/access/certs");
        let algorithms = &[Algorithm::Rs256, Algorithm::Es256];
        let header = self.header.parse();
        Ok(Built::Proxy(Box::new(CloudflareProxy {
            assertions: Assertions::new(&keys, issuer, &self.audience, algorithms, &context)?,
            service_tokens: self.service_tokens.clone(),
            header: header.map_err(|_| {
                ConfigMistake::new("jwtHeaderName", "expected the name of a header")
            })?,
            cookie: self.cookie.clone(),
        })))
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Proxy
    }
}

impl Proxy for CloudflareProxy {
    fn identify<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _: Option<PeerAddress>,
    ) -> BoxFuture<'a, Result<Named, ProviderError>> {
        async move {
            let assertion = match only(headers, &self.header)? {
                Some(assertion) => assertion,
                None => self.cookie(headers)?.ok_or_else(ProviderError::absent)?,
            };
            let claims = self.assertions.verify(assertion).await?;
            let invalid = |reason: &str| ProviderError::invalid(format!("assertion: {reason}"));
            let (subject, email) = match text(&claims, "sub") {
                Some(subject) => {
                    let email =
                        text(&claims, "email").ok_or_else(|| invalid("email is missing"))?;
                    (subject, email)
                }
                // A service has no subject: its token's client id says which it is.
                None => {
                    let id = text(&claims, "common_name");
                    let id = id.ok_or_else(|| invalid("neither sub nor common_name is there"))?;
                    let known = self.service_tokens.iter().find(|(token, _)| *token == id);
                    let (_, subject) = known.ok_or_else(|| invalid("an unknown service token"))?;
                    (id, subject.clone())
                }
            };
            let profile = ProviderProfile {
                subject,
                email: Some(email),
                claims: claims.clone(),
                ..ProviderProfile::default()
            };
            let info = json!({ "claims": Value::Object(claims) });
            Ok(Named { profile, info })
        }
        .boxed()
    }
}

impl CloudflareProxy {
    fn cookie<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h str>, ProviderError> {
        let mut cookies = Cookies::of(headers)
            .iter()
            .filter(|(name, _)| *name == self.cookie);
        match (cookies.next(), cookies.next()) {
            (_, Some(_)) => Err(ProviderError::invalid("the proxy's cookie stands twice")),
            (found, None) => Ok(found.map(|(_, value)| value)),
        }
    }
}

/// A client id is half of a service token: it is not shown.
impl fmt::Debug for CloudflareAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudflareAccess")
            .field("team", &self.team)
            .finish_non_exhaustive()
    }
}
