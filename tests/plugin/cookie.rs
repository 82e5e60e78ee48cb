//! `/.backstage/auth/v1/cookie` (spec section 6.5).

use tower_identity::layer::Plugin;

use super::{ADA, HOUR, World, ask, limited};

const COOKIE: &str = "/api/todo/.backstage/auth/v1/cookie";

#[tokio::test]
async fn a_user_token_is_changed_for_a_cookie_that_ends_with_it() {
    let world = World::new().await;
    let (service, echo) = world.todo(Plugin::new("todo"));
    let ada = world.ada();
    let bearer = format!("Bearer {}", ada.expose());
    let answer = ask(&service, "GET", COOKIE, &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.body,
        format!(r#"{{"expiresAt":"{}"}}"#, ada.expires_at())
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let line = answer.header("set-cookie").unwrap();
    let begin = format!("backstage-auth={}; Path=/; Expires=", limited(ada.expose()));
    assert!(line.starts_with(&begin), "{line}");
    assert!(
        line.ends_with("; HttpOnly; Secure; Priority=High; SameSite=Lax"),
        "{line}"
    );
    assert_eq!(echo.calls(), 0, "the plugin itself is not asked");
}

#[tokio::test]
async fn nobody_else_gets_one() {
    let world = World::new().await;
    let (service, echo) = world.todo(Plugin::new("todo"));
    let half = limited(world.ada().expose());
    let plugin = world.search.own_token_for("todo");
    let ada = world.proven("search", world.ada().expose()).await.unwrap();
    let on_behalf = world.search.token_for("todo", &ada).unwrap();
    for (token, status) in [
        (half.as_str(), 401),
        ("junk", 401),
        (plugin.expose(), 403),
        (on_behalf.expose(), 403),
    ] {
        let bearer = format!("Bearer {token}");
        let answer = ask(&service, "GET", COOKIE, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, status, "{token} {answer:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let cookie = format!("backstage-auth={half}");
    for headers in [&[][..], &[("cookie", cookie.as_str())]] {
        assert_eq!(ask(&service, "GET", COOKIE, headers).await.status, 401);
    }
    assert_eq!(echo.calls(), 0);
}

#[tokio::test]
async fn a_cookie_is_cleared_for_whoever_asks() {
    let world = World::new().await;
    let (service, echo) = world.todo(Plugin::new("todo"));
    let answer = ask(&service, "DELETE", COOKIE, &[]).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let line = answer.header("set-cookie").unwrap();
    assert!(
        line.starts_with("backstage-auth=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT;"),
        "{line}"
    );
    assert_eq!(echo.calls(), 0);
}

#[tokio::test]
async fn a_cookie_is_no_good_when_its_token_has_ended() {
    use tower_identity::layer::PathPolicy;
    let world = World::new().await;
    let open = PathPolicy::user_cookie("/").unwrap();
    let (service, _) = world.todo(Plugin::new("todo").add_policy(open));
    let cookie = format!("backstage-auth={}", limited(world.ada().expose()));
    ask(&service, "GET", "/api/todo/x", &[("cookie", &cookie)])
        .await
        .passed(ADA);
    world.hand.advance(HOUR);
    let answer = ask(&service, "GET", "/api/todo/x", &[("cookie", &cookie)]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
}
