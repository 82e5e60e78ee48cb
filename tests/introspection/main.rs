//! Opaque tokens, by asking whoever issued them (RFC 7662): a real provider's, and those of a server that says whatever a
//! test makes it say.
#![cfg(feature = "testing")]

#[path = "../support/echo.rs"]
#[allow(dead_code)]
mod echo;
mod scripted;
#[path = "../support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::time::Duration;

use serde_json::{Value, json};
use tower::Layer as _;
use tower_identity::IdentityLayer;
use tower_identity::clock::{Clock, ClockHand, Timestamp};
use tower_identity::layer::IdentityService;
use tower_identity::testing::Provider;
use tower_identity::verify::introspection::IntrospectionBuilder;
use tower_identity::verify::{Introspection, Issuer, JwtVerifier};

use self::echo::Echo;
use self::scripted::Server;
use self::support::{Answer, get, send};

const INVALID: &str = "Bearer realm=\"tower-identity\", error=\"invalid_token\"";
const ISSUER: &str = "https://login.example.com";
const API: &str = "https://api.example.com";
const NOW: u64 = 1_800_000_000;

/// A service whose tokens this server is asked about.
struct World {
    service: IdentityService<Echo, Introspection>,
    server: Server,
    hand: ClockHand,
}

impl World {
    async fn start(change: impl FnOnce(IntrospectionBuilder) -> IntrospectionBuilder) -> Self {
        let server = Server::start().await;
        let (clock, hand) = Clock::manual(Timestamp::from_unix(NOW));
        Self {
            service: service(&server, clock, change),
            server,
            hand,
        }
    }

    async fn ask(&self, token: &str) -> Answer {
        ask(&self.service, token).await
    }
}

fn service(
    server: &Server,
    clock: Clock,
    change: impl FnOnce(IntrospectionBuilder) -> IntrospectionBuilder,
) -> IdentityService<Echo, Introspection> {
    let builder = Introspection::builder(ISSUER, API)
        .with_endpoint(format!("{}/introspect", server.url))
        .with_client("the client", "a:secret")
        .with_clock(clock);
    IdentityLayer::new(change(builder).build().unwrap()).layer(Echo::default())
}

async fn ask(service: &IdentityService<Echo, Introspection>, token: &str) -> Answer {
    let header = format!("Bearer {token}");
    send(service, get(&[("authorization", &header)])).await
}

/// What an honest issuer says of Ada's token.
fn active(more: Value) -> Value {
    let mut answer = json!({
        "active": true, "iss": ISSUER, "sub": "user-ada", "aud": [API, "https://other.example.com"], "client_id": "app",
        "scope": "read write", "token_type": "Bearer", "exp": NOW + 3600, "iat": NOW - 10, "nbf": NOW - 10,
    });
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(answer.as_object_mut().unwrap().remove(name)),
            value => answer[name] = value.clone(),
        }
    }
    answer
}

#[tokio::test]
async fn a_token_that_its_issuer_calls_active_proves_whose_it_is() {
    let world = World::start(|builder| builder).await;
    world.server.says(200, &active(json!({})));
    world.ask("opaque").await.passed("user-ada");
    let question = world.server.asked().remove(0);
    assert_eq!(question.form, "token=opaque&token_type_hint=access_token");
    // `the+client:a%3Asecret`
    assert_eq!(question.authorization, "Basic dGhlK2NsaWVudDphJTNBc2VjcmV0");
    assert_eq!(question.content_type, "application/x-www-form-urlencoded");

    let machines = World::start(|builder| builder.with_service_subjects("external:")).await;
    machines.server.says(200, &active(json!({})));
    machines.ask("opaque").await.passed("external:user-ada");
    machines.server.says(200, &active(json!({ "sub": null })));
    machines.ask("another").await.passed("external:app");
}

#[tokio::test]
async fn in_01_only_true_is_active_and_only_false_is_not() {
    let world = World::start(|builder| builder).await;
    world.server.says(200, &json!({ "active": false }));
    world.ask("inactive").await.refused(401, Some(INVALID));
    world.server.says(200, &active(json!({ "active": false })));
    world
        .ask("inactive-and-talkative")
        .await
        .refused(401, Some(INVALID));
    for (i, answer) in [
        json!({}),
        json!({ "active": "true" }),
        json!({ "active": 1 }),
        json!({ "active": null }),
        json!({ "active": [true] }),
        json!([{ "active": true }]),
        json!(true),
        json!("active"),
    ]
    .into_iter()
    .enumerate()
    {
        let world = World::start(|builder| builder).await;
        world.server.says(200, &answer);
        let refused = world.ask(&format!("t{i}")).await;
        refused.refused(503, None);
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    for (i, (status, body)) in [
        (200, r#"{"active":true,"active":false}"#),
        (200, r#"{"active":false,"active":true}"#),
        (200, "<html>"),
        (200, ""),
        (204, ""),
        (401, r#"{"error":"invalid_client"}"#),
        (403, r#"{"active":true}"#),
        (500, r#"{"active":true}"#),
        (302, r#"{"active":true}"#),
    ]
    .into_iter()
    .enumerate()
    {
        let world = World::start(|builder| builder).await;
        world.server.says_text(status, body);
        world.ask(&format!("u{i}")).await.refused(503, None);
    }
}

#[tokio::test]
async fn in_02_what_is_said_of_an_active_token_is_judged_here_as_well() {
    let world = World::start(|builder| builder).await;
    for (i, flaw) in [
        json!({ "exp": NOW }),
        json!({ "exp": NOW - 1 }),
        json!({ "exp": "later" }),
        json!({ "nbf": NOW + 61 }),
        json!({ "iat": NOW + 61 }),
        json!({ "exp": null, "nbf": NOW + 61 }),
        json!({ "exp": null, "iat": "x" }),
        json!({ "aud": null }),
        json!({ "aud": [] }),
        json!({ "aud": "https://other.example.com" }),
        json!({ "aud": [API, 7] }),
        json!({ "aud": format!("{API}/") }),
        json!({ "iss": "https://elsewhere.example.com" }),
        json!({ "iss": [ISSUER] }),
        json!({ "token_type": "DPoP" }),
        json!({ "token_type": "refresh_token" }),
        json!({ "token_type": 1 }),
        json!({ "cnf": { "jkt": "x" } }),
        json!({ "sub": null }),
        json!({ "sub": " " }),
        json!({ "sub": 7 }),
        json!({ "sub": "a\u{0}b" }),
        json!({ "scope": ["read"] }),
    ]
    .into_iter()
    .enumerate()
    {
        world.server.says(200, &active(flaw.clone()));
        let token = format!("t{i}");
        world.ask(&token).await.refused(401, Some(INVALID));
        // And the same by what is remembered.
        world.ask(&token).await.refused(401, Some(INVALID));
        let again = world.server.asked().len();
        assert_eq!(
            again,
            1 + usize::from(flaw.get("exp").is_some_and(|exp| !exp.is_null())),
            "{flaw}"
        );
    }
    for (i, fine) in [
        json!({ "exp": null }),
        json!({ "iss": null }),
        json!({ "token_type": null }),
        json!({ "token_type": "bearer" }),
        json!({ "aud": API }),
        json!({ "nbf": NOW + 60 }),
        json!({ "scope": null }),
    ]
    .into_iter()
    .enumerate()
    {
        world.server.says(200, &active(fine));
        world.ask(&format!("f{i}")).await.passed("user-ada");
    }
    let anybody = World::start(IntrospectionBuilder::dangerously_accept_any_audience).await;
    anybody.server.says(200, &active(json!({ "aud": null })));
    anybody.ask("t").await.passed("user-ada");
}

#[tokio::test]
async fn in_03_in_07_an_answer_is_judged_again_and_ends_with_the_token() {
    let world = World::start(|builder| builder.remember_for(Duration::from_secs(60))).await;
    world.server.says(200, &active(json!({ "exp": NOW + 30 })));
    for _ in 0..5 {
        world.ask("t").await.passed("user-ada");
    }
    assert_eq!(world.server.asked().len(), 1);
    world.hand.advance(Duration::from_secs(29));
    world.ask("t").await.passed("user-ada");
    assert_eq!(world.server.asked().len(), 0);
    world.hand.advance(Duration::from_secs(1));
    world.ask("t").await.refused(401, Some(INVALID));
}

#[tokio::test]
async fn in_10_a_token_that_was_revoked_is_refused_after_ten_seconds() {
    let world = World::start(|builder| builder).await;
    world.server.says(200, &active(json!({})));
    world.ask("t").await.passed("user-ada");
    world.server.says(200, &json!({ "active": false }));
    world.hand.advance(Duration::from_secs(9));
    world.ask("t").await.passed("user-ada");
    world.hand.advance(Duration::from_secs(1));
    world.ask("t").await.refused(401, Some(INVALID));
    // And one that is active after all is known as soon.
    world.server.says(200, &active(json!({})));
    world.ask("t").await.refused(401, Some(INVALID));
    world.hand.advance(Duration::from_secs(10));
    world.ask("t").await.passed("user-ada");

    // However long one would like to remember: five minutes.
    let long = World::start(|builder| builder.remember_for(Duration::from_secs(3600))).await;
    long.server.says(200, &active(json!({})));
    long.ask("t").await.passed("user-ada");
    long.server.says(200, &json!({ "active": false }));
    long.hand.advance(Duration::from_secs(299));
    long.ask("t").await.passed("user-ada");
    long.hand.advance(Duration::from_secs(1));
    long.ask("t").await.refused(401, Some(INVALID));

    let each = World::start(|builder| builder.remember_for(Duration::ZERO)).await;
    each.server.says(200, &active(json!({})));
    each.ask("t").await.passed("user-ada");
    each.server.says(200, &json!({ "active": false }));
    each.ask("t").await.refused(401, Some(INVALID));
}

#[tokio::test]
async fn in_04_in_05_in_06_one_issuers_answer_is_about_one_token_of_one_issuer() {
    let (one, other) = (World::start(|b| b).await, World::start(|b| b).await);
    one.server.says(200, &active(json!({})));
    other.server.says(200, &json!({ "active": false }));
    one.ask("token").await.passed("user-ada");
    other.ask("token").await.refused(401, Some(INVALID));
    one.server.says(200, &json!({ "active": false }));
    for near in [
        "toke", "tokenn", "Token", "token=", "tokem", "token.", "token-",
    ] {
        one.ask(near).await.refused(401, Some(INVALID));
    }
    one.ask("token").await.passed("user-ada");
}

#[tokio::test]
async fn a_hundred_requests_with_one_token_are_one_question() {
    let world = World::start(|builder| builder).await;
    world.server.says(200, &active(json!({})));
    let gate = world.server.hold();
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let service = world.service.clone();
            tokio::spawn(async move { ask(&service, "t").await })
        })
        .collect();
    world.server.until(1).await;
    // Whoever began it goes away.
    asking[0].abort();
    gate.notify_one();
    for task in asking.into_iter().skip(1) {
        task.await.unwrap().passed("user-ada");
    }
    assert_eq!(world.server.asked().len(), 1);
}

#[tokio::test]
async fn in_09_an_issuer_that_is_slow_holds_up_nobody_else() {
    let world = World::start(|builder| builder).await;
    world.server.says(200, &active(json!({})));
    world.ask("known").await.passed("user-ada");
    let gate = world.server.hold();
    let waiting: Vec<_> = (0..64)
        .map(|i| {
            let service = world.service.clone();
            tokio::spawn(async move { ask(&service, &format!("t{i}")).await })
        })
        .collect();
    world.server.until(65).await;
    // One too many is told so at once, and who is known passes.
    let refused = world.ask("one-more").await;
    refused.refused(503, None);
    assert_eq!(refused.header("retry-after"), Some("5"));
    world.ask("known").await.passed("user-ada");
    world.server.release();
    gate.notify_waiters();
    for task in waiting {
        task.await.unwrap().passed("user-ada");
    }
    world.ask("one-more").await.passed("user-ada");
}

#[tokio::test]
async fn in_09_an_issuer_that_fails_is_left_alone_for_a_while() {
    let world = World::start(|builder| builder).await;
    world.server.says(500, &json!({}));
    for i in 0..10 {
        world.ask(&format!("t{i}")).await.refused(503, None);
    }
    assert_eq!(
        world.server.asked().len(),
        3,
        "three times in a row is enough"
    );
    world.server.says(200, &active(json!({})));
    world.ask("t").await.refused(503, None);
    world.hand.advance(Duration::from_secs(5));
    world.ask("t").await.passed("user-ada");
    // A failure in between is one failure.
    world.server.says(500, &json!({}));
    world.ask("u").await.refused(503, None);
    world.server.says(200, &active(json!({})));
    world.ask("u").await.passed("user-ada");
}

#[tokio::test]
async fn jwts_and_opaque_tokens_come_side_by_side() {
    let provider = Provider::start().await.unwrap();
    let jwts = JwtVerifier::new([Issuer::oidc(provider.issuer(), API)]).unwrap();
    let jwts = IdentityLayer::new(jwts).delegating();
    let server = Server::start().await;
    let service = jwts.layer(service(&server, Clock::system(), |builder| builder));
    let ask = async |token: &str| {
        let header = format!("Bearer {token}");
        send(&service, get(&[("authorization", &header)])).await
    };
    let jwt = provider
        .token()
        .with_subject("user-grace")
        .with_audience(API);
    let mut answer = active(json!({ "exp": null, "nbf": null, "iat": null }));
    server.says(200, &answer);
    ask(&jwt.clone().sign()).await.passed("user-grace");
    assert_eq!(server.asked().len(), 0);
    ask("opaque").await.passed("user-ada");
    // A JWT of a known issuer that is bad is not asked about.
    ask(&jwt.with_audience("another").sign())
        .await
        .refused(401, Some(INVALID));
    assert_eq!(server.asked().len(), 1);
    answer["active"] = false.into();
    server.says(200, &answer);
    ask("other").await.refused(401, Some(INVALID));
}

#[test]
fn what_is_missing_is_told_at_once() {
    let error = Introspection::builder("", "")
        .build()
        .unwrap_err()
        .to_string();
    for key in ["issuer", "audience", "endpoint", "client"] {
        assert!(
            error.contains(&format!("introspection.{key}: expected")),
            "{key}: {error}"
        );
    }
    for bad in [
        "http://login.example.com/introspect",
        "ftp://x",
        "x",
        "https://",
    ] {
        let built = Introspection::builder(ISSUER, API)
            .with_endpoint(bad)
            .with_client("a", "canary")
            .build();
        let error = built.unwrap_err().to_string();
        assert!(
            error.contains("introspection.endpoint") && !error.contains("canary"),
            "{bad}: {error}"
        );
    }
    let built = Introspection::builder(ISSUER, API)
        .with_endpoint("https://login.example.com/introspect")
        .with_client("a", "canary");
    let shown = format!("{built:?}");
    let shown = format!("{shown} {:?}", built.build().unwrap());
    assert!(!shown.contains("canary"), "{shown}");
}
