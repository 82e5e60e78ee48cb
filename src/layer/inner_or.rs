//! An answer of the inner service, or of the layer itself.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project::pin_project;

use super::ResponseBody;

/// Waits for the inner service, or for the layer's own answer `A`.
#[pin_project(project = InnerOrProj)]
pub(super) enum InnerOr<F, A> {
    Inner(#[pin] F),
    Own(#[pin] A),
}

impl<F, A, R, E> Future for InnerOr<F, A>
where
    F: Future<Output = Result<Response<R>, E>>,
    A: Future<Output = Response<Bytes>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project() {
            InnerOrProj::Inner(response) => {
                ready!(response.poll(cx)).map(|r| r.map(ResponseBody::inner))
            }
            InnerOrProj::Own(response) => Ok(ready!(response.poll(cx)).map(ResponseBody::own)),
        })
    }
}
