//! Google's Identity-Aware Proxy (spec section 10.7).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::assertion::{Assertions, only, text};
use super::{Built, Configured, Context, Kind, Named, ProviderError, ProviderProfile, Proxy};
use crate::credential::PeerAddress;
use crate::error::ConfigMistake;
use crate::verify::jwt::Algorithm;

const KEYS: &str = "https://www.gstatic.com/iap/verify/public_key-jwk";
const ISSUER: &str = "https://cloud.google.com/iap";
const HEADER: &str = "x-goog-iap-jwt-assertion";

/// People who come through Google's Identity-Aware Proxy, which signs who they are into `x-goog-iap-jwt-assertion`.
///
/// The e-mail counts as verified, and the subject is what follows the colon of `accounts.google.com:1234`.
#[derive(Clone, Debug)]
#[must_use]
pub struct GcpIap {
    audience: String,
    header: String,
}

struct GcpIapProxy {
    assertions: Assertions,
    header: HeaderName,
}

impl GcpIap {
    /// The proxy that signs for this audience, such as `/projects/1234/global/backendServices/5678`.
    pub fn new(audience: impl Into<String>) -> Self {
        Self {
            audience: audience.into(),
            header: HEADER.into(),
        }
    }

    /// Replaces the header.
    pub fn with_header(mut self, name: impl Into<String>) -> Self {
        self.header = name.into();
        self
    }
}

impl Configured for GcpIap {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let header = self.header.parse();
        Ok(Built::Proxy(Box::new(GcpIapProxy {
            assertions: Assertions::new(
                KEYS,
                ISSUER,
                &self.audience,
                &[Algorithm::Es256],
                &context,
            )?,
            header: header
                .map_err(|_| ConfigMistake::new("jwtHeader", "expected the name of a header"))?,
        })))
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Proxy
    }
}

impl Proxy for GcpIapProxy {
    fn identify<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _: Option<PeerAddress>,
    ) -> BoxFuture<'a, Result<Named, ProviderError>> {
        async move {
            let assertion = only(headers, &self.header)?.ok_or_else(ProviderError::absent)?;
            let claims = self.assertions.verify(assertion).await?;
            let missing = |name| ProviderError::invalid(format!("assertion: {name} is missing"));
            let subject = text(&claims, "sub").ok_or_else(|| missing("sub"))?;
            let email = text(&claims, "email").ok_or_else(|| missing("email"))?;
            let user_id = subject.rsplit(':').next().map(str::to_owned);
            let profile = ProviderProfile {
                user_id,
                subject,
                email: Some(email),
                claims: claims.clone(),
                ..ProviderProfile::default()
            };
            let info = json!({ "iapToken": Value::Object(claims) });
            Ok(Named { profile, info })
        }
        .boxed()
    }
}
