//! An innermost service that tells what it was told.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::{Request, Response};
use http_body_util::Full;
use tower::Service;
use tower_identity::Identity;

use super::support::Answer;

/// The innermost service: it answers with the subject it was told of, or `nobody`, and with the credentials it saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Echo(Arc<AtomicUsize>);

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

    /// What the inner service saw of a credential's header.
    #[track_caller]
    pub(crate) fn saw(&self, name: &str) -> Option<&str> {
        self.header(&format!("saw-{name}"))
    }
}
