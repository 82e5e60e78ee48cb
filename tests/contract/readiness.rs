//! The Tower half of the contract: readiness, errors, bodies, and that nothing is called before the decision.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer as _, Service as _};
use tower_identity::Identity;
use tower_identity::store::{MemoryStore, Store, StoreError};
use tower_test::mock;

use super::drive::{Ask, Driven, Tea, bytes, drive, tea};
use super::judges::{Any, Judge, STANCES, Stance, by_the_word, judges};
use super::portal::{GUEST, guest, portal};
use super::support::get;

fn ask(word: &str) -> Ask {
    get(&[("authorization", &format!("Bearer {word}"))])
}

/// Both layers in all stances, each with a request that it passes on: judged, and without a look at anything.
fn passing() -> Vec<(Judge, Ask)> {
    let judges = || judges(Any::by_the_word().0);
    let judged = STANCES.into_iter().flat_map(|stance| {
        let judges = judges().into_iter();
        judges.map(move |judge| (stance.of(judge), ask("good")))
    });
    let unseen = [Stance::Optional, Stance::Delegating]
        .into_iter()
        .flat_map(|stance| {
            let judges = judges().into_iter();
            judges.map(move |judge| (stance.of(judge), get(&[])))
        });
    judged.chain(unseen).collect()
}

/// An error of the inner service's own.
#[derive(Debug, PartialEq)]
pub(crate) struct Broken(pub(crate) u8);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

#[tokio::test]
async fn px_20_the_service_that_was_polled_ready_is_the_one_called() {
    // A mock panics when it is called without having been polled ready, as a fresh clone has not been.
    for (judge, request) in passing() {
        let Driven {
            mut service,
            mut inner,
        } = drive(judge);
        inner.allow(1);
        assert_ready_ok!(service.poll_ready());
        let mut response = task::spawn(service.call(request));
        assert_pending!(response.poll());
        let (_, answer) = inner.next_request().await.unwrap();
        // That readiness is spent.
        assert_pending!(service.poll_ready());
        assert_pending!(response.poll());
        answer.send_response(tea());
        assert!(response.is_woken());
        let response = assert_ready_ok!(response.poll());
        assert_eq!(response.status(), 418);
        assert_eq!(bytes(response.into_body()).await, "tea");
    }
}

#[tokio::test]
async fn px_20_one_service_answers_many_requests_at_once_each_with_its_own() {
    for judge in judges(Any::by_the_word().0) {
        let Driven {
            mut service,
            mut inner,
        } = drive(judge);
        let mut responses = Vec::new();
        for path in ["/0", "/1", "/2"] {
            assert_ready_ok!(service.poll_ready());
            let mut request = ask("good");
            *request.uri_mut() = path.parse().unwrap();
            responses.push(task::spawn(service.call(request)));
            assert_pending!(responses.last_mut().unwrap().poll());
        }
        let mut answers = Vec::new();
        for path in ["/0", "/1", "/2"] {
            let (request, answer) = inner.next_request().await.unwrap();
            assert_eq!(request.uri(), path);
            answers.push(answer);
        }
        // Answered in another order than they were asked.
        for (i, answer) in answers.into_iter().enumerate().rev() {
            let mut response = tea();
            response.headers_mut().insert("x-tea", i.into());
            answer.send_response(response);
            let response = assert_ready_ok!(responses[i].poll());
            assert_eq!(response.headers()["x-tea"], &*i.to_string());
        }
    }
}

#[tokio::test]
async fn a_clone_starts_unready() {
    for (judge, request) in passing() {
        let (inner, handle) = mock::pair::<Ask, Tea>();
        let mut service = judge.layer(inner);
        std::future::poll_fn(|cx| service.poll_ready(cx))
            .await
            .unwrap();
        let mut clone = service.clone();
        let called = catch_unwind(AssertUnwindSafe(|| clone.call(request).now_or_never()));
        let panic = *called.unwrap_err().downcast::<&str>().unwrap();
        assert_eq!(panic, "service not ready; poll_ready must be called first");
        // The mocks' lock is poisoned by now, and they would panic again.
        std::mem::forget((service, clone, handle));
    }
}

#[tokio::test]
async fn backpressure_passes_through() {
    for judge in judges(Any::by_the_word().0) {
        let Driven {
            mut service,
            mut inner,
        } = drive(judge);
        inner.allow(0);
        assert_pending!(service.poll_ready());
        inner.allow(1);
        assert!(service.is_woken());
        assert_ready_ok!(service.poll_ready());
    }
}

#[tokio::test]
async fn a_failure_to_become_ready_passes_through_as_it_is() {
    for judge in judges(Any::by_the_word().0) {
        let Driven {
            mut service,
            mut inner,
        } = drive(judge);
        inner.send_error(Broken(1));
        let error = assert_ready!(service.poll_ready()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Broken(1)));
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_through_as_it_is() {
    for (judge, request) in passing() {
        let Driven {
            mut service,
            mut inner,
        } = drive(judge);
        assert_ready_ok!(service.poll_ready());
        let mut response = task::spawn(service.call(request));
        assert_pending!(response.poll());
        let (_, answer) = inner.next_request().await.unwrap();
        answer.send_error(Broken(2));
        let error = assert_ready!(response.poll()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Broken(2)));
    }
}

#[tokio::test]
async fn px_20_it_is_called_after_a_verdict_that_took_time_and_not_before() {
    for stance in STANCES {
        for kind in 0..2 {
            for word in ["good", "bad", "unknown"] {
                let verdict = Arc::new(Notify::new());
                let wait = verdict.clone();
                let verifier = Any::saying(move |word| {
                    let (wait, word) = (wait.clone(), word.to_owned());
                    async move {
                        wait.notified().await;
                        by_the_word(&word)
                    }
                });
                let [keys, identity] = judges(verifier);
                let judge = if kind == 0 { keys } else { identity };
                let Driven {
                    mut service,
                    mut inner,
                } = drive(stance.of(judge));
                inner.allow(1);
                assert_ready_ok!(service.poll_ready());
                let mut response = task::spawn(service.call(ask(word)));
                let mut next = task::spawn(inner.next_request());
                for _ in 0..3 {
                    assert_pending!(response.poll());
                    assert_pending!(next.poll());
                }
                verdict.notify_one();
                assert!(response.is_woken());
                let passes = word == "good" || word == "unknown" && stance == Stance::Delegating;
                if passes {
                    assert_pending!(response.poll());
                    let (request, _) = assert_ready!(next.poll()).unwrap();
                    assert_eq!(Identity::of(&request).is_some(), word == "good");
                } else {
                    assert_eq!(assert_ready_ok!(response.poll()).status(), 401);
                    assert_pending!(next.poll());
                }
            }
        }
    }
}

#[tokio::test]
async fn px_22_a_refusal_spends_no_call_of_the_inner_service() {
    for judge in judges(Any::by_the_word().0) {
        let Driven {
            mut service,
            mut inner,
        } = drive(judge);
        for request in [
            get(&[]),
            ask("bad"),
            ask("unknown"),
            ask("down"),
            ask("restricted"),
            ask("a b"),
        ] {
            // Ready for one call in all.
            inner.allow(1);
            assert_ready_ok!(service.poll_ready());
            let response = service.call(request).await.unwrap();
            assert!([401, 403, 503].contains(&response.status().as_u16()));
        }
        assert_pending!(task::spawn(inner.next_request()).poll());
        assert_ready_ok!(service.poll_ready());
    }
}

/// Counts those that are alive.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_takes_the_verdict_along_and_nobody_is_called() {
    let alive = Arc::new(AtomicUsize::new(0));
    let counter = alive.clone();
    let verifier = Any::saying(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(counter.clone());
        async move {
            let _alive = alive;
            std::future::pending().await
        }
    });
    for judge in judges(verifier) {
        let Driven {
            mut service,
            mut inner,
        } = drive(judge);
        assert_ready_ok!(service.poll_ready());
        let mut response = task::spawn(service.call(ask("any")));
        assert_pending!(response.poll());
        assert_eq!(alive.load(Ordering::SeqCst), 1);
        drop(response);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        assert_pending!(task::spawn(inner.next_request()).poll());
        assert_ready_ok!(service.poll_ready());
    }
}

/// A store that takes its time to say whether a session was revoked.
struct Slow(MemoryStore, Arc<Notify>);

impl Store for Slow {
    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.0.put_if_absent(key, value, life)
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a [u8]>,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.0.compare_and_swap(key, expected, value, life)
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let wait = async {
            self.1.notified().await;
            self.0.get(key).await
        };
        wait.boxed()
    }

    fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.0.take(key)
    }
}

#[tokio::test]
async fn px_20_a_session_is_looked_up_before_anybody_is_called() {
    let (clock, answer) = (
        tower_identity::clock::Clock::system(),
        Arc::new(Notify::new()),
    );
    let store = Slow(MemoryStore::new(clock), answer.clone());
    let sign_in = portal().with_store(store).build().unwrap();
    let cookie = guest(&sign_in).await;
    let Driven {
        mut service,
        mut inner,
    } = drive(sign_in.identity_layer());
    inner.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(get(&[("cookie", &cookie)])));
    assert_pending!(response.poll());
    let mut next = task::spawn(inner.next_request());
    assert_pending!(next.poll());
    answer.notify_one();
    assert!(response.is_woken());
    assert_pending!(response.poll());
    let (request, _) = assert_ready!(next.poll()).unwrap();
    assert_eq!(Identity::of(&request).unwrap().subject(), GUEST);
}
