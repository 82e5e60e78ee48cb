//! What a request may present, and what becomes of it.

use std::sync::atomic::Ordering;

use tower_identity::identity::Restriction;
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::{ApiKey, BearerKeyLayer};

use super::support::{get, request, send};
use super::{AMBIGUOUS, BARE, FORBIDDEN, INVALID, X_API_KEY, bearer, counting, keys, over};

#[tokio::test]
async fn ak_13_a_key_in_two_headers_is_a_400_and_nothing_is_verified() {
    let (verifier, verified) = counting();
    let (service, inner) = over(BearerKeyLayer::new(verifier).with_header(X_API_KEY));
    for headers in [
        &[("x-api-key", "one"), ("authorization", "Bearer two")][..],
        &[("x-api-key", "one"), ("authorization", "Bearer one")],
        &[("x-api-key", "one"), ("x-api-key", "two")],
    ] {
        send(&service, get(headers))
            .await
            .refused(400, Some(AMBIGUOUS));
    }
    assert_eq!((verified.load(Ordering::SeqCst), inner.calls()), (0, 0));
    // Each by itself is good, and gone afterwards.
    for headers in [("x-api-key", "one"), ("authorization", "Bearer one")] {
        let answer = send(&service, get(&[headers])).await;
        answer.passed("robot");
        assert_eq!(
            (answer.saw("x-api-key"), answer.saw("authorization")),
            (None, None)
        );
    }
}

#[tokio::test]
async fn ex_14_a_named_header_holds_one_token_and_nothing_else() {
    let (verifier, verified) = counting();
    let (service, _) = over(BearerKeyLayer::new(verifier).with_header(X_API_KEY));
    for value in ["Bearer one", "a b", "", "one,two", "%"] {
        send(&service, get(&[("x-api-key", value)]))
            .await
            .refused(401, Some(INVALID));
    }
    assert_eq!(verified.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_header_that_was_not_named_is_no_credential() {
    let (verifier, _) = counting();
    let (service, _) = over(BearerKeyLayer::new(verifier));
    send(&service, get(&[("x-api-key", "one")]))
        .await
        .refused(401, Some(BARE));
}

#[tokio::test]
async fn ex_05_ak_12_a_key_in_the_query_is_no_credential() {
    let keys = keys();
    let (service, _) = over(BearerKeyLayer::new(keys.set.clone()));
    let uri = format!("/x?access_token={0}&api_key={0}", keys.good.expose());
    let answer = send(&service, request("GET", &uri, &[])).await;
    answer.refused(401, Some(BARE));
    assert!(!answer.body.contains(keys.good.expose()));
}

#[tokio::test]
async fn ex_03_the_scheme_is_case_insensitive() {
    let keys = keys();
    let (service, _) = over(BearerKeyLayer::new(keys.set.clone()));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let line = format!("{scheme} {}", keys.good.expose());
        send(&service, get(&[("authorization", &line)]))
            .await
            .passed("ci");
    }
}

#[tokio::test]
async fn ex_04_ex_08_ex_10_a_malformed_credential_is_not_an_absent_one() {
    let (verifier, verified) = counting();
    let (service, inner) = over(BearerKeyLayer::new(verifier).optional());
    let long = bearer(&"a".repeat(17 * 1024));
    let lines: [&[u8]; 7] = [
        b"Bearer",
        b"Bearer ",
        b"Bearer a b",
        b"Bearer\ta",
        b"Bearer %zz",
        b"Bearer \xff\xfe",
        long.as_bytes(),
    ];
    for line in lines {
        let mut request = get(&[]);
        let value = http::HeaderValue::from_bytes(line).unwrap();
        request.headers_mut().insert("authorization", value);
        send(&service, request).await.refused(401, Some(INVALID));
    }
    assert_eq!((verified.load(Ordering::SeqCst), inner.calls()), (0, 0));
}

#[tokio::test]
async fn px_15_ak_14_the_key_is_gone_before_the_inner_service_unless_it_is_to_be_forwarded() {
    let keys = keys();
    let line = bearer(keys.good.expose());
    let layer = BearerKeyLayer::new(keys.set.clone()).with_header(X_API_KEY);
    let (service, _) = over(layer.clone());
    let answer = send(&service, get(&[("authorization", &line)])).await;
    assert_eq!(answer.passed("ci").saw("authorization"), None);
    // The header that was not used, and holds no bearer token, is somebody else's.
    let headers = [
        ("x-api-key", keys.good.expose()),
        ("authorization", "Basic YTpi"),
    ];
    let answer = send(&service, get(&headers)).await;
    assert_eq!(answer.passed("ci").saw("x-api-key"), None);
    assert_eq!(answer.saw("authorization"), Some("Basic YTpi"));

    let (service, _) = over(layer.forward_credentials());
    let answer = send(&service, get(&[("authorization", &line)])).await;
    assert_eq!(answer.passed("ci").saw("authorization"), Some(&*line));
    let answer = send(&service, get(&[("x-api-key", keys.good.expose())])).await;
    assert_eq!(
        answer.passed("ci").saw("x-api-key"),
        Some(keys.good.expose())
    );
}

#[tokio::test]
async fn ak_07_a_restricted_key_is_forbidden_wherever_it_was_not_restricted_to() {
    let key = ApiKey::generate("tid");
    let record = |only: Vec<Restriction>| {
        KeyRecord::new(key.digest(), key.id(), "ci").with_restrictions(only)
    };
    let catalog = || {
        vec![
            Restriction::to_plugin("search"),
            Restriction::to_plugin("catalog"),
        ]
    };
    for (only, plugin, passes) in [
        (catalog(), Some("catalog"), true),
        (catalog(), Some("search"), true),
        (catalog(), Some("scaffolder"), false),
        (catalog(), Some("Catalog"), false),
        (catalog(), Some("cat"), false),
        (catalog(), Some(""), false),
        (catalog(), None, false),
        // An empty list allows nothing.
        (vec![], Some("catalog"), false),
        (vec![], None, false),
    ] {
        let case = format!("{only:?} at {plugin:?}");
        let mut layer = BearerKeyLayer::new(ApiKeys::new([record(only)]).unwrap());
        if let Some(plugin) = plugin {
            layer = layer.for_plugin(plugin);
        }
        let (service, inner) = over(layer);
        let answer = send(&service, get(&[("authorization", &bearer(key.expose()))])).await;
        if passes {
            answer.passed("ci");
        } else {
            answer.refused(403, Some(FORBIDDEN));
            assert!(answer.body.contains("NotAllowedError"), "{}", answer.body);
        }
        assert_eq!(inner.calls(), usize::from(passes), "{case}");
    }
}

#[tokio::test]
async fn ak_09_two_live_keys_prove_one_subject_until_the_old_one_ends() {
    use tower_identity::clock::{Clock, Timestamp};
    let (old, new) = (ApiKey::generate("tid"), ApiKey::generate("tid"));
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_000_000));
    let keys = ApiKeys::new([
        KeyRecord::new(old.digest(), "ci-2026", "ci").with_expiry(Timestamp::from_unix(1_086_400)),
        KeyRecord::new(new.digest(), "ci-2027", "ci"),
    ]);
    let (service, _) = over(BearerKeyLayer::new(keys.unwrap().with_clock(clock)));
    let ask =
        async |key: &ApiKey| send(&service, get(&[("authorization", &bearer(key.expose()))])).await;
    ask(&old).await.passed("ci");
    ask(&new).await.passed("ci");
    hand.advance(std::time::Duration::from_secs(86_399));
    ask(&old).await.passed("ci");
    hand.advance(std::time::Duration::from_secs(1));
    ask(&old).await.refused(401, Some(INVALID));
    ask(&new).await.passed("ci");
}

#[tokio::test]
async fn ak_05_unknown_expired_and_broken_keys_are_answered_byte_for_byte_alike() {
    let keys = keys();
    let (service, _) = over(BearerKeyLayer::new(keys.set.clone()));
    let mut answers = Vec::new();
    for key in [
        keys.unknown.expose(),
        keys.expired.expose(),
        &keys.broken(),
        "some-other-token",
    ] {
        let answer = send(&service, get(&[("authorization", &bearer(key))])).await;
        answers.push((answer.status, answer.headers, answer.body));
    }
    for answer in &answers[1..] {
        assert_eq!(*answer, answers[0]);
    }
}

#[tokio::test]
async fn the_reason_is_for_the_operator_and_not_for_the_caller() {
    let keys = keys();
    let (service, _) = over(BearerKeyLayer::new(keys.set.clone()));
    for (key, reason) in [
        (keys.expired.expose(), keys.expired.id()),
        (&*keys.broken(), "checksum"),
        (keys.unknown.expose(), "nobody here knows"),
    ] {
        let answer = send(&service, get(&[("authorization", &bearer(key))])).await;
        let rejection = answer.rejection.as_ref().unwrap();
        assert!(rejection.reason().contains(reason), "{rejection}");
        assert!(!answer.body.contains(reason), "{}", answer.body);
    }
}
