//! Bodies of any type pass through.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower_test::mock;

use super::judges::{Any, judges};
use super::readiness::Broken;

/// A body like no other: neither `Default`, nor `Clone`, nor made of bytes at hand.
#[derive(Debug, PartialEq)]
struct Odd(Vec<&'static str>);

impl Body for Odd {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(match self.0.pop() {
            Some("trailers") => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", 0.into());
                Some(Ok(Frame::trailers(trailers)))
            }
            Some("error") => Some(Err(Broken(3))),
            data => data.map(|data| Ok(Frame::data(data.into()))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(77)
    }
}

#[tokio::test]
async fn bodies_of_any_type_pass_through_frame_by_frame() {
    struct Request_(Odd);
    for judge in judges(Any::by_the_word().0) {
        let (mut service, mut inner) =
            mock::spawn_layer::<Request<Request_>, Response<Odd>, _>(judge);
        assert_ready_ok!(service.poll_ready());
        let request = Request::get("/x").header("authorization", "Bearer good");
        let request = request.body(Request_(Odd(vec!["asked"]))).unwrap();
        let mut response = task::spawn(service.call(request));
        assert_pending!(response.poll());
        let (request, answer) = inner.next_request().await.unwrap();
        assert_eq!(request.body().0, Odd(vec!["asked"]));
        answer.send_response(Response::new(Odd(vec!["error", "trailers", "b", "a"])));
        let mut body = assert_ready_ok!(response.poll()).into_body();
        assert_eq!(body.size_hint().exact(), Some(77));
        for data in ["a", "b"] {
            assert!(!body.is_end_stream());
            assert_eq!(
                body.frame().await.unwrap().unwrap().into_data().unwrap(),
                data
            );
        }
        let trailers = body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(body.frame().await.unwrap().unwrap_err(), Broken(3));
        assert!(body.is_end_stream() && body.frame().await.is_none());
    }
}
