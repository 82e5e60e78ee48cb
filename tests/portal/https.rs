//! The cookies of a portal on https, and of one on plain http.

use tower_identity::clock::Clock;
use tower_identity::sign_in::SignInBuilder;

use super::{ADA, POPUP_OF, Visit, portal, provider};

const HTTPS: &str = "https://portal.example.com";
const HTTP: &str = "http://127.0.0.1:7007";

/// Every line that sets a cookie from a first sign-in to the sign-out.
async fn lines(origin: &str) -> Vec<String> {
    lines_with(origin, |portal| portal).await
}

/// The same of a portal with something else about it.
async fn lines_with(
    origin: &str,
    change: impl FnOnce(SignInBuilder) -> SignInBuilder,
) -> Vec<String> {
    let provider = provider(origin, Clock::system()).await;
    let sign_in = change(portal(origin, &provider)).build().unwrap();
    let mut visit = Visit::to(origin, &sign_in);
    let done = visit.sign_in(POPUP_OF).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(visit.who().await, ADA);
    assert_eq!(visit.refresh().await.status, 200);
    // An attempt that is never finished, and the end of it all.
    visit.way_back(POPUP_OF).await;
    let out = visit.ajax("POST", "/api/auth/oidc/logout?env=development");
    assert_eq!(out.await.status, 200);
    assert_eq!(visit.who().await, "401");
    visit.lines
}

/// The kinds of cookie, without what is drawn for each attempt.
fn kinds(lines: &[String]) -> Vec<&str> {
    let names = lines.iter().map(|line| line.split('=').next().unwrap());
    let mut kinds: Vec<_> = names
        .map(|name| match name.find("attempt-") {
            Some(at) => &name[..at + "attempt-".len()],
            None => name,
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn se_01_every_cookie_of_an_https_portal_is_its_hosts_alone_and_secure() {
    let lines = lines(HTTPS).await;
    for line in &lines {
        let mut attributes: Vec<_> = line.split("; ").skip(1).collect();
        attributes.retain(|attribute| !attribute.starts_with("Max-Age="));
        let expected = ["Path=/", "HttpOnly", "Secure", "SameSite=Lax"];
        assert_eq!(attributes, expected, "{line}");
        assert!(line.starts_with("__Host-tid-"), "{line}");
    }
    let expected = [
        "__Host-tid-attempt-",
        "__Host-tid-oidc-granted-scope",
        "__Host-tid-oidc-refresh-token",
        "__Host-tid-session",
    ];
    assert_eq!(kinds(&lines), expected);
    // The session and what renews it are cleared with the attributes they were set with.
    let cleared = lines.iter().filter(|line| line.contains("Max-Age=0;"));
    assert!(cleared.count() >= 4);
}

#[tokio::test]
async fn a_page_of_another_site_renews_a_session_and_has_no_other_cookie() {
    for (page, other_site) in [
        ("https://app.example.com", false),
        ("https://*.previews.example.com", false),
        ("https://app.example.org", true),
        ("https://*.example.org", true),
    ] {
        let lines = lines_with(HTTPS, |portal| portal.add_allowed_origin(page)).await;
        for line in &lines {
            let renews = ["refresh-token=", "granted-scope="]
                .iter()
                .any(|kind| line.contains(kind));
            let expected = match renews && other_site {
                true => "; HttpOnly; Secure; SameSite=None",
                false => "; HttpOnly; Secure; SameSite=Lax",
            };
            assert!(line.ends_with(expected), "{page}: {line}");
        }
        assert_eq!(kinds(&lines).len(), 4);
    }
    // On plain http there is no such cookie: browsers would not take it.
    let plain = lines_with(HTTP, |portal| {
        portal.add_allowed_origin("https://app.example.org")
    });
    assert!(
        plain
            .await
            .iter()
            .all(|line| line.ends_with("; HttpOnly; SameSite=Lax"))
    );
}

#[tokio::test]
async fn se_16_a_portal_on_plain_http_has_cookies_of_other_names() {
    let lines = lines(HTTP).await;
    for line in &lines {
        assert!(!line.contains("Secure"), "{line}");
        assert!(line.contains("; HttpOnly; SameSite=Lax"), "{line}");
    }
    let expected = [
        "oidc-granted-scope",
        "oidc-refresh-token",
        "tid-attempt-",
        "tid-session",
    ];
    assert_eq!(kinds(&lines), expected);
}

#[tokio::test]
async fn se_03_a_session_under_the_name_of_plain_http_is_none_on_https() {
    let provider = provider(HTTPS, Clock::system()).await;
    let sign_in = portal(HTTPS, &provider).build().unwrap();
    let mut visit = Visit::to(HTTPS, &sign_in);
    visit.sign_in(POPUP_OF).await;
    assert_eq!(visit.who().await, ADA);
    for (name, _) in &mut visit.jar {
        *name = name.replace("__Host-", "");
    }
    assert_eq!(visit.who().await, "401");
}
