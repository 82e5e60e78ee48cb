//! Opening, sealing and revoking sessions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue};

use super::Session;
use crate::clock::Clock;
use crate::credential::{CookieName, Cookies, SetCookie, SiteRule, strip_cookies};
use crate::identity::VerifiedIdentity;
use crate::rejection::Rejection;
use crate::secret::SealingKeys;
use crate::secret::digest::sha256;
use crate::secret::encoding::base64url;
use crate::store::{Store, StoreError};

/// The sessions of one portal: its cookie's name and keys, and the list of revoked ones.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

/// Where the portal lives, which is what its cookies are good for.
pub(crate) struct Site {
    pub(crate) rule: SiteRule,
    pub(crate) issuer: Arc<str>,
    pub(crate) base_path: Box<str>,
    pub(crate) origins: Vec<Box<str>>,
}

struct Inner {
    base_path: Box<str>,
    origins: Vec<Box<str>>,
    name: CookieName,
    rule: SiteRule,
    keys: SealingKeys,
    issuer: Arc<str>,
    store: Arc<dyn Store>,
    clock: Clock,
}

impl Sessions {
    pub(crate) fn new(site: Site, keys: SealingKeys, store: Arc<dyn Store>, clock: Clock) -> Self {
        let Site {
            rule,
            issuer,
            base_path,
            origins,
        } = site;
        let name = CookieName::host(rule, "tid-session");
        Self(Arc::new(Inner {
            base_path,
            origins,
            name,
            rule,
            keys,
            issuer,
            store,
            clock,
        }))
    }

    /// Whether a page of this origin may act with a session.
    pub(crate) fn allows_origin(&self, origin: &[u8]) -> bool {
        self.0
            .origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin)
    }

    /// Whether a path is one that the sign-in layer answers.
    pub(crate) fn owns_path(&self, path: &str) -> bool {
        path.strip_prefix(&*self.0.base_path)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The living session that a request's cookies hold; a dead, broken or foreign cookie is no session.
    pub(crate) fn open(&self, headers: &HeaderMap) -> Option<Session> {
        let plain = Cookies::of(headers).open(&self.0.keys, &self.0.name)?;
        let session = Session::parse(&plain)?;
        (session.expires_at() > self.0.clock.now()).then_some(session)
    }

    /// Whether a request carries the cookie, be it good or bad.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> bool {
        Cookies::of(headers).contains(&self.0.name)
    }

    /// Proves a session's person, unless it has been revoked.
    ///
    /// # Cancel safety
    ///
    /// It only reads.
    pub(crate) fn prove(
        &self,
        session: Session,
    ) -> BoxFuture<'static, Result<VerifiedIdentity, Rejection>> {
        let sessions = self.clone();
        Box::pin(async move {
            match sessions.is_revoked(&session).await {
                Ok(false) => session
                    .identity(&sessions.0.issuer)
                    .ok_or_else(|| Rejection::invalid("a session that names nobody")),
                Ok(true) => Err(Rejection::invalid("a revoked session")),
                // What can't be looked up is neither revoked nor alive.
                Err(error) => Err(Rejection::unavailable(error.to_string())),
            }
        })
    }

    pub(crate) async fn is_revoked(&self, session: &Session) -> Result<bool, StoreError> {
        Ok(self.0.store.get(&revocation_key(session)).await?.is_some())
    }

    /// Ends a session wherever a copy of its cookie may be, for as long as it would have lived.
    pub(crate) async fn revoke(&self, session: &Session) -> Result<(), StoreError> {
        let life = session.expires_at().since(self.0.clock.now());
        if life > Duration::ZERO {
            self.0
                .store
                .put_if_absent(&revocation_key(session), b"", life)
                .await?;
        }
        Ok(())
    }

    /// The `Set-Cookie` lines of a session; `None` if it would not fit.
    pub(crate) fn seal(&self, session: &Session, present: &HeaderMap) -> Option<Vec<HeaderValue>> {
        let plain = serde_json::to_vec(session).ok()?;
        let life = session.expires_at().since(self.0.clock.now());
        SetCookie::host(self.0.rule)
            .seal(
                &self.0.keys,
                &self.0.name,
                &plain,
                life,
                Cookies::of(present),
            )
            .ok()
    }

    /// The `Set-Cookie` lines that end it in this browser.
    pub(crate) fn clear(&self, present: &HeaderMap) -> Vec<HeaderValue> {
        SetCookie::host(self.0.rule).clear(&self.0.name, Cookies::of(present))
    }

    /// Removes the cookie from a request.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        strip_cookies(headers, &self.0.name);
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.0.name.as_str())
            .finish_non_exhaustive()
    }
}

/// The store sees a digest only: a dump of it names no session.
fn revocation_key(session: &Session) -> String {
    format!("revoked:{}", base64url(&sha256(session.id.as_bytes())))
}
