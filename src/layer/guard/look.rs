//! The first look at a request: what it needs, what it presents, and where it goes.

use http::header::{ORIGIN, UPGRADE};
use http::{HeaderMap, Method, Request};

use super::super::order::JudgedBy;
use super::super::plugin::{Access, Endpoint, LimitedCookie, is_ambiguous};
use super::{Guard, Judging, Need, Stance, Step, refuse_limited};
use crate::credential::{BearerToken, MalformedCredential, is_preflight};
use crate::identity::Identity;
use crate::rejection::{Rejection, RejectionKind};
use crate::session::Session;
use crate::verify::Verify;

/// Which credential a request presents.
enum Presented<'a> {
    Nothing,
    Token(BearerToken<'a>),
    Session(Box<Session>),
    /// A cookie by the session's name that holds none of ours.
    Stranger,
    /// The cookie with a limited user token.
    Limited(BearerToken<'a>),
}

impl<V: Verify> Guard<V> {
    /// Takes the first look, and says what the request needs.
    pub(crate) fn step<B>(&self, request: &Request<B>) -> (Step<V::Future>, Need) {
        let mut need = match self.check_order(request).and_then(|()| self.need(request)) {
            Ok(need) => need,
            Err(rejection) => return (Step::Reject(rejection), Need::default()),
        };
        let step = match self.answer_at_once(need) {
            Some(answer) => answer,
            None => self
                .step_to(request, &mut need)
                .unwrap_or_else(Step::Reject),
        };
        (step, need)
    }

    /// What anybody may have of a plugin.
    fn answer_at_once(&self, need: Need) -> Option<Step<V::Future>> {
        let plugin = self.plugin.as_ref()?;
        match need.endpoint? {
            Endpoint::KeySet => plugin.key_set().map(Step::Answer),
            Endpoint::ClearCookie => Some(Step::Answer(plugin.clear_cookie())),
            Endpoint::SetCookie => None,
        }
    }

    fn step_to<B>(
        &self,
        request: &Request<B>,
        need: &mut Need,
    ) -> Result<Step<V::Future>, Rejection> {
        if let Some(identity) = Identity::of(request) {
            // Proved by an outer layer; whether it is good for this plugin, and for this path, is for us to say.
            self.check_restrictions(identity.principal())?;
            if need.access == Access::Default {
                refuse_limited(identity.is_limited())?;
            }
            return Ok(match (need.endpoint, &self.plugin) {
                (Some(Endpoint::SetCookie), Some(plugin)) => {
                    Step::Answer(plugin.set_cookie(identity)?)
                }
                _ => Step::Pass,
            });
        }
        if need.preflight {
            return Ok(Step::Pass);
        }
        let headers = request.headers();
        let presented = match self.presented(headers, *need) {
            Ok(presented) => presented,
            Err(MalformedCredential::Repeated) => {
                let reason = "more than one credential of one kind";
                return Err(Rejection::new(RejectionKind::InvalidRequest, reason));
            }
            Err(_) if need.access == Access::Open || self.leaves_to_others(headers) => {
                return Ok(Step::Pass);
            }
            Err(malformed) => return Err(Rejection::invalid(malformed.to_string())),
        };
        let open = need.access == Access::Open;
        match presented {
            Presented::Nothing if open => Ok(Step::Pass),
            Presented::Nothing if self.stance == Stance::Required => Err(Rejection::missing()),
            Presented::Nothing => Ok(Step::Pass),
            Presented::Token(token) => Ok(Step::Judge(Judging::Token(self.verifier.verify(token)))),
            Presented::Limited(token) => {
                let ours = |origin: &[u8]| {
                    let plugin = self.plugin.as_ref();
                    plugin.is_some_and(|plugin| plugin.cookie().allows_origin(origin))
                };
                refuse_other_sites(request, ours)?;
                need.limited = true;
                Ok(Step::Judge(Judging::Token(self.verifier.verify(token))))
            }
            Presented::Session(session) => self.session_step(request, *session, open),
            Presented::Stranger if open || self.stance == Stance::Delegating => Ok(Step::Pass),
            Presented::Stranger => Err(Rejection::invalid("a session cookie that is not valid")),
        }
    }

    fn session_step<B>(
        &self,
        request: &Request<B>,
        session: Session,
        open: bool,
    ) -> Result<Step<V::Future>, Rejection> {
        let Some(sessions) = &self.sessions else {
            return Ok(Step::Pass);
        };
        if !sessions.is_alive(&session) {
            // Recognised and found bad: not to be taken for none, not even by a layer that delegates.
            return if open {
                Ok(Step::Pass)
            } else {
                Err(Rejection::invalid("a session that has expired"))
            };
        }
        refuse_other_sites(request, |origin| sessions.allows_origin(origin))?;
        Ok(Step::Judge(Judging::Session(sessions.prove(session))))
    }
}

impl<V> Guard<V> {
    fn need<B>(&self, request: &Request<B>) -> Result<Need, Rejection> {
        let preflight = is_preflight(request);
        let Some(plugin) = &self.plugin else {
            return Ok(Need {
                preflight,
                ..Need::default()
            });
        };
        let path = request.uri().path();
        if plugin.has_policies() && is_ambiguous(path) {
            let reason = "a path that can be read in two ways";
            return Err(Rejection::new(RejectionKind::InvalidRequest, reason));
        }
        let inside = plugin
            .inside(path)
            .filter(|_| self.role == JudgedBy::Identity);
        Ok(Need {
            preflight,
            access: plugin.access(path),
            endpoint: inside.and_then(|inside| Endpoint::of(request.method(), inside)),
            limited: false,
        })
    }

    /// Whether what this request presents may be somebody else's to judge. A header of this layer's own is not.
    pub(super) fn leaves_to_others(&self, headers: &HeaderMap) -> bool {
        let own = self.header.as_ref();
        self.stance == Stance::Delegating && !own.is_some_and(|name| headers.contains_key(name))
    }

    fn presented<'a>(
        &self,
        headers: &'a HeaderMap,
        need: Need,
    ) -> Result<Presented<'a>, MalformedCredential> {
        let bearer = BearerToken::from_headers(headers);
        let named = self
            .header
            .as_ref()
            .filter(|name| headers.contains_key(*name));
        let token = match (bearer, named) {
            (bearer, None) => bearer?,
            (Ok(None), Some(name)) => BearerToken::from_named_header(headers, name)?,
            (_, Some(_)) => return Err(MalformedCredential::Repeated),
        };
        if let Some(token) = token {
            return Ok(Presented::Token(token));
        }
        if let Some(sessions) = self.sessions.as_ref().filter(|s| s.presented(headers)) {
            let session = sessions.recognise(headers)?;
            let session = session.map(|session| Presented::Session(Box::new(session)));
            return Ok(session.unwrap_or(Presented::Stranger));
        }
        // The cookie counts where the path is open to it, and nowhere else.
        if need.access == Access::Cookie
            && self.role == JudgedBy::Identity
            && LimitedCookie::is_in(headers)
        {
            let token = LimitedCookie::of(headers).ok_or(MalformedCredential::Grammar)?;
            return BearerToken::parse(token.as_bytes()).map(Presented::Limited);
        }
        Ok(Presented::Nothing)
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

/// Refuses a request that changes something, or upgrades, if it comes from a page that is not ours.
/// What tells neither `Sec-Fetch-Site` nor `Origin` counts as another site's.
fn refuse_other_sites<B>(
    request: &Request<B>,
    is_ours: impl Fn(&[u8]) -> bool,
) -> Result<(), Rejection> {
    let headers = request.headers();
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let own = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "same-origin" || site == "none");
    let allowed = || {
        headers
            .get(ORIGIN)
            .is_some_and(|origin| is_ours(origin.as_bytes()))
    };
    if (safe && !headers.contains_key(UPGRADE)) || own || allowed() {
        Ok(())
    } else {
        let reason = "a cookie on an unsafe request of another site";
        Err(Rejection::new(RejectionKind::CrossSite, reason))
    }
}
