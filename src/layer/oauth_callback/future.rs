//! The response of the sign-in layer, in time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Response;
use pin_project::pin_project;

use crate::layer::ResponseBody;
use crate::layer::inner_or::InnerOr;

/// The layer's own answer is boxed: people sign in rarely, and it waits for their provider.
type Own = BoxFuture<'static, Response<Bytes>>;

/// The future of [`OAuthCallbackService`](super::OAuthCallbackService).
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct OAuthCallbackFuture<F>(#[pin] InnerOr<F, Own>);

impl<F> OAuthCallbackFuture<F> {
    pub(super) fn inner(future: F) -> Self {
        Self(InnerOr::Inner(future))
    }

    pub(super) fn own(future: Own) -> Self {
        Self(InnerOr::Own(future))
    }
}

impl<F, R, E> Future for OAuthCallbackFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx)
    }
}

impl<F> fmt::Debug for OAuthCallbackFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuthCallbackFuture")
    }
}
