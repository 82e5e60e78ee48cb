//! What the tests of the layers share.

use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::{Service, ServiceExt as _};
use tower_identity::rejection::Rejection;

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
    Answer::read(service.clone().oneshot(request).await.unwrap()).await
}

impl Answer {
    pub(crate) async fn read<R>(response: Response<R>) -> Self
    where
        R: Body<Data = Bytes>,
        R::Error: Debug,
    {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            rejection: parts.extensions.get().cloned(),
        }
    }

    /// The only value of a header.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} stands twice: {self:?}");
        value
    }
}
