//! The headers of every kind of answer: these and no others.

use http::HeaderMap;
use tower_identity::clock::Clock;
use tower_identity::provider::Guest;

use super::support::Answer;
use super::{POPUP_OF, Visit, portal, provider};

const ORIGIN: &str = "http://127.0.0.1:7007";
const PRIVATE: &[&str] = &[
    "cache-control: no-store",
    "referrer-policy: no-referrer",
    "x-content-type-options: nosniff",
];
const PUBLIC: &[&str] = &[
    "access-control-allow-origin: *",
    "cache-control: public, max-age=300",
    "content-type: application/json; charset=utf-8",
    "referrer-policy: no-referrer",
    "x-content-type-options: nosniff",
];
const JSON: &[&str] = &[
    "cache-control: no-store",
    "content-type: application/json; charset=utf-8",
    "referrer-policy: no-referrer",
    "x-content-type-options: nosniff",
];
const UNAUTHORIZED: &[&str] = &[
    "cache-control: no-store",
    "content-type: application/json; charset=utf-8",
    "referrer-policy: no-referrer",
    "www-authenticate: Bearer realm=\"tower-identity\"",
    "x-content-type-options: nosniff",
];
const PAGE: &[&str] = &[
    "cache-control: no-store",
    "content-security-policy: default-src 'none'; style-src HASH; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "content-type: text/html; charset=utf-8",
    "referrer-policy: no-referrer",
    "x-content-type-options: nosniff",
];
const FRAME: &[&str] = &[
    "cache-control: no-store",
    "content-security-policy: default-src 'none'; script-src HASH; style-src HASH; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "content-type: text/html; charset=utf-8",
    "referrer-policy: no-referrer",
    "x-content-type-options: nosniff",
    "x-frame-options: sameorigin",
];

/// The headers as lines in order, without those that differ from answer to answer; `HASH` stands for any.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().unwrap();
        match name.as_str() {
            "set-cookie" | "location" => None,
            "content-security-policy" => {
                let words = value
                    .split(' ')
                    .map(|word| match word.strip_prefix("'sha256-") {
                        Some(rest) if rest.ends_with(';') => "HASH;",
                        Some(_) => "HASH",
                        None => word,
                    });
                Some(format!("{name}: {}", words.collect::<Vec<_>>().join(" ")))
            }
            _ => Some(format!("{name}: {value}")),
        }
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    lines
}

#[track_caller]
fn has(answer: &Answer, status: u16, expected: &[&str]) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(lines(&answer.headers), expected, "{answer:?}");
}

async fn visit() -> (Visit, tower_identity::testing::Provider) {
    let provider = provider(ORIGIN, Clock::system()).await;
    let sign_in = portal(ORIGIN, &provider).with_provider("guest", Guest::new(), []);
    (Visit::to(ORIGIN, &sign_in.build().unwrap()), provider)
}

#[tokio::test]
async fn er_01_er_06_no_answer_of_a_sign_in_may_be_stored_and_its_pages_load_nothing() {
    let (mut visit, _provider) = visit().await;
    let start = format!("/api/auth/oidc/start?{POPUP_OF}");
    has(&visit.get(&start).await, 302, PRIVATE);

    let back = visit.way_back(POPUP_OF).await;
    has(&visit.get(&back).await, 200, FRAME);
    has(&visit.refresh().await, 200, JSON);
    let redirect = "env=development&flow=redirect&redirectUrl=/";
    let back = visit.way_back(redirect).await;
    has(&visit.get(&back).await, 302, PRIVATE);
    let out = "/api/auth/oidc/logout?env=development";
    has(&visit.ajax("POST", out).await, 200, JSON);
    let guest = visit.ajax("POST", "/api/auth/guest/refresh").await;
    has(&guest, 200, JSON);
    let out = visit.ajax("POST", "/api/auth/guest/logout").await;
    has(&out, 200, PRIVATE);
}

#[tokio::test]
async fn er_01_er_06_no_failure_of_a_sign_in_may_be_stored_either() {
    let (mut visit, provider) = visit().await;
    let callback = "/api/auth/oidc/handler/frame";
    has(&visit.get(callback).await, 400, PAGE);
    let unknown = format!("{callback}?state=unknown&code=x");
    has(&visit.get(&unknown).await, 400, PAGE);
    let twice = format!("{callback}?state=a&state=b");
    has(&visit.get(&twice).await, 400, PAGE);
    let navigate = [
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let start = "/api/auth/oidc/start?env=x";
    has(&visit.send("GET", start, &navigate).await, 404, PAGE);
    has(&visit.get(start).await, 404, JSON);
    has(&visit.refresh().await, 401, UNAUTHORIZED);
    let bare = visit.get("/api/auth/oidc/refresh?env=development").await;
    has(&bare, 401, UNAUTHORIZED);
    has(&visit.get("/api/auth/v1/userinfo").await, 401, UNAUTHORIZED);
    has(&visit.get("/api/auth/nobody/start").await, 404, JSON);
    has(&visit.get("/api/auth").await, 404, PRIVATE);
    has(&visit.get("/api/auth/guest/start").await, 501, JSON);

    // What went wrong on the way back is told to the popup, in a frame like any other.
    let lie = provider.bend_callback(|params| drop(params.remove("iss")));
    has(&visit.sign_in(POPUP_OF).await, 200, FRAME);
    assert_eq!(lie.told(), 1);
}

#[tokio::test]
async fn er_06_what_anybody_may_read_anybody_may_keep() {
    let (mut visit, _provider) = visit().await;
    for path in ["jwks.json", "openid-configuration"] {
        let path = format!("/api/auth/.well-known/{path}");
        has(&visit.get(&path).await, 200, PUBLIC);
    }
}
