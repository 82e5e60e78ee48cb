//! Opening, sealing and revoking sessions.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{HeaderMap, Uri};

use super::{Family, OriginPattern, Session};
use crate::clock::Clock;
use crate::credential::{CookieName, Cookies, MalformedCredential, SiteRule, strip_cookies};
use crate::error::ConfigMistake;
use crate::http_client::check_url;
use crate::identity::VerifiedIdentity;
use crate::rejection::Rejection;
use crate::secret::SealingKeys;
use crate::secret::digest::sha256;
use crate::secret::encoding::base64url;
use crate::store::{Store, StoreError};

/// The sessions of one portal: its cookie's name and keys, and the list of revoked ones.
#[derive(Clone)]
pub struct Sessions(pub(super) Arc<Inner>);

/// Where the portal lives, which is what its cookies are good for.
pub(crate) struct Site {
    pub(crate) rule: SiteRule,
    pub(crate) issuer: Arc<str>,
    pub(crate) base_path: Box<str>,
    pub(crate) origins: Vec<OriginPattern>,
}

pub(super) struct Inner {
    base_path: Box<str>,
    origins: Vec<OriginPattern>,
    pub(super) name: CookieName,
    pub(super) rule: SiteRule,
    pub(super) keys: SealingKeys,
    issuer: Arc<str>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
}

impl Sessions {
    /// The sessions of a portal in another process that shares its secret and its store with this one.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_identity::clock::Clock;
    /// use tower_identity::secret::{SealingKey, SealingKeys};
    /// use tower_identity::session::Sessions;
    /// use tower_identity::store::MemoryStore;
    ///
    /// let secret = b"what auth.session.secret of the portal says";
    /// let keys = SealingKeys::new(SealingKey::from_secret(secret)?, []);
    /// let store = Arc::new(MemoryStore::new(Clock::system()));
    /// let sessions = Sessions::of_portal("https://portal.example.com/api/auth", keys, store)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `issuer` is not an https URL, or an http URL of a loopback host.
    ///
    /// # Security
    ///
    /// A session that ended is known to `store` only: with a store of its own, as in the example,
    /// this process believes a copied cookie until it expires.
    pub fn of_portal(
        issuer: &str,
        keys: SealingKeys,
        store: Arc<dyn Store>,
    ) -> Result<Self, ConfigMistake> {
        let mistake = |message: String| ConfigMistake::new("issuer", message);
        let uri: Uri = issuer
            .parse()
            .map_err(|_| mistake("expected a URL".into()))?;
        check_url(&uri).map_err(mistake)?;
        let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
        let authority = authority.map(|a| a.as_str()).unwrap_or_default();
        let site = Site {
            rule: if scheme == "https" {
                SiteRule::Secure
            } else {
                SiteRule::Plain
            },
            issuer: issuer.into(),
            base_path: uri.path().trim_end_matches('/').into(),
            origins: vec![OriginPattern::exact(format!("{scheme}://{authority}"))],
        };
        Ok(Self::new(site, keys, store, Clock::system()))
    }

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
            keys: keys.bound_to(&issuer),
            issuer,
            store,
            clock,
        }))
    }

    /// Whether a page of this origin may act with a session.
    pub(crate) fn allows_origin(&self, origin: &[u8]) -> bool {
        let origin = std::str::from_utf8(origin);
        origin.is_ok_and(|origin| self.0.origins.iter().any(|allowed| allowed.matches(origin)))
    }

    /// Whether a path is one that the sign-in layer answers.
    pub(crate) fn owns_path(&self, path: &str) -> bool {
        path.strip_prefix(&*self.0.base_path)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The living session that a request's cookies hold; a dead, broken or foreign cookie is no session.
    #[cfg(feature = "sign-in")]
    pub(crate) fn open(&self, headers: &HeaderMap) -> Option<Session> {
        self.recognise(headers).ok()?.filter(|s| self.is_alive(s))
    }

    /// The session that a request's cookies hold, dead or alive; `None` if what they hold is none of ours.
    ///
    /// # Errors
    ///
    /// If there are two of ours.
    pub(crate) fn recognise(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Session>, MalformedCredential> {
        let plain = Cookies::of(headers).open_one(&self.0.keys, &self.0.name)?;
        Ok(plain.and_then(|plain| Session::parse(&plain)))
    }

    pub(crate) fn is_alive(&self, session: &Session) -> bool {
        session.expires_at() > self.0.clock.now()
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
            match sessions.is_revoked(&session.family).await {
                Ok(false) => session
                    .identity(&sessions.0.issuer)
                    .ok_or_else(|| Rejection::invalid("a session that names nobody")),
                Ok(true) => Err(Rejection::invalid("a revoked session")),
                // What can't be looked up is neither revoked nor alive.
                Err(error) => Err(Rejection::unavailable(error.to_string())),
            }
        })
    }

    pub(crate) async fn is_revoked(&self, family: &Family) -> Result<bool, StoreError> {
        Ok(self.0.store.get(&revocation_key(family)).await?.is_some())
    }

    /// Removes every cookie of ours from a request: the session's, and those of the sign-in, which a browser
    /// sends along.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        strip_cookies(headers, CookieName::host(self.0.rule, "tid-").as_str());
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.0.name.as_str())
            .field("rule", &self.0.rule)
            .finish_non_exhaustive()
    }
}

/// The store sees a digest only: a dump of it names no session.
pub(super) fn revocation_key(family: &Family) -> String {
    format!("revoked:{}", base64url(&sha256(family.id.as_bytes())))
}
