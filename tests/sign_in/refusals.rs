//! What is refused, and in which words.

use http::header::COOKIE;
use http::{Method, Request};
use http_body_util::Full;

use super::browser::Browser;
use super::socket::{POPUP, Portal, REDIRECT, frame};

#[tokio::test]
async fn lf_01_a_state_that_is_not_this_browsers_costs_no_call_and_makes_no_session() {
    let portal = Portal::start().await;
    let victim = Browser::default();
    let back = victim.begin(&portal, "oidc", "user=ada", REDIRECT).await;
    let (base, query) = back.split_once('?').unwrap();
    let code = query.split('&').find(|p| p.starts_with("code=")).unwrap();
    let elsewhere = portal.at(&format!("/api/auth/other/handler/frame?{query}"));
    for (browser, url) in [
        (Browser::default(), back.clone()),
        (victim.copy(), format!("{base}?{code}")),
        (victim.copy(), format!("{base}?{code}&state=")),
        (victim.copy(), format!("{base}?{code}&state=unknown")),
        (victim.copy(), format!("{back}&state=again")),
        (victim.copy(), elsewhere),
        (
            victim.copy(),
            format!(
                "{base}?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E"
            ),
        ),
    ] {
        let answer = browser.get(&url).await;
        assert_eq!(answer.status, 400, "{url}: {}", answer.body);
        assert!(
            !answer.body.contains("<script>") && !answer.body.contains("alert"),
            "{}",
            answer.body
        );
        assert_eq!(
            browser.get(&portal.at("/api/whoami")).await.status,
            401,
            "{url}"
        );
    }
    assert_eq!(portal.provider.requests("/token"), 0);
    // And the victim's own attempt is still good.
    assert_eq!(victim.get(&back).await.status, 302);
}

#[tokio::test]
async fn lf_04_lf_15_scripts_images_and_frames_neither_start_a_sign_in_nor_collect_cookies() {
    let portal = Portal::start().await;
    let start = portal.at("/api/auth/github/start?env=development");
    for headers in [
        &[("sec-fetch-mode", "cors")][..],
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
        &[("sec-purpose", "prefetch")],
    ] {
        let mut request = Request::get(&start);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Browser::default()
            .send(request.body(Full::default()).unwrap())
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.cookies().len()),
            (403, 0),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn rd_02_no_start_returns_to_another_site() {
    let portal = Portal::start().await;
    for evil in [
        "//evil.test",
        "https://evil.test",
        "/%5C/evil.test",
        "https:evil.test",
        "javascript:alert(1)",
        "%09//evil.test",
    ] {
        let start = portal.at(&format!(
            "/api/auth/github/start?env=development&flow=redirect&redirectUrl={evil}"
        ));
        let answer = Browser::default().get(&start).await;
        assert_eq!(answer.status, 403, "{evil}");
        assert!(answer.cookies().is_empty());
    }
    let start = portal.at("/api/auth/github/start?env=development&origin=https://evil.test");
    assert_eq!(Browser::default().get(&start).await.status, 403);
}

#[tokio::test]
async fn the_provider_says_no_and_the_popup_hears_it() {
    let portal = Portal::start().await;
    let browser = Browser::default();
    let back = browser.begin(&portal, "oidc", "deny=1", POPUP).await;
    let (message, _) = frame(&browser.get(&back).await);
    assert_eq!(message["error"]["message"], "Authentication rejected");
    // Somebody whom the catalog does not know, and whose e-mail is not verified besides.
    let back = browser.begin(&portal, "oidc", "user=mallory", POPUP).await;
    let (message, _) = frame(&browser.get(&back).await);
    assert_eq!(
        message["error"]["message"],
        "Login failed, user profile does not contain an email"
    );
    let back = browser
        .begin(&portal, "oidc", "user=mallory", REDIRECT)
        .await;
    let answer = browser.get(&back).await;
    assert!(
        answer
            .location()
            .starts_with(&portal.at("/welcome?error=Login+failed")),
        "{}",
        answer.location()
    );
    assert_eq!(browser.get(&portal.at("/api/whoami")).await.status, 401);
}

#[tokio::test]
async fn a_provider_that_is_away_is_an_error_in_words_and_the_others_work() {
    let portal = Portal::start().await;
    portal.provider.pause();
    let answer = Browser::default()
        .get(&portal.at("/api/auth/oidc/start?env=development"))
        .await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["name"], "ServiceUnavailableError");
    assert_eq!(
        Browser::default()
            .ajax(Method::POST, &portal.at("/api/auth/guest/refresh"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_errors_are_backstages() {
    let portal = Portal::start().await;
    for (method, path, status, name, message) in [
        (
            "GET",
            "/nobody/start?env=development",
            404,
            "NotFoundError",
            "Unknown auth provider 'nobody'",
        ),
        (
            "GET",
            "/github/start",
            400,
            "InputError",
            "Must specify 'env' query to select environment",
        ),
        (
            "GET",
            "/github/start?env=x",
            404,
            "NotFoundError",
            "No configuration available for the 'x' environment of this provider.",
        ),
        (
            "GET",
            "/github/start?env=development&origin=x",
            400,
            "InputError",
            "App origin is invalid, failed to parse",
        ),
        (
            "GET",
            "/github/start?env=development&env=x",
            400,
            "InputError",
            "A parameter stands twice in the request",
        ),
        (
            "GET",
            "/github/start?env=development&flow=redirect",
            400,
            "InputError",
            "No redirectUrl provided in request query parameters",
        ),
        (
            "GET",
            "/github/logout",
            404,
            "NotFoundError",
            "Unknown auth provider 'github'",
        ),
        (
            "POST",
            "/github/logout?env=development",
            401,
            "AuthenticationError",
            "Invalid X-Requested-With header",
        ),
        (
            "GET",
            "/guest/start?env=development",
            501,
            "NotImplementedError",
            "Not implemented",
        ),
        (
            "GET",
            "/v1/userinfo",
            401,
            "AuthenticationError",
            "No token provided",
        ),
        (
            "GET",
            "/v1/token",
            404,
            "NotFoundError",
            "Unknown auth provider 'v1'",
        ),
        (
            "DELETE",
            "/github/refresh",
            404,
            "NotFoundError",
            "Unknown auth provider 'github'",
        ),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(portal.at(&format!("/api/auth{path}")));
        let answer = Browser::default()
            .send(request.body(Full::default()).unwrap())
            .await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.json()["error"]["name"], name, "{path}");
        assert_eq!(answer.json()["error"]["message"], message, "{path}");
        assert_eq!(
            answer.headers.contains_key("www-authenticate"),
            status == 401,
            "{path}"
        );
    }
}

#[tokio::test]
async fn bad_input_is_never_a_500() {
    let portal = Portal::start().await;
    let long = "x".repeat(20_000);
    let garbage = [
        "%",
        "%00",
        "%zz",
        "a=b&a=b&a=b",
        "=",
        "&&&",
        "state=%ff%fe&code=%ff",
        "state[]=x",
        &long,
    ];
    for path in [
        "github/start",
        "github/handler/frame",
        "github/refresh",
        "github/logout",
        "v1/userinfo",
        ".well-known/jwks.json",
        "%2e%2e/x",
        "github/handler/frame/",
        "\u{2e}/x",
    ] {
        for query in garbage {
            for method in ["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE"] {
                let uri = portal.at(&format!("/api/auth/{path}?{query}"));
                let request = Request::builder()
                    .method(method)
                    .uri(uri)
                    .header(COOKIE, "tid-session=x; tid-session.0=y; tid-attempt-=z; github-refresh-token=%; ;;=;a")
                    .header("x-requested-with", "XMLHttpRequest");
                let answer = Browser::default()
                    .send(request.body(Full::from("state=%&code")).unwrap())
                    .await;
                assert!(
                    answer.status.as_u16() < 500,
                    "{method} {path} {query:.30}: {}",
                    answer.status
                );
            }
        }
    }
    let huge = Request::post(portal.at("/api/auth/github/handler/frame"))
        .body(Full::from(vec![b'x'; 1 << 20]))
        .unwrap();
    assert_eq!(Browser::default().send(huge).await.status, 400);
}
