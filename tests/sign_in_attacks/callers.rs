//! Who may act with a browser's cookies, and where those cookies are good.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_identity::OAuthCallbackLayer;
use tower_identity::provider::Guest;
use tower_identity::sign_in::SignIn;
use tower_identity::testing::Provider;

use super::browser::Browser;
use super::liar::Liar;
use super::site::catalog;
use super::{ADA, email, oidc, portal};

#[tokio::test]
async fn se_17_a_page_of_another_site_gets_nothing_by_a_refresh_or_a_sign_out() {
    let honest = Provider::start().await.unwrap();
    let portal = portal(|portal| {
        portal
            .with_provider("oidc", oidc(&honest), email())
            .with_provider("guest", Guest::new(), [])
    })
    .await;
    let browser = Browser::default();
    browser.sign_in(&portal, "oidc", "ada").await;
    let own = [
        ("origin", portal.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    for (method, path) in [
        (Method::GET, "oidc/refresh?env=development"),
        (Method::POST, "oidc/refresh?env=development"),
        (Method::POST, "guest/refresh"),
        (Method::POST, "oidc/logout?env=development"),
    ] {
        let url = format!("{portal}/api/auth/{path}");
        for headers in [
            &[("origin", "https://evil.test")][..],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "")],
            &[("sec-fetch-site", "cross-site")],
        ] {
            let answer = browser.call(method.clone(), &url, headers).await;
            assert_eq!(answer.status, 403, "{path} {headers:?}: {}", answer.body);
            assert_eq!(answer.cookies(), [""; 0], "{path} {headers:?}");
            assert!(!answer.body.contains("\"token\""), "{}", answer.body);
        }
        assert_eq!(browser.who(&portal).await, ADA, "{path}");
        let answer = browser.copy().call(method, &url, &own).await;
        // The last of them ends it.
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        if path.starts_with("guest") {
            browser.sign_in(&portal, "oidc", "ada").await;
        }
    }
}

#[tokio::test]
async fn op_11_the_guest_is_for_this_machine_whatever_a_name_points_to() {
    let portal = portal(|portal| portal.with_provider("guest", Guest::new(), [])).await;
    let url = format!("{portal}/api/auth/guest/refresh");
    for (host, status) in [
        ("evil.test", 403),
        ("evil.test:7007", 403),
        ("localhost.evil.test", 403),
        ("127.0.0.1.evil.test", 403),
        ("192.168.0.7:7007", 403),
        ("0.0.0.0", 403),
        ("localhost:7007", 200),
        ("[::1]:7007", 200),
    ] {
        let answer = Browser::default()
            .call(Method::GET, &url, &[("host", host)])
            .await;
        assert_eq!(answer.status, status, "{host}: {}", answer.body);
        assert_eq!(answer.cookies().is_empty(), status == 403, "{host}");
        assert_eq!(answer.body.contains("\"token\""), status == 200, "{host}");
    }
}

#[tokio::test]
async fn the_guest_has_one_id_and_nobody_else_has_it() {
    let honest = Provider::start().await.unwrap();
    let portal = || SignIn::builder("http://127.0.0.1:7007");
    let wrong_id = portal().with_provider("visitor", Guest::new(), []);
    let taken = portal().with_provider("guest", oidc(&honest), email());
    let both = portal()
        .with_provider("guest", Guest::new(), [])
        .with_provider("guest", oidc(&honest), email());
    let twice = portal()
        .with_provider("guest", Guest::new(), [])
        .with_provider("guest", Guest::new(), []);
    for (built, id) in [
        (wrong_id, "visitor"),
        (taken, "guest"),
        (both, "guest"),
        (twice, "guest"),
    ] {
        let mistake = built.build().unwrap_err().to_string();
        assert!(
            mistake.contains(&format!("auth.providers.{id}")),
            "{mistake}"
        );
    }
}

#[tokio::test]
async fn se_05_two_portals_with_one_secret_take_none_of_each_others_cookies() {
    let liar = Liar::start().await;
    let secret = "a secret that two portals share by mistake";
    let mut portals = Vec::new();
    for _ in 0..2 {
        let portal = portal(|portal| {
            portal
                .add_secret(secret)
                .with_provider("oidc", liar.oidc(), email())
                .with_provider("guest", Guest::new(), [])
        });
        portals.push(portal.await);
    }
    for (here, there) in [(0, 1), (1, 0)].map(|(a, b)| (&portals[a], &portals[b])) {
        for provider in ["oidc", "guest"] {
            let browser = Browser::default();
            if provider == "oidc" {
                browser.lie(here, "oidc", &liar).await;
            } else {
                assert_eq!(browser.refresh(here, "guest").await.status, 200);
            }
            assert_ne!(browser.who(here).await, "401");
            assert_eq!(browser.copy().who(there).await, "401", "{provider}");
            let renewed = browser.copy().refresh(there, "oidc").await;
            assert_eq!(renewed.status, 401, "{}", renewed.body);
            assert_eq!(browser.copy().sign_out(there, "oidc").await.status, 200);
            assert_ne!(browser.who(here).await, "401", "nor is it ended there");
        }
        let browser = Browser::default();
        let start = format!("{here}/api/auth/oidc/start?env=development");
        let state = liar.hear(&browser.get(&start).await.location());
        let back = format!("{there}/api/auth/oidc/handler/frame?code=c&state={state}");
        assert_eq!(
            browser.copy().get(&back).await.status,
            400,
            "nor an attempt"
        );
        let back = back.replace(there, here);
        assert_eq!(browser.get(&back).await.status, 200);
        assert_eq!(browser.who(here).await, ADA);
    }
}

const HTTPS: &str = "https://portal.example.com";

fn https_portal(liar: &Liar) -> SignIn {
    let portal = SignIn::builder(HTTPS).with_provider("oidc", liar.oidc(), email());
    portal.with_catalog(catalog()).build().unwrap()
}

/// A script's call with these cookies to a portal that its browsers see on https.
async fn https(portal: &SignIn, method: Method, path: &str, cookies: &str) -> Response<()> {
    let nothing = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = OAuthCallbackLayer::new(portal.clone()).layer(nothing);
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/auth/{path}"))
        .header(HOST, "portal.example.com")
        .header("x-requested-with", "XMLHttpRequest")
        .header(COOKIE, cookies);
    let request = request.body(Full::default()).unwrap();
    service.oneshot(request).await.unwrap().map(drop)
}

fn lines(answer: &Response<()>) -> Vec<&str> {
    let lines = answer.headers().get_all(SET_COOKIE).iter();
    lines.map(|line| line.to_str().unwrap()).collect()
}

/// The lines that set a cookie, of a sign-in at the provider `oidc`.
async fn https_sign_in(portal: &SignIn, liar: &Liar) -> Vec<String> {
    let started = https(portal, Method::GET, "oidc/start?env=development", "").await;
    let state = liar.hear(started.headers()[LOCATION].to_str().unwrap());
    let attempt = lines(&started)[0].split(';').next().unwrap();
    let back = format!("oidc/handler/frame?code=c&state={state}");
    let done = https(portal, Method::GET, &back, attempt).await;
    let all: Vec<&str> = lines(&started).into_iter().chain(lines(&done)).collect();
    for line in &all {
        assert!(line.starts_with("__Host-tid-"), "{line}");
        assert!(line.contains("; Path=/; HttpOnly; Secure; "), "{line}");
        assert!(!line.to_ascii_lowercase().contains("domain"), "{line}");
    }
    let set = lines(&done).into_iter();
    let set: Vec<String> = set
        .filter(|line| !line.contains("Max-Age=0;"))
        .map(str::to_owned)
        .collect();
    assert_eq!(set.len(), 3, "session, refresh token and scope: {set:?}");
    set
}

/// The pair of a cookie among these lines.
fn pair(lines: &[String], name: &str) -> String {
    let line = lines.iter().find(|line| line.starts_with(name));
    line.unwrap().split(';').next().unwrap().to_owned()
}

const RENEWAL: &str = "__Host-tid-oidc-refresh-token";

#[tokio::test]
async fn se_02_on_https_no_neighbour_can_plant_a_refresh_token() {
    let liar = Liar::start().await;
    let portal = https_portal(&liar);
    let renewal = pair(&https_sign_in(&portal, &liar).await, RENEWAL);
    let refresh = "oidc/refresh?env=development";
    let renewed = https(&portal, Method::GET, refresh, &renewal).await;
    assert_eq!(renewed.status(), 200);
    for planted in [
        "oidc-refresh-token",
        "tid-oidc-refresh-token",
        "__host-tid-oidc-refresh-token",
    ] {
        let planted = renewal.replace(RENEWAL, planted);
        let refused = https(&portal, Method::GET, refresh, &planted).await;
        assert_eq!(refused.status(), 401, "{planted}");
    }
}

#[tokio::test]
async fn lo_02_on_https_signing_out_ends_what_a_dead_session_left() {
    let liar = Liar::start().await;
    let portal = https_portal(&liar);
    let renewal = pair(&https_sign_in(&portal, &liar).await, RENEWAL);
    let logout = "oidc/logout?env=development";
    let answer = https(&portal, Method::POST, logout, &renewal).await;
    assert_eq!(answer.status(), 200);
    let cleared = lines(&answer);
    let forgets = |line: &&str| line.starts_with(RENEWAL) && line.contains("Max-Age=0;");
    assert!(cleared.iter().any(forgets), "{cleared:?}");
    let refresh = "oidc/refresh?env=development";
    let copy = https(&portal, Method::GET, refresh, &renewal).await;
    assert_eq!(copy.status(), 401);
}
