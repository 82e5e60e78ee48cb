//! Microsoft Entra (spec section 10.3).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::metadata::is_uuid;
use super::rules::Rules;
use super::{
    Built, ClientAuthentication, ClientCredential, Configured, Context, Oidc, ProviderError,
    ProviderProfile,
};
use crate::error::ConfigMistake;

const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The tenant of all personal accounts.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// Of Microsoft's own API; it can't be asked for together with those of another.
const GRAPH_SCOPE: &str = "User.Read";

/// Sign-in with Microsoft Entra (Azure AD).
///
/// ```
/// use tower_identity::provider::Microsoft;
///
/// let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
/// let microsoft = Microsoft::new(tenant, "client-id", "client-secret");
/// ```
///
/// The id that catalogs know people by (`graph.microsoft.com/user-id`) is the claim `oid`. Their picture is not fetched.
///
/// # Security
///
/// Whoever has a tenant of their own can give its users any e-mail. So an e-mail counts where only one tenant is let in,
/// and elsewhere only if Microsoft says that its domain was verified (`xms_edov`). In the same way the `groups` of somebody
/// who is in too many for a token are an error for whoever asks, and never none:
/// [`SignInInfo::groups`](crate::sign_in::SignInInfo::groups).
#[derive(Clone, Debug)]
#[must_use]
pub struct Microsoft {
    tenant: String,
    authority: String,
    client_id: String,
    credential: ClientCredential,
    tenants: Vec<String>,
    domain_hint: Option<String>,
    callback_url: Option<String>,
}

#[derive(Debug)]
struct Ways {
    tenant: Tenant,
    /// Those that are let in; all, if there are none.
    tenants: Vec<String>,
}

/// Who may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenant {
    /// The people of one, by its number.
    One,
    /// The people of one, by a domain of its.
    OfDomain,
    /// Of any organisation.
    Organizations,
    /// Of any organisation, and of none.
    Common,
    /// Of none.
    Consumers,
}

impl Microsoft {
    /// The app of this id, and secret or [key](super::ClientKey), for the people of `tenant`: its number, or a domain of its;
    /// `organizations` for any organisation, `consumers` for personal accounts, or `common` for both.
    /// Microsoft wants a key [with its certificate](super::ClientKey::with_certificate).
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        credential: impl Into<ClientCredential>,
    ) -> Self {
        Self {
            tenant: tenant.into(),
            authority: AUTHORITY.to_owned(),
            client_id: client_id.into(),
            credential: credential.into(),
            tenants: Vec::new(),
            domain_hint: None,
            callback_url: None,
        }
    }

    /// Of the many tenants of `organizations` or `common`, lets in these only, by their numbers.
    pub fn with_allowed_tenants<T: Into<String>>(
        mut self,
        tenants: impl IntoIterator<Item = T>,
    ) -> Self {
        self.tenants = tenants.into_iter().map(Into::into).collect();
        self
    }

    /// Another cloud of Microsoft's, such as `https://login.microsoftonline.us`.
    pub fn with_authority(mut self, url: impl Into<String>) -> Self {
        self.authority = url.into();
        self
    }

    /// Skips the question for an account, for people of this domain (`domain_hint`).
    pub fn with_domain_hint(mut self, domain: impl Into<String>) -> Self {
        self.domain_hint = Some(domain.into());
        self
    }

    /// Replaces the callback URL that is registered with the app.
    pub fn with_callback_url(mut self, url: impl Into<String>) -> Self {
        self.callback_url = Some(url.into());
        self
    }
}

impl Configured for Microsoft {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let tenant = Tenant::of(&self.tenant).ok_or_else(|| {
            let message =
                "expected the number or a domain of a tenant, organizations, consumers or common";
            ConfigMistake::new("tenantId", message)
        })?;
        if let Some(wrong) = self.tenants.iter().find(|tenant| !is_uuid(tenant)) {
            let message =
                format!("expected the numbers of tenants, in lower case; found {wrong:?}");
            return Err(ConfigMistake::new("allowedTenants", message));
        }
        if tenant.is_one() && !self.tenants.is_empty() {
            let message = "has no effect where tenantId is that of one";
            return Err(ConfigMistake::new("allowedTenants", message));
        }
        let authority = self.authority.strip_suffix('/').unwrap_or(&self.authority);
        let issuer = format!("{authority}/{}/v2.0", self.tenant);
        let client = (self.client_id.clone(), self.credential.clone());
        let tenants = self.tenants.clone();
        let mut oidc = Oidc::of(issuer, client, Ways { tenant, tenants })
            .with_authentication(ClientAuthentication::Post);
        if let Some(domain) = &self.domain_hint {
            oidc = oidc.asking("domain_hint", domain);
        }
        oidc.build(context)
    }

    fn callback_url(&self) -> Option<&str> {
        self.callback_url.as_deref()
    }
}

impl Tenant {
    fn of(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        match text {
            "common" => Some(Self::Common),
            "organizations" => Some(Self::Organizations),
            "consumers" => Some(Self::Consumers),
            _ if is_uuid(text) => Some(Self::One),
            _ if text.contains('.') && text.bytes().all(plain) => Some(Self::OfDomain),
            _ => None,
        }
    }

    fn is_one(self) -> bool {
        matches!(self, Self::One | Self::OfDomain)
    }
}

impl Rules for Ways {
    fn scopes(&self) -> &'static [&'static str] {
        &["openid", "profile", "email", "offline_access", GRAPH_SCOPE]
    }

    /// An access token is for one API: who asks for another's scopes (they are URLs) does not get Graph's.
    fn scope<'s>(&self, scope: &'s str) -> Cow<'s, str> {
        let is_graph = |scope: &&str| scope.eq_ignore_ascii_case(GRAPH_SCOPE);
        match scope.contains('/') {
            false => Cow::Borrowed(scope),
            true => {
                let kept = scope.split(' ').filter(|scope| !is_graph(scope));
                kept.collect::<Vec<_>>().join(" ").into()
            }
        }
    }

    fn wants_signatures_for_endpoints(&self) -> bool {
        true
    }

    fn has_tenants(&self) -> bool {
        self.tenant != Tenant::One
    }

    /// The ID token has all of it.
    fn has_userinfo(&self) -> bool {
        false
    }

    fn admit(&self, claims: &Map<String, Value>) -> Result<(), ProviderError> {
        let foreign = |reason: &str| Err(ProviderError::foreign(reason));
        let tenant = claims.get("tid").and_then(Value::as_str);
        let Some(tenant) = tenant.filter(|tenant| is_uuid(tenant)) else {
            return foreign("ID token: its iss is not the provider's: it names no tenant (tid)");
        };
        let issuer = claims.get("iss").and_then(Value::as_str);
        let end = format!("/{tenant}/v2.0");
        if !issuer.is_some_and(|issuer| issuer.ends_with(&end)) {
            return foreign("ID token: its iss is not the provider's for its tenant (tid)");
        }
        let kept_out = |reason: &str| Err(ProviderError::kept_out(reason));
        if self.tenant == Tenant::Consumers && tenant != PERSONAL {
            return kept_out(
                "an account of an organisation, and only personal ones are let in (tid)",
            );
        }
        if self.tenant == Tenant::Organizations && tenant == PERSONAL {
            return kept_out("a personal account, and only organisations are let in (tid)");
        }
        if !self.tenants.is_empty() && !self.tenants.iter().any(|allowed| allowed == tenant) {
            return kept_out("the account is of no tenant that is let in (tid)");
        }
        if claims.get("idtyp").and_then(Value::as_str) == Some("app") {
            return kept_out("an app signed in, and no person (idtyp)");
        }
        Ok(())
    }

    fn profile(&self, claims: Map<String, Value>) -> Result<ProviderProfile, ProviderError> {
        let text = |name: &str| {
            let text = claims.get(name).and_then(Value::as_str);
            text.filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
        };
        let nobody = |name| ProviderError::invalid(format!("nobody is named ({name})"));
        let id = text("oid").ok_or_else(|| nobody("oid"))?;
        let tenant = text("tid").ok_or_else(|| nobody("tid"))?;
        let account = text("preferred_username");
        let email = email(&claims, self.tenant.is_one());
        Ok(ProviderProfile {
            subject: format!("{tenant}:{id}"),
            user_id: Some(id),
            username: None,
            preferred_username: account.clone(),
            email,
            display_name: text("name").or(account),
            picture: None,
            claims,
        })
    }
}

/// The e-mail that is somebody's for sure: in a tenant of one's own that of its people, or the name of their account;
/// elsewhere, and of guests, only one whose domain Microsoft says that it has verified (`xms_edov`).
pub(super) fn email(claims: &Map<String, Value>, of_ours: bool) -> Option<String> {
    let text = |name: &str| {
        let text = claims.get(name).and_then(Value::as_str);
        text.filter(|text| text.contains('@')).map(str::to_owned)
    };
    let verified = claims.get("xms_edov").map(|verified| match verified {
        Value::Bool(verified) => *verified,
        Value::Number(verified) => verified.as_u64() == Some(1),
        Value::String(verified) => verified == "1" || verified == "true",
        _ => false,
    });
    // A guest is at home in another tenant, which says what their address is.
    let is_guest = claims.contains_key("idp")
        || claims
            .get("acct")
            .is_some_and(|account| account.as_u64() != Some(0));
    match verified {
        None if of_ours && !is_guest => text("email").or_else(|| text("preferred_username")),
        verified => text("email").filter(|_| verified == Some(true)),
    }
}
