//! The ways in, and out again.

use http::{Method, Request, StatusCode};
use http_body_util::Full;

use super::browser::Browser;
use super::socket::{POPUP, Portal, REDIRECT, frame};

#[tokio::test]
async fn people_sign_in_by_redirect_and_by_popup_with_either_kind_of_provider() {
    let portal = Portal::start().await;
    for (provider, user, entity) in [
        ("oidc", "user=ada", "user:default/ada"),
        ("github", "user=ada", "user:default/ada"),
        // Her e-mail is private on GitHub: /user/emails tells it.
        ("github", "user=grace", "user:default/grace"),
    ] {
        let browser = Browser::default();
        let back = browser.begin(&portal, provider, user, REDIRECT).await;
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
        let back = browser.begin(&portal, provider, user, POPUP).await;
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
    let portal = Portal::start().await;
    let browser = Browser::default();
    let mut ways = Vec::new();
    for i in 0..10 {
        let provider = ["oidc", "github"][i % 2];
        ways.push(browser.begin(&portal, provider, "user=ada", REDIRECT).await);
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
    assert_eq!(left, 0, "each tab cleared its own cookie");
}

#[tokio::test]
async fn lf_02_the_number_of_attempts_in_one_browser_is_bounded() {
    let portal = Portal::start().await;
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
async fn op_04_of_fifty_callbacks_with_one_code_one_succeeds() {
    let portal = Portal::start().await;
    let browser = Browser::default();
    let back = browser.begin(&portal, "oidc", "user=ada", POPUP).await;
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
    let portal = Portal::start().await;
    let browser = Browser::default();
    let back = browser.begin(&portal, "oidc", "user=ada", REDIRECT).await;
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
    // The Back button, with a session: home, and no 500.
    let again = browser.get(&back).await;
    assert_eq!(
        (again.status, again.location()),
        (StatusCode::FOUND, portal.at("/"))
    );
    assert_eq!(portal.provider.requests("/token"), 1);
}

#[tokio::test]
async fn lf_16_a_sign_in_makes_a_new_session_and_ends_the_one_before() {
    let portal = Portal::start().await;
    let browser = Browser::default();
    assert_eq!(
        browser
            .ajax(Method::POST, &portal.at("/api/auth/guest/refresh"))
            .await
            .status,
        200
    );
    let planted = browser.copy();
    let back = browser.begin(&portal, "oidc", "user=ada", REDIRECT).await;
    assert_eq!(browser.get(&back).await.status, 302);
    assert_eq!(
        browser.get(&portal.at("/api/whoami")).await.json()["subject"],
        "user:default/ada"
    );
    assert_eq!(planted.get(&portal.at("/api/whoami")).await.status, 401);
}

#[tokio::test]
async fn rf_01_parallel_refreshes_keep_the_session_although_the_provider_rotates() {
    let portal = Portal::start().await;
    let browser = Browser::default();
    let back = browser.begin(&portal, "oidc", "user=ada", POPUP).await;
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
    let portal = Portal::start().await;
    for _ in 0..3 {
        let browser = Browser::default();
        let back = browser.begin(&portal, "oidc", "user=ada", REDIRECT).await;
        portal.provider.withdraw_keys().await.unwrap();
        assert_eq!(browser.get(&back).await.location(), portal.at("/welcome"));
    }
}
