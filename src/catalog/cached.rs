//! A catalog that is asked less often.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared};
use tokio::task::JoinError;

use super::{Catalog, CatalogError, CatalogUser, UserQuery};
use crate::clock::Clock;

/// More people than this are not remembered at a time.
const MAX_ENTRIES: usize = 10_000;

/// Remembers whom a catalog found, for a few seconds, and asks it for the same user once at a time.
///
/// Only users are remembered. Who is not there, or can't be told, is asked for again: somebody may just have been
/// added. Cloning shares it.
///
/// ```
/// use std::time::Duration;
/// use tower_identity::catalog::{CachedCatalog, RemoteCatalog};
///
/// let catalog = RemoteCatalog::new("https://backstage.example.com/api/catalog")?;
/// let catalog = CachedCatalog::new(catalog, Duration::from_secs(5));
/// # Ok::<(), tower_identity::ConfigMistake>(())
/// ```
///
/// # Security
///
/// Whoever is taken out of the catalog is known for as long as this remembers. It is never longer than that, even while
/// the catalog is out of reach.
#[derive(Clone)]
pub struct CachedCatalog(Arc<Inner>);

struct Inner {
    catalog: Arc<dyn Catalog>,
    life: Duration,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    found: HashMap<UserQuery, (Duration, CatalogUser)>,
    asking: HashMap<UserQuery, Asking>,
}

type Asking = Shared<BoxFuture<'static, Result<CatalogUser, CatalogError>>>;

impl CachedCatalog {
    /// Remembers for `life` what `catalog` finds.
    #[must_use]
    pub fn new(catalog: impl Catalog, life: Duration) -> Self {
        Self::of(Arc::new(catalog), life, Clock::system())
    }

    /// Reads time from this clock, and forgets everything.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self::of(self.0.catalog.clone(), self.0.life, clock)
    }

    fn of(catalog: Arc<dyn Catalog>, life: Duration, clock: Clock) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Inner {
            catalog,
            life,
            clock,
            state,
        }))
    }
}

impl Inner {
    /// Who is remembered, or the question that is under way; or else begins to ask.
    fn look_up(self: &Arc<Self>, query: &UserQuery) -> Result<CatalogUser, Asking> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        match state.found.get(query) {
            Some((until, user)) if now < *until => return Ok(user.clone()),
            _ => {}
        }
        let under_way = state.asking.get(query);
        // One that broke off could not say so itself.
        if let Some(asking) = under_way.filter(|asking| asking.peek().is_none()) {
            return Err(asking.clone());
        }
        let (inner, asked) = (self.clone(), query.clone());
        // From before it is asked: the answer may be about then.
        let until = now.saturating_add(self.life);
        let ask = async move {
            let answer = inner.catalog.find_user(&asked).await;
            let now = inner.clock.monotonic();
            inner.state().remember(asked, until, &answer, now);
            answer
        };
        // A task of its own: it goes on for the others when the one who began it goes away.
        let asking = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn(ask).map(broken_off).boxed().shared(),
            Err(_) => ask.boxed().shared(),
        };
        state.asking.insert(query.clone(), asking.clone());
        Err(asking)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(
        &mut self,
        query: UserQuery,
        until: Duration,
        answer: &Result<CatalogUser, CatalogError>,
        now: Duration,
    ) {
        self.asking.remove(&query);
        if let Ok(user) = answer {
            if self.found.len() >= MAX_ENTRIES {
                self.found.retain(|_, (until, _)| now < *until);
            }
            if self.found.len() < MAX_ENTRIES {
                self.found.insert(query, (until, user.clone()));
            }
        }
    }
}

fn broken_off(
    answer: Result<Result<CatalogUser, CatalogError>, JoinError>,
) -> Result<CatalogUser, CatalogError> {
    answer.unwrap_or_else(|_| Err(CatalogError::Unavailable("the question broke off".into())))
}

impl Catalog for CachedCatalog {
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
        async move {
            match self.0.look_up(query) {
                Ok(user) => Ok(user),
                Err(asking) => asking.await,
            }
        }
        .boxed()
    }

    fn entities(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, CatalogError>> {
        self.0.catalog.entities()
    }
}

impl fmt::Debug for CachedCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedCatalog")
            .field("life", &self.0.life)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock::Timestamp;

    const LIFE: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    /// Counts how often it is asked, and answers when it may.
    struct Counting {
        asked: AtomicUsize,
        gate: Semaphore,
        answer: Mutex<Option<Result<(), CatalogError>>>,
    }

    impl Counting {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                asked: AtomicUsize::new(0),
                gate: Semaphore::new(Semaphore::MAX_PERMITS),
                answer: Mutex::new(Some(Ok(()))),
            })
        }

        fn answers(&self, answer: Result<(), CatalogError>) {
            *self.answer.lock().unwrap() = Some(answer);
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    impl Catalog for Arc<Counting> {
        fn find_user<'a>(
            &'a self,
            query: &'a UserQuery,
        ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
            async move {
                self.asked.fetch_add(1, Ordering::SeqCst);
                let _open = self.gate.acquire().await;
                let answer = self.answer.lock().unwrap().clone();
                match (answer.expect("a broken catalog"), query) {
                    (Ok(()), UserQuery::Ref(user)) => Ok(CatalogUser::new(user.clone())),
                    (Ok(()), _) => Err(CatalogError::NotFound),
                    (Err(error), _) => Err(error),
                }
            }
            .boxed()
        }
    }

    fn user(name: &str) -> UserQuery {
        UserQuery::Ref(format!("user:default/{name}").parse().unwrap())
    }

    #[tokio::test]
    async fn a_user_is_remembered_for_so_long_and_not_a_moment_longer() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1000));
        let inner = Counting::new();
        let catalog = CachedCatalog::new(inner.clone(), LIFE).with_clock(clock);
        for _ in 0..3 {
            assert!(catalog.find_user(&user("ada")).await.is_ok());
        }
        assert_eq!(inner.asked(), 1);
        assert!(catalog.find_user(&user("eve")).await.is_ok());
        assert_eq!(inner.asked(), 2, "another is asked for");
        hand.advance(LIFE - SECOND);
        inner.answers(Err(CatalogError::NotFound));
        assert!(catalog.find_user(&user("ada")).await.is_ok());
        hand.advance(SECOND);
        let gone = catalog.find_user(&user("ada")).await;
        assert_eq!(gone.unwrap_err(), CatalogError::NotFound);
        // Nor while the catalog is away.
        inner.answers(Err(CatalogError::Unavailable("away".into())));
        assert!(catalog.find_user(&user("eve")).await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_user_is_asked_for_again() {
        let inner = Counting::new();
        let catalog = CachedCatalog::new(inner.clone(), LIFE);
        for error in [
            CatalogError::NotFound,
            CatalogError::Conflict,
            CatalogError::Unavailable("away".into()),
        ] {
            inner.answers(Err(error.clone()));
            assert_eq!(catalog.find_user(&user("ada")).await, Err(error));
        }
        inner.answers(Ok(()));
        assert!(catalog.find_user(&user("ada")).await.is_ok());
        assert_eq!(inner.asked(), 4);
    }

    #[tokio::test]
    async fn a_hundred_who_ask_at_once_ask_once_and_one_who_leaves_takes_nothing_away() {
        let inner = Counting::new();
        let closed = inner.gate.forget_permits(Semaphore::MAX_PERMITS);
        let catalog = CachedCatalog::new(inner.clone(), LIFE);
        let ada = user("ada");
        let mut impatient = tokio_test::task::spawn(catalog.find_user(&ada));
        assert!(impatient.poll().is_pending());
        drop(impatient);
        let others = futures::future::join_all((0..100).map(|_| catalog.find_user(&ada)));
        let mut others = tokio_test::task::spawn(others);
        assert!(others.poll().is_pending());
        inner.gate.add_permits(closed);
        assert!(others.await.iter().all(Result::is_ok));
        assert_eq!(inner.asked(), 1);
    }

    #[tokio::test]
    async fn a_catalog_that_breaks_is_asked_again() {
        let inner = Counting::new();
        let catalog = CachedCatalog::new(inner.clone(), LIFE);
        *inner.answer.lock().unwrap() = None;
        let broken = catalog.find_user(&user("ada")).await;
        assert!(matches!(broken, Err(CatalogError::Unavailable(_))));
        *inner.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ok(()));
        inner.answer.clear_poison();
        assert!(catalog.find_user(&user("ada")).await.is_ok());
    }

    #[tokio::test]
    async fn so_many_are_remembered_and_no_more() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1000));
        let inner = Counting::new();
        let catalog = CachedCatalog::new(inner.clone(), LIFE).with_clock(clock);
        for i in 0..MAX_ENTRIES + 10 {
            catalog.find_user(&user(&format!("u{i}"))).await.unwrap();
        }
        let sizes = || {
            let state = catalog.0.state();
            (state.found.len(), state.asking.len())
        };
        assert_eq!(sizes(), (MAX_ENTRIES, 0));
        hand.advance(LIFE);
        catalog.find_user(&user("ada")).await.unwrap();
        assert_eq!(sizes(), (1, 0), "the dead make room");
    }
}
