//! Who is answered how: programs, gRPC clients, and people on their way to a page.

use tower_identity::IdentityLayer;
use tower_identity::rejection::{Rejection, RejectionKind};
use tower_identity::verify::verify_fn;

use super::over;
use super::portal::{guest, portal};
use super::support::{get, request, send};

const NAVIGATE: [(&str, &str); 2] = [
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

#[tokio::test]
async fn er_06_a_navigation_goes_to_the_sign_in_page_and_a_program_gets_a_401() {
    let sign_in = portal().build().unwrap();
    let cookie = guest(&sign_in).await;
    let (service, inner) = over(sign_in.identity_layer().with_sign_in_page("/welcome"));
    let html = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let dead = [
        NAVIGATE[0],
        NAVIGATE[1],
        ("cookie", &cookie[..cookie.len() - 2]),
    ];
    for headers in [&NAVIGATE[..], &html, &dead] {
        let answer = send(
            &service,
            request(
                "GET",
                "/docs/a b?q=1&x=%2F".replace(' ', "+").as_str(),
                headers,
            ),
        )
        .await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.body, "");
        let location = answer.header("location").unwrap();
        assert_eq!(
            location,
            "/welcome?return_to=%2Fdocs%2Fa%2Bb%3Fq%3D1%26x%3D%252F"
        );
    }
    for (method, headers) in [
        ("GET", &[("sec-fetch-mode", "cors"), html[0]][..]),
        (
            "GET",
            &[
                ("x-requested-with", "XMLHttpRequest"),
                ("accept", "application/json"),
            ],
        ),
        ("GET", &[("accept", "*/*")]),
        ("GET", &[NAVIGATE[0], ("sec-fetch-dest", "iframe")]),
        ("GET", &[]),
        // ER-07: a form is not turned into a GET, and its body is not lost without a word.
        ("POST", &NAVIGATE),
        ("POST", &html),
    ] {
        let answer = send(&service, request(method, "/docs", headers)).await;
        answer.refused(401, Some(super::BARE));
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        assert!(
            answer.body.contains("AuthenticationError"),
            "{}",
            answer.body
        );
    }
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn rd_01_where_to_return_to_is_one_value_of_our_own_path() {
    let (service, _) = over(
        portal()
            .build()
            .unwrap()
            .identity_layer()
            .with_sign_in_page("/"),
    );
    for (target, expected) in [
        ("/", "/?return_to=%2F"),
        (
            "/a?return_to=https://evil.example",
            "/?return_to=%2Fa%3Freturn_to%3Dhttps%3A%2F%2Fevil.example",
        ),
        ("/a%0d%0ax", "/?return_to=%2Fa%250d%250ax"),
        ("http://evil.example/a", "/?return_to=%2Fa"),
    ] {
        let answer = send(&service, request("GET", target, &NAVIGATE)).await;
        assert_eq!(answer.header("location"), Some(expected), "{target}");
    }
}

#[tokio::test]
async fn er_06_without_a_sign_in_page_a_person_gets_the_401_as_well() {
    let (service, _) = over(portal().build().unwrap().identity_layer());
    send(&service, get(&NAVIGATE))
        .await
        .refused(401, Some(super::BARE));
}

#[tokio::test]
async fn a_person_is_not_sent_to_sign_in_for_what_that_cannot_mend() {
    let down = verify_fn(|_| {
        std::future::ready(Err(Rejection::new(
            RejectionKind::Unavailable,
            "the issuer is away",
        )))
    });
    let (service, _) = over(IdentityLayer::new(down).with_sign_in_page("/"));
    let mut headers = NAVIGATE.to_vec();
    headers.push(("authorization", "Bearer x"));
    let answer = send(&service, get(&headers)).await;
    assert_eq!(answer.refused(503, None).header("location"), None);
}
