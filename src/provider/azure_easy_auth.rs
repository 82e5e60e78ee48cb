//! Azure's own sign-in in front of App Service and Container Apps, "Easy Auth" (spec section 10.7).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::assertion::{Assertions, only, text};
use super::metadata::is_uuid;
use super::microsoft;
use super::{Built, Configured, Context, Kind, Named, ProviderError, ProviderProfile, Proxy};
use crate::credential::PeerAddress;
use crate::error::ConfigMistake;
use crate::verify::jwt::Algorithm;

const ID_TOKEN: HeaderName = HeaderName::from_static("x-ms-token-aad-id-token");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-ms-token-aad-access-token");

/// People whom Azure signs in before they come here, with Microsoft Entra: it hands their ID token on, in
/// `x-ms-token-aad-id-token`, if its token store is on.
///
/// The id that catalogs know people by is the claim `oid`. An ID token lasts for an hour: `/.auth/refresh` brings another.
///
/// # Security
///
/// Whoever can reach this server can send the header, so the ID token is verified like any other: signed by Entra, of this
/// tenant, for this client.
#[derive(Clone, Debug)]
#[must_use]
pub struct AzureEasyAuth {
    tenant: String,
    client_id: String,
}

struct EasyAuth(Assertions);

impl AzureEasyAuth {
    /// The app of this id, for the people of the tenant of this number.
    pub fn new(tenant: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            client_id: client_id.into(),
        }
    }
}

impl Configured for AzureEasyAuth {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        if !is_uuid(&self.tenant) {
            let message = "expected the number of a tenant, in lower case";
            return Err(ConfigMistake::new("tenantId", message));
        }
        if self.client_id.is_empty() {
            let message = "expected the id of the app, found an empty string";
            return Err(ConfigMistake::new("clientId", message));
        }
        let authority = format!("https://login.microsoftonline.com/{}", self.tenant);
        let keys = format!("{authority}/discovery/v2.0/keys");
        let issuer = format!("{authority}/v2.0");
        let algorithms = &[Algorithm::Rs256];
        let assertions = Assertions::new(&keys, issuer, &self.client_id, algorithms, &context)?;
        Ok(Built::Proxy(Box::new(EasyAuth(assertions))))
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Proxy
    }
}

impl Proxy for EasyAuth {
    fn identify<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _: Option<PeerAddress>,
    ) -> BoxFuture<'a, Result<Named, ProviderError>> {
        async move {
            let token = only(headers, &ID_TOKEN)?.ok_or_else(ProviderError::absent)?;
            let claims = self.0.verify(token).await?;
            let invalid = |reason: &str| ProviderError::invalid(format!("ID token: {reason}"));
            if claims.get("ver").and_then(Value::as_str) != Some("2.0") {
                return Err(invalid("its version is not 2.0 (ver)"));
            }
            let id = text(&claims, "oid").ok_or_else(|| invalid("oid is missing"))?;
            let account = text(&claims, "preferred_username");
            let profile = ProviderProfile {
                subject: id.clone(),
                user_id: Some(id),
                email: microsoft::email(&claims, true),
                display_name: text(&claims, "name").or_else(|| account.clone()),
                preferred_username: account,
                claims,
                ..ProviderProfile::default()
            };
            let token = only(headers, &ACCESS_TOKEN)?.unwrap_or_default();
            let info = json!({ "accessToken": token });
            Ok(Named { profile, info })
        }
        .boxed()
    }
}
