//! Opaque tokens, by asking whoever issued them (RFC 7662).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

mod answers;
mod asking;
mod builder;
mod conditions;

use self::answers::{Answer, Answers};
use self::asking::Endpoint;
pub use self::builder::IntrospectionBuilder;
use self::conditions::Conditions;
use super::{Outcome, Verify};
use crate::clock::Clock;
use crate::credential::BearerToken;
use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::secret::digest::{Digest, sha256};

/// So many tokens are asked about at once; others are a 503 (IN-09).
const MAX_ASKED: usize = 64;
/// After this many failures in a row nobody is asked for a while.
const MAX_FAILURES: u32 = 3;
const REST: Duration = Duration::from_secs(5);

/// Verifies opaque tokens by asking their issuer (RFC 7662), and remembers its answers for a moment.
///
/// ```no_run
/// use tower_identity::IdentityLayer;
/// use tower_identity::verify::Introspection;
///
/// let tokens = Introspection::builder("https://login.example.com", "https://api.example.com")
///     .with_endpoint("https://login.example.com/oauth2/introspect")
///     .with_client("client-id", "client-secret")
///     .build()?;
/// let layer = IdentityLayer::new(tokens);
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
///
/// A token that the issuer does not call active is not recognised. What it says of one that is active is judged here as
/// well, at each request: `aud`, `exp`, `nbf`, `iss`, `token_type` and `sub`. An issuer that can't be asked, or answers
/// something else, is `Unavailable`, never a pass.
///
/// Where JWTs come as well, let a delegating [`IdentityLayer`](crate::IdentityLayer) judge those, outside of this one: what is
/// no JWT of its issuers it passes on.
///
/// # Security
///
/// A token that its issuer has revoked is refused after as long as answers are remembered, at the latest:
/// [`remember_for`](IntrospectionBuilder::remember_for), 10 seconds unless told. Every caller can make the issuer be asked
/// about anything: at most 64 tokens at once, and each token that is not active once in 10 seconds.
#[derive(Clone)]
#[must_use]
pub struct Introspection(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    conditions: Conditions,
    clock: Clock,
    /// What tokens are known by is not what they are, and nobody outside can tell it.
    salt: [u8; 32],
    remembered_for: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: Answers,
    asking: std::collections::HashMap<Digest, Asking>,
    failures: u32,
    rests_until: Duration,
}

/// A question that any number of requests may wait for.
type Asking = Shared<BoxFuture<'static, Result<Answer, Arc<str>>>>;

/// The verdict of an [`Introspection`]: there at once, unless the issuer must be asked.
#[must_use = "futures do nothing unless polled"]
pub struct IntrospectionFuture(Wait);

enum Wait {
    Ready(Option<Result<Outcome, Rejection>>),
    Asking(Asking, Arc<Inner>),
}

// ===== impl Introspection =====

impl Introspection {
    /// Asks `issuer` about tokens that are for `audience`, which is what the issuer calls this service.
    pub fn builder(
        issuer: impl Into<Arc<str>>,
        audience: impl Into<Box<str>>,
    ) -> IntrospectionBuilder {
        IntrospectionBuilder::new(issuer.into(), audience.into())
    }
}

impl Verify for Introspection {
    type Future = IntrospectionFuture;

    fn verify(&self, token: BearerToken<'_>) -> IntrospectionFuture {
        let inner = &self.0;
        let digest = inner.digest(token.as_str());
        let now = inner.clock.monotonic();
        let mut state = inner.state();
        if let Some(answer) = state.answers.get(&digest, now) {
            return IntrospectionFuture(Wait::Ready(Some(inner.judge(&answer))));
        }
        let asking = match state.asking.get(&digest) {
            Some(asking) => asking.clone(),
            None if now < state.rests_until => {
                return refused("the issuer has failed a moment ago");
            }
            None if state.asking.len() >= MAX_ASKED => {
                return refused("too many tokens are being asked about");
            }
            None => {
                let asking = ask(inner.clone(), digest, token.as_str().into());
                state.asking.insert(digest, asking.clone());
                asking
            }
        };
        drop(state);
        IntrospectionFuture(Wait::Asking(asking, inner.clone()))
    }
}

/// Asks in a task of its own: whoever began it may go away.
fn ask(inner: Arc<Inner>, digest: Digest, token: Secret<String>) -> Asking {
    let task = tokio::spawn(async move {
        let answer = inner.endpoint.ask(&token).await;
        inner.learn(digest, answer)
    });
    let ended = |_| Err("the question was given up".into());
    async move { task.await.unwrap_or_else(ended) }
        .boxed()
        .shared()
}

fn refused(reason: &'static str) -> IntrospectionFuture {
    IntrospectionFuture(Wait::Ready(Some(Err(Rejection::unavailable(reason)))))
}

impl Inner {
    fn digest(&self, token: &str) -> Digest {
        sha256(&[&self.salt, token.as_bytes()].concat())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, digest: Digest, answer: Result<Answer, String>) -> Result<Answer, Arc<str>> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.asking.remove(&digest);
        match answer {
            Ok(answer) => {
                state.failures = 0;
                let life = self.conditions.life(&answer, self.clock.now());
                let life = life.map_or(self.remembered_for, |life| life.min(self.remembered_for));
                state.answers.put(digest, answer.clone(), now, life);
                Ok(answer)
            }
            Err(reason) => {
                state.failures += 1;
                if state.failures >= MAX_FAILURES {
                    state.rests_until = now + REST;
                }
                let issuer = self.conditions.issuer();
                tracing::warn!(target: "tower_identity", issuer, reason, "introspection failed");
                Err(reason.into())
            }
        }
    }

    /// What an answer proves now, however long it has been known.
    fn judge(&self, answer: &Answer) -> Result<Outcome, Rejection> {
        match answer {
            Answer::Inactive => Ok(Outcome::NotRecognised),
            Answer::Active(claims) => self
                .conditions
                .judge(claims, self.clock.now())
                .map(Outcome::verified)
                .map_err(Rejection::invalid),
        }
    }
}

impl Future for IntrospectionFuture {
    type Output = Result<Outcome, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Wait::Ready(verdict) => match verdict.take() {
                Some(verdict) => Poll::Ready(verdict),
                None => Poll::Pending,
            },
            Wait::Asking(asking, inner) => asking.poll_unpin(cx).map(|answer| match answer {
                Ok(answer) => inner.judge(&answer),
                Err(reason) => Err(Rejection::unavailable(reason.to_string())),
            }),
        }
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &self.0.conditions.issuer())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IntrospectionFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntrospectionFuture")
    }
}
