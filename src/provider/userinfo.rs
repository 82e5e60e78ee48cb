//! What the userinfo endpoint says of whoever an ID token names (OpenID Connect Core section 5.3).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode, Uri};
use serde_json::{Map, Value};

use super::ProviderError;
use super::discovery::Discovered;
use super::id_token::{accepts, check_signature};
use crate::clock::Timestamp;
use crate::http_client::{Outward, json_of};
use crate::secret::Secret;
use crate::verify::jwt::claims::{audiences, time_verdict};
use crate::verify::jwt::jws::Jws;

/// What an answer is held against.
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    /// Whether an answer that is not signed is refused.
    pub(super) signed: bool,
    pub(super) now: Timestamp,
}

/// Asks, and checks who signed if somebody did (section 5.3.2).
pub(super) async fn ask(
    outward: &Outward,
    endpoint: &Uri,
    access_token: &Secret<String>,
    provider: &Discovered,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, ProviderError> {
    let accept = match expected.signed {
        true => "application/jwt",
        false => "application/json",
    };
    let answer = outward
        .get_with_token(endpoint, accept, access_token)
        .await?;
    if is_jwt(&answer) {
        return signed(&answer, provider, expected).await;
    }
    if expected.signed {
        let reason = "userinfo: the answer is not signed, and should be";
        return Err(ProviderError::invalid(reason));
    }
    Ok(json_of(&answer)?)
}

async fn signed(
    answer: &Response<Bytes>,
    provider: &Discovered,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, ProviderError> {
    let invalid = |reason: &str| ProviderError::invalid(format!("userinfo: {reason}"));
    let not_signed = || invalid("not a signed token");
    if answer.status() != StatusCode::OK {
        return Err(invalid("expected status 200"));
    }
    let text = std::str::from_utf8(answer.body()).map_err(|_| not_signed())?;
    let jws = Jws::parse(text.trim()).map_err(|_| not_signed())?;
    let algorithm = jws.header.algorithm;
    // It may be another than that of ID tokens.
    if !accepts(algorithm, None, &[]) {
        return Err(invalid("its algorithm is not one that was agreed on"));
    }
    if jws.header.typ.is_some() && !jws.header.is_typ("JWT") {
        return Err(invalid("its typ is that of another kind of token"));
    }
    let claims = jws.claims().map_err(invalid)?;
    if !provider.is_issuer(&claims) {
        return Err(ProviderError::foreign(
            "userinfo: its iss is not the provider's",
        ));
    }
    if audiences(&claims).as_deref() != Some(&[expected.client_id]) {
        return Err(ProviderError::foreign(
            "userinfo: its aud is not this client alone",
        ));
    }
    // An ID token would pass for it, and speaks of the sign-in and not of the person (RFC 8725 section 3.12).
    if claims.contains_key("nonce") || claims.contains_key("at_hash") {
        return Err(invalid("it is an ID token"));
    }
    if claims.contains_key("exp") {
        time_verdict(&claims, expected.now).map_err(invalid)?;
    }
    let (keys, key_id) = (&provider.keys, jws.header.key_id.as_deref());
    check_signature(&jws, keys, keys.look_up_now(algorithm, key_id), "userinfo").await?;
    Ok(claims)
}

fn is_jwt(answer: &Response<Bytes>) -> bool {
    let content_type = answer.headers().get(CONTENT_TYPE);
    let text = content_type.and_then(|value| value.to_str().ok());
    let essence = text.and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/jwt"))
}
