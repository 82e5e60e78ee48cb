//! `/authorize`: who asks, who answers, and what goes back to the app.

use http::{Method, StatusCode};
use url::Url;

use super::clients::Client;
use super::grants::{Code, Grant, Protocol};
use super::pages;
use super::server::State;
use super::users::User;
use super::wire::{self, Call, Params, Reply};
use crate::secret::encoding::from_base64url;
use crate::secret::random;

/// An authorization response on its way to the app (RFC 6749 section 4.1.2, RFC 9207).
struct Response<'a> {
    state: &'a State,
    redirect_uri: Url,
    form_post: bool,
    echo: Option<&'a str>,
}

/// What the person at the browser did.
pub(super) enum Decision<'a> {
    /// Nothing yet: they have to be asked.
    Pending,
    Denied,
    SignedIn(&'a User),
}

/// `GET` or `POST /authorize` (OpenID Connect Core section 3.1.2).
pub(super) fn authorize(state: &State, call: &Call) -> Reply {
    let params = params(call);
    let (client, redirect_uri) = match client_and_redirect(state, params) {
        Ok(found) => found,
        Err(message) => return pages::error(message),
    };
    // From here on the app can be told; before, the browser must not be sent anywhere (RFC 6749 section 4.1.2.1).
    let mut response = Response {
        state,
        redirect_uri,
        form_post: false,
        echo: params.get("state"),
    };
    match params.get("response_mode") {
        None | Some("query") => {}
        Some("form_post") => response.form_post = true,
        Some(_) => return response.error("invalid_request", "unknown response_mode"),
    }
    if let Err((error, description)) = check(params) {
        return response.error(error, description);
    }
    match decision(state, call) {
        Err(message) => pages::error(message),
        Ok(Decision::Pending) if asks_for(params, "none") => {
            response.error("login_required", "nobody is signed in")
        }
        Ok(Decision::Pending) => pages::sign_in(state, client, params),
        Ok(Decision::Denied) => response.error("access_denied", "the user refused"),
        Ok(Decision::SignedIn(user)) => response.code(client, user, params),
    }
}

/// Where the parameters stand: OpenID Connect allows both methods.
pub(super) fn params(call: &Call) -> &Params {
    call.form.as_ref().unwrap_or(&call.query)
}

/// The client and where to answer it; otherwise what to say on a page, for the browser must stay here.
pub(super) fn client_and_redirect<'a>(
    state: &'a State,
    params: &Params,
) -> Result<(&'a Client, Url), &'static str> {
    let client = params
        .get("client_id")
        .and_then(|id| state.client(id))
        .ok_or("No app with this client_id is registered here.")?;
    let redirect_uri = params
        .get("redirect_uri")
        .and_then(|uri| client.redirect(uri))
        .ok_or("This redirect_uri is not registered for the app.")?;
    Ok((client, redirect_uri))
}

/// What the buttons of the page said, or who is signed in without one.
pub(super) fn decision<'a>(state: &'a State, call: &Call) -> Result<Decision<'a>, &'static str> {
    // Only a button decides: an app that writes `user` into its link gets the page all the same.
    if let (&Method::POST, Some(form)) = (&call.method, &call.form) {
        if form.get("deny").is_some() {
            return Ok(Decision::Denied);
        }
        if let Some(username) = form.get("user") {
            return state
                .user(username)
                .map(Decision::SignedIn)
                .ok_or("There is no such user.");
        }
    }
    let at_once = state
        .sign_in_as
        .as_deref()
        .and_then(|name| state.user(name));
    Ok(at_once.map_or(Decision::Pending, Decision::SignedIn))
}

/// A challenge that an `S256` verifier could have made (RFC 7636 section 4.2).
pub(super) fn is_challenge(text: &str) -> bool {
    from_base64url(text).is_some_and(|digest| digest.len() == 32)
}

/// The grammar of RFC 6749 section 3.3.
pub(super) fn is_scope(text: &str) -> bool {
    text.bytes()
        .all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn check(params: &Params) -> Result<(), (&'static str, &'static str)> {
    if params.get("response_type") != Some("code") {
        return Err(("unsupported_response_type", "response_type must be code"));
    }
    if params.get("request").is_some() {
        return Err(("request_not_supported", "send plain parameters"));
    }
    if params.get("request_uri").is_some() {
        return Err(("request_uri_not_supported", "send plain parameters"));
    }
    if !params.get("scope").is_none_or(is_scope) {
        return Err(("invalid_scope", "the scope is malformed"));
    }
    if asks_for(params, "none") && params.get("prompt") != Some("none") {
        return Err(("invalid_request", "prompt=none goes alone"));
    }
    match (
        params.get("code_challenge"),
        params.get("code_challenge_method"),
    ) {
        (None, _) => Err(("invalid_request", "code_challenge is missing")),
        (Some(challenge), Some("S256")) if is_challenge(challenge) => Ok(()),
        (Some(_), Some("S256")) => Err(("invalid_request", "code_challenge is malformed")),
        (Some(_), _) => Err(("invalid_request", "code_challenge_method must be S256")),
    }
}

fn asks_for(params: &Params, prompt: &str) -> bool {
    params
        .get("prompt")
        .is_some_and(|prompts| prompts.split(' ').any(|one| one == prompt))
}

// ===== impl Response =====

impl Response<'_> {
    fn code(self, client: &Client, user: &User, params: &Params) -> Reply {
        let now = self.state.clock.now();
        let audience = params.get("resource").or(params.get("audience"));
        let code = Code {
            grant: Grant {
                protocol: Protocol::OpenIdConnect,
                client_id: client.id().to_owned(),
                username: user.username().to_owned(),
                scope: params.get("scope").unwrap_or_default().to_owned(),
                audience: audience.unwrap_or(&self.state.issuer).to_owned(),
                session: random::token(),
                auth_time: now,
            },
            redirect_uri: params.get("redirect_uri").unwrap_or_default().to_owned(),
            challenge: params.get("code_challenge").map(str::to_owned),
            nonce: params.get("nonce").map(str::to_owned),
        };
        let code = self.state.grants().issue_code(code, now);
        self.send(&[("code", &code)])
    }

    fn error(self, error: &str, description: &str) -> Reply {
        self.send(&[("error", error), ("error_description", description)])
    }

    fn send(self, params: &[(&str, &str)]) -> Reply {
        let params = params
            .iter()
            .copied()
            .chain(self.echo.map(|state| ("state", state)))
            .chain([("iss", self.state.issuer.as_str())]);
        let params = self.state.lies.callback(params);
        let params = params.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        if self.form_post {
            pages::form_post(StatusCode::OK, &self.redirect_uri, params)
        } else {
            wire::redirect(self.redirect_uri, params)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_the_digest_of_a_verifier() {
        assert!(is_challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        for bad in ["", "plain", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"] {
            assert!(!is_challenge(bad), "{bad}");
        }
    }

    #[test]
    fn a_scope_has_no_quotes_and_no_control_characters() {
        assert!(is_scope("openid https://example.com/read:all"));
        for bad in ["a\"b", "a\\b", "a\r\nb", "é"] {
            assert!(!is_scope(bad), "{bad:?}");
        }
    }
}
