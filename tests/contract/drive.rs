//! A layer over a mock: who is called with what, and what comes back.

use std::fmt::Debug;
use std::pin::pin;

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service};
use tower_identity::Identity;
use tower_identity::rejection::RejectionKind;
use tower_test::mock::{self, Handle, Mock, Spawn};

use super::support::Answer;

pub(crate) type Ask = Request<Full<Bytes>>;
pub(crate) type Tea = Response<Full<Bytes>>;

pub(crate) const BARE: &str = "Bearer realm=\"tower-identity\"";
pub(crate) const INVALID: &str = "Bearer realm=\"tower-identity\", error=\"invalid_token\"";
const AMBIGUOUS: &str = "Bearer realm=\"tower-identity\", error=\"invalid_request\"";
const FORBIDDEN: &str = "Bearer realm=\"tower-identity\", error=\"insufficient_scope\"";

/// Services that are polled, called and answered by hand.
pub(crate) struct Driven<S> {
    pub(crate) service: Spawn<S>,
    pub(crate) inner: Handle<Ask, Tea>,
}

/// What came of one request: what the inner service saw of it, if it was called, and the answer.
#[derive(Debug)]
pub(crate) struct Turn {
    seen: Option<Ask>,
    pub(crate) answer: Answer,
}

/// What only this inner service would answer.
pub(crate) fn tea() -> Tea {
    let response = Response::builder().status(418).header("x-tea", "assam");
    response.body("tea".into()).unwrap()
}

pub(crate) fn drive<L>(layer: L) -> Driven<L::Service>
where
    L: Layer<Mock<Ask, Tea>>,
{
    let (service, inner) = mock::spawn_layer(layer);
    Driven { service, inner }
}

impl<S, R> Driven<S>
where
    S: Service<Ask, Response = Response<R>>,
    S::Error: Debug,
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    /// Sends a request; the inner service is ready for one, and answers with tea.
    pub(crate) async fn ask(&mut self, request: Ask) -> Turn {
        self.inner.allow(1);
        assert_ready_ok!(self.service.poll_ready());
        let mut response = pin!(self.service.call(request));
        let (seen, response) = tokio::select! {
            biased;
            response = &mut response => (None, response),
            called = self.inner.next_request() => {
                let (seen, answer) = called.unwrap();
                answer.send_response(tea());
                (Some(seen), response.await)
            }
        };
        let answer = Answer::read(response.unwrap()).await;
        assert_pending!(task::spawn(self.inner.next_request()).poll());
        Turn { seen, answer }
    }
}

impl Turn {
    /// Asserts that the inner service was called for this caller (`nobody`: without an identity), and that its
    /// answer came back as it was. Gives what it saw.
    #[track_caller]
    pub(crate) fn passed(&self, caller: &str) -> &Ask {
        let Some(seen) = &self.seen else {
            panic!("refused: {:?}", self.answer);
        };
        let found = Identity::of(seen).map_or("nobody", Identity::subject);
        assert_eq!(found, caller);
        let answer = &self.answer;
        assert_eq!((answer.status.as_u16(), &*answer.body), (418, "tea"));
        assert_eq!(answer.header("x-tea"), Some("assam"));
        assert_eq!(answer.headers.len(), 1, "{answer:?}");
        assert!(answer.rejection.is_none(), "{answer:?}");
        seen
    }

    /// Asserts that the inner service was not called, and that this refusal went out, in every word of it.
    #[track_caller]
    pub(crate) fn refused(&self, kind: RejectionKind) -> &Answer {
        let answer = self.kept_back();
        let rejection = answer.rejection.as_ref().expect("a reason");
        assert_eq!(rejection.kind(), kind, "{answer:?}");
        assert!(!answer.body.contains(rejection.reason()), "{answer:?}");
        let (status, challenge) = match kind {
            RejectionKind::MissingCredentials => (401, Some(BARE)),
            RejectionKind::InvalidToken => (401, Some(INVALID)),
            RejectionKind::InvalidRequest => (400, Some(AMBIGUOUS)),
            RejectionKind::InsufficientScope => (403, Some(FORBIDDEN)),
            RejectionKind::CrossSite => (403, None),
            RejectionKind::Unavailable => (503, None),
            _ => (500, None),
        };
        let retry = (status == 503).then_some("5");
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge);
        assert_eq!(answer.header("retry-after"), retry);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("vary"), Some("authorization, cookie"));
        let json = Some("application/json; charset=utf-8");
        assert_eq!(answer.header("content-type"), json);
        let rest = [challenge, retry].iter().flatten().count();
        assert_eq!(answer.headers.len(), 3 + rest, "{answer:?}");
        answer
    }

    /// Asserts that the inner service was not called.
    #[track_caller]
    pub(crate) fn kept_back(&self) -> &Answer {
        assert!(self.seen.is_none(), "{:?}", self.seen);
        assert!(!self.answer.headers.contains_key("x-tea"));
        &self.answer
    }

    pub(crate) fn was_called(&self) -> bool {
        self.seen.is_some()
    }
}

/// The values of a header that the inner service saw.
pub(crate) fn saw<'a>(seen: &'a Ask, name: &str) -> Vec<&'a str> {
    let values = seen.headers().get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

/// A call of a gRPC client.
pub(crate) fn grpc(kind: &str, lines: &[&str]) -> Ask {
    let mut request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri("/pkg.Service/Method")
        .header("content-type", kind)
        .header("te", "trailers");
    for line in lines {
        request = request.header("authorization", *line);
    }
    request.body(Full::default()).unwrap()
}

/// The whole of a body.
pub(crate) async fn bytes<B: Body<Data = Bytes>>(body: B) -> Bytes
where
    B::Error: Debug,
{
    body.collect().await.unwrap().to_bytes()
}
