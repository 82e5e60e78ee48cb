//! What a request may present to either layer, and what becomes of it.

use std::sync::atomic::Ordering;

use http::HeaderValue;
use tower::ServiceBuilder;
use tower_identity::rejection::{Challenge, RejectionKind};
use tower_identity::testing;

use super::drive::{Ask, BARE, INVALID, drive, grpc, saw};
use super::judges::{Any, STANCES, Stance, both, judges};
use super::support::{get, request};

const GOOD: (&str, &str) = ("authorization", "Bearer good");

fn ask(word: &str) -> Ask {
    get(&[("authorization", &format!("Bearer {word}"))])
}

#[tokio::test]
async fn ex_01_two_authorization_lines_are_a_400_in_either_order_and_nothing_is_verified() {
    let (verifier, verified) = Any::by_the_word();
    for stance in STANCES {
        for judge in judges(verifier.clone()) {
            let mut layer = drive(stance.of(judge));
            for [first, second] in [
                ["Bearer good", "Bearer bad"],
                ["Bearer bad", "Bearer good"],
                ["Bearer good", "Bearer good"],
                ["Bearer good", "Basic YTpi"],
                ["Basic YTpi", "Bearer good"],
                ["Basic YTpi", "Basic YTpi"],
                ["Bearer good", ""],
            ] {
                let both = [("authorization", first), ("authorization", second)];
                let turn = layer.ask(get(&both)).await;
                turn.refused(RejectionKind::InvalidRequest);
            }
        }
    }
    assert_eq!(verified.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn ex_07_ex_13_another_scheme_is_no_credential_of_ours_and_left_alone() {
    let (verifier, verified) = Any::by_the_word();
    for stance in STANCES {
        for judge in judges(verifier.clone()) {
            let mut layer = drive(stance.of(judge));
            for line in ["Basic dGlkOmtleQ==", "Foo x", "DPoP abc", "Bearerx y"] {
                let turn = layer.ask(get(&[("authorization", line)])).await;
                if stance == Stance::Required {
                    turn.refused(RejectionKind::MissingCredentials);
                } else {
                    assert_eq!(saw(turn.passed("nobody"), "authorization"), [line]);
                }
            }
        }
    }
    assert_eq!(verified.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn px_15_the_credential_is_gone_before_the_inner_service_unless_it_is_to_be_forwarded() {
    for stance in STANCES {
        for judge in judges(Any::by_the_word().0) {
            let judge = stance.of(judge);
            let headers = [GOOD, ("x-other", "1"), ("cookie", "theme=dark")];
            let ask = || request("POST", "/a?b=c", &headers);
            let mut layer = drive(judge.clone());
            let turn = layer.ask(ask()).await;
            let seen = turn.passed("robot");
            assert_eq!(saw(seen, "authorization"), [""; 0]);
            // And nothing else is gone.
            assert_eq!(
                (saw(seen, "x-other"), saw(seen, "cookie")),
                (vec!["1"], vec!["theme=dark"])
            );
            assert_eq!(
                (seen.method(), &*seen.uri().to_string()),
                (&http::Method::POST, "/a?b=c")
            );

            let mut layer = drive(both!(judge, layer => layer.forward_credentials()));
            let turn = layer.ask(ask()).await;
            assert_eq!(saw(turn.passed("robot"), "authorization"), ["Bearer good"]);
        }
    }
}

#[tokio::test]
async fn an_outer_layers_proof_is_kept_and_nothing_is_added() {
    let (verifier, verified) = Any::by_the_word();
    for stance in STANCES {
        for judge in judges(verifier.clone()) {
            let mut layer = drive(stance.of(judge));
            for word in ["good", "bad", "unknown", "down", "a b"] {
                let mut request = ask(word);
                let ada = testing::identity("user:default/ada", []).build();
                request.extensions_mut().insert(ada);
                layer.ask(request).await.passed("user:default/ada");
            }
        }
    }
    assert_eq!(verified.load(Ordering::SeqCst), 0);
    // The same with two layers: what the outer one does not know, the inner one judges.
    let (outer, inner) = (Any::by_the_word(), Any::by_the_word());
    let [keys, _] = judges(outer.0);
    let [_, identity] = judges(inner.0);
    let keys = both!(Stance::Delegating.of(keys), layer => layer.forward_credentials());
    let mut stack = drive(
        ServiceBuilder::new()
            .layer(keys)
            .layer(identity)
            .into_inner(),
    );
    stack.ask(ask("good")).await.passed("robot");
    assert_eq!(inner.1.load(Ordering::SeqCst), 0);
    stack
        .ask(ask("bad"))
        .await
        .refused(RejectionKind::InvalidToken);
    assert_eq!(
        inner.1.load(Ordering::SeqCst),
        0,
        "a bad key is never retried as something else"
    );
    stack
        .ask(ask("unknown"))
        .await
        .refused(RejectionKind::InvalidToken);
    assert_eq!(inner.1.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn ak_17_op_02_a_verifier_that_cannot_tell_is_a_503_in_every_stance() {
    for stance in STANCES {
        for judge in judges(Any::by_the_word().0) {
            let mut layer = drive(stance.of(judge));
            layer
                .ask(ask("down"))
                .await
                .refused(RejectionKind::Unavailable);
        }
    }
}

#[tokio::test]
async fn st_03_a_good_credential_that_may_not_do_this_is_a_403_in_every_stance() {
    for stance in STANCES {
        for judge in judges(Any::by_the_word().0) {
            let judge = stance.of(judge);
            let other = both!(judge.clone(), layer => layer.for_plugin("search"));
            for judge in [judge.clone(), other] {
                let turn = drive(judge).ask(ask("restricted")).await;
                turn.refused(RejectionKind::InsufficientScope);
            }
            let own = both!(judge, layer => layer.for_plugin("catalog"));
            drive(own).ask(ask("restricted")).await.passed("robot");
        }
    }
}

#[tokio::test]
async fn px_08_a_complete_preflight_passes_without_an_identity_and_an_incomplete_one_does_not() {
    for stance in STANCES {
        for judge in judges(Any::by_the_word().0) {
            let mut layer = drive(stance.of(judge));
            let origin = ("origin", "https://app.example.com");
            let method = ("access-control-request-method", "POST");
            let turn = layer.ask(request("OPTIONS", "/x", &[origin, method])).await;
            turn.passed("nobody");
            for (verb, headers) in [
                ("OPTIONS", &[origin][..]),
                ("OPTIONS", &[method]),
                ("OPTIONS", &[]),
                ("GET", &[origin, method]),
                ("POST", &[origin, method]),
                ("options", &[origin, method]),
                (
                    "POST",
                    &[("x-http-method-override", "OPTIONS"), origin, method],
                ),
            ] {
                let turn = layer.ask(request(verb, "/x", headers)).await;
                if stance == Stance::Required {
                    turn.refused(RejectionKind::MissingCredentials);
                } else {
                    turn.passed("nobody");
                }
                let bad = [&[("authorization", "Bearer bad")], headers].concat();
                let turn = layer.ask(request(verb, "/x", &bad)).await;
                turn.refused(RejectionKind::InvalidToken);
            }
        }
    }
}

#[tokio::test]
async fn px_09_a_grpc_client_is_answered_in_trailers_only() {
    for judge in judges(Any::by_the_word().0) {
        let mut layer = drive(judge);
        for (lines, status) in [
            (&[][..], "16"),
            (&["Bearer bad"], "16"),
            (&["Bearer unknown"], "16"),
            (&["Bearer down"], "14"),
            (&["Bearer restricted"], "7"),
            (&["Bearer a", "Bearer b"], "3"),
        ] {
            for kind in [
                "application/grpc",
                "application/grpc+proto",
                "application/grpc;a=b",
            ] {
                let turn = layer.ask(grpc(kind, lines)).await;
                let answer = turn.kept_back();
                assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
                assert_eq!(answer.header("grpc-status"), Some(status), "{lines:?}");
                assert_eq!(answer.header("content-type"), Some("application/grpc"));
                assert_eq!(answer.header("www-authenticate"), None);
                assert!(answer.header("grpc-message").is_some() && answer.rejection.is_some());
            }
        }
        let turn = layer.ask(grpc("application/grpc", &["Bearer good"])).await;
        turn.passed("robot");
    }
}

#[tokio::test]
async fn st_01_er_10_a_refusal_is_these_words_and_no_others() {
    for judge in judges(Any::by_the_word().0) {
        let mut layer = drive(judge);
        let turn = layer.ask(request("POST", "/api/x?token=s3cret", &[])).await;
        assert_eq!(
            turn.refused(RejectionKind::MissingCredentials).body,
            r#"{"error":{"name":"AuthenticationError","message":"Missing credentials"},"request":{"method":"POST","url":"/api/x"},"response":{"statusCode":401}}"#
        );
        let turn = layer.ask(ask("bad")).await;
        let answer = turn.refused(RejectionKind::InvalidToken);
        assert_eq!(
            answer.body,
            r#"{"error":{"name":"AuthenticationError","message":"Invalid credentials"},"request":{"method":"GET","url":"/x"},"response":{"statusCode":401}}"#
        );
        // The reason is for the operator.
        assert_eq!(
            answer.rejection.as_ref().unwrap().reason(),
            "it ended yesterday"
        );
    }
}

#[tokio::test]
async fn st_01_the_realm_is_ours_to_choose() {
    for judge in judges(Any::by_the_word().0) {
        let challenge = Challenge::new("the portal").unwrap();
        let mut layer = drive(both!(judge, layer => layer.with_challenge(challenge)));
        for (request, default) in [(get(&[]), BARE), (ask("bad"), INVALID)] {
            let turn = layer.ask(request).await;
            let said = turn.kept_back().header("www-authenticate").unwrap();
            assert_eq!(said, default.replace("tower-identity", "the portal"));
        }
    }
}

#[tokio::test]
async fn no_value_of_a_header_is_worth_a_panic() {
    for stance in STANCES {
        for judge in judges(Any::by_the_word().0) {
            let mut layer = drive(stance.of(judge));
            for name in [
                "authorization",
                "cookie",
                "origin",
                "content-type",
                "sec-fetch-mode",
            ] {
                for value in [
                    &b"\xff\xfe"[..],
                    b"",
                    b"\t",
                    &[b'='; 60_000],
                    b"Bearer \xff",
                ] {
                    let mut request = get(&[]);
                    let value = HeaderValue::from_bytes(value).unwrap();
                    request.headers_mut().insert(name, value);
                    layer.ask(request).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_clone_of_a_layer_can_be_changed_and_leaves_the_first_as_it_is() {
    for required in judges(Any::by_the_word().0) {
        let mut first = drive(required.clone());
        let mut second = drive(Stance::Optional.of(required));
        first
            .ask(get(&[]))
            .await
            .refused(RejectionKind::MissingCredentials);
        second.ask(get(&[])).await.passed("nobody");
    }
}
