//! Session cookies, alone and beside a bearer token.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tower::Layer as _;
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::identity::EntityRef;
use tower_identity::layer::IdentityService;
use tower_identity::sign_in::SignIn;
use tower_identity::store::{Store, StoreError};
use tower_identity::{IdentityLayer, OAuthCallbackLayer};

use super::portal::{GUEST, ORIGIN, guest, portal};
use super::support::{Echo, get, request, send};
use super::{BARE, INVALID, bearer, over};

fn protect(sign_in: &SignIn) -> (IdentityService<Echo>, Echo) {
    over(sign_in.identity_layer())
}

#[tokio::test]
async fn px_15_a_session_cookie_proves_its_person_and_is_gone_before_the_inner_service() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let (service, _) = protect(&sign_in);
    let line = format!("theme=dark; {cookie}; lang=en");
    let answer = send(&service, get(&[("cookie", &line)])).await;
    assert_eq!(
        answer.passed(GUEST).saw("cookie"),
        Some("theme=dark; lang=en")
    );
    let answer = send(&service, get(&[("cookie", &cookie)])).await;
    assert_eq!(answer.passed(GUEST).saw("cookie"), None);
    // A cookie's proof leaves a header of another scheme alone.
    let headers = [("cookie", &*cookie), ("authorization", "Basic YTpi")];
    let answer = send(&service, get(&headers)).await;
    assert_eq!(
        answer.passed(GUEST).saw("authorization"),
        Some("Basic YTpi")
    );

    let (service, _) = over(sign_in.identity_layer().forward_credentials());
    let answer = send(&service, get(&[("cookie", &cookie)])).await;
    assert_eq!(answer.passed(GUEST).saw("cookie"), Some(&*cookie));
}

#[tokio::test]
async fn ex_02_a_bearer_token_beside_a_session_cookie_decides_alone() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let (service, inner) = protect(&sign_in);
    let ada = EntityRef::parse("user:default/ada").unwrap();
    let token = sign_in.tokens().mint_user(&ada, &[]).unwrap();
    let good = bearer(token.expose());
    for cookie in [&*cookie, "tid-session=junk"] {
        let answer = send(
            &service,
            get(&[("authorization", &good), ("cookie", cookie)]),
        )
        .await;
        answer.passed("user:default/ada");
        assert_eq!(
            (answer.saw("authorization"), answer.saw("cookie")),
            (None, None)
        );
    }
    let calls = inner.calls();
    for bad in [
        "Bearer x",
        "Bearer a.b.c",
        "Bearer",
        "Bearer a b",
        &good[..good.len() - 2],
    ] {
        let headers = [("authorization", bad), ("cookie", &*cookie)];
        send(&service, get(&headers))
            .await
            .refused(401, Some(INVALID));
    }
    assert_eq!(inner.calls(), calls);
}

#[tokio::test]
async fn se_17_a_cookie_counts_on_an_unsafe_method_only_for_our_own_pages() {
    let sign_in = portal()
        .add_allowed_origin("https://docs.example.com")
        .build()
        .unwrap();
    let cookie = guest(&sign_in).await;
    let (service, inner) = protect(&sign_in);
    let docs = "https://docs.example.com";
    for (site, origin, passes) in [
        (Some("same-origin"), Some(ORIGIN), true),
        (Some("same-origin"), None, true),
        (Some("none"), None, true),
        (Some("same-site"), None, false),
        (Some("cross-site"), None, false),
        (Some("cross-site"), Some("https://evil.example"), false),
        (Some("same-site"), Some("https://evil.example"), false),
        (Some("cross-site"), Some("null"), false),
        (Some("cross-site"), Some(docs), true),
        (Some("same-site"), Some(docs), true),
        (Some("SAME-ORIGIN"), None, false),
        (Some(""), None, false),
        (None, Some(ORIGIN), true),
        (None, Some(docs), true),
        (None, Some("https://127.0.0.1:7007"), false),
        (None, Some("http://127.0.0.1:7008"), false),
        (None, Some("http://127.0.0.1"), false),
        (None, Some("http://127.0.0.1:7007.evil.example"), false),
        (None, Some("http://docs.example.com"), false),
        (None, Some("https://docs.example.com/"), false),
        (None, Some("null"), false),
        (None, Some(""), false),
        (None, None, false),
    ] {
        let mut headers = vec![("cookie", &*cookie)];
        headers.extend(site.map(|site| ("sec-fetch-site", site)));
        headers.extend(origin.map(|origin| ("origin", origin)));
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "get"] {
            let before = inner.calls();
            let answer = send(&service, request(method, "/x", &headers)).await;
            let case = format!("{method} {site:?} {origin:?}");
            assert_eq!(answer.status, if passes { 200 } else { 403 }, "{case}");
            if passes {
                answer.passed(GUEST);
            } else {
                answer.refused(403, None);
            }
            assert_eq!(inner.calls() - before, usize::from(passes), "{case}");
        }
        // A safe method counts from anywhere: it changes nothing, and its answer stays unread.
        send(&service, request("GET", "/x", &headers))
            .await
            .passed(GUEST);
        // But not when it opens a connection that the other page can read and write.
        headers.extend([("connection", "upgrade"), ("upgrade", "websocket")]);
        let answer = send(&service, request("GET", "/x", &headers)).await;
        assert_eq!(
            answer.status,
            if passes { 200 } else { 403 },
            "{site:?} {origin:?}"
        );
    }
}

#[tokio::test]
async fn se_17_a_bearer_token_is_not_sent_by_another_sites_page() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let (service, _) = protect(&sign_in);
    let ada = EntityRef::parse("user:default/ada").unwrap();
    let token = bearer(sign_in.tokens().mint_user(&ada, &[]).unwrap().expose());
    let headers = [
        ("authorization", &*token),
        ("cookie", &cookie),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://elsewhere.example"),
    ];
    send(&service, request("POST", "/x", &headers))
        .await
        .passed("user:default/ada");
}

#[tokio::test]
async fn ex_11_a_cookie_that_proves_nothing_is_refused_even_where_none_is_needed() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let cut = &cookie[..cookie.len() - 4];
    let flipped = format!(
        "{cut}{}",
        if cookie.ends_with("AAAA") {
            "BBBB"
        } else {
            "AAAA"
        }
    );
    let layer = sign_in.identity_layer();
    for line in [
        cut,
        &flipped,
        "tid-session=",
        "tid-session=junk",
        "tid-session.0=junk",
    ] {
        for layer in [layer.clone(), layer.clone().optional()] {
            let (service, inner) = over(layer);
            send(&service, get(&[("cookie", line)]))
                .await
                .refused(401, Some(INVALID));
            assert_eq!(inner.calls(), 0);
        }
        // Delegating, it is for the next layer to say.
        let (service, _) = over(layer.clone().delegating());
        let answer = send(&service, get(&[("cookie", line)])).await;
        assert_eq!(answer.passed("nobody").saw("cookie"), Some(line));
    }
    let (service, _) = over(layer.optional());
    send(&service, get(&[])).await.passed("nobody");
    send(&service, get(&[("cookie", &cookie)]))
        .await
        .passed(GUEST);
}

#[tokio::test]
async fn se_02_se_03_a_planted_cookie_neither_hides_the_session_nor_replaces_it() {
    let sign_in = portal().build().unwrap();
    let (one, two) = (guest(&sign_in).await, guest(&sign_in).await);
    let (service, _) = protect(&sign_in);
    for line in [
        format!("tid-session=junk; {one}"),
        format!("{one}; tid-session=junk"),
        format!("tid-session.0=junk; {one}"),
    ] {
        send(&service, get(&[("cookie", &line)]))
            .await
            .passed(GUEST);
    }
    // Two that both open: which one the person meant is a guess.
    let both = format!("{one}; {two}");
    send(&service, get(&[("cookie", &both)]))
        .await
        .refused(400, Some(super::AMBIGUOUS));
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
    let portal = OAuthCallbackLayer::new(sign_in.clone()).layer(Echo::default());
    let headers = [
        ("cookie", &*copied),
        ("x-requested-with", "XMLHttpRequest"),
        ("origin", ORIGIN),
    ];
    let answer = send(&portal, request("POST", "/api/auth/guest/logout", &headers)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
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
async fn px_08_a_preflight_with_a_cookie_passes_without_it_and_without_an_identity() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let (service, _) = protect(&sign_in);
    let headers = [
        ("origin", "https://x.example"),
        ("access-control-request-method", "PUT"),
        ("cookie", &cookie),
    ];
    let answer = send(&service, request("OPTIONS", "/x", &headers)).await;
    assert_eq!(answer.passed("nobody").saw("cookie"), None);
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
