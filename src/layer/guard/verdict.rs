//! What a verdict does to a request.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request};

use super::super::plugin::{Access, Endpoint, LimitedCookie};
use super::{Guard, Need, Settled, Stance, refuse_limited};
use crate::credential::{BearerToken, strip_cookies};
use crate::identity::{Principal, VerifiedIdentity};
use crate::rejection::{Rejection, RejectionKind};
use crate::verify::Outcome;

impl<V> Guard<V> {
    /// Makes the verdict the request's: `Ok` sends it on, or answers it.
    pub(crate) fn settle<B>(
        &self,
        verdict: Result<Outcome, Rejection>,
        need: Need,
        request: &mut Request<B>,
    ) -> Result<Settled, Rejection> {
        let verdict = verdict.and_then(|outcome| self.accept(outcome, need, request.headers()));
        let identity = match verdict {
            Ok(identity) => identity,
            // Whoever is asked for nothing can show nothing wrong.
            Err(_) if need.access == Access::Open => None,
            Err(rejection) => return Err(rejection),
        };
        if let Some(identity) = identity {
            if !self.forward {
                self.strip_token(request.headers_mut());
            }
            let identity = identity.into_identity();
            if let (Some(Endpoint::SetCookie), Some(plugin)) = (need.endpoint, &self.plugin) {
                return plugin.set_cookie(&identity).map(Settled::Answer);
            }
            request.extensions_mut().insert(identity);
        }
        self.pass_on(request, need);
        Ok(Settled::Pass)
    }

    /// The proof that an outcome is here; `None` if it is for somebody else to judge.
    fn accept(
        &self,
        outcome: Outcome,
        need: Need,
        headers: &HeaderMap,
    ) -> Result<Option<VerifiedIdentity>, Rejection> {
        let identity = match outcome {
            Outcome::Verified(identity) => *identity,
            Outcome::NotRecognised if self.leaves_to_others(headers) => return Ok(None),
            Outcome::NotRecognised => {
                return Err(Rejection::invalid("a credential that nobody here knows"));
            }
        };
        if need.access != Access::Cookie {
            refuse_limited(identity.is_limited())?;
        }
        if need.limited && !identity.is_limited() {
            return Err(Rejection::invalid(
                "a cookie that holds another token than a limited one",
            ));
        }
        self.check_restrictions(identity.principal())?;
        Ok(Some(identity))
    }

    /// Whether a restricted service may be used here.
    pub(super) fn check_restrictions(&self, principal: &Principal) -> Result<(), Rejection> {
        let plugin = self.plugin.as_ref().map(|plugin| plugin.id());
        match principal {
            Principal::Service(service) if !service.may_use(plugin) => Err(Rejection::new(
                RejectionKind::InsufficientScope,
                format!("{} is restricted to other plugins", service.subject()),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn strip_token(&self, headers: &mut HeaderMap) {
        let named = self
            .header
            .as_ref()
            .filter(|name| headers.contains_key(*name));
        match named {
            Some(name) => {
                headers.remove(name);
            }
            // A credential of another scheme is not ours to remove.
            None if !matches!(BearerToken::from_headers(headers), Ok(None)) => {
                headers.remove(AUTHORIZATION);
            }
            None => {}
        }
    }

    pub(super) fn strip_cookies(&self, headers: &mut HeaderMap) {
        if let Some(sessions) = &self.sessions {
            sessions.strip(headers);
        }
        if self.plugin.is_some() && self.stance != Stance::Delegating {
            strip_cookies(headers, LimitedCookie::NAME);
        }
    }
}
