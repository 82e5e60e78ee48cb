//! Ending a grant at its provider (RFC 7009). The `oauth2` crate has the like, for https only: not for a provider on this
//! machine.

use http::{StatusCode, Uri};

use super::ProviderError;
use super::client::Client;
use crate::clock::Clock;
use crate::http_client::Outward;

/// Revokes a refresh token, and with it what was granted. `provider` is who the client proves itself to.
pub(super) async fn revoke(
    outward: &Outward,
    endpoint: &Uri,
    client: &Client,
    provider: (&str, &Clock),
    refresh_token: &str,
) -> Result<(), ProviderError> {
    let form = [
        ("token", refresh_token),
        ("token_type_hint", "refresh_token"),
    ];
    let request = client.post(endpoint, provider, &form)?;
    match outward.send(request).await?.status() {
        // A token that the provider does not know is as good as ended (section 2.2).
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
        status => {
            let status = status.as_u16();
            let detail = format!("the revocation endpoint answered with status {status}");
            Err(ProviderError::unavailable(detail))
        }
    }
}
