//! What tokens and sessions give people's own browsers and apps: `/userinfo` and `/logout`.

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use super::grants::Protocol;
use super::pages;
use super::server::State;
use super::wire::{self, Call, Reply};
use crate::secret::encoding::from_base64url;

/// `GET` or `POST /userinfo` (OpenID Connect Core section 5.3), with a bearer token in the header only.
pub(super) fn userinfo(state: &State, call: &Call) -> Reply {
    let Some(token) = call.authorization("Bearer") else {
        return challenge(StatusCode::UNAUTHORIZED, None);
    };
    let now = state.clock.now();
    let grant = state
        .grants()
        .access(token, Protocol::OpenIdConnect, now)
        .map(|(grant, _)| grant.clone());
    let Some(grant) = grant else {
        return challenge(StatusCode::UNAUTHORIZED, Some("invalid_token"));
    };
    if !grant.has_scope("openid") {
        return challenge(StatusCode::FORBIDDEN, Some("insufficient_scope"));
    }
    match state.user(&grant.username) {
        Some(user) => {
            let claims = user.claims(&grant.scope, &state.issuer);
            wire::json(StatusCode::OK, &Value::Object(claims))
        }
        None => challenge(StatusCode::UNAUTHORIZED, Some("invalid_token")),
    }
}

/// `GET` or `POST /logout` (OpenID Connect RP-Initiated Logout 1.0).
pub(super) fn logout(state: &State, call: &Call) -> Reply {
    let params = call.form.as_ref().unwrap_or(&call.query);
    let mut grants = state.grants();
    // The signature is not looked at: a session id is too random to be guessed, and whoever has it has seen
    // the token. An expired hint is as good as another (section 4).
    let session = params.get("id_token_hint").and_then(session_of);
    let client_id = session
        .as_deref()
        .and_then(|session| grants.session_client(session))
        .or(params.get("client_id"))
        .map(str::to_owned);
    let target = params.get("post_logout_redirect_uri").map(|uri| {
        let client = state.client(client_id.as_deref()?)?;
        client.post_logout_redirect(uri)
    });
    if let Some(session) = &session {
        grants.end_session(session);
    }
    match target {
        Some(Some(url)) => wire::redirect(url, params.get("state").map(|state| ("state", state))),
        Some(None) => pages::error("You are signed out, but cannot be sent to that address."),
        None => pages::signed_out(),
    }
}

fn session_of(id_token: &str) -> Option<String> {
    let payload = from_base64url(id_token.split('.').nth(1)?)?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("sid")?.as_str().map(str::to_owned)
}

/// RFC 6750 section 3: without a token, no error code.
fn challenge(status: StatusCode, error: Option<&str>) -> Reply {
    let (value, body) = match error {
        Some(error) => (
            format!("Bearer error=\"{error}\""),
            json!({ "error": error }),
        ),
        None => ("Bearer".to_owned(), json!({})),
    };
    wire::with_header(wire::json(status, &body), WWW_AUTHENTICATE, &value)
}
