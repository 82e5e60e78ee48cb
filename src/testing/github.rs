//! GitHub's OAuth apps and the two calls of its API that sign-in makes, with their oddities.

use http::header::{HeaderName, USER_AGENT};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::authorize::{self, Decision};
use super::grants::{Code, Grant, Protocol};
use super::pages;
use super::server::State;
use super::token::pkce_fits;
use super::users::User;
use super::wire::{self, Call, Params, Reply};
use crate::secret::random;

/// An error of GitHub's token endpoint: the code, and what to tell the developer.
struct Refusal(&'static str, &'static str);

/// `GET /login/oauth/authorize`, and what the buttons of its page send.
pub(super) fn authorize(state: &State, call: &Call) -> Reply {
    let params = authorize::params(call);
    let Some(client) = params.get("client_id").and_then(|id| state.client(id)) else {
        return pages::error("No app with this client_id is registered here.");
    };
    let named = params.get("redirect_uri").or(client.default_redirect_uri());
    let named = named.unwrap_or_default();
    let Some(redirect_uri) = client.redirect(named) else {
        return pages::error("This redirect_uri is not registered for the app.");
    };
    let echo = params.get("state").map(|state| ("state", state));
    if let Err(message) = check(params) {
        return pages::error(message);
    }
    match authorize::decision(state, call) {
        Err(message) => pages::error(message),
        Ok(Decision::Pending) => pages::sign_in(state, client, params),
        Ok(Decision::Denied) => {
            let error = [
                ("error", "access_denied"),
                (
                    "error_description",
                    "The user has denied your application access.",
                ),
                ("error_uri", "https://docs.github.com/apps/troubleshooting"),
            ];
            respond(state, redirect_uri, error.into_iter().chain(echo))
        }
        Ok(Decision::SignedIn(user)) => {
            let code = issue_code(state, client.id(), user, named, params);
            let params = [("code", code.as_str())].into_iter().chain(echo);
            respond(state, redirect_uri, params)
        }
    }
}

fn respond<'a>(
    state: &State,
    redirect_uri: Url,
    params: impl Iterator<Item = (&'a str, &'a str)>,
) -> Reply {
    let params = state.lies.callback(params);
    let params = params.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    wire::redirect(redirect_uri, params)
}

/// `POST /login/oauth/access_token`: errors come with status 200, and all of it as a form unless JSON is asked for.
pub(super) fn access_token(state: &State, call: &Call) -> Reply {
    let empty = Params::default();
    let params = call.form.as_ref().unwrap_or(&empty);
    let answer = redeem_code(state, call, params).unwrap_or_else(|Refusal(error, description)| {
        vec![
            ("error", error.to_owned()),
            ("error_description", description.to_owned()),
            (
                "error_uri",
                format!("https://docs.github.com/apps/oauth-errors/#{error}"),
            ),
        ]
    });
    let accept = call.headers.get(http::header::ACCEPT);
    if accept.is_some_and(|accept| {
        accept
            .to_str()
            .is_ok_and(|a| a.contains("application/json"))
    }) {
        let answer = answer
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)));
        wire::json(StatusCode::OK, &Value::Object(answer.collect()))
    } else {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(answer)
            .finish();
        wire::reply(
            StatusCode::OK,
            "application/x-www-form-urlencoded; charset=utf-8",
            body,
        )
    }
}

/// `GET /user`.
pub(super) fn user(state: &State, call: &Call) -> Reply {
    api(state, call, |_, user| {
        Some(user.github_profile(&state.issuer))
    })
}

/// `GET /user/emails`: as if it did not exist, without the scope.
pub(super) fn emails(state: &State, call: &Call) -> Reply {
    api(state, call, |grant, user| {
        let allowed = grant.has_scope("user:email") || grant.has_scope("user");
        allowed.then(|| user.github_emails())
    })
}

fn api(state: &State, call: &Call, work: impl FnOnce(&Grant, &User) -> Option<Value>) -> Reply {
    if !call.headers.contains_key(USER_AGENT) {
        let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.\n";
        return wire::reply(StatusCode::FORBIDDEN, "text/html; charset=utf-8", message);
    }
    if call.method != Method::GET {
        return failure(StatusCode::NOT_FOUND, "Not Found");
    }
    let token = call
        .authorization("Bearer")
        .or_else(|| call.authorization("token"));
    let Some(token) = token else {
        return failure(StatusCode::UNAUTHORIZED, "Requires authentication");
    };
    let found = state
        .grants()
        .access(token, Protocol::GitHub, state.clock.now())
        .map(|(grant, _)| grant.clone());
    let Some((grant, user)) =
        found.and_then(|grant| state.user(&grant.username).map(|user| (grant, user)))
    else {
        return failure(StatusCode::UNAUTHORIZED, "Bad credentials");
    };
    let reply = match work(&grant, user) {
        Some(body) => wire::json(StatusCode::OK, &body),
        None => failure(StatusCode::NOT_FOUND, "Not Found"),
    };
    let scopes = grant.scope.replace(' ', ", ");
    wire::with_header(reply, HeaderName::from_static("x-oauth-scopes"), &scopes)
}

fn failure(status: StatusCode, message: &str) -> Reply {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.as_str(),
    });
    wire::json(status, &body)
}

fn check(params: &Params) -> Result<(), &'static str> {
    if !params.get("scope").is_none_or(authorize::is_scope) {
        return Err("The scope is malformed.");
    }
    // Optional here, unlike at `/authorize`; but a challenge that can never fit would only fail later.
    match (
        params.get("code_challenge"),
        params.get("code_challenge_method"),
    ) {
        (None, None) => Ok(()),
        (Some(challenge), Some("S256")) if authorize::is_challenge(challenge) => Ok(()),
        _ => Err("code_challenge and code_challenge_method=S256 go together."),
    }
}

fn issue_code(
    state: &State,
    client_id: &str,
    user: &User,
    redirect_uri: &str,
    params: &Params,
) -> String {
    let now = state.clock.now();
    let scopes = params.get("scope").unwrap_or_default();
    let scopes = scopes.split([' ', ',']).filter(|scope| !scope.is_empty());
    let code = Code {
        grant: Grant {
            protocol: Protocol::GitHub,
            client_id: client_id.to_owned(),
            username: user.username().to_owned(),
            scope: scopes.collect::<Vec<_>>().join(" "),
            audience: String::new(),
            session: random::token(),
            auth_time: now,
        },
        redirect_uri: redirect_uri.to_owned(),
        challenge: params.get("code_challenge").map(str::to_owned),
        nonce: None,
    };
    state.grants().issue_code(code, now)
}

fn redeem_code(
    state: &State,
    call: &Call,
    params: &Params,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    const BAD_CODE: Refusal = Refusal(
        "bad_verification_code",
        "The code passed is incorrect or expired.",
    );
    let basic = call.basic();
    let (id, secret) = match &basic {
        Some((id, secret)) => (Some(id.as_str()), Some(secret.as_str())),
        None => (params.get("client_id"), params.get("client_secret")),
    };
    let client = id
        .and_then(|id| state.client(id))
        .filter(|client| secret.is_some_and(|secret| client.secret().matches(secret.as_bytes())))
        .ok_or(Refusal(
            "incorrect_client_credentials",
            "The client_id and/or client_secret passed are incorrect.",
        ))?;
    let mut grants = state.grants();
    let code = params
        .get("code")
        .and_then(|text| grants.take_code(text, client.id(), Protocol::GitHub, state.clock.now()))
        .ok_or(BAD_CODE)?;
    if params
        .get("redirect_uri")
        .is_some_and(|uri| uri != code.redirect_uri)
    {
        return Err(Refusal(
            "redirect_uri_mismatch",
            "The redirect_uri MUST match the registered callback URL for this application.",
        ));
    }
    if !pkce_fits(code.challenge.as_deref(), params.get("code_verifier")) {
        return Err(BAD_CODE);
    }
    let token = format!("gho_{}", random::token());
    let scope = code.grant.scope.replace(' ', ",");
    grants.add_access(&token, code.grant, None);
    Ok(vec![
        ("access_token", token),
        ("scope", scope),
        ("token_type", "bearer".to_owned()),
    ])
}
