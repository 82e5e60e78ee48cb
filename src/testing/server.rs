//! The accept loop, the way from a path to its endpoint, and what all endpoints share.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::clients::Client;
use super::grants::Grants;
use super::keys::{Algorithm, KeyRing};
use super::lie::Lies;
use super::mint::TokenBuilder;
use super::users::User;
use super::wire::{self, Call, Reply};
use super::{authorize, github, pages, token, userinfo};
use crate::clock::Clock;

/// How many different paths are counted: a scanner must not fill the memory.
const COUNTED_PATHS: usize = 1024;

/// What answers at a path.
type Endpoint = fn(&State, &Call) -> Reply;

/// What the endpoints share; it outlives a stop and a restart.
pub(super) struct State {
    pub(super) issuer: String,
    pub(super) users: Vec<User>,
    pub(super) clients: Vec<Client>,
    pub(super) sign_in_as: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) refresh_tokens: bool,
    pub(super) access_token_lifetime: Duration,
    pub(super) clock: Clock,
    pub(super) keys: Mutex<KeyRing>,
    pub(super) grants: Mutex<Grants>,
    pub(super) paused: AtomicBool,
    pub(super) requests: Mutex<HashMap<String, usize>>,
    pub(super) lies: Lies,
}

/// Serves until `stop` is dropped or used; then the port is closed, and every connection with it.
pub(super) async fn run(
    state: Arc<State>,
    listener: TcpListener,
    mut stop: oneshot::Receiver<Infallible>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        // Those that have ended, so that their number is that of the open ones.
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, mostly: a moment later there may be some again.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let state = state.clone();
        let service = service_fn(move |request| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(respond(&state, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        // A connection that breaks is the other side's to report.
        connections.spawn(async move { drop(connection.await) });
    }
    drop(listener);
    connections.shutdown().await;
}

async fn respond(state: &State, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    state.count(&path);
    if state.paused.load(Ordering::SeqCst) {
        let reply = wire::json(StatusCode::SERVICE_UNAVAILABLE, &json!({}));
        return wire::with_header(reply, RETRY_AFTER, "1");
    }
    let reply = match Call::read(request).await {
        Ok(call) => state.lies.bend(&path, route(state, &call)).await,
        Err((status, reason)) => {
            let body = json!({ "error": "invalid_request", "error_description": reason });
            wire::json(status, &body)
        }
    };
    // The path alone: a query has codes and states in it.
    tracing::debug!(
        path,
        status = reply.status().as_u16(),
        "testing provider answered"
    );
    reply
}

fn route(state: &State, call: &Call) -> Reply {
    let (allowed, endpoint): (&[Method], Endpoint) = match call.path.as_str() {
        "/.well-known/openid-configuration" => (&[Method::GET], metadata),
        "/jwks" => (&[Method::GET], jwks),
        "/authorize" => (&[Method::GET, Method::POST], authorize::authorize),
        "/token" => (&[Method::POST], token::token),
        "/introspect" => (&[Method::POST], token::introspect),
        "/revoke" => (&[Method::POST], token::revoke),
        "/userinfo" => (&[Method::GET, Method::POST], userinfo::userinfo),
        "/logout" => (&[Method::GET, Method::POST], userinfo::logout),
        "/login/oauth/authorize" => (&[Method::GET, Method::POST], github::authorize),
        "/login/oauth/access_token" => (&[Method::POST], github::access_token),
        "/user" | "/api/v3/user" => (&[Method::GET], github::user),
        "/user/emails" | "/api/v3/user/emails" => (&[Method::GET], github::emails),
        path if path.starts_with("/avatars/") => (&[Method::GET], avatar),
        _ => return wire::json(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
    };
    if allowed.contains(&call.method) {
        return endpoint(state, call);
    }
    let allowed: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let reply = wire::json(StatusCode::METHOD_NOT_ALLOWED, &json!({}));
    wire::with_header(reply, ALLOW, &allowed.join(", "))
}

/// `GET /.well-known/openid-configuration` (OpenID Connect Discovery 1.0 section 3, RFC 8414).
fn metadata(state: &State, _: &Call) -> Reply {
    let issuer = &state.issuer;
    let authentication = ["client_secret_basic", "client_secret_post"];
    let mut grant_types = vec!["authorization_code"];
    grant_types.extend(state.refresh_tokens.then_some("refresh_token"));
    public(&json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": grant_types,
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": authentication,
        "introspection_endpoint_auth_methods_supported": authentication,
        "revocation_endpoint_auth_methods_supported": authentication,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid",
            "name", "preferred_username", "picture", "email", "email_verified",
        ],
    }))
}

/// `GET /jwks`.
fn jwks(state: &State, _: &Call) -> Reply {
    public(&lock(&state.keys).jwks())
}

fn avatar(state: &State, call: &Call) -> Reply {
    let wanted = |user: &&User| call.path == format!("/avatars/{}.svg", user.github_id());
    match state.users.iter().find(wanted) {
        Some(user) => pages::avatar(user),
        None => wire::json(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
    }
}

/// Something anyone may keep for a while, as providers have it.
fn public(value: &Value) -> Reply {
    let reply = wire::json(StatusCode::OK, value);
    wire::with_header(reply, CACHE_CONTROL, "public, max-age=300")
}

// ===== impl State =====

impl State {
    pub(super) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id() == id)
    }

    pub(super) fn user(&self, username: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username() == username)
    }

    pub(super) fn grants(&self) -> MutexGuard<'_, Grants> {
        lock(&self.grants)
    }

    /// An access token in the making.
    pub(super) fn mint(&self) -> TokenBuilder {
        let keys = lock(&self.keys).current();
        let (now, lifetime) = (self.clock.now(), self.access_token_lifetime);
        TokenBuilder::new(keys, self.algorithm, now, lifetime)
            .with_claim("iss", self.issuer.as_str())
            .with_audience(self.issuer.as_str())
    }

    fn count(&self, path: &str) {
        let mut requests = lock(&self.requests);
        if let Some(count) = requests.get_mut(path) {
            *count += 1;
        } else if requests.len() < COUNTED_PATHS {
            requests.insert(path.to_owned(), 1);
        }
    }
}

/// A test that panicked elsewhere must not take the provider with it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
