//! Decisions at the edges: whose a named header is, what a preflight is, who speaks gRPC,
//! what has ended, and whom an outer proof lets into this plugin.

use std::sync::atomic::Ordering;

use http::Version;
use tower::ServiceBuilder;
use tower::util::Either;
use tower_identity::BearerKeyLayer;
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::rejection::RejectionKind::{
    InsufficientScope, InvalidRequest, InvalidToken, MissingCredentials,
};

use super::drive::{drive, grpc, saw};
use super::judges::{Any, Judge, STANCES, Stance, both, judges};
use super::portal::{GUEST, guest, portal};
use super::support::{get, request};

const ORIGIN: (&str, &str) = ("origin", "https://app.example.com");
const METHOD: (&str, &str) = ("access-control-request-method", "PUT");

/// A layer of keys that also reads `x-api-key`.
fn named(stance: Stance) -> Judge {
    let layer = BearerKeyLayer::new(Any::by_the_word().0);
    stance.of(Either::Left(
        layer.with_header("x-api-key".parse().unwrap()),
    ))
}

/// `IdentityLayer` of a portal in one stance.
macro_rules! identity {
    ($sign_in:expr, $stance:expr) => {
        match $stance {
            Stance::Required => $sign_in.identity_layer(),
            Stance::Optional => $sign_in.identity_layer().optional(),
            Stance::Delegating => $sign_in.identity_layer().delegating(),
        }
    };
}

#[tokio::test]
async fn ak_13_what_stands_in_the_named_header_is_for_this_layer_alone_to_judge() {
    for stance in STANCES {
        let mut layer = drive(named(stance));
        // Nobody inside reads that header: what is not known here is known nowhere.
        for value in ["unknown", "bad", "a b", "", "Bearer good", "one,two"] {
            let turn = layer.ask(get(&[("x-api-key", value)])).await;
            turn.refused(InvalidToken);
        }
        let turn = layer.ask(get(&[("x-api-key", "good")])).await;
        assert_eq!(saw(turn.passed("robot"), "x-api-key"), [""; 0]);
        // And the usual header is the next layer's as before.
        let turn = layer.ask(get(&[("authorization", "Bearer unknown")])).await;
        match stance {
            Stance::Delegating => drop(turn.passed("nobody")),
            _ => drop(turn.refused(InvalidToken)),
        }
    }
}

#[tokio::test]
async fn ak_13_both_headers_are_a_400_before_either_is_read() {
    for stance in STANCES {
        let mut layer = drive(named(stance));
        for key in ["good", "unknown", "a b", ""] {
            for line in ["Bearer good", "Bearer unknown", "Bearer a b", "Bearer"] {
                let headers = [("x-api-key", key), ("authorization", line)];
                let turn = layer.ask(get(&headers)).await;
                turn.refused(InvalidRequest);
            }
        }
        let twice = [("x-api-key", "good"), ("x-api-key", "a b")];
        layer.ask(get(&twice)).await.refused(InvalidRequest);
    }
}

#[tokio::test]
async fn px_08_a_preflight_has_one_origin_and_one_method_and_passes_with_nothing_of_its_sender() {
    let (verifier, verified) = Any::by_the_word();
    for judge in judges(verifier) {
        let mut layer = drive(judge);
        for headers in [
            &[ORIGIN, METHOD][..],
            &[("origin", "null"), METHOD],
            &[
                ORIGIN,
                METHOD,
                ("access-control-request-headers", "authorization"),
            ],
            &[ORIGIN, METHOD, ("cookie", "theme=dark")],
        ] {
            let turn = layer.ask(request("OPTIONS", "/x", headers)).await;
            turn.passed("nobody");
        }
        for headers in [
            &[ORIGIN, ORIGIN, METHOD][..],
            &[("origin", ""), METHOD],
            &[ORIGIN, ("access-control-request-method", "")],
            &[ORIGIN, ("access-control-request-method", "P UT")],
            &[ORIGIN, ("access-control-request-method", "PUT, GET")],
            &[ORIGIN, METHOD, METHOD],
            &[ORIGIN, METHOD, ("upgrade", "websocket")],
        ] {
            let turn = layer.ask(request("OPTIONS", "/x", headers)).await;
            turn.refused(MissingCredentials);
        }
        // Whoever sends a credential along is not a browser: nothing of it goes on, and nobody is asked.
        for line in ["Bearer good", "Bearer bad", "Bearer unknown", "Bearer a b"] {
            let headers = [ORIGIN, METHOD, ("authorization", line)];
            let turn = layer.ask(request("OPTIONS", "/x", &headers)).await;
            assert_eq!(saw(turn.passed("nobody"), "authorization"), [""; 0]);
        }
    }
    assert_eq!(verified.load(Ordering::SeqCst), 0);
    for stance in STANCES {
        let headers = [ORIGIN, METHOD, ("x-api-key", "good")];
        let mut layer = drive(named(stance));
        let turn = layer.ask(request("OPTIONS", "/x", &headers)).await;
        assert_eq!(saw(turn.passed("nobody"), "x-api-key"), [""; 0]);
    }
}

#[tokio::test]
async fn px_08_a_preflight_with_a_session_cookie_passes_without_it_in_every_stance() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    for stance in STANCES {
        let mut layer = drive(identity!(sign_in, stance));
        for cookie in [&*cookie, "tid-session=junk"] {
            let line = format!("theme=dark; {cookie}");
            let headers = [ORIGIN, METHOD, ("cookie", &line)];
            let turn = layer.ask(request("OPTIONS", "/x", &headers)).await;
            assert_eq!(saw(turn.passed("nobody"), "cookie"), ["theme=dark"]);
        }
    }
}

#[tokio::test]
async fn px_09_only_a_post_over_http_2_with_its_content_type_is_grpc() {
    for judge in judges(Any::by_the_word().0) {
        let mut layer = drive(judge);
        for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11] {
            let mut request = grpc("application/grpc", &["Bearer bad"]);
            *request.version_mut() = version;
            layer.ask(request).await.refused(InvalidToken);
        }
        for method in ["GET", "PUT", "OPTIONS", "HEAD"] {
            let mut request = grpc("application/grpc", &["Bearer bad"]);
            *request.method_mut() = method.parse().unwrap();
            layer.ask(request).await.refused(InvalidToken);
        }
        for kind in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpcx",
            "application/json",
        ] {
            let turn = layer.ask(grpc(kind, &["Bearer bad"])).await;
            turn.refused(InvalidToken);
        }
        let mut bare = grpc("application/grpc", &["Bearer bad"]);
        bare.headers_mut().remove("content-type");
        layer.ask(bare).await.refused(InvalidToken);
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc; charset=x",
        ] {
            let turn = layer.ask(grpc(kind, &["Bearer bad"])).await;
            assert_eq!(turn.kept_back().header("grpc-status"), Some("16"), "{kind}");
        }
    }
}

#[tokio::test]
async fn se_13_a_session_that_has_ended_is_a_401_in_every_stance() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let sign_in = portal().with_clock(clock).build().unwrap();
    let cookie = guest(&sign_in).await;
    hand.advance(std::time::Duration::from_secs(12 * 3600));
    for stance in STANCES {
        let mut layer = drive(identity!(sign_in, stance));
        layer
            .ask(get(&[("cookie", &cookie)]))
            .await
            .refused(InvalidToken);
    }
}

#[tokio::test]
async fn se_02_two_sessions_that_both_open_are_a_400_in_every_stance() {
    let sign_in = portal().build().unwrap();
    let (one, two) = (guest(&sign_in).await, guest(&sign_in).await);
    for stance in STANCES {
        let mut layer = drive(identity!(sign_in, stance));
        for line in [format!("{one}; {two}"), format!("{two}; {one}; a=b")] {
            layer
                .ask(get(&[("cookie", &line)]))
                .await
                .refused(InvalidRequest);
        }
        let lines = [("cookie", &*one), ("cookie", &two)];
        layer.ask(get(&lines)).await.refused(InvalidRequest);
        // The same one twice is one.
        let line = format!("{one}; {one}");
        layer.ask(get(&[("cookie", &line)])).await.passed(GUEST);
    }
}

#[tokio::test]
async fn ak_07_an_outer_proof_is_measured_again_by_the_plugin_inside() {
    let ask = |word: &str| get(&[("authorization", &format!("Bearer {word}"))]);
    for stance in STANCES {
        let [outer, _] = judges(Any::by_the_word().0);
        for inner in judges(Any::by_the_word().0) {
            // Keys inside keys, and the identity layer inside keys.
            let outer =
                both!(Stance::Delegating.of(outer.clone()), layer => layer.for_plugin("catalog"));
            let other = both!(stance.of(inner.clone()), layer => layer.for_plugin("search"));
            let mut stack = drive(
                ServiceBuilder::new()
                    .layer(outer.clone())
                    .layer(other)
                    .into_inner(),
            );
            stack
                .ask(ask("restricted"))
                .await
                .refused(InsufficientScope);
            stack.ask(ask("good")).await.passed("robot");
            let same = both!(stance.of(inner.clone()), layer => layer.for_plugin("catalog"));
            let mut stack = drive(
                ServiceBuilder::new()
                    .layer(outer.clone())
                    .layer(same)
                    .into_inner(),
            );
            stack.ask(ask("restricted")).await.passed("robot");
            // Without a name of its own it is none of those: closed, not open.
            let unnamed = stance.of(inner);
            let mut stack = drive(
                ServiceBuilder::new()
                    .layer(outer)
                    .layer(unnamed)
                    .into_inner(),
            );
            stack
                .ask(ask("restricted"))
                .await
                .refused(InsufficientScope);
        }
    }
}
