//! Ending a grant at its provider (RFC 7009). The `oauth2` crate has the like, for https only: not for a provider on this
//! machine.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode, Uri};
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use super::{ClientAuthentication, ProviderError};
use crate::http_client::Outward;
use crate::secret::Secret;
use crate::secret::encoding::base64;

/// Revokes a refresh token, and with it what was granted.
pub(super) async fn revoke(
    outward: &Outward,
    endpoint: &Uri,
    client: (&str, &Secret<String>),
    method: ClientAuthentication,
    refresh_token: &str,
) -> Result<(), ProviderError> {
    let request = request(endpoint, client, method, refresh_token)?;
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

fn request(
    endpoint: &Uri,
    (id, secret): (&str, &Secret<String>),
    method: ClientAuthentication,
    refresh_token: &str,
) -> Result<Request<Bytes>, ProviderError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("token", refresh_token)
        .append_pair("token_type_hint", "refresh_token");
    let mut request =
        Request::post(endpoint).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    match method {
        ClientAuthentication::Post => {
            form.append_pair("client_id", id)
                .append_pair("client_secret", secret.expose());
        }
        ClientAuthentication::Basic => {
            request = request.header(AUTHORIZATION, basic(id, secret.expose())?);
        }
    }
    let request = request.body(Bytes::from(form.finish()));
    request.map_err(|_| ProviderError::invalid("the revocation endpoint can't be called like that"))
}

/// `client_secret_basic`: both halves are form-encoded before they are joined (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &str) -> Result<HeaderValue, ProviderError> {
    let [id, secret] = [id, secret].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
    let credentials = Zeroizing::new(format!("{id}:{secret}"));
    let value = HeaderValue::try_from(format!("Basic {}", base64(credentials.as_bytes())));
    let mut value = value.map_err(|_| ProviderError::invalid("the secret is too long"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_basic_credentials_are_form_encoded() {
        // As in the token requests: RFC 6749's own encoding, of what a colon or a plus would spoil.
        let value = basic("a:b c", "p+q/\u{e4}").unwrap();
        assert!(value.is_sensitive());
        assert_eq!(
            value,
            format!("Basic {}", base64(b"a%3Ab+c:p%2Bq%2F%C3%A4")).as_str()
        );
    }
}
