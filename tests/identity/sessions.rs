//! Session cookies, alone and beside a bearer token.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tower_identity::IdentityLayer;
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::layer::IdentityService;
use tower_identity::sign_in::SignIn;
use tower_identity::store::{Store, StoreError};

use super::echo::Echo;
use super::portal::{GUEST, guest, portal, sign_out};
use super::support::{get, send};
use super::{BARE, INVALID, over};

fn protect(sign_in: &SignIn) -> (IdentityService<Echo>, Echo) {
    over(sign_in.identity_layer())
}

#[tokio::test]
async fn se_02_se_03_a_planted_cookie_neither_hides_the_session_nor_replaces_it() {
    let sign_in = portal().build().unwrap();
    let one = guest(&sign_in).await;
    let (service, _) = protect(&sign_in);
    for line in [
        format!("tid-session=junk; {one}"),
        format!("{one}; tid-session=junk"),
        format!("tid-session.0=junk; {one}"),
    ] {
        let answer = send(&service, get(&[("cookie", &line)])).await;
        assert_eq!(answer.passed(GUEST).saw("cookie"), None);
    }
    let (_, value) = one.split_once('=').unwrap();
    for name in [
        "TID-SESSION",
        "tid%2Dsession",
        "__Host-tid-session",
        "",
        "xtid-session",
    ] {
        let line = format!("{name}={value}");
        send(&service, get(&[("cookie", &line)]))
            .await
            .refused(401, Some(BARE));
    }
}

#[tokio::test]
async fn se_05_se_06_a_cookie_opens_with_the_secret_it_was_sealed_with_and_with_no_other() {
    let secret = |letter: &str| letter.repeat(40);
    let old = portal().add_secret(secret("a")).build().unwrap();
    let cookie = guest(&old).await;
    let rotated = portal()
        .add_secret(secret("b"))
        .add_secret(secret("a"))
        .build()
        .unwrap();
    send(&protect(&rotated).0, get(&[("cookie", &cookie)]))
        .await
        .passed(GUEST);
    let other = portal().add_secret(secret("b")).build().unwrap();
    send(&protect(&other).0, get(&[("cookie", &cookie)]))
        .await
        .refused(401, Some(INVALID));
}

#[tokio::test]
async fn se_13_a_session_ends_when_its_time_is_over() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let sign_in = portal().with_clock(clock).build().unwrap();
    let cookie = guest(&sign_in).await;
    let (service, _) = protect(&sign_in);
    hand.advance(Duration::from_secs(12 * 3600 - 1));
    send(&service, get(&[("cookie", &cookie)]))
        .await
        .passed(GUEST);
    hand.advance(Duration::from_secs(1));
    send(&service, get(&[("cookie", &cookie)]))
        .await
        .refused(401, Some(INVALID));
}

#[tokio::test]
async fn se_10_a_copy_of_the_cookie_ends_with_the_session() {
    let sign_in = portal().build().unwrap();
    let (copied, other) = (guest(&sign_in).await, guest(&sign_in).await);
    let (service, _) = protect(&sign_in);
    send(&service, get(&[("cookie", &copied)]))
        .await
        .passed(GUEST);
    sign_out(&sign_in, &copied).await;
    send(&service, get(&[("cookie", &copied)]))
        .await
        .refused(401, Some(INVALID));
    send(&service, get(&[("cookie", &other)]))
        .await
        .passed(GUEST);
}

/// A store on another machine, which is away.
struct Away;

impl Store for Away {
    fn put_if_absent<'a>(
        &'a self,
        _: &'a str,
        _: &'a [u8],
        _: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async { Err(StoreError::Unavailable("connection refused".into())) }.boxed()
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        _: Option<&'a [u8]>,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.put_if_absent(key, value, life)
    }

    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        async { Err(StoreError::Unavailable("connection refused".into())) }.boxed()
    }

    fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.get(key)
    }
}

#[tokio::test]
async fn se_11_a_session_that_cannot_be_looked_up_is_a_503_and_its_cookie_is_kept() {
    let sign_in = portal().with_store(Away).build().unwrap();
    let cookie = guest(&sign_in).await;
    let layer = sign_in.identity_layer();
    for layer in [layer.clone(), layer.clone().optional(), layer.delegating()] {
        let (service, inner) = over(layer.with_sign_in_page("/"));
        let headers = [("cookie", &*cookie), ("sec-fetch-mode", "navigate")];
        let answer = send(&service, get(&headers)).await;
        assert_eq!(answer.refused(503, None).header("retry-after"), Some("5"));
        assert_eq!((answer.header("set-cookie"), inner.calls()), (None, 0));
    }
}

#[tokio::test]
async fn a_layer_without_sessions_does_not_know_their_cookies() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let verifier = tower_identity::verify::JwtVerifier::new([sign_in.tokens().as_issuer()]);
    let (service, _) = over(IdentityLayer::new(verifier.unwrap()));
    send(&service, get(&[("cookie", &cookie)]))
        .await
        .refused(401, Some(BARE));
}
