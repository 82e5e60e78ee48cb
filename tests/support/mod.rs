//! What the tests of the layers share.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::{Service, ServiceExt as _};
use tower_identity::Identity;
use tower_identity::rejection::Rejection;

/// The innermost service: it answers with the subject it was told of, or `nobody`, and with the credentials it saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Echo(Arc<AtomicUsize>);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) rejection: Option<Rejection>,
}

/// A request without a body.
#[track_caller]
pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}

/// `GET /x` with these headers.
#[track_caller]
pub(crate) fn get(headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    request("GET", "/x", headers)
}

/// Sends a request through a service that never fails.
pub(crate) async fn send<S, R>(service: &S, request: Request<Full<Bytes>>) -> Answer
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    S::Error: Debug,
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        rejection: parts.extensions.get().cloned(),
    }
}

impl Echo {
    /// How often it has been called.
    pub(crate) fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl<B> Service<Request<B>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.fetch_add(1, Ordering::SeqCst);
        let caller = Identity::of(&request).map_or("nobody", Identity::subject);
        let mut response = Response::new(Full::from(caller.to_owned()));
        for name in [AUTHORIZATION.as_str(), COOKIE.as_str(), "x-api-key"] {
            for value in request.headers().get_all(name) {
                let saw = format!("saw-{name}").parse::<http::HeaderName>().unwrap();
                response.headers_mut().append(saw, value.clone());
            }
        }
        ready(Ok(response))
    }
}

impl Answer {
    /// Asserts that the inner service answered, and was told of this caller.
    #[track_caller]
    pub(crate) fn passed(&self, caller: &str) -> &Self {
        assert_eq!(
            (self.status.as_u16(), &*self.body),
            (200, caller),
            "{self:?}"
        );
        self
    }

    /// Asserts that the layer refused, with this status and this challenge.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, challenge: Option<&str>) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("www-authenticate"), challenge, "{self:?}");
        assert!(
            self.rejection.is_some(),
            "no reason for the operator: {self:?}"
        );
        self
    }

    /// The only value of a header.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} stands twice: {self:?}");
        value
    }

    /// What the inner service saw of a credential's header.
    #[track_caller]
    pub(crate) fn saw(&self, name: &str) -> Option<&str> {
        self.header(&format!("saw-{name}"))
    }
}
