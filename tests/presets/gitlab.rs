//! GitLab: <https://docs.gitlab.com/api/oauth2/>, <https://docs.gitlab.com/api/users/>.

use http::Method;
use serde_json::{Value, json};
use tower_identity::provider::GitLab;
use tower_identity::sign_in::Resolver;

use crate::emulation::params;
use crate::{ADA, IN_BODY, World, asked_with, exchanged};

fn user(more: Value) -> Value {
    let mut user = json!({
        "id": 1815, "username": "ada", "name": "Ada Lovelace", "state": "active", "locked": false,
        "avatar_url": "https://gitlab.example.com/uploads/ada.png", "web_url": "https://gitlab.example.com/ada",
        "email": "ada@example.com", "confirmed_at": "2012-05-23T09:05:22.000Z", "public_email": null,
        "commit_email": "another@example.com",
    });
    for (name, value) in more.as_object().unwrap() {
        user[name] = value.clone();
    }
    user
}

fn tell(world: &World, host: &str, more: Value) {
    let answer = json!({
        "access_token": "glat", "token_type": "Bearer", "expires_in": 7200, "refresh_token": "glrt",
        "created_at": 1_607_635_748, "scope": "read_user",
    });
    world
        .emulation
        .answer(&format!("POST {host}/oauth/token"), 200, &answer);
    world
        .emulation
        .answer(&format!("GET {host}/api/v4/user"), 200, &user(more));
}

#[tokio::test]
async fn gitlab_is_asked_by_its_api_in_the_cloud_and_on_premises() {
    for host in ["gitlab.com", "gitlab.example.com"] {
        let mut gitlab = GitLab::new("the-client", "the-secret");
        if host != "gitlab.com" {
            gitlab = gitlab.with_url(format!("https://{host}/"));
        }
        let world = World::start(gitlab, Resolver::username()).await;
        let sent = world.begin().await;
        assert_eq!(sent.to, format!("https://{host}/oauth/authorize"));
        assert_eq!(
            sent.params,
            params([("client_id", "the-client"), ("scope", "read_user")])
        );
        tell(&world, host, json!({}));
        let heard = world.back(&sent).await;
        let response = &heard["response"];
        assert_eq!(
            response["backstageIdentity"]["identity"]["userEntityRef"], ADA,
            "{heard}"
        );
        assert_eq!(response["profile"]["email"], "ada@example.com");
        let calls = world.emulation.calls();
        assert_eq!(calls.len(), 2, "{calls:?}");
        exchanged(
            &calls[0],
            &format!("POST {host}/oauth/token"),
            &world,
            &IN_BODY,
        );
        asked_with(&calls[1], &format!("GET {host}/api/v4/user"), "glat");

        let rotated =
            json!({ "access_token": "glat-2", "token_type": "Bearer", "refresh_token": "glrt-2" });
        let token = format!("POST {host}/oauth/token");
        world.emulation.answer(&token, 200, &rotated);
        let answer = world.ajax(Method::GET, "refresh").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let calls = world.emulation.calls();
        let mut expected = params(IN_BODY);
        expected.extend(params([
            ("grant_type", "refresh_token"),
            ("refresh_token", "glrt"),
        ]));
        assert_eq!(calls[0].form, expected);
        // Somebody else by the same name is somebody else (ID-06).
        tell(&world, host, json!({ "id": 7 }));
        assert_eq!(world.ajax(Method::GET, "refresh").await.status, 401);
        assert_eq!(world.who().await, "401");
    }
}

#[tokio::test]
async fn id_02_only_a_confirmed_address_counts() {
    let gitlab = GitLab::new("the-client", "the-secret");
    let world = World::start(gitlab, Resolver::email()).await;
    for more in [
        json!({ "confirmed_at": null }),
        json!({ "email": null, "public_email": "ada@example.com" }),
        json!({ "email": "", "commit_email": "ada@example.com" }),
    ] {
        let sent = world.begin().await;
        tell(&world, "gitlab.com", more);
        let words = "Login failed, user profile does not contain an email";
        world.fails(&sent, words, "").await;
    }
}

#[tokio::test]
async fn an_answer_that_names_nobody_is_refused() {
    let gitlab = GitLab::new("the-client", "the-secret");
    let world = World::start(gitlab, Resolver::username()).await;
    for (status, user) in [
        (200, user(json!({ "id": null }))),
        (200, user(json!({ "id": "1815" }))),
        (200, user(json!({ "username": " " }))),
        (200, user(json!({ "username": null }))),
        (200, json!([])),
        (200, json!({ "message": "CANARY" })),
        (401, json!({ "message": "401 Unauthorized CANARY" })),
        (
            403,
            json!({ "error": "insufficient_scope", "error_description": "CANARY", "scope": "read_user" }),
        ),
        (500, json!({ "message": "500 Internal Server Error" })),
    ] {
        let sent = world.begin().await;
        tell(&world, "gitlab.com", json!({}));
        world
            .emulation
            .answer("GET gitlab.com/api/v4/user", status, &user);
        world.fails(&sent, "", "").await;
    }
}

#[tokio::test]
async fn gitlabs_own_errors_are_told_without_its_words() {
    let gitlab = GitLab::new("the-client", "the-secret");
    let world = World::start(gitlab, Resolver::username()).await;
    for (status, error, because) in [
        (
            400,
            json!({ "error": "invalid_grant", "error_description": "CANARY The provided authorization grant is invalid" }),
            "invalid_grant",
        ),
        (
            401,
            json!({ "error": "invalid_client", "error_description": "CANARY Client authentication failed" }),
            "invalid_client",
        ),
        (
            400,
            json!({ "error": "invalid_request", "error_description": "CANARY Missing required parameter: code_verifier." }),
            "invalid_request",
        ),
    ] {
        let sent = world.begin().await;
        world
            .emulation
            .answer("POST gitlab.com/oauth/token", status, &error);
        world.fails(&sent, "", because).await;
    }
    // Another issuer's response (RFC 9207): the code goes nowhere.
    let sent = world.begin().await;
    tell(&world, "gitlab.com", json!({}));
    world.emulation.calls();
    let way = format!(
        "{}?code=the-code&state={}&iss=https://evil.test",
        world.callback(),
        sent.state
    );
    let heard = crate::site::frame(&world.browser.get(&way).await).0;
    assert!(heard["error"].is_object(), "{heard}");
    assert!(world.emulation.calls().is_empty());
}
