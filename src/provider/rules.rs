//! What one provider does in its own way. Whatever is not here is OpenID Connect.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use super::{ProviderError, ProviderProfile};

/// The ways of one provider.
pub(super) trait Rules: fmt::Debug + Send + Sync {
    /// The scopes without which nothing works.
    fn scopes(&self) -> &'static [&'static str] {
        &["openid", "profile", "email"]
    }

    /// The scope that is asked for, where it can't be what was put together.
    fn scope<'s>(&self, scope: &'s str) -> Cow<'s, str> {
        Cow::Borrowed(scope)
    }

    /// Whether its description speaks for many issuers, each by the claim `tid` (Microsoft's `{tenantid}`).
    fn has_tenants(&self) -> bool {
        false
    }

    /// Whether its userinfo says anything that its ID tokens do not.
    fn has_userinfo(&self) -> bool {
        true
    }

    /// Whether a client's signature has to be for the endpoint that it is sent to, and not for the issuer.
    fn wants_signatures_for_endpoints(&self) -> bool {
        false
    }

    /// Keeps out whom the configuration keeps out, by claims that were verified.
    fn admit(&self, _claims: &Map<String, Value>) -> Result<(), ProviderError> {
        Ok(())
    }

    /// Whom the claims describe.
    fn profile(&self, claims: Map<String, Value>) -> Result<ProviderProfile, ProviderError> {
        standard_profile(claims)
    }
}

/// Those of a provider that has none of its own.
#[derive(Debug)]
pub(super) struct Plain;

impl Rules for Plain {}

/// The standard claims (OpenID Connect Core section 5.1). An e-mail counts where the provider says it has verified it.
pub(super) fn standard_profile(
    claims: Map<String, Value>,
) -> Result<ProviderProfile, ProviderError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let subject = text("sub").filter(|sub| !sub.trim().is_empty());
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    Ok(ProviderProfile {
        subject: subject.ok_or_else(|| ProviderError::invalid("nobody is named (sub)"))?,
        user_id: None,
        username: text("preferred_username"),
        preferred_username: text("preferred_username"),
        email: text("email").filter(|_| verified),
        display_name: text("name").or_else(|| text("preferred_username")),
        picture: text("picture"),
        claims,
    })
}
