//! Identity-aware proxies: they have no environments (spec section 9.3).

use super::Section;
use crate::provider::{
    AwsAlb, AzureEasyAuth, CloudflareAccess, GcpIap, OAuth2Proxy, ProviderConfig,
};

/// Their ids in Backstage.
pub(super) const KINDS: [&str; 5] = [
    "gcpIap",
    "cfaccess",
    "awsalb",
    "azureEasyAuth",
    "oauth2Proxy",
];

/// A proxy of one of these kinds.
pub(super) fn read(kind: &str, section: &Section<'_>) -> Option<ProviderConfig> {
    match kind {
        "gcpIap" => gcp_iap(section),
        "awsalb" => aws_alb(section),
        "azureEasyAuth" => azure_easy_auth(section),
        "oauth2Proxy" => oauth2_proxy(section),
        _ => cloudflare_access(section),
    }
}

fn gcp_iap(section: &Section<'_>) -> Option<ProviderConfig> {
    let audience = section.required_string("audience");
    let header = section.string("jwtHeader");
    let mut proxy = GcpIap::new(audience?);
    if let Some(header) = header {
        proxy = proxy.with_header(header);
    }
    Some(proxy.into())
}

fn aws_alb(section: &Section<'_>) -> Option<ProviderConfig> {
    let issuer = section.required_string("issuer");
    let region = section.required_string("region");
    section.require(
        "signer",
        "the ARN of the load balancer: others sign with the same keys",
    );
    let signer = section.string("signer");
    Some(AwsAlb::new(issuer?, region?, signer?).into())
}

fn cloudflare_access(section: &Section<'_>) -> Option<ProviderConfig> {
    let team = section.required_string("teamName");
    let audience = section.required_string("audience");
    let header = section.string("jwtHeaderName");
    let cookie = section.string("authorizationCookieName");
    let tokens: Vec<_> = section
        .list("serviceTokens")
        .into_iter()
        .map(|token| {
            let pair = (
                token.required_string("token"),
                token.required_string("subject"),
            );
            token.finish();
            pair
        })
        .collect();
    let mut proxy = CloudflareAccess::new(team?, audience?);
    for (token, subject) in tokens {
        proxy = proxy.add_service_token(token?, subject?);
    }
    if let Some(header) = header {
        proxy = proxy.with_header(header);
    }
    if let Some(cookie) = cookie {
        proxy = proxy.with_cookie(cookie);
    }
    Some(proxy.into())
}

fn azure_easy_auth(section: &Section<'_>) -> Option<ProviderConfig> {
    let of = "which is ours: ID tokens are verified here";
    section.require("tenantId", &format!("the number of your tenant, {of}"));
    section.require("clientId", &format!("the id of the app at Entra, {of}"));
    let (tenant, client) = (section.string("tenantId"), section.string("clientId"));
    Some(AzureEasyAuth::new(tenant?, client?).into())
}

fn oauth2_proxy(section: &Section<'_>) -> Option<ProviderConfig> {
    const EVERYBODY: &str = "dangerouslyTrustEveryPeer";
    const PEERS: &str = "trustedPeers";
    if section.boolean(EVERYBODY) == Some(true) {
        if section.has(PEERS) {
            let message = format!("has no effect beside {EVERYBODY}");
            section.mistake(PEERS, message);
        }
        return Some(OAuth2Proxy::dangerously_behind_anybody().into());
    }
    let peers = section.string_list(PEERS);
    if !section.has(PEERS) && section.reader().is_complete() {
        let message = "expected the addresses of the proxy, such as 10.0.3.0/24, found nothing: its headers are not signed";
        section.mistake(PEERS, message);
    }
    Some(OAuth2Proxy::behind(peers?).into())
}
