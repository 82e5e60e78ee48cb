//! The answers of the sign-in's paths.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::Route;
use crate::layer::page::{ErrorPage, Page, error_page, popup_frame};
use crate::layer::plugin::{Endpoint, Plugin};
use crate::rejection::{Challenge, RejectionKind};
use crate::secret::random;
use crate::sign_in::{
    Completion, End, Failure, Inner, Params, SignIn, SignInError, SignInErrorKind, Started,
};

/// A form of ours is never larger.
const MAX_FORM: usize = 64 * 1024;
/// Nor does one take this long.
const FORM_DEADLINE: Duration = Duration::from_secs(10);

/// Answers a request that is for the sign-in.
pub(super) fn answer<B>(
    sign_in: SignIn,
    plugin: Arc<Plugin>,
    route: Route,
    request: Request<B>,
) -> BoxFuture<'static, Response<Bytes>>
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut parts, body) = request.into_parts();
    // HTTP/2 names the host in the URI only.
    if let Some(authority) = parts.uri.authority()
        && !parts.headers.contains_key(HOST)
        && let Ok(host) = HeaderValue::try_from(authority.as_str())
    {
        parts.headers.insert(HOST, host);
    }
    async move {
        // Only these have a body that anybody reads (OAuth 2.0 Form Post Response Mode, OpenID Connect Core section 4).
        let form = match &route {
            Route::Callback(_) | Route::Initiate(_) if parts.method == Method::POST => {
                let read = Limited::new(body, MAX_FORM).collect();
                match tokio::time::timeout(FORM_DEADLINE, read).await {
                    Ok(Ok(body)) => body.to_bytes(),
                    Ok(Err(_)) | Err(_) => {
                        let error = SignInError::input("The form can't be read");
                        return failure_page(sign_in.inner(), &error, Vec::new());
                    }
                }
            }
            _ => Bytes::new(),
        };
        respond(&sign_in, &plugin, &route, &parts, &form).await
    }
    .boxed()
}

async fn respond(
    sign_in: &SignIn,
    plugin: &Plugin,
    route: &Route,
    parts: &request::Parts,
    form: &Bytes,
) -> Response<Bytes> {
    let engine = sign_in.inner();
    let headers = &parts.headers;
    let query = Params::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let params = match form.is_empty() {
        true => query,
        false => Params::parse(form),
    };
    let get = parts.method == Method::GET;
    let post = parts.method == Method::POST;
    // What anybody may read has a head as well (RFC 9110 section 9.3.2).
    let read = get || parts.method == Method::HEAD;
    let result: Result<Response<Bytes>, Failure> = match route {
        Route::Start(named) if get => {
            let started = engine.start(engine.id_of(named), &params, headers).await;
            started_or_failed(engine, started, headers, get)
        }
        Route::Initiate(named) if get || post => {
            let id = engine.id_of(named);
            let started = engine.initiate(id, &params, headers).await;
            started_or_failed(engine, started, headers, get)
        }
        // A prefetch, like a HEAD, must not spend the code (LF-26).
        Route::Callback(_)
            if get && (headers.contains_key("sec-purpose") || headers.contains_key("purpose")) =>
        {
            Err(SignInError::not_allowed("A sign-in is not prefetched").into())
        }
        Route::Callback(named) if get || post => {
            let id = engine.id_of(named);
            match engine.callback(id, &params, headers).await {
                Ok(end) => Ok(completion(engine, end, get)),
                Err(error) if is_page(headers) => Ok(failure_page(engine, &error, Vec::new())),
                Err(error) => Err(error.into()),
            }
        }
        Route::Refresh(named) if get || post => engine
            .refresh(
                engine.id_of(named),
                &params,
                headers,
                parts.extensions.get().copied(),
            )
            .await
            .map(session_answer),
        Route::Logout(named) if post => engine
            .logout(engine.id_of(named), &params, headers)
            .await
            .map(session_answer),
        Route::Jwks if read => match engine.tokens().jwks().await {
            Ok(keys) => Ok(public_json(&keys)),
            Err(error) => Err(SignInError::from(error).into()),
        },
        Route::OpenIdConfiguration if read => {
            Ok(public_json(&openid_configuration(engine.base_url())))
        }
        Route::UserInfo if read => match engine.user_info(headers).await {
            Ok(claims) => Ok(json_response(StatusCode::OK, &claims)),
            Err(error) => Err(error.into()),
        },
        Route::OfPlugin(path) => of_plugin(engine, plugin, path, parts).await,
        Route::Root => return bare_not_found(),
        Route::Start(named)
        | Route::Initiate(named)
        | Route::Callback(named)
        | Route::Refresh(named)
        | Route::Logout(named)
        | Route::Unknown(named) => Err(unknown(named)),
        Route::Jwks | Route::OpenIdConfiguration => Err(unknown(".well-known")),
        Route::UserInfo => Err(unknown("v1")),
    };
    result.unwrap_or_else(|Failure { error, cookies }| {
        with_cookies(json_error(&error, parts), cookies)
    })
}

/// The key set and the cookie that this plugin, `auth`, has like every other.
async fn of_plugin(
    engine: &Inner,
    plugin: &Plugin,
    path: &str,
    parts: &request::Parts,
) -> Result<Response<Bytes>, Failure> {
    match Endpoint::of(&parts.method, path) {
        Some(Endpoint::KeySet) => plugin.key_set().ok_or_else(|| unknown(".backstage")),
        Some(Endpoint::ClearCookie) => Ok(plugin.clear_cookie()),
        Some(Endpoint::SetCookie) => {
            let missing = || SignInError::authentication("Missing credentials");
            let identity = engine.bearer(&parts.headers).await?.ok_or_else(missing)?;
            plugin.set_cookie(&identity).map_err(|rejection| {
                SignInError::not_allowed(rejection.kind().message())
                    .because(rejection.reason().to_owned())
                    .into()
            })
        }
        None => Err(unknown(".backstage")),
    }
}

/// Backstage's answer at the base path itself.
fn bare_not_found() -> Response<Bytes> {
    let mut response = private(Response::new(Bytes::new()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// Backstage's words for whatever it has no route for, a wrong method among it.
fn unknown(provider: &str) -> Failure {
    let sentence = "There is no such way to sign in here";
    SignInError::not_found("Unknown auth provider ", provider, "", sentence).into()
}

/// To the provider, or a page that says why not.
fn started_or_failed(
    engine: &Inner,
    started: Result<Started, SignInError>,
    headers: &HeaderMap,
    get: bool,
) -> Result<Response<Bytes>, Failure> {
    match started {
        Ok(started) => Ok(redirect(started.location.as_str(), started.cookies, get)),
        // A person sees this one.
        Err(error) if is_page(headers) => Ok(failure_page(engine, &error, Vec::new())),
        Err(error) => Err(error.into()),
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-mode")
        .is_some_and(|mode| mode == "navigate")
}

fn completion(engine: &Inner, completion: Completion, get: bool) -> Response<Bytes> {
    let Completion { end, cookies } = completion;
    match end {
        End::Redirect(url) => redirect(url.as_str(), cookies, get),
        End::Page(error) => failure_page(engine, &error, cookies),
        End::Frame { message, origin } => {
            let mut response = page(StatusCode::OK, popup_frame(&message, &origin), cookies);
            // No Cross-Origin-Opener-Policy: it would cut the frame off from the window that opened it.
            response
                .headers_mut()
                .insert(X_FRAME_OPTIONS, HeaderValue::from_static("sameorigin"));
            response
        }
    }
}

fn session_answer(answer: crate::sign_in::Answer) -> Response<Bytes> {
    match &answer.body {
        Some(body) => with_cookies(json_response(StatusCode::OK, body), answer.cookies),
        None => with_cookies(private(Response::new(Bytes::new())), answer.cookies),
    }
}

/// The failure in words that a person can act on, with a reference that stands in the log as well.
fn failure_page(engine: &Inner, error: &SignInError, cookies: Vec<HeaderValue>) -> Response<Bytes> {
    let reference = random::uuid();
    tracing::warn!(target: "tower_identity", reference, error = ?error.message(), detail = ?error.detail(), "sign-in failed");
    let document = error_page(&ErrorPage {
        title: "Signing in did not work",
        sentence: error.sentence(),
        reference: &reference,
        try_again: engine.app_url(),
    });
    page(error.status(), document, cookies)
}

fn page(status: StatusCode, document: Page, cookies: Vec<HeaderValue>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document.html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    if let Ok(policy) = HeaderValue::try_from(document.csp) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    with_cookies(private(response), cookies)
}

/// Backstage's 302 (spec sections 2.2, 2.4), after a form a 303: what the form held must not go any further
/// (RFC 9700 section 4.12).
fn redirect(to: &str, cookies: Vec<HeaderValue>, get: bool) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = if get {
        StatusCode::FOUND
    } else {
        StatusCode::SEE_OTHER
    };
    match HeaderValue::try_from(to) {
        Ok(to) => {
            response.headers_mut().insert(LOCATION, to);
        }
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    with_cookies(private(response), cookies)
}

fn json_response(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    private(response)
}

/// Backstage's error body (spec section 8.4).
fn json_error(error: &SignInError, parts: &request::Parts) -> Response<Bytes> {
    if !error.detail().is_empty() {
        tracing::info!(target: "tower_identity", path = parts.uri.path(), error = ?error.message(), detail = ?error.detail(), "refused");
    }
    let status = error.status();
    let body = json!({
        "error": { "name": error.name(), "message": error.message() },
        "request": { "method": parts.method.as_str(), "url": parts.uri.path() },
        "response": { "statusCode": status.as_u16() },
    });
    let mut response = json_response(status, &body);
    if status == StatusCode::UNAUTHORIZED {
        let kind = match error.kind() {
            SignInErrorKind::InvalidToken => RejectionKind::InvalidToken,
            _ => RejectionKind::MissingCredentials,
        };
        let challenge = Challenge::default().header(kind);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    if error.kind() == SignInErrorKind::Unavailable {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// The answer of a layer that stands where it must not: nobody is signed in there.
pub(super) fn misconfigured<B>(request: &Request<B>) -> BoxFuture<'static, Response<Bytes>> {
    let body = json!({
        "error": { "name": "Error", "message": RejectionKind::Misconfigured.message() },
        "request": { "method": request.method().as_str(), "url": request.uri().path() },
        "response": { "statusCode": 500 },
    });
    std::future::ready(json_response(StatusCode::INTERNAL_SERVER_ERROR, &body)).boxed()
}

/// What anybody may read, from any page: keys and metadata.
fn public_json(body: &Value) -> Response<Bytes> {
    let mut response = json_response(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    response
}

fn private(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn with_cookies(mut response: Response<Bytes>, cookies: Vec<HeaderValue>) -> Response<Bytes> {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The portal as an issuer (spec section 11). The endpoints of the code flow are named because
/// discovery requires them; this portal does not offer that flow.
fn openid_configuration(base: &str) -> Value {
    json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/v1/authorize"),
        "token_endpoint": format!("{base}/v1/token"),
        "userinfo_endpoint": format!("{base}/v1/userinfo"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "response_types_supported": ["code", "id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid"],
        "claims_supported": ["sub", "ent"],
    })
}
