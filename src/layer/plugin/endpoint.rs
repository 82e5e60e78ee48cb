//! The paths that every plugin answers by itself (spec sections 6.4, 6.5).

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::Plugin;
use crate::identity::Identity;
use crate::rejection::{Rejection, RejectionKind};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    KeySet,
    SetCookie,
    ClearCookie,
}

impl Endpoint {
    /// Which of them a path inside the plugin is, for this method.
    pub(crate) fn of(method: &Method, inside: &str) -> Option<Self> {
        match (inside.strip_prefix("/.backstage/auth/v1/")?, method) {
            ("jwks.json", &Method::GET) => Some(Self::KeySet),
            ("cookie", &Method::GET) => Some(Self::SetCookie),
            ("cookie", &Method::DELETE) => Some(Self::ClearCookie),
            _ => None,
        }
    }
}

impl Plugin {
    /// The public keys: anybody may read them, from any page.
    pub(crate) fn key_set(&self) -> Option<Response<Bytes>> {
        let mut response = json_response(&self.tokens()?.keys().jwks());
        let headers = response.headers_mut();
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        );
        headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        Some(response)
    }

    /// The cookie of a user who was proven by a full token.
    pub(crate) fn set_cookie(&self, identity: &Identity) -> Result<Response<Bytes>, Rejection> {
        let refused =
            |reason: &'static str| Rejection::new(RejectionKind::InsufficientScope, reason);
        let (Some(_), Some(until)) = (identity.user(), identity.expires_at()) else {
            return Err(refused("a service, where a user's cookie is asked for"));
        };
        let limited = identity
            .delegation()
            .filter(|_| {
                !identity.is_limited() && identity.user().is_some_and(|u| u.actor().is_none())
            })
            .ok_or_else(|| refused("a user without a token that a cookie could be made of"))?;
        let line = self.cookie().line(limited.expose(), until);
        let mut response = json_response(&json!({ "expiresAt": until.to_string() }));
        response.headers_mut().append(SET_COOKIE, line);
        Ok(response)
    }

    /// Ends the cookie in this browser: whoever asks for it, nothing is lost that a new one would not bring back.
    pub(crate) fn clear_cookie(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        private(response.headers_mut());
        response
            .headers_mut()
            .append(SET_COOKIE, self.cookie().clear());
        response
    }
}

fn json_response(body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    private(headers);
    response
}

fn private(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
