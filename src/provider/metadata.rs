//! What a provider says of itself (OpenID Connect Discovery section 3), once it was checked.

use http::Uri;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Host, Url};

use super::ProviderError;
use crate::clock::Clock;
use crate::http_client::{Outward, check_url, is_loopback};
use crate::verify::jwks::RemoteKeys;
use crate::verify::jwt::claims::is_issuer;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// What Microsoft writes for the tenant, where a description is that of them all.
const TENANT: &str = "{tenantid}";

/// Where a description is, and whose it has to be.
pub(super) struct Place {
    pub(super) document: Uri,
    /// As configured, or without a trailing slash where only the document was.
    pub(super) issuer: String,
    /// Whether the configuration names the issuer itself, and not just the document.
    exact: bool,
    /// Whether it may be that of many issuers, or of one by another name: Microsoft's.
    tenants: bool,
}

/// A description that was checked, and the keys it leads to.
pub(super) struct Discovered {
    pub(super) issuer: String,
    tenants: bool,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) userinfo_endpoint: Option<Uri>,
    pub(super) end_session_endpoint: Option<Url>,
    pub(super) revocation_endpoint: Option<Uri>,
    pub(super) pushed_request_endpoint: Option<Uri>,
    pub(super) sends_issuer: bool,
    pub(super) algorithms: Vec<String>,
    pub(super) keys: RemoteKeys,
    jwks_uri: Uri,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
}

impl Place {
    /// `metadata_url` is the issuer, or the document itself.
    pub(super) fn of(metadata_url: &str, tenants: bool) -> Result<Self, String> {
        let of_document = metadata_url.strip_suffix(WELL_KNOWN);
        let issuer = of_document.unwrap_or(metadata_url);
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let document: Uri = format!("{base}{WELL_KNOWN}")
            .parse()
            .map_err(|_| "expected a URL".to_owned())?;
        check_url(&document)?;
        Ok(Self {
            document,
            issuer: if of_document.is_some() { base } else { issuer }.to_owned(),
            exact: of_document.is_none(),
            tenants,
        })
    }

    /// An issuer is compared as it is; a document's place tells it up to one trailing slash (Discovery section 4.1).
    fn is_of(&self, issuer: &str) -> bool {
        issuer == self.issuer
            || !self.exact && issuer.strip_suffix('/') == Some(self.issuer.as_str())
            || self.tenants && self.is_of_tenant(issuer)
    }

    /// Microsoft's description of many tenants, or of one by its domain, names them by number: in the place of the
    /// tenant, and nowhere else.
    fn is_of_tenant(&self, issuer: &str) -> bool {
        let parts = |url: &str| {
            let (authority, path) = url.strip_prefix("https://")?.split_once('/')?;
            let (tenant, rest) = path.split_once('/')?;
            Some([authority.to_owned(), tenant.to_owned(), rest.to_owned()])
        };
        match (parts(&self.issuer), parts(issuer)) {
            (Some([ours, _, version]), Some([authority, tenant, rest])) => {
                ours == authority && version == rest && (tenant == TENANT || is_uuid(&tenant))
            }
            _ => false,
        }
    }

    /// Checks a description. The keys that are known outlive the one before, unless this one leads to others.
    pub(super) fn check(
        &self,
        metadata: Metadata,
        before: Option<&Discovered>,
        (client, clock): (&Outward, &Clock),
    ) -> Result<Discovered, ProviderError> {
        if !self.is_of(&metadata.issuer) {
            return Err(ProviderError::invalid(
                "the discovery document is another issuer's",
            ));
        }
        // A provider somewhere else has no business on this machine.
        let local = self.document.host().is_some_and(is_loopback);
        let url = |name: &str, text: &str| {
            let uri: Uri = text
                .parse()
                .map_err(|_| ProviderError::invalid(format!("{name} is not a URL")))?;
            check_url(&uri).map_err(|e| ProviderError::invalid(format!("{name}: {e}")))?;
            let url = Url::parse(text)
                .map_err(|_| ProviderError::invalid(format!("{name} is not a URL")))?;
            if !local && is_this_machine(&url) {
                let reason = format!("{name} is on this machine, and the provider is not");
                return Err(ProviderError::invalid(reason));
            }
            Ok((url, uri))
        };
        let optional =
            |name, text: &Option<String>| text.as_ref().map(|t| url(name, t)).transpose();
        let jwks_uri = url("jwks_uri", &metadata.jwks_uri)?.1;
        let keys = match before {
            Some(before) if before.jwks_uri == jwks_uri => before.keys.clone(),
            _ => RemoteKeys::at(jwks_uri.clone(), client.clone(), clock.clone()),
        };
        let authorization_endpoint =
            url("authorization_endpoint", &metadata.authorization_endpoint)?;
        let pushed = &metadata.pushed_authorization_request_endpoint;
        Ok(Discovered {
            authorization_endpoint: authorization_endpoint.0,
            token_endpoint: url("token_endpoint", &metadata.token_endpoint)?.0,
            userinfo_endpoint: optional("userinfo_endpoint", &metadata.userinfo_endpoint)?
                .map(|u| u.1),
            end_session_endpoint: optional("end_session_endpoint", &metadata.end_session_endpoint)?
                .map(|u| u.0),
            revocation_endpoint: optional("revocation_endpoint", &metadata.revocation_endpoint)?
                .map(|u| u.1),
            pushed_request_endpoint: optional("pushed_authorization_request_endpoint", pushed)?
                .map(|u| u.1),
            sends_issuer: metadata.authorization_response_iss_parameter_supported,
            algorithms: metadata.id_token_signing_alg_values_supported,
            issuer: metadata.issuer,
            tenants: self.tenants,
            keys,
            jwks_uri,
        })
    }
}

impl Discovered {
    /// Whether claims are this provider's: by `iss`, and for one of many tenants by the tenant that they name.
    pub(super) fn is_issuer(&self, claims: &Map<String, Value>) -> bool {
        if !self.tenants || !self.issuer.contains(TENANT) {
            return is_issuer(claims, &self.issuer);
        }
        let tenant = claims.get("tid").and_then(Value::as_str);
        tenant
            .filter(|tenant| is_uuid(tenant))
            .is_some_and(|tenant| is_issuer(claims, &self.issuer.replace(TENANT, tenant)))
    }

    /// Whether this is its name. Of many tenants' any: which one it was, the ID token tells.
    pub(super) fn is_named(&self, issuer: &str) -> bool {
        if !self.tenants || !self.issuer.contains(TENANT) {
            return issuer == self.issuer;
        }
        let around = self.issuer.split_once(TENANT);
        let tenant =
            around.and_then(|(before, after)| issuer.strip_prefix(before)?.strip_suffix(after));
        tenant.is_some_and(is_uuid)
    }
}

/// Five groups of hexadecimal digits in lower case, as Microsoft writes them.
pub(super) fn is_uuid(text: &str) -> bool {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(is_hex))
}

/// Whether it leads here, however it is written: `Url` reads `127.1` and its like as the addresses that they are.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => {
            let mapped = ip.to_ipv4_mapped();
            ip.is_loopback()
                || ip.is_unspecified()
                || mapped.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
        }
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_of_tenants_is_theirs_alone() {
        const ID: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
        let common = Place::of("https://login.example/common/v2.0", true).unwrap();
        for (issuer, good) in [
            ("https://login.example/{tenantid}/v2.0".to_owned(), true),
            (format!("https://login.example/{ID}/v2.0"), true),
            ("https://login.example/common/v2.0".into(), true),
            (
                format!("https://login.example/{}/v2.0", ID.to_uppercase()),
                false,
            ),
            (format!("https://evil.example/{ID}/v2.0"), false),
            (format!("https://login.example.evil/{ID}/v2.0"), false),
            (format!("https://login.example/{ID}/v1.0"), false),
            (format!("https://login.example/{ID}/x/v2.0"), false),
            (format!("https://login.example/{ID}"), false),
            (format!("http://login.example/{ID}/v2.0"), false),
            ("https://login.example/other/v2.0".into(), false),
        ] {
            assert_eq!(common.is_of(&issuer), good, "{issuer}");
        }
        let one = Place::of("https://login.example/common/v2.0", false).unwrap();
        assert!(!one.is_of("https://login.example/{tenantid}/v2.0"));
    }

    #[test]
    fn a_tenant_is_named_by_a_number() {
        for (text, good) in [
            ("9188040d-6c67-4c5b-b112-36a304b66dad", true),
            ("9188040D-6c67-4c5b-b112-36a304b66dad", false),
            ("9188040d-6c67-4c5b-b112-36a304b66da", false),
            ("9188040d6c674c5bb11236a304b66dad", false),
            ("9188040g-6c67-4c5b-b112-36a304b66dad", false),
            ("common", false),
            ("", false),
        ] {
            assert_eq!(is_uuid(text), good, "{text}");
        }
    }
}
