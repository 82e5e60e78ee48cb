//! Every cell of the table of stances.

use tower_identity::BearerKeyLayer;
use tower_identity::verify::ApiKeys;

use super::support::{get, send};
use super::{BARE, INVALID, bearer, keys, over};

#[derive(Clone, Copy, Debug)]
enum Expected {
    Passes(&'static str),
    Refused(&'static str),
}

async fn check(stance: fn(BearerKeyLayer<ApiKeys>) -> BearerKeyLayer<ApiKeys>, row: [Expected; 5]) {
    let keys = keys();
    let broken = keys.broken();
    let (service, inner) = over(stance(BearerKeyLayer::new(keys.set.clone())));
    let credentials = [
        ("none", None),
        ("unknown", Some(keys.unknown.expose())),
        ("expired", Some(keys.expired.expose())),
        ("broken", Some(&*broken)),
        ("good", Some(keys.good.expose())),
    ];
    for ((name, key), expected) in credentials.into_iter().zip(row) {
        let line = key.map(bearer);
        let headers: Vec<_> = line.iter().map(|line| ("authorization", &**line)).collect();
        let before = inner.calls();
        let answer = send(&service, get(&headers)).await;
        match expected {
            Expected::Passes(caller) => {
                answer.passed(caller);
                // What nobody has judged goes on to the next layer; what was judged does not.
                let seen = line.as_deref().filter(|_| caller == "nobody");
                assert_eq!(answer.saw("authorization"), seen, "{name}");
            }
            Expected::Refused(challenge) => {
                answer.refused(401, Some(challenge));
            }
        }
        let called = usize::from(matches!(expected, Expected::Passes(_)));
        assert_eq!(inner.calls() - before, called, "{name}: {answer:?}");
    }
}

use Expected::{Passes, Refused};

#[tokio::test]
async fn ex_12_required_refuses_none_with_a_bare_challenge_and_all_else_as_invalid() {
    let row = [
        Refused(BARE),
        Refused(INVALID),
        Refused(INVALID),
        Refused(INVALID),
        Passes("ci"),
    ];
    check(|layer| layer, row).await;
}

#[tokio::test]
async fn ex_11_optional_lets_none_pass_and_never_a_credential_that_proves_nothing() {
    let row = [
        Passes("nobody"),
        Refused(INVALID),
        Refused(INVALID),
        Refused(INVALID),
        Passes("ci"),
    ];
    check(BearerKeyLayer::optional, row).await;
}

#[tokio::test]
async fn delegating_passes_on_what_it_does_not_know_and_refuses_what_it_knows_is_bad() {
    let row = [
        Passes("nobody"),
        Passes("nobody"),
        Refused(INVALID),
        Refused(INVALID),
        Passes("ci"),
    ];
    check(BearerKeyLayer::delegating, row).await;
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

#[tokio::test]
async fn a_clone_of_a_layer_can_be_changed_and_leaves_the_first_as_it_is() {
    let keys = keys();
    let required = BearerKeyLayer::new(keys.set.clone());
    let optional = required.clone().optional();
    let (first, second) = (over(required).0, over(optional).0);
    send(&first, get(&[])).await.refused(401, Some(BARE));
    send(&second, get(&[])).await.passed("nobody");
}
