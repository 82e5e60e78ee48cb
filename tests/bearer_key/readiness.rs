//! The Tower half of the contract: readiness, errors and bodies, driven by hand.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::Layer as _;
use tower_identity::identity::{Method, Service, VerifiedIdentity};
use tower_identity::verify::{Outcome, verify_fn};
use tower_identity::{BearerKeyLayer, Identity};
use tower_test::mock::{self, Mock};

use super::{bearer, keys};

type Body = http_body_util::Full<bytes::Bytes>;

fn ask(key: &str) -> Request<&'static str> {
    Request::get("/x")
        .header("authorization", bearer(key))
        .body("the body")
        .unwrap()
}

#[tokio::test]
async fn px_20_the_service_that_was_polled_ready_is_the_one_called() {
    // A mock panics when it is called without having been polled ready, as a fresh clone has not been.
    let keys = keys();
    let layer = BearerKeyLayer::new(keys.set.clone());
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<Body>, _>(layer);
    inner.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(ask(keys.good.expose())));
    assert_pending!(response.poll());
    let (request, answer) = inner.next_request().await.unwrap();
    assert_eq!(*request.body(), "the body");
    assert_eq!(Identity::of(&request).unwrap().subject(), "ci");
    answer.send_response(
        Response::builder()
            .status(418)
            .body(Body::from("tea"))
            .unwrap(),
    );
    let response = assert_ready_ok!(response.poll());
    assert_eq!(response.status(), 418);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "tea"
    );
    // That readiness is spent.
    assert_pending!(service.poll_ready());
}

#[tokio::test]
async fn px_20_it_is_called_after_a_verdict_that_took_time_and_not_before() {
    let (asked, verdict) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (was_asked, wait) = (asked.clone(), verdict.clone());
    let verifier = verify_fn(move |_| {
        was_asked.notify_one();
        let wait = wait.clone();
        async move {
            wait.notified().await;
            let robot = VerifiedIdentity::assertion(Service::new("robot"), Method::Token);
            Ok(Outcome::verified(robot))
        }
    });
    let layer = BearerKeyLayer::new(verifier);
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<Body>, _>(layer);
    inner.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(ask("any")));
    asked.notified().await;
    assert_pending!(response.poll());
    let mut next = task::spawn(inner.next_request());
    assert_pending!(next.poll());
    verdict.notify_one();
    assert!(response.is_woken());
    assert_pending!(response.poll());
    let (request, _) = assert_ready!(next.poll()).unwrap();
    assert_eq!(Identity::of(&request).unwrap().subject(), "robot");
}

#[tokio::test]
async fn backpressure_passes_through() {
    let layer = BearerKeyLayer::new(keys().set);
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<Body>, _>(layer);
    inner.allow(0);
    assert_pending!(service.poll_ready());
    inner.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
}

#[tokio::test]
async fn a_failure_to_become_ready_passes_through() {
    let layer = BearerKeyLayer::new(keys().set);
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<Body>, _>(layer);
    inner.send_error("out of order");
    let error = assert_ready!(service.poll_ready()).unwrap_err();
    assert_eq!(error.to_string(), "out of order");
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_through() {
    let keys = keys();
    let layer = BearerKeyLayer::new(keys.set.clone());
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<Body>, _>(layer);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(ask(keys.good.expose())));
    assert_pending!(response.poll());
    let (_, answer) = inner.next_request().await.unwrap();
    answer.send_error("broken pipe");
    let error = assert_ready!(response.poll()).unwrap_err();
    assert_eq!(error.to_string(), "broken pipe");
}

#[tokio::test]
#[should_panic(expected = "service not ready; poll_ready must be called first")]
async fn a_clone_starts_unready() {
    let keys = keys();
    let (mock, _handle) = mock::pair::<Request<&str>, Response<Body>>();
    let mut service: tower_identity::layer::BearerKeyService<Mock<_, _>> =
        BearerKeyLayer::new(keys.set.clone()).layer(mock);
    std::future::poll_fn(|cx| tower::Service::poll_ready(&mut service, cx))
        .await
        .unwrap();
    let mut clone = service.clone();
    let _ = tower::Service::call(&mut clone, ask(keys.good.expose())).await;
}

#[tokio::test]
async fn px_22_a_refusal_does_not_reach_the_inner_service() {
    let keys = keys();
    let layer = BearerKeyLayer::new(keys.set.clone());
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<Body>, _>(layer);
    assert_ready_ok!(service.poll_ready());
    let response = service.call(ask(keys.unknown.expose())).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_pending!(task::spawn(inner.next_request()).poll());
}

#[tokio::test]
async fn a_verdict_that_is_dropped_calls_nobody() {
    let layer = BearerKeyLayer::new(verify_fn(|_| std::future::pending()));
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<Body>, _>(layer);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(ask("any")));
    assert_pending!(response.poll());
    drop(response);
    assert_pending!(task::spawn(inner.next_request()).poll());
}
