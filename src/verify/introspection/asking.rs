//! The question itself (RFC 7662 section 2).

use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode, Uri};
use serde_json::Value;

use super::answers::Answer;
use crate::http_client::Outward;
use crate::secret::Secret;
use crate::verify::jwt::json::parse_object;

/// Where tokens are asked about, and who asks.
pub(super) struct Endpoint {
    pub(super) uri: Uri,
    pub(super) client: Outward,
    /// `client_secret_basic`.
    pub(super) credentials: HeaderValue,
}

impl Endpoint {
    /// What the issuer says of a token, or why it said nothing: for the operator, without a secret.
    pub(super) async fn ask(&self, token: &Secret<String>) -> Result<Answer, String> {
        let response = self.client.send(self.question(token)?).await;
        let response = response.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(format!("expected status 200, found {status}"));
        }
        let claims = parse_object(response.body()).ok_or_else(|| {
            "the answer is not a JSON object, or a member stands twice".to_owned()
        })?;
        match claims.get("active") {
            Some(Value::Bool(true)) => Ok(Answer::Active(Arc::new(claims))),
            Some(Value::Bool(false)) => Ok(Answer::Inactive),
            _ => Err("the answer does not say whether the token is active".to_owned()),
        }
    }

    fn question(&self, token: &Secret<String>) -> Result<Request<Bytes>, String> {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.expose())
            .append_pair("token_type_hint", "access_token");
        let request = Request::post(&self.uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, self.credentials.clone())
            .body(Bytes::from(form.finish()));
        request.map_err(|_| "the endpoint can't be called like that".to_owned())
    }
}
