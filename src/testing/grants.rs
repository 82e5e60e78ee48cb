//! What people have granted: codes that are taken once, tokens that end with their session.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::secret::digest::{Digest, sha256};
use crate::secret::random;

/// How long a code waits to be redeemed (RFC 6749 section 4.1.2 allows ten minutes; real providers less).
const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Every code and token that is out. They are found by their digests, so none can be read back.
#[derive(Default)]
pub(super) struct Grants {
    codes: HashMap<Digest, (Code, State, Timestamp)>,
    access: HashMap<Digest, (Grant, Option<Timestamp>)>,
    refresh: HashMap<Digest, (Grant, State)>,
    /// The client of each session, until it ends.
    sessions: HashMap<String, String>,
}

/// Who let which client do what.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) protocol: Protocol,
    pub(super) client_id: String,
    pub(super) username: String,
    pub(super) scope: String,
    pub(super) audience: String,
    pub(super) session: String,
    pub(super) auth_time: Timestamp,
}

/// What a token of one may not be used for at the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    OpenIdConnect,
    GitHub,
}

/// What has to match when a code is redeemed.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    /// The `S256` challenge of RFC 7636.
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Used,
}

// ===== impl Grants =====

impl Grants {
    /// Gives out a code.
    pub(super) fn issue_code(&mut self, code: Code, now: Timestamp) -> String {
        self.codes.retain(|_, (_, _, expiry)| *expiry > now);
        self.access
            .retain(|_, (_, expiry)| expiry.is_none_or(|expiry| expiry > now));
        let text = random::token();
        let entry = (code, State::Fresh, now.plus(CODE_LIFETIME));
        self.codes.insert(sha256(text.as_bytes()), entry);
        text
    }

    /// Takes a code of `client_id`. A code that comes a second time was stolen by one of the two, so its session
    /// ends (RFC 6749 section 4.1.2).
    pub(super) fn take_code(
        &mut self,
        text: &str,
        client_id: &str,
        protocol: Protocol,
        now: Timestamp,
    ) -> Option<Code> {
        let (code, state, expiry) = self.codes.get_mut(&sha256(text.as_bytes()))?;
        if code.grant.client_id != client_id || code.grant.protocol != protocol || *expiry <= now {
            return None;
        }
        let code = code.clone();
        match std::mem::replace(state, State::Used) {
            State::Fresh => {
                let session = code.grant.session.clone();
                self.sessions.insert(session, client_id.to_owned());
                Some(code)
            }
            State::Used => {
                self.end_session(&code.grant.session);
                None
            }
        }
    }

    /// Remembers an access token; without an expiry it lasts until its session ends.
    pub(super) fn add_access(&mut self, token: &str, grant: Grant, expiry: Option<Timestamp>) {
        self.access
            .insert(sha256(token.as_bytes()), (grant, expiry));
    }

    /// The grant behind an access token that is good at `now`, and when it expires.
    pub(super) fn access(
        &self,
        token: &str,
        protocol: Protocol,
        now: Timestamp,
    ) -> Option<(&Grant, Option<Timestamp>)> {
        let (grant, expiry) = self.access.get(&sha256(token.as_bytes()))?;
        let good = grant.protocol == protocol && expiry.is_none_or(|expiry| expiry > now);
        good.then_some((grant, *expiry))
    }

    /// Gives out a refresh token.
    pub(super) fn issue_refresh(&mut self, grant: Grant) -> String {
        let text = random::token();
        self.refresh
            .insert(sha256(text.as_bytes()), (grant, State::Fresh));
        text
    }

    /// Looks at a refresh token of `client_id` without taking it.
    pub(super) fn refresh(&self, text: &str, client_id: &str) -> Option<&Grant> {
        let (grant, state) = self.refresh.get(&sha256(text.as_bytes()))?;
        (grant.client_id == client_id && *state == State::Fresh).then_some(grant)
    }

    /// Takes a refresh token of `client_id`. One that comes a second time ends its session
    /// (RFC 9700 section 4.14.2).
    pub(super) fn take_refresh(&mut self, text: &str, client_id: &str) -> Option<Grant> {
        let (grant, state) = self.refresh.get_mut(&sha256(text.as_bytes()))?;
        if grant.client_id != client_id {
            return None;
        }
        let grant = grant.clone();
        match std::mem::replace(state, State::Used) {
            State::Fresh => Some(grant),
            State::Used => {
                self.end_session(&grant.session);
                None
            }
        }
    }

    /// Revokes a token of `client_id` (RFC 7009 section 2.1): an access token by itself, a refresh token with its
    /// whole session. Says `false` if the token is another client's.
    pub(super) fn revoke(&mut self, text: &str, client_id: &str) -> bool {
        let digest = sha256(text.as_bytes());
        let access = self.access.get(&digest).map(|(grant, _)| grant);
        let refresh = self.refresh.get(&digest).map(|(grant, _)| grant);
        let Some(grant) = access.or(refresh) else {
            return true;
        };
        if grant.client_id != client_id {
            return false;
        }
        if self.access.contains_key(&digest) {
            self.access.remove(&digest);
        } else {
            let session = grant.session.clone();
            self.end_session(&session);
        }
        true
    }

    /// The client of a session that has not ended.
    pub(super) fn session_client(&self, session: &str) -> Option<&str> {
        self.sessions.get(session).map(String::as_str)
    }

    /// Ends a session, and with it every token that came out of it.
    pub(super) fn end_session(&mut self, session: &str) {
        self.sessions.remove(session);
        self.access.retain(|_, (grant, _)| grant.session != session);
        self.refresh
            .retain(|_, (grant, _)| grant.session != session);
    }
}

// ===== impl Grant =====

impl Grant {
    /// Whether `wanted` was granted.
    pub(super) fn has_scope(&self, wanted: &str) -> bool {
        self.scope.split(' ').any(|scope| scope == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    fn code() -> Code {
        Code {
            grant: Grant {
                protocol: Protocol::OpenIdConnect,
                client_id: "app".into(),
                username: "ada".into(),
                scope: "openid email".into(),
                audience: "app".into(),
                session: "session".into(),
                auth_time: NOW,
            },
            redirect_uri: "http://localhost/".into(),
            challenge: None,
            nonce: None,
        }
    }

    #[test]
    fn a_code_is_taken_once_within_a_minute_by_its_own_client() {
        let take = |client, protocol, seconds| {
            let mut grants = Grants::default();
            let text = grants.issue_code(code(), NOW);
            let now = NOW.plus(Duration::from_secs(seconds));
            grants.take_code(&text, client, protocol, now).is_some()
        };
        assert!(take("app", Protocol::OpenIdConnect, 0));
        assert!(take("app", Protocol::OpenIdConnect, 59));
        assert!(!take("app", Protocol::OpenIdConnect, 60));
        assert!(!take("other", Protocol::OpenIdConnect, 0));
        assert!(!take("app", Protocol::GitHub, 0));
    }

    #[test]
    fn a_second_use_of_a_code_ends_what_the_first_one_gave() {
        let mut grants = Grants::default();
        let text = grants.issue_code(code(), NOW);
        let protocol = Protocol::OpenIdConnect;
        let code = grants.take_code(&text, "app", protocol, NOW).unwrap();
        grants.add_access("token", code.grant.clone(), None);
        let refresh = grants.issue_refresh(code.grant);
        assert!(grants.access("token", protocol, NOW).is_some());

        assert!(grants.take_code(&text, "app", protocol, NOW).is_none());
        assert!(grants.access("token", protocol, NOW).is_none());
        assert!(grants.take_refresh(&refresh, "app").is_none());
    }

    #[test]
    fn only_the_client_that_holds_a_token_revokes_it() {
        let mut grants = Grants::default();
        grants.add_access("token", code().grant, None);
        assert!(!grants.revoke("token", "other"));
        assert!(
            grants
                .access("token", Protocol::OpenIdConnect, NOW)
                .is_some()
        );
        assert!(grants.revoke("token", "app"));
        assert!(
            grants
                .access("token", Protocol::OpenIdConnect, NOW)
                .is_none()
        );
        assert!(grants.revoke("never seen", "app"));
    }
}
