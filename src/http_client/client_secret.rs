//! A client's secret in a header, at whoever knows it (RFC 6749 section 2.3.1).

use form_urlencoded::byte_serialize;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::{HttpError, HttpErrorKind};
use crate::secret::encoding::base64;

/// `client_secret_basic`: both halves are form-encoded before they are joined.
pub(crate) fn basic(id: &str, secret: &str) -> Result<HeaderValue, HttpError> {
    let [id, secret] = [id, secret].map(|text| byte_serialize(text.as_bytes()).collect::<String>());
    let credentials = Zeroizing::new(format!("{id}:{secret}"));
    let value = HeaderValue::try_from(format!("Basic {}", base64(credentials.as_bytes())));
    let mut value = value
        .map_err(|_| HttpError::new(HttpErrorKind::Content, "the client's secret is too long"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lf_24_both_halves_of_basic_credentials_are_form_encoded() {
        // RFC 6749's own encoding, of what a colon or a plus would spoil.
        let value = basic("a:b c", "p+q/\u{e4}").unwrap();
        assert!(value.is_sensitive());
        assert_eq!(
            value,
            format!("Basic {}", base64(b"a%3Ab+c:p%2Bq%2F%C3%A4")).as_str()
        );
    }
}
