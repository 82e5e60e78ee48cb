//! Session cookies: beside a bearer token, on unsafe methods and upgrades, and what becomes of them.

use futures::FutureExt as _;
use tower_identity::identity::EntityRef;
use tower_identity::rejection::RejectionKind::{CrossSite, InvalidToken};
use tower_identity::sign_in::SignIn;

use super::drive::{drive, saw};
use super::portal::{GUEST, ORIGIN, guest, portal};
use super::support::{get, request};

const ADA: &str = "user:default/ada";

/// A good `Authorization` line of Ada's.
fn bearer(sign_in: &SignIn) -> String {
    let ada = EntityRef::parse(ADA).unwrap();
    let token = sign_in
        .tokens()
        .mint_user(&ada, &[])
        .now_or_never()
        .unwrap()
        .unwrap();
    format!("Bearer {}", token.expose())
}

#[tokio::test]
async fn px_15_a_session_cookie_is_gone_before_the_inner_service_and_the_others_are_not() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let mut layer = drive(sign_in.identity_layer());
    let line = format!("theme=dark; {cookie}; lang=en");
    let turn = layer.ask(get(&[("cookie", &line)])).await;
    assert_eq!(saw(turn.passed(GUEST), "cookie"), ["theme=dark; lang=en"]);
    let turn = layer
        .ask(get(&[("cookie", "a=b"), ("cookie", &cookie)]))
        .await;
    assert_eq!(saw(turn.passed(GUEST), "cookie"), ["a=b"]);
    // A cookie's proof leaves a header of another scheme alone.
    let headers = [("cookie", &*cookie), ("authorization", "Basic YTpi")];
    let turn = layer.ask(get(&headers)).await;
    assert_eq!(saw(turn.passed(GUEST), "authorization"), ["Basic YTpi"]);

    let mut layer = drive(sign_in.identity_layer().forward_credentials());
    let turn = layer.ask(get(&[("cookie", &line)])).await;
    assert_eq!(saw(turn.passed(GUEST), "cookie"), [&line]);
}

#[tokio::test]
async fn ex_02_a_bearer_token_beside_a_session_cookie_decides_alone() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let good = bearer(&sign_in);
    let required = sign_in.identity_layer();
    for layer in [
        required.clone(),
        required.clone().optional(),
        required.delegating(),
    ] {
        let mut layer = drive(layer);
        for cookie in [&*cookie, "tid-session=junk"] {
            let headers = [("authorization", &*good), ("cookie", cookie)];
            let turn = layer.ask(get(&headers)).await;
            let seen = turn.passed(ADA);
            assert_eq!(
                (saw(seen, "authorization"), saw(seen, "cookie")),
                (vec![], vec![])
            );
        }
    }
    let mut layer = drive(sign_in.identity_layer());
    for bad in [
        "Bearer x",
        "Bearer a.b.c",
        "Bearer",
        "Bearer a b",
        &good[..good.len() - 2],
    ] {
        let headers = [("authorization", bad), ("cookie", &*cookie)];
        layer.ask(get(&headers)).await.refused(InvalidToken);
    }
    // Delegating, the cookie does not take the place of a token that nobody knows either.
    let mut layer = drive(sign_in.identity_layer().delegating());
    let headers = [("authorization", "Bearer x"), ("cookie", &*cookie)];
    let turn = layer.ask(get(&headers)).await;
    assert_eq!(saw(turn.passed("nobody"), "cookie"), [&cookie]);
}

#[tokio::test]
async fn se_17_a_cookie_counts_on_an_unsafe_method_only_for_our_own_pages() {
    let docs = "https://docs.example.com";
    let sign_in = portal().add_allowed_origin(docs).build().unwrap();
    let cookie = guest(&sign_in).await;
    let required = sign_in.identity_layer();
    let stances = [
        required.clone(),
        required.clone().optional(),
        required.delegating(),
    ];
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
        let upgrade = [
            &headers[..],
            &[("connection", "upgrade"), ("upgrade", "websocket")],
        ];
        let upgrade = upgrade.concat();
        for layer in &stances {
            let mut layer = drive(layer.clone());
            let unsafe_methods = ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "get"];
            let unsafe_methods = unsafe_methods.map(|method| (method, &headers));
            // A safe method too, when it opens a connection that the other page can read and write.
            for (method, headers) in unsafe_methods.into_iter().chain([("GET", &upgrade)]) {
                println!("{method} {site:?} {origin:?}");
                let turn = layer.ask(request(method, "/x", headers)).await;
                if passes {
                    turn.passed(GUEST);
                } else {
                    turn.refused(CrossSite);
                }
            }
            // Otherwise it counts from anywhere: it changes nothing, and its answer stays unread.
            for method in ["GET", "HEAD", "OPTIONS"] {
                layer
                    .ask(request(method, "/x", &headers))
                    .await
                    .passed(GUEST);
            }
        }
    }
}

#[tokio::test]
async fn se_17_a_bearer_token_is_not_sent_by_another_sites_page() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let token = bearer(&sign_in);
    let mut layer = drive(sign_in.identity_layer());
    for upgrade in [&[][..], &[("upgrade", "websocket")]] {
        let headers = [
            ("authorization", &*token),
            ("cookie", &cookie),
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://elsewhere.example"),
        ];
        let headers = [&headers, upgrade].concat();
        layer.ask(request("POST", "/x", &headers)).await.passed(ADA);
    }
}
