//! Signing in over real sockets: a portal, a provider, and a browser that holds many tabs.
#![cfg(all(
    feature = "testing",
    feature = "sign-in",
    feature = "app-config",
    feature = "axum"
))]

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/everybody.rs"]
mod everybody;
#[path = "../support/jar.rs"]
mod jar;
#[path = "../support/log.rs"]
mod log;
#[path = "../support/off_site.rs"]
mod off_site;
mod ownership;
mod peers;
mod proxies;
mod remote;
mod resolvers;
mod rows;
#[path = "../support/site.rs"]
mod site;
mod watched;

use self::browser::Browser;
use self::everybody::{Portal, REDIRECT};
use self::site::{POPUP, frame};
use http::header::COOKIE;
use http::{Method, Request, StatusCode};
use http_body_util::Full;

#[tokio::test]
async fn people_sign_in_by_redirect_and_by_popup_with_either_kind_of_provider() {
    let portal = Portal::with(|sign_in| sign_in).await;
    for (provider, user, entity) in [
        ("oidc", "user=ada", "user:default/ada"),
        ("github", "user=ada", "user:default/ada"),
        // Her e-mail is private on GitHub: /user/emails tells it.
        ("github", "user=grace", "user:default/grace"),
    ] {
        let browser = Browser::default();
        let back = browser.begin(&portal.url, provider, user, REDIRECT).await;
        let done = browser.get(&back).await;
        assert_eq!(
            (done.status, done.location()),
            (StatusCode::FOUND, portal.at("/welcome"))
        );
        assert_eq!(
            browser.get(&portal.at("/api/whoami")).await.json()["subject"],
            entity
        );

        let browser = Browser::default();
        let back = browser.begin(&portal.url, provider, user, POPUP).await;
        let done = browser.get(&back).await;
        assert_eq!(done.headers["x-frame-options"], "sameorigin");
        assert!(!done.headers.contains_key("cross-origin-opener-policy"));
        let (message, origin) = frame(&done);
        assert_eq!(origin, portal.url);
        assert_eq!(
            message["response"]["backstageIdentity"]["identity"]["userEntityRef"],
            entity
        );
        assert!(message["response"]["providerInfo"]["accessToken"].is_string());
        let whoami = browser.get(&portal.at("/api/whoami")).await.json();
        assert_eq!(
            (&whoami["subject"], &whoami["method"]),
            (&entity.into(), &"session".into())
        );

        // The token in the message is good without any cookie.
        let token = message["response"]["backstageIdentity"]["token"]
            .as_str()
            .unwrap();
        for path in ["/api/whoami", "/api/auth/v1/userinfo"] {
            let request =
                Request::get(portal.at(path)).header("authorization", format!("Bearer {token}"));
            let answer = Browser::default()
                .send(request.body(Full::default()).unwrap())
                .await;
            assert!(answer.body.contains(entity), "{path}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn lf_02_ten_tabs_of_one_browser_all_sign_in_at_once() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let browser = Browser::default();
    let mut ways = Vec::new();
    for i in 0..10 {
        let provider = ["oidc", "github"][i % 2];
        ways.push(
            browser
                .begin(&portal.url, provider, "user=ada", REDIRECT)
                .await,
        );
    }
    // In another order than they were begun, and concurrently.
    ways.reverse();
    ways.swap(0, 7);
    let done = futures::future::join_all(ways.iter().map(|way| browser.get(way))).await;
    for answer in done {
        assert_eq!(
            (answer.status, answer.location()),
            (StatusCode::FOUND, portal.at("/welcome"))
        );
    }
    assert_eq!(browser.get(&portal.at("/api/whoami")).await.status, 200);
    let left = browser
        .names()
        .into_iter()
        .filter(|name| name.contains("attempt"))
        .count();
    assert!(left <= 10, "{left}: none but their own");
    // What is left of them says where they led, and nothing else: the codes are not exchanged again.
    for way in &ways {
        assert_eq!(browser.get(way).await.location(), portal.at("/welcome"));
    }
    assert_eq!(portal.provider.requests("/token"), 5);
    // One after the other, only the last is kept.
    for _ in 0..3 {
        let way = browser.begin(&portal.url, "oidc", "user=ada", REDIRECT);
        assert_eq!(browser.get(&way.await).await.status, 302);
    }
    let names = browser.names();
    let left = names.iter().filter(|name| name.contains("attempt")).count();
    assert_eq!(left, 1, "{names:?}");
}

#[tokio::test]
async fn lf_02_the_number_of_attempts_in_one_browser_is_bounded() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let browser = Browser::default();
    for _ in 0..30 {
        let start = portal.at("/api/auth/github/start?env=development");
        assert_eq!(browser.get(&start).await.status, 302);
    }
    let (count, bytes) = (browser.names().len(), browser.cookie_bytes());
    assert!((10..=20).contains(&count), "{count}");
    assert!(bytes <= 8 * 1024, "{bytes}: each comes with every request");
}

#[tokio::test]
async fn lf_01_a_state_that_is_not_this_browsers_costs_no_call_and_makes_no_session() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let victim = Browser::default();
    let back = victim
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
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
async fn op_04_of_fifty_callbacks_with_one_code_one_succeeds() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let browser = Browser::default();
    let back = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    let tabs: Vec<Browser> = (0..50).map(|_| browser.copy()).collect();
    let done = futures::future::join_all(tabs.iter().map(|tab| tab.get(&back))).await;
    let won = done
        .iter()
        .filter(|answer| answer.body.contains("backstageIdentity"))
        .count();
    assert_eq!(won, 1);
    assert!(
        done.iter()
            .all(|answer| [200, 400].contains(&answer.status.as_u16()))
    );
    assert_eq!(portal.provider.requests("/token"), 1);
}

#[tokio::test]
async fn lf_26_lf_27_a_prefetch_does_not_spend_the_code_and_going_back_is_no_error() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let browser = Browser::default();
    let back = browser
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
    let head = browser
        .send(Request::head(&back).body(Full::default()).unwrap())
        .await;
    assert!(head.status.is_client_error());
    let early = Request::get(&back)
        .header("sec-purpose", "prefetch")
        .body(Full::default())
        .unwrap();
    assert_eq!(browser.send(early).await.status, 403);
    assert_eq!(portal.provider.requests("/token"), 0);
    assert_eq!(browser.get(&back).await.status, 302);
    // The Back button, with a session: the page it was for, as often as one likes, and no 500.
    for _ in 0..2 {
        let again = browser.get(&back).await;
        assert_eq!(
            (again.status, again.location()),
            (StatusCode::FOUND, portal.at("/welcome"))
        );
    }
    assert_eq!(portal.provider.requests("/token"), 1);
    // And nothing can be added to it afterwards.
    let state = back.split('&').find(|p| p.starts_with("state=")).unwrap();
    let base = back.split('?').next().unwrap();
    let added = browser
        .get(&format!("{base}?{state}&error=access_denied"))
        .await;
    assert_eq!(added.location(), portal.at("/welcome"));
    // Without one it is a page that says so.
    let logout = portal.at("/api/auth/oidc/logout?env=development");
    assert_eq!(browser.ajax(Method::POST, &logout).await.status, 200);
    let again = browser.get(&back).await;
    assert_eq!(again.status, 400, "{}", again.body);
    assert!(again.body.contains("Try again"), "{}", again.body);
    assert_eq!(portal.provider.requests("/token"), 1);
}

#[tokio::test]
async fn lf_04_lf_15_scripts_images_and_frames_neither_start_a_sign_in_nor_collect_cookies() {
    let portal = Portal::with(|sign_in| sign_in).await;
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
    let portal = Portal::with(|sign_in| sign_in).await;
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
async fn lf_16_a_sign_in_makes_a_new_session_and_ends_the_one_before() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let browser = Browser::default();
    assert_eq!(
        browser
            .ajax(Method::POST, &portal.at("/api/auth/guest/refresh"))
            .await
            .status,
        200
    );
    let planted = browser.copy();
    let back = browser
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
    assert_eq!(browser.get(&back).await.status, 302);
    assert_eq!(
        browser.get(&portal.at("/api/whoami")).await.json()["subject"],
        "user:default/ada"
    );
    assert_eq!(planted.get(&portal.at("/api/whoami")).await.status, 401);
}

#[tokio::test]
async fn the_provider_says_no_and_the_popup_hears_it() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let browser = Browser::default();
    let back = browser.begin(&portal.url, "oidc", "deny=1", POPUP).await;
    let (message, _) = frame(&browser.get(&back).await);
    assert_eq!(message["error"]["message"], "Authentication rejected");
    // Somebody whom the catalog does not know, and whose e-mail is not verified besides.
    let back = browser
        .begin(&portal.url, "oidc", "user=mallory", POPUP)
        .await;
    let (message, _) = frame(&browser.get(&back).await);
    assert_eq!(
        message["error"]["message"],
        "Login failed, user profile does not contain an email"
    );
    let back = browser
        .begin(&portal.url, "oidc", "user=mallory", REDIRECT)
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
async fn rf_01_parallel_refreshes_keep_the_session_although_the_provider_rotates() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let browser = Browser::default();
    let back = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    browser.get(&back).await;
    let refresh = portal.at("/api/auth/oidc/refresh?optional&env=development");
    for round in 0..3 {
        let tabs: Vec<Browser> = (0..10).map(|_| browser.copy()).collect();
        let answers =
            futures::future::join_all(tabs.iter().map(|tab| tab.ajax(Method::GET, &refresh))).await;
        for answer in answers {
            assert_eq!(answer.status, 200, "round {round}: {}", answer.body);
            assert!(answer.json()["backstageIdentity"]["token"].is_string());
        }
        assert_eq!(browser.ajax(Method::GET, &refresh).await.status, 200);
    }
    let bare = browser.get(&refresh).await;
    assert_eq!(bare.status, 401);
    assert_eq!(
        bare.json()["error"]["message"],
        "Invalid X-Requested-With header"
    );
}

#[tokio::test]
async fn ks_04_the_provider_rotates_its_keys_and_people_still_sign_in() {
    let portal = Portal::with(|sign_in| sign_in).await;
    for _ in 0..3 {
        let browser = Browser::default();
        let back = browser
            .begin(&portal.url, "oidc", "user=ada", REDIRECT)
            .await;
        portal.provider.withdraw_keys().await.unwrap();
        assert_eq!(browser.get(&back).await.location(), portal.at("/welcome"));
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_an_error_in_words_and_the_others_work() {
    let portal = Portal::with(|sign_in| sign_in).await;
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
    let portal = Portal::with(|sign_in| sign_in).await;
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
    let portal = Portal::with(|sign_in| sign_in).await;
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
