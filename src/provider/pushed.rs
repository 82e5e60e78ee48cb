//! Pushed authorization requests (RFC 9126): the browser carries a handle, and nobody can read or change what it stands
//! for.

use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::ProviderError;
use super::client::{Client, Proof};
use crate::clock::Clock;
use crate::http_client::Outward;

/// A longer handle is none.
const MAX_HANDLE: usize = 2048;

#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
}

/// Hands an authorization request to the provider: where to send the browser then.
pub(super) async fn push(
    outward: &Outward,
    endpoint: &Uri,
    client: &Client,
    provider: (&str, &Clock),
    (authorization_endpoint, request): (&Url, &Url),
) -> Result<Url, ProviderError> {
    let invalid = |detail: &str| ProviderError::invalid(format!("the pushed request: {detail}"));
    // What the endpoint has of its own stays in the address.
    let own = authorization_endpoint.query_pairs().count();
    let pairs: Vec<_> = request.query_pairs().skip(own).collect();
    // Two of the ways to prove oneself name the client already.
    let named = !matches!(client.proof, Proof::Basic(_));
    let form: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .filter(|(name, _)| !(named && *name == "client_id"))
        .collect();
    let response = outward
        .send(client.post(endpoint, provider, &form)?)
        .await?;
    if response.status() != StatusCode::CREATED && response.status() != StatusCode::OK {
        let status = response.status().as_u16();
        let code = error_code(response.body());
        let detail = format!(
            "the provider refused the pushed request with status {status}: {code}; it need not be pushed to (pushedAuthorizationRequests)"
        );
        return Err(ProviderError::unavailable(detail));
    }
    let pushed: Pushed = serde_json::from_slice(response.body())
        .map_err(|_| invalid("the answer is not one of RFC 9126"))?;
    let handle = pushed.request_uri;
    if handle.is_empty()
        || handle.len() > MAX_HANDLE
        || !handle.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(invalid("its request_uri is none"));
    }
    let mut url = authorization_endpoint.clone();
    url.query_pairs_mut()
        .append_pair("client_id", &client.id)
        .append_pair("request_uri", &handle);
    Ok(url)
}

/// Of the provider's own words only its error code: descriptions may repeat what was sent.
fn error_code(body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = said.get("error").and_then(Value::as_str);
    let code = code.unwrap_or("no-error-code").chars();
    code.filter(char::is_ascii_graphic).take(64).collect()
}
