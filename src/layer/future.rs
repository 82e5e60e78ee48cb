//! The response of a layer that judges, in time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project::pin_project;
use tower_service::Service;

use super::ResponseBody;
use super::guard::{Guard, Judging, JudgingProj, Need, Settled, Step};
use crate::rejection::{Audience, Rejection};
use crate::verify::{Outcome, Verify};

/// The future of [`BearerKeyService`](super::BearerKeyService) and [`IdentityService`](super::IdentityService).
///
/// It does not box: a verdict that is ready is acted on in the first poll.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, B, V>
where
    S: Service<Request<B>>,
    V: Verify,
{
    #[pin]
    state: State<S, B, V>,
}

#[pin_project(project = StateProj, project_replace = StateOwned)]
enum State<S, B, V>
where
    S: Service<Request<B>>,
    V: Verify,
{
    /// The verifier is at work; the request and the service that was polled ready wait for it.
    Judging {
        #[pin]
        verdict: Judging<V::Future>,
        need: Need,
        guard: Arc<Guard<V>>,
        request: Request<B>,
        service: S,
    },
    /// The inner service is at work.
    Inner(#[pin] S::Future),
    /// Answered by the layer: the inner service was not called.
    Own(Option<Response<Bytes>>),
    /// Only while one state becomes the next.
    Moving,
}

impl<S, B, V> ResponseFuture<S, B, V>
where
    S: Service<Request<B>>,
    V: Verify,
{
    /// Takes the first step of a call. `service` is the one that was polled ready.
    pub(super) fn new(guard: &Arc<Guard<V>>, mut service: S, mut request: Request<B>) -> Self {
        let (step, need) = guard.step(&request);
        let state = match step {
            Step::Pass => {
                guard.pass_on(&mut request, need);
                State::Inner(service.call(request))
            }
            Step::Reject(rejection) => State::refused(guard, rejection, &request),
            Step::Answer(response) => State::Own(Some(response)),
            Step::Judge(verdict) => State::Judging {
                verdict,
                need,
                guard: guard.clone(),
                request,
                service,
            },
        };
        Self { state }
    }
}

impl<S, B, V> State<S, B, V>
where
    S: Service<Request<B>>,
    V: Verify,
{
    fn refused(guard: &Guard<V>, rejection: Rejection, request: &Request<B>) -> Self {
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        Self::Own(Some(guard.reject(
            rejection,
            &Audience::of(request),
            target,
        )))
    }
}

impl<S, B, V, R> Future for ResponseFuture<S, B, V>
where
    S: Service<Request<B>, Response = Response<R>>,
    V: Verify,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let verdict = match state.as_mut().project() {
                StateProj::Judging { verdict, .. } => match verdict.project() {
                    JudgingProj::Token(verdict) => ready!(verdict.poll(cx)),
                    JudgingProj::Session(verdict) => {
                        ready!(verdict.as_mut().poll(cx)).map(Outcome::verified)
                    }
                },
                StateProj::Inner(response) => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProj::Own(response) => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response.map(ResponseBody::own))),
                        None => Poll::Pending,
                    };
                }
                StateProj::Moving => return Poll::Pending,
            };
            let StateOwned::Judging {
                need,
                guard,
                mut request,
                mut service,
                ..
            } = state.as_mut().project_replace(State::Moving)
            else {
                return Poll::Pending;
            };
            let next = match guard.settle(verdict, need, &mut request) {
                Ok(Settled::Pass) => State::Inner(service.call(request)),
                Ok(Settled::Answer(response)) => State::Own(Some(response)),
                Err(rejection) => State::refused(&guard, rejection, &request),
            };
            state.set(next);
        }
    }
}

impl<S, B, V> std::fmt::Debug for ResponseFuture<S, B, V>
where
    S: Service<Request<B>>,
    V: Verify,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseFuture")
    }
}
