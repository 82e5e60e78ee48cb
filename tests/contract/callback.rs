//! `OAuthCallbackLayer`: its own paths are its own, and every other request is none of its business.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Extensions, Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower_identity::OAuthCallbackLayer;
use tower_test::mock;

use super::drive::{Driven, bytes, drive, tea};
use super::portal::{guest, portal};
use super::support::{get, request};

fn layer() -> OAuthCallbackLayer {
    OAuthCallbackLayer::new(portal().build().unwrap())
}

#[derive(Clone, Debug, PartialEq)]
struct Mark(u8);

#[tokio::test]
async fn a_request_that_is_not_for_it_passes_untouched_and_so_does_the_response() {
    type Frames =
        StreamBody<futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;
    let body = |parts: &[&'static str]| -> Frames {
        let frames = parts
            .iter()
            .map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes()))));
        StreamBody::new(futures::stream::iter(frames.collect::<Vec<_>>()))
    };
    let extensions = |mark| {
        let mut extensions = Extensions::new();
        extensions.insert(Mark(mark));
        extensions
    };
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let layer = OAuthCallbackLayer::new(sign_in);
    let (mut service, mut inner) = mock::spawn_layer::<Request<Frames>, Response<Frames>, _>(layer);
    assert_ready_ok!(service.poll_ready());
    let sent = || {
        let request = Request::builder()
            .method(Method::from_bytes(b"BREW").unwrap())
            .uri("https://pot.example:8443/%61pi//auth/github/start?q=%zz&&code=x")
            .version(Version::HTTP_2)
            .header("cookie", &cookie)
            .header("cookie", "a=b")
            .header("authorization", "Bearer x")
            .header("authorization", "Basic x")
            .header("x-raw", http::HeaderValue::from_bytes(b"\xff \t=").unwrap())
            .header("origin", "https://evil.example");
        let (mut parts, body) = request.body(body(&["as", "k", ""])).unwrap().into_parts();
        parts.extensions = extensions(1);
        Request::from_parts(parts, body)
    };
    let mut response = task::spawn(service.call(sent()));
    assert_pending!(response.poll());
    let (seen, answer) = inner.next_request().await.unwrap();
    let ((seen, seen_body), (sent, sent_body)) = (seen.into_parts(), sent().into_parts());
    assert_eq!(
        (seen.method, seen.uri, seen.version),
        (sent.method, sent.uri, sent.version)
    );
    assert_eq!(seen.headers, sent.headers);
    assert_eq!(
        (seen.extensions.get(), seen.extensions.len()),
        (Some(&Mark(1)), 1)
    );
    assert_eq!(frames(seen_body).await, frames(sent_body).await);

    let given = || {
        let response = Response::builder()
            .status(599)
            .version(Version::HTTP_10)
            .header("set-cookie", "tid-session=x")
            .header("set-cookie", "b=c")
            .header("x-raw", http::HeaderValue::from_bytes(b"\xfe").unwrap());
        let (mut parts, body) = response.body(body(&["te", "", "a"])).unwrap().into_parts();
        parts.extensions = extensions(2);
        Response::from_parts(parts, body)
    };
    answer.send_response(given());
    let (got, got_body) = assert_ready_ok!(response.poll()).into_parts();
    let (given, given_body) = given().into_parts();
    assert_eq!(
        (got.status, got.version, got.headers),
        (given.status, given.version, given.headers)
    );
    assert_eq!(
        (got.extensions.get(), got.extensions.len()),
        (Some(&Mark(2)), 1)
    );
    assert_eq!(frames(got_body).await, frames(given_body).await);
}

async fn frames<B>(mut body: B) -> Vec<Bytes>
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Unpin,
{
    let mut found = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        found.push(frame.into_data().unwrap());
    }
    found
}

#[tokio::test]
async fn its_own_paths_never_reach_the_inner_service() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let mut layer = drive(OAuthCallbackLayer::new(sign_in));
    for path in [
        "/api/auth/guest/start",
        "/api/auth/guest/handler/frame",
        "/api/auth/guest/refresh",
        "/api/auth/guest/logout",
        "/api/auth/.well-known/jwks.json",
        "/api/auth/.well-known/openid-configuration",
        "/api/auth/v1/userinfo",
        "/api/auth/v1/token",
        "/api/auth/nobody/start",
        "/api/auth/guest/start/more",
        "/api/auth/guest",
        "/api/auth/",
        "/api/auth",
        "/API/Auth/guest/REFRESH/",
        "/api/auth//start",
        "/api/auth/../../x",
        "/api/auth/%2e%2e/x",
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "BREW"] {
            for headers in [
                &[][..],
                &[("cookie", &*cookie), ("x-requested-with", "XMLHttpRequest")],
                &[("authorization", "Bearer x")],
                &[
                    ("origin", "https://x.example"),
                    ("access-control-request-method", "GET"),
                ],
            ] {
                let turn = layer.ask(request(method, path, headers)).await;
                let answer = turn.kept_back();
                assert_ne!(
                    answer.status.as_u16() / 100,
                    1,
                    "{method} {path}: {answer:?}"
                );
                assert_ne!(answer.status, 500, "{method} {path}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_path_that_only_looks_like_its_own_is_the_inner_services() {
    let mut layer = drive(layer());
    for path in [
        "/",
        "*",
        "/api",
        "/api/authors",
        "/api/auth2/guest/start",
        "/x/api/auth/guest/start",
        "//api/auth/guest/start",
        "/api//auth/guest/start",
        "/api%2fauth/guest/start",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/?/api/auth/guest/start",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            layer.ask(request(method, path, &[])).await.passed("nobody");
        }
    }
}

#[tokio::test]
async fn px_20_the_service_that_was_polled_ready_is_the_one_called() {
    let Driven {
        mut service,
        mut inner,
    } = drive(layer());
    inner.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(get(&[])));
    assert_pending!(response.poll());
    let (_, answer) = inner.next_request().await.unwrap();
    assert_pending!(service.poll_ready());
    answer.send_response(tea());
    assert!(response.is_woken());
    assert_eq!(
        bytes(assert_ready_ok!(response.poll()).into_body()).await,
        "tea"
    );
}

#[tokio::test]
#[should_panic(expected = "service not ready; poll_ready must be called first")]
async fn a_clone_starts_unready() {
    let Driven { mut service, inner } = drive(layer());
    assert_ready_ok!(service.poll_ready());
    // The panic poisons the mocks' lock, and they would panic again.
    let _inner = std::mem::ManuallyDrop::new(inner);
    let mut clone = std::mem::ManuallyDrop::new(service.clone());
    let _ = clone.call(get(&[])).await;
}

#[tokio::test]
async fn backpressure_and_errors_pass_through() {
    let Driven {
        mut service,
        mut inner,
    } = drive(layer());
    inner.allow(0);
    assert_pending!(service.poll_ready());
    inner.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(get(&[])));
    assert_pending!(response.poll());
    let (_, answer) = inner.next_request().await.unwrap();
    answer.send_error("broken pipe");
    let error = assert_ready!(response.poll()).unwrap_err();
    assert_eq!(error.to_string(), "broken pipe");

    let Driven {
        mut service,
        mut inner,
    } = drive(layer());
    inner.send_error("out of order");
    let error = assert_ready!(service.poll_ready()).unwrap_err();
    assert_eq!(error.to_string(), "out of order");
}

#[tokio::test]
async fn what_it_answers_itself_spends_no_call_of_the_inner_service() {
    let Driven {
        mut service,
        mut inner,
    } = drive(layer());
    for _ in 0..3 {
        // Ready for one call in all.
        inner.allow(1);
        assert_ready_ok!(service.poll_ready());
        let keys = request("GET", "/api/auth/.well-known/jwks.json", &[]);
        assert_eq!(service.call(keys).await.unwrap().status(), 200);
    }
    let mut response = task::spawn(service.call(get(&[])));
    assert_pending!(response.poll());
    assert!(inner.next_request().await.is_some());
}

#[tokio::test]
async fn a_path_below_another_base_is_its_own_there_and_nowhere_else() {
    let sign_in = portal().with_base_path("/in").build().unwrap();
    let mut layer = drive(OAuthCallbackLayer::new(sign_in));
    layer
        .ask(request("GET", "/in/.well-known/jwks.json", &[]))
        .await
        .kept_back();
    layer
        .ask(request("GET", "/inn", &[]))
        .await
        .passed("nobody");
    let usual = request("GET", "/api/auth/.well-known/jwks.json", &[]);
    layer.ask(usual).await.passed("nobody");
}
