//! The half of a portal: making, ending and forgetting sessions.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::sessions::{Sessions, revocation_key};
use super::{Family, Session};
use crate::credential::{Cookies, SetCookie};
use crate::store::StoreError;

impl Sessions {
    /// Ends everything that came of a sign-in, wherever a copy of its cookies may be, for as long as any of them
    /// could live.
    pub(crate) async fn revoke(&self, family: &Family) -> Result<(), StoreError> {
        let life = family.ends_at().since(self.0.clock.now());
        if life > Duration::ZERO {
            self.0
                .store
                .put_if_absent(&revocation_key(family), b"", life)
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
}
