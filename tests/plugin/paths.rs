//! Policies by path (spec section 8.1).

use http::HeaderName;
use tower::Layer as _;
use tower_identity::layer::{PathPolicy, Plugin};
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::{ApiKey, BearerKeyLayer};

use super::echo::Echo;
use super::support::{request, send};
use super::{ADA, World, ask, limited};

fn todo() -> Plugin {
    Plugin::new("todo")
        .add_policy(PathPolicy::unauthenticated("/health").unwrap())
        .add_policy(PathPolicy::user_cookie("/static").unwrap())
}

#[tokio::test]
async fn px_01_every_path_needs_a_caller_unless_it_was_opened() {
    let world = World::new().await;
    let (service, echo) = world.todo(todo());
    for path in [
        "/api/todo",
        "/api/todo/x",
        "/x",
        "/health",
        "/api/todo/static/a",
        "/api/todo/HEALTH",
    ] {
        let answer = ask(&service, "GET", path, &[]).await;
        assert_eq!(answer.status, 401, "{path} {answer:?}");
    }
    assert_eq!(echo.calls(), 0);
    ask(&service, "GET", "/api/todo/health", &[])
        .await
        .passed("nobody");
    ask(&service, "POST", "/api/todo/health/x", &[])
        .await
        .passed("nobody");
}

#[tokio::test]
async fn an_open_path_proves_who_can_be_proven_and_shows_no_credential_to_anybody() {
    let world = World::new().await;
    let (service, _) = world.todo(todo());
    let (ada, half) = (world.ada(), limited(world.ada().expose()));
    let good = format!("Bearer {}", ada.expose());
    for (bearer, caller) in [
        (good.as_str(), ADA),
        ("Bearer junk", "nobody"),
        ("Bearer %%", "nobody"),
        (&format!("Bearer {half}"), "nobody"),
    ] {
        let answer = ask(
            &service,
            "GET",
            "/api/todo/health",
            &[("authorization", bearer)],
        )
        .await;
        assert_eq!(answer.passed(caller).saw("authorization"), None, "{bearer}");
    }
    let two = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(
        ask(&service, "GET", "/api/todo/health", &two).await.status,
        400
    );
}

#[tokio::test]
async fn a_limited_token_is_good_where_a_cookie_is_and_nowhere_else() {
    let world = World::new().await;
    let (service, _) = world.todo(todo());
    let token = limited(world.ada().expose());
    let bearer = format!("Bearer {token}");
    let cookie = format!("a=1; backstage-auth={token}");
    for credential in [("authorization", bearer.as_str()), ("cookie", &cookie)] {
        let answer = ask(&service, "GET", "/api/todo/static/logo.png", &[credential]).await;
        answer.passed(ADA);
        assert_eq!(answer.saw("authorization"), None);
        assert!(
            answer.saw("cookie").is_none_or(|left| left == "a=1"),
            "{answer:?}"
        );
        let answer = ask(&service, "GET", "/api/todo/items", &[credential]).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}

#[tokio::test]
async fn the_cookie_holds_a_limited_token_or_nothing() {
    let world = World::new().await;
    let (service, _) = world.todo(todo());
    let (full, half) = (world.ada(), limited(world.ada().expose()));
    let service_token = world.search.own_token_for("todo");
    for value in [
        full.expose(),
        service_token.expose(),
        "junk",
        "",
        &super::changed(&half, 1),
        &format!("{half}; backstage-auth=other"),
    ] {
        let cookie = format!("backstage-auth={value}");
        let answer = ask(
            &service,
            "GET",
            "/api/todo/static/a",
            &[("cookie", &cookie)],
        )
        .await;
        assert_eq!(answer.status, 401, "{value} {answer:?}");
    }
    // A bearer token, be it a bad one, decides alone.
    let cookie = format!("backstage-auth={half}");
    let both = [
        ("cookie", cookie.as_str()),
        ("authorization", "Bearer junk"),
    ];
    assert_eq!(
        ask(&service, "GET", "/api/todo/static/a", &both)
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_limited_token_that_an_outer_layer_took_is_no_better_further_in() {
    let world = World::new().await;
    let (inner, _) = world.todo(Plugin::new("todo"));
    let service = world.layer("todo").for_plugin(todo()).layer(inner);
    let (full, half) = (world.ada(), limited(world.ada().expose()));
    for (token, status) in [(full.expose(), 200), (&half, 401)] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let request = request("GET", "/api/todo/static/a", &headers);
        let answer = send(&service, request).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn a_key_in_a_header_of_its_own_is_not_taken_for_what_a_cookie_holds() {
    let world = World::new().await;
    let key = ApiKey::generate("tid");
    let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")]).unwrap();
    let service = BearerKeyLayer::new(keys)
        .with_header(HeaderName::from_static("x-api-key"))
        .for_plugin(todo())
        .layer(Echo::default());
    let cookie = format!("backstage-auth={}", limited(world.ada().expose()));
    let secret = key.expose();
    let headers = [("x-api-key", secret), ("cookie", cookie.as_str())];
    let answer = ask(&service, "GET", "/api/todo/static/a", &headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn se_17_the_cookie_does_nothing_for_a_page_of_another_site() {
    let world = World::new().await;
    let plugin = todo()
        .with_urls("https://backend.example", "https://app.example")
        .unwrap();
    let (service, _) = world.todo(plugin);
    let cookie = format!("backstage-auth={}", limited(world.ada().expose()));
    for (origin, status) in [
        ("https://evil.example", 403),
        ("null", 403),
        ("https://app.example", 200),
        ("https://backend.example", 200),
    ] {
        let headers = [("cookie", cookie.as_str()), ("origin", origin)];
        let answer = ask(&service, "POST", "/api/todo/static/a", &headers).await;
        assert_eq!(answer.status, status, "{origin} {answer:?}");
    }
}

#[tokio::test]
async fn px_02_a_path_that_can_be_read_in_two_ways_is_a_400() {
    let world = World::new().await;
    let (service, echo) = world.todo(todo());
    let bearer = format!("Bearer {}", world.ada().expose());
    for path in [
        "/api/todo/health/../items",
        "/api/todo/health/%2e%2e/items",
        "/api/todo/health%2f..%2fitems",
        "/api/todo//health",
        "//api/todo/health",
        "/api/todo/health/%5c",
    ] {
        for headers in [&[][..], &[("authorization", bearer.as_str())]] {
            let answer = ask(&service, "GET", path, headers).await;
            assert_eq!(answer.status, 400, "{path} {answer:?}");
        }
    }
    assert_eq!(echo.calls(), 0);
}

#[tokio::test]
async fn px_03_inside_a_router_that_takes_the_prefix_away_the_mount_is_empty() {
    let world = World::new().await;
    let (service, _) = world.todo(todo().with_mount(""));
    ask(&service, "GET", "/health", &[]).await.passed("nobody");
    assert_eq!(
        ask(&service, "GET", "/api/todo/health", &[]).await.status,
        401
    );
}
