//! The judge behind `BearerKeyLayer` and `IdentityLayer`: one contract, one piece of code.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, ORIGIN, UPGRADE};
use http::{HeaderMap, Method, Request, Response};

use super::order::{JudgedBy, Once};
use crate::credential::{BearerToken, MalformedCredential, is_preflight};
use crate::identity::{Identity, Principal, VerifiedIdentity};
use crate::rejection::{Audience, Challenge, Rejection, RejectionKind, respond};
use crate::session::Sessions;
use crate::verify::{Outcome, Verify};

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
    /// Shared, so that a layer can be cloned and changed whatever its verifier is.
    pub(super) verifier: Arc<V>,
    pub(super) stance: Stance,
    pub(super) header: Option<HeaderName>,
    pub(super) sessions: Option<Sessions>,
    pub(super) challenge: Challenge,
    pub(super) plugin: Option<Box<str>>,
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
    /// To the verifier.
    Judge(Judging<F>),
}

/// A verdict in the making.
#[pin_project::pin_project(project = JudgingProj)]
pub(super) enum Judging<F> {
    Token(#[pin] F),
    /// Boxed: whether a session is revoked is for the store to say, which may be on another machine.
    Session(BoxFuture<'static, Result<VerifiedIdentity, Rejection>>),
}

/// Which credential a request presents.
enum Presented<'a> {
    Nothing,
    Token(BearerToken<'a>),
    Cookie,
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
            let back: String = percent_encode(target);
            HeaderValue::try_from(format!("{page}?return_to={back}")).ok()
        });
        respond(rejection, audience, &self.challenge, page)
    }

    /// Makes the verdict the request's: `Ok` sends it on to the inner service.
    pub(super) fn settle<B>(
        &self,
        verdict: Result<Outcome, Rejection>,
        request: &mut Request<B>,
    ) -> Result<(), Rejection> {
        match verdict? {
            Outcome::Verified(identity) => {
                if let Principal::Service(service) = identity.principal() {
                    if !service.may_use(self.plugin.as_deref()) {
                        return Err(Rejection::new(
                            RejectionKind::InsufficientScope,
                            format!("{} is restricted to other plugins", service.subject()),
                        ));
                    }
                }
                if !self.forward {
                    let name = self
                        .header
                        .as_ref()
                        .filter(|name| request.headers().contains_key(*name));
                    let name = name.cloned().unwrap_or(AUTHORIZATION);
                    // A cookie's proof leaves an `Authorization` of another scheme alone.
                    let ours = !matches!(BearerToken::from_headers(request.headers()), Ok(None));
                    if ours || name != AUTHORIZATION {
                        request.headers_mut().remove(name);
                    }
                }
                request.extensions_mut().insert(identity.into_identity());
            }
            Outcome::NotRecognised if self.stance == Stance::Delegating => {}
            Outcome::NotRecognised => {
                return Err(Rejection::invalid("a credential that nobody here knows"));
            }
        }
        self.pass_on(request);
        Ok(())
    }

    /// Readies a request for the inner service.
    pub(super) fn pass_on<B>(&self, request: &mut Request<B>) {
        // A delegating layer leaves a cookie that it could not prove to the next one.
        let settled = self.stance != Stance::Delegating || Identity::of(request).is_some();
        if let Some(sessions) = self.sessions.as_ref().filter(|_| !self.forward && settled) {
            sessions.strip(request.headers_mut());
        }
        request.extensions_mut().insert(self.role);
    }

    fn presented<'a>(&self, headers: &'a HeaderMap) -> Result<Presented<'a>, MalformedCredential> {
        let bearer = BearerToken::from_headers(headers)?;
        let named = match &self.header {
            Some(name) => BearerToken::from_named_header(headers, name)?,
            None => None,
        };
        Ok(match (bearer, named) {
            (Some(_), Some(_)) => return Err(MalformedCredential::Repeated),
            (Some(token), None) | (None, Some(token)) => Presented::Token(token),
            (None, None) if self.sessions.as_ref().is_some_and(|s| s.presented(headers)) => {
                Presented::Cookie
            }
            (None, None) => Presented::Nothing,
        })
    }

    fn check_order<B>(&self, request: &Request<B>) -> Result<(), Rejection> {
        let judged = JudgedBy::of(request.extensions());
        if self.role == JudgedBy::Keys && judged == Some(JudgedBy::Identity) {
            self.wrong_order.error(
                "BearerKeyLayer stands inside IdentityLayer: it must be outside, delegating",
            );
            return Err(Rejection::new(
                RejectionKind::Misconfigured,
                "BearerKeyLayer stands inside IdentityLayer",
            ));
        }
        if self
            .sessions
            .as_ref()
            .is_some_and(|s| s.owns_path(request.uri().path()))
        {
            self.wrong_order.error(
                "a sign-in path reached IdentityLayer: OAuthCallbackLayer must stand outside it",
            );
        }
        Ok(())
    }
}

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

impl<V: Verify> Guard<V> {
    /// The first look at a request.
    pub(super) fn step<B>(&self, request: &Request<B>) -> Step<V::Future> {
        if let Err(rejection) = self.check_order(request) {
            return Step::Reject(rejection);
        }
        if is_preflight(request) || Identity::of(request).is_some() {
            return Step::Pass;
        }
        match self.presented(request.headers()) {
            Ok(Presented::Token(token)) => Step::Judge(Judging::Token(self.verifier.verify(token))),
            Ok(Presented::Cookie) => self.session_step(request),
            Ok(Presented::Nothing) if self.stance == Stance::Required => {
                Step::Reject(Rejection::missing())
            }
            Ok(Presented::Nothing) => Step::Pass,
            Err(MalformedCredential::Repeated) => Step::Reject(Rejection::new(
                RejectionKind::InvalidRequest,
                "more than one credential of one kind",
            )),
            Err(_) if self.stance == Stance::Delegating => Step::Pass,
            Err(malformed) => Step::Reject(Rejection::invalid(malformed.to_string())),
        }
    }

    fn session_step<B>(&self, request: &Request<B>) -> Step<V::Future> {
        let session = self
            .sessions
            .as_ref()
            .and_then(|s| Some((s, s.open(request.headers())?)));
        match session {
            Some((sessions, session)) => {
                if is_led_by_another_site(request, sessions) {
                    let reason = "a session cookie on an unsafe request of another site";
                    return Step::Reject(Rejection::new(RejectionKind::CrossSite, reason));
                }
                Step::Judge(Judging::Session(sessions.prove(session)))
            }
            None if self.stance == Stance::Delegating => Step::Pass,
            None => Step::Reject(Rejection::invalid(
                "a session cookie that is not valid, or not any more",
            )),
        }
    }
}

/// Whether a request that changes something, or upgrades, comes from a page that is not ours.
/// What tells neither `Sec-Fetch-Site` nor `Origin` counts as another site's.
fn is_led_by_another_site<B>(request: &Request<B>, sessions: &Sessions) -> bool {
    let headers = request.headers();
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if safe && !headers.contains_key(UPGRADE) {
        return false;
    }
    let allowed = || {
        headers
            .get(ORIGIN)
            .is_some_and(|origin| sessions.allows_origin(origin.as_bytes()))
    };
    match headers.get("sec-fetch-site") {
        Some(site) if site == "same-origin" || site == "none" => false,
        _ => !allowed(),
    }
}

/// Everything but unreserved characters and `/` (RFC 3986 section 2.3), for a query value.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.push_str(&crate::secret::encoding::hex(&[byte]).to_ascii_uppercase());
            }
            out
        })
}
