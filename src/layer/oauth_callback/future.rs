//! The response of the sign-in layer, in time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Response;
use pin_project::pin_project;

use crate::layer::ResponseBody;

/// The future of [`OAuthCallbackService`](super::OAuthCallbackService).
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct OAuthCallbackFuture<F>(#[pin] State<F>);

#[pin_project(project = StateProj)]
enum State<F> {
    Inner(#[pin] F),
    /// Boxed: people sign in rarely, and it waits for their provider.
    Own(BoxFuture<'static, Response<Bytes>>),
}

impl<F> OAuthCallbackFuture<F> {
    pub(super) fn inner(future: F) -> Self {
        Self(State::Inner(future))
    }

    pub(super) fn own(future: BoxFuture<'static, Response<Bytes>>) -> Self {
        Self(State::Own(future))
    }
}

impl<F, R, E> Future for OAuthCallbackFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            StateProj::Inner(response) => {
                Poll::Ready(ready!(response.poll(cx)).map(|r| r.map(ResponseBody::inner)))
            }
            StateProj::Own(response) => {
                Poll::Ready(Ok(ready!(response.as_mut().poll(cx)).map(ResponseBody::own)))
            }
        }
    }
}

impl<F> fmt::Debug for OAuthCallbackFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuthCallbackFuture")
    }
}
