//! Refreshing once: a provider that rotates its refresh tokens takes a second use for theft.
//!
//! Tabs refresh at the same time. The first asks the provider, in a task of its own that goes on when
//! the browser does not wait; the others, and whoever comes a moment later with the same token, get
//! the same answer. This holds for one node.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use crate::clock::Clock;
use crate::provider::{Grant, Provider, ProviderError, ProviderProfile};
use crate::secret::digest::{Digest, sha256};

/// How long an answer is given again: as long as a slow tab may be behind.
const REPLAY: Duration = Duration::from_secs(30);

type Answer = Result<Arc<(Option<ProviderProfile>, Grant)>, ProviderError>;
type Renewing = Shared<BoxFuture<'static, Answer>>;

/// The renewals under way, and those of the last moments.
pub(super) struct Renewals {
    clock: Clock,
    recent: Mutex<HashMap<Digest, (Duration, Renewing)>>,
}

impl Renewals {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            recent: Mutex::default(),
        }
    }

    /// Renews by the `refresh_token` of a provider, which `whose` names; or joins whoever does.
    ///
    /// # Cancel safety
    ///
    /// The renewal goes on without its callers.
    ///
    /// # Security
    ///
    /// Two providers may give the same token, one of them on purpose: an answer is for the provider that gave it.
    pub(super) async fn renew(
        &self,
        provider: &Arc<dyn Provider>,
        whose: &str,
        refresh_token: &str,
    ) -> Answer {
        let key = sha256(format!("{}:{whose}:{refresh_token}", whose.len()).as_bytes());
        let renewing = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.monotonic();
            // One under way is kept however long it takes: a second one would use the token twice.
            recent
                .retain(|_, (begun, renewing)| renewing.peek().is_none() || now < *begun + REPLAY);
            let (_, renewing) = recent
                .entry(key)
                .or_insert_with(|| (now, begin(provider, refresh_token)));
            renewing.clone()
        };
        let answer = renewing.clone().await;
        // What failed may be tried again at once. Somebody else may be doing that by now.
        if answer.is_err() {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent
                .get(&key)
                .is_some_and(|(_, other)| other.ptr_eq(&renewing))
            {
                recent.remove(&key);
            }
        }
        answer
    }
}

fn begin(provider: &Arc<dyn Provider>, refresh_token: &str) -> Renewing {
    let (provider, token) = (provider.clone(), crate::Secret::from(refresh_token));
    let task = tokio::spawn(async move { provider.refresh(token.expose()).await.map(Arc::new) });
    let answer = async move {
        task.await
            .unwrap_or_else(|_| Err(ProviderError::unavailable("the refresh broke off")))
    };
    answer.boxed().shared()
}

impl fmt::Debug for Renewals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewals")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{join_all, ready};
    use url::Url;

    use super::*;
    use crate::clock::Timestamp;
    use crate::provider::{AuthorizationRequest, Renewed};

    /// Rotates its refresh tokens: each is good once.
    #[derive(Default)]
    struct Rotating(AtomicUsize);

    impl Provider for Rotating {
        fn authorization_url<'a>(
            &'a self,
            _: &'a AuthorizationRequest,
        ) -> BoxFuture<'a, Result<Url, ProviderError>> {
            ready(Err(ProviderError::invalid("not asked"))).boxed()
        }

        fn check_issuer<'a>(
            &'a self,
            _: Option<&'a str>,
        ) -> BoxFuture<'a, Result<(), ProviderError>> {
            ready(Ok(())).boxed()
        }

        fn exchange<'a>(
            &'a self,
            _: &'a str,
            _: &'a AuthorizationRequest,
        ) -> BoxFuture<'a, Result<(ProviderProfile, Grant), ProviderError>> {
            ready(Err(ProviderError::invalid("not asked"))).boxed()
        }

        fn refresh<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Renewed> {
            async move {
                tokio::task::yield_now().await;
                let used = self.0.fetch_add(1, Ordering::SeqCst);
                if token != format!("token-{used}") {
                    return Err(ProviderError::refused("used before"));
                }
                let grant = Grant {
                    access_token: "access".into(),
                    id_token: None,
                    refresh_token: Some(format!("token-{}", used + 1).into()),
                    scope: None,
                    expires_in: None,
                    sign_out_hint: None,
                };
                Ok((None, grant))
            }
            .boxed()
        }

        fn required_scopes(&self) -> &'static [&'static str] {
            &[]
        }
    }

    #[tokio::test]
    async fn rf_01_two_hundred_tabs_ask_the_provider_once() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1000));
        let renewals = Renewals::new(clock);
        let rotating = Arc::new(Rotating::default());
        let provider: Arc<dyn Provider> = rotating.clone();
        let answers = join_all((0..200).map(|_| renewals.renew(&provider, "a", "token-0"))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(rotating.0.load(Ordering::SeqCst), 1);
        // A slow tab still gets it; a thief who comes later does not.
        hand.advance(Duration::from_secs(29));
        assert!(renewals.renew(&provider, "a", "token-0").await.is_ok());
        hand.advance(Duration::from_secs(2));
        assert!(renewals.renew(&provider, "a", "token-0").await.is_err());
        assert_eq!(rotating.0.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn se_12_a_renewal_goes_on_when_nobody_waits() {
        let renewals = Renewals::new(Clock::system());
        let rotating = Arc::new(Rotating::default());
        let provider: Arc<dyn Provider> = rotating.clone();
        let mut first = Box::pin(renewals.renew(&provider, "a", "token-0"));
        assert!(first.as_mut().now_or_never().is_none(), "it takes its time");
        drop(first);
        let answer = renewals.renew(&provider, "a", "token-0").await.unwrap();
        assert_eq!(answer.1.refresh_token.as_ref().unwrap().expose(), "token-1");
        assert_eq!(rotating.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_token_is_that_of_the_provider_that_gave_it() {
        let renewals = Renewals::new(Clock::system());
        let rotating = Arc::new(Rotating::default());
        let provider: Arc<dyn Provider> = rotating.clone();
        for (whose, asked) in [("a", 1), ("a", 1), ("b", 2), ("a:b", 3), ("b", 4)] {
            // From the second provider on the token is refused, and a refusal is not given again.
            let _ = renewals.renew(&provider, whose, "token-0").await;
            assert_eq!(rotating.0.load(Ordering::SeqCst), asked, "{whose}");
        }
    }
}
