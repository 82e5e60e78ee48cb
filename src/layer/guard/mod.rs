//! The judge behind `BearerKeyLayer` and `IdentityLayer`: one contract, one piece of code.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};

use super::order::{JudgedBy, Once};
use super::plugin::{Access, Endpoint, Plugin};
use super::uri_component;
use crate::identity::VerifiedIdentity;
use crate::rejection::{Audience, Challenge, Rejection, RejectionKind, respond};
use crate::session::Sessions;

mod look;
mod verdict;

/// What becomes of a request whose credential proves nothing: the table of the guide's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stance {
    Required,
    Optional,
    Delegating,
}

/// A layer's configuration, shared by all clones of its services.
#[derive(Debug)]
pub(super) struct Guard<V> {
    pub(super) role: JudgedBy,
    pub(super) verifier: Arc<V>,
    pub(super) stance: Stance,
    pub(super) header: Option<HeaderName>,
    pub(super) sessions: Option<Sessions>,
    pub(super) challenge: Challenge,
    pub(super) plugin: Option<Arc<Plugin>>,
    pub(super) sign_in_page: Option<Box<str>>,
    pub(super) forward: bool,
    pub(super) wrong_order: Arc<Once>,
}

/// Where a request goes after the first look.
pub(super) enum Step<F> {
    /// To the inner service.
    Pass,
    /// Back, with this answer.
    Reject(Rejection),
    /// Back, with what was asked for.
    Answer(Response<Bytes>),
    /// To the verifier.
    Judge(Judging<F>),
}

/// Where it goes after the verdict.
pub(super) enum Settled {
    Pass,
    Answer(Response<Bytes>),
}

/// What a request needs, read off its path before anything is judged, and what its proof has to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Need {
    access: Access,
    endpoint: Option<Endpoint>,
    /// A CORS preflight: it passes, with nothing of whoever sent it.
    preflight: bool,
    /// The credential is the cookie for limited user tokens: another kind of token has no business there.
    limited: bool,
}

/// A verdict in the making.
#[pin_project::pin_project(project = JudgingProj)]
pub(super) enum Judging<F> {
    Token(#[pin] F),
    /// Boxed: whether a session is revoked is for the store to say, which may be on another machine.
    Session(BoxFuture<'static, Result<VerifiedIdentity, Rejection>>),
}

// By hand, for a verifier need not be `Clone` to be shared.
impl<V> Clone for Guard<V> {
    fn clone(&self) -> Self {
        Self {
            role: self.role,
            verifier: self.verifier.clone(),
            stance: self.stance,
            header: self.header.clone(),
            sessions: self.sessions.clone(),
            challenge: self.challenge.clone(),
            plugin: self.plugin.clone(),
            sign_in_page: self.sign_in_page.clone(),
            forward: self.forward,
            wrong_order: self.wrong_order.clone(),
        }
    }
}

/// What only shows a browser to a path that is open to cookies is good for no other.
fn refuse_limited(limited: bool) -> Result<(), Rejection> {
    if limited {
        let reason = "a limited user token, where a full one is asked for";
        return Err(Rejection::invalid(reason));
    }
    Ok(())
}

impl<V> Guard<V> {
    pub(super) fn new(role: JudgedBy, verifier: V) -> Self {
        Self {
            role,
            verifier: Arc::new(verifier),
            stance: Stance::Required,
            header: None,
            sessions: None,
            challenge: Challenge::default(),
            plugin: None,
            sign_in_page: None,
            forward: false,
            wrong_order: Arc::default(),
        }
    }

    /// Answers a refusal, and tells the operator why.
    pub(super) fn reject(
        &self,
        rejection: Rejection,
        audience: &Audience,
        target: &str,
    ) -> Response<Bytes> {
        let kind = rejection.kind();
        if kind == RejectionKind::MissingCredentials {
            tracing::debug!(target: "tower_identity", path = audience.path(), "no credential");
        } else {
            tracing::info!(target: "tower_identity", path = audience.path(), ?kind, reason = rejection.reason(), "refused");
        }
        let page = self
            .sign_in_page
            .as_deref()
            .filter(|_| audience.is_navigation());
        let page = page.and_then(|page| {
            let back = uri_component::encode(target);
            HeaderValue::try_from(format!("{page}?return_to={back}")).ok()
        });
        respond(rejection, audience, &self.challenge, page)
    }

    /// Readies a request for the inner service. What proves nothing on an open path is not handed on: there, a
    /// credential is neither asked for nor anybody's business.
    pub(super) fn pass_on<B>(&self, request: &mut Request<B>, need: Need) {
        let proven = crate::Identity::of(request).is_some();
        let delegates = self.stance == Stance::Delegating;
        // A delegating layer leaves what it could not prove to the next one.
        let settled = proven || !delegates || need.preflight;
        let unproven = need.access == Access::Open || need.preflight;
        if !self.forward && unproven && settled && !proven {
            self.strip_token(request.headers_mut());
        }
        if !self.forward && settled {
            self.strip_cookies(request.headers_mut());
        }
        request.extensions_mut().insert(self.role);
    }
}
