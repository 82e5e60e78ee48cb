//! The answer to a refusal: JSON for programs, trailers for gRPC, a redirect for a person's navigation.

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use serde_json::json;

use super::{Challenge, Rejection, RejectionKind};

/// Who waits for the answer, read off the request before the inner service gets it.
#[derive(Clone, Debug)]
pub(crate) struct Audience {
    kind: AudienceKind,
    method: Method,
    path: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AudienceKind {
    Program,
    Grpc,
    Navigation,
}

impl Audience {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        let kind = if is_grpc(request) {
            AudienceKind::Grpc
        } else if is_navigation(request.method(), headers) {
            AudienceKind::Navigation
        } else {
            AudienceKind::Program
        };
        // Without the query: it may hold what must not be repeated.
        let path = request.uri().path().into();
        Self {
            kind,
            method: request.method().clone(),
            path,
        }
    }

    pub(crate) fn is_navigation(&self) -> bool {
        self.kind == AudienceKind::Navigation
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// Answers `rejection`. A person who only lacks a session is sent to `sign_in`, if there is such a page.
pub(crate) fn respond(
    rejection: Rejection,
    audience: &Audience,
    challenge: &Challenge,
    sign_in: Option<HeaderValue>,
) -> Response<Bytes> {
    let kind = rejection.kind();
    let mut response = match (audience.kind, sign_in) {
        (AudienceKind::Grpc, _) => grpc(kind),
        (AudienceKind::Navigation, Some(page)) if kind.status() == StatusCode::UNAUTHORIZED => {
            redirect(page)
        }
        _ => json_error(kind, audience, challenge),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("authorization, cookie"));
    if let Some(after) = rejection.retry_after() {
        headers.insert(RETRY_AFTER, after.as_secs().max(1).into());
    }
    response.extensions_mut().insert(rejection);
    response
}

/// Backstage's error body (spec section 8.4), with the challenge it leaves out.
fn json_error(kind: RejectionKind, audience: &Audience, challenge: &Challenge) -> Response<Bytes> {
    let body = json!({
        "error": { "name": kind.name(), "message": kind.message() },
        "request": { "method": audience.method.as_str(), "url": &*audience.path },
        "response": { "statusCode": kind.status().as_u16() },
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = kind.status();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    if kind.error_code().is_some() || kind == RejectionKind::MissingCredentials {
        headers.insert(WWW_AUTHENTICATE, challenge.header(kind));
    }
    response
}

/// A trailers-only answer (gRPC over HTTP/2, "Responses").
fn grpc(kind: RejectionKind) -> Response<Bytes> {
    const STATUS: HeaderName = HeaderName::from_static("grpc-status");
    const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from_static(kind.grpc_status()));
    headers.insert(MESSAGE, HeaderValue::from_static(kind.message()));
    response
}

fn redirect(to: HeaderValue) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, to);
    response
}

/// A call that reads its status from trailers. To anybody else an answer of status 200 would be a pass.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let next = media_type.and_then(|text| text.get("application/grpc".len()));
    request.method() == Method::POST
        && request.version() >= Version::HTTP_2
        && starts_with(headers, &CONTENT_TYPE, "application/grpc")
        && matches!(next, None | Some(b'+' | b';'))
}

/// A document that a person asked for: `Sec-Fetch-*` says so, or an old browser's `Accept` begins with HTML.
fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    match headers.get("sec-fetch-mode") {
        Some(mode) => {
            mode == "navigate"
                && headers
                    .get("sec-fetch-dest")
                    .is_none_or(|d| d == "document")
        }
        None => starts_with(headers, &ACCEPT, "text/html"),
    }
}

fn starts_with(headers: &HeaderMap, name: &HeaderName, prefix: &str) -> bool {
    headers.get(name).is_some_and(|value| {
        let value = value.as_bytes();
        value.len() >= prefix.len() && value[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(method: &str, headers: &[(&str, &str)]) -> AudienceKind {
        audience_of(Version::HTTP_2, method, headers)
    }

    fn audience_of(version: Version, method: &str, headers: &[(&str, &str)]) -> AudienceKind {
        let mut request = Request::builder()
            .version(version)
            .method(method)
            .uri("/x?code=secret");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Audience::of(&request.body(()).unwrap()).kind
    }

    #[test]
    fn er_06_only_document_navigations_are_navigations() {
        use AudienceKind::{Grpc, Navigation, Program};
        let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for (method, headers, expected) in [
            (
                "GET",
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ][..],
                Navigation,
            ),
            (
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                Program,
            ),
            ("GET", &[("sec-fetch-mode", "cors"), html], Program),
            ("GET", &[html], Navigation),
            ("HEAD", &[html], Navigation),
            ("POST", &[html], Program),
            ("GET", &[("accept", "*/*")], Program),
            ("GET", &[("accept", "application/json, text/html")], Program),
            ("GET", &[], Program),
            ("POST", &[("content-type", "application/grpc+proto")], Grpc),
            ("POST", &[("content-type", "application/grpc")], Grpc),
            ("POST", &[("content-type", "application/grpc;x=y")], Grpc),
            ("POST", &[("content-type", "application/grpc-web")], Program),
            ("POST", &[("content-type", "application/grpcfoo")], Program),
            ("GET", &[("content-type", "application/grpc")], Program),
        ] {
            assert_eq!(audience(method, headers), expected, "{method} {headers:?}");
        }
        // Over HTTP/1 there is no gRPC: whoever looks at the status there must not see a 200.
        let grpc = [("content-type", "application/grpc")];
        assert_eq!(audience_of(Version::HTTP_11, "POST", &grpc), Program);
    }

    #[test]
    fn the_body_repeats_neither_the_reason_nor_the_query() {
        let request = Request::get("/api/x?code=secret").body(()).unwrap();
        let rejection = Rejection::invalid("the signature of key k1 is wrong");
        let response = respond(
            rejection,
            &Audience::of(&request),
            &Challenge::default(),
            None,
        );
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.body(),
            r#"{"error":{"name":"AuthenticationError","message":"Invalid credentials"},"request":{"method":"GET","url":"/api/x"},"response":{"statusCode":401}}"#
        );
        assert!(
            response
                .extensions()
                .get::<Rejection>()
                .unwrap()
                .reason()
                .contains("k1")
        );
    }
}
