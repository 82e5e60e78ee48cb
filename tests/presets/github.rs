//! GitHub: <https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>.

use serde_json::{Value, json};
use tower_identity::provider::GitHub;
use tower_identity::sign_in::Resolver;

use crate::emulation::params;
use crate::{ADA, IN_BODY, World, exchanged};

const CLOUD: [&str; 3] = ["github.com", "github.com", "api.github.com"];
const ENTERPRISE: [&str; 3] = [
    "ghe.example.com",
    "ghe.example.com",
    "ghe.example.com/api/v3",
];

fn tell(world: &World, [_, token, api]: [&str; 3], tokens: Value) {
    world.emulation.answer(
        &format!("POST {token}/login/oauth/access_token"),
        200,
        &tokens,
    );
    let user = json!({ "login": "ada", "id": 1815, "node_id": "MDQ6VXNlcjE4MTU=", "name": "Ada Lovelace", "email": null });
    world
        .emulation
        .answer(&format!("GET {api}/user"), 200, &user);
    let emails = json!([
        { "email": "old@example.com", "primary": false, "verified": true, "visibility": null },
        { "email": "ada@example.com", "primary": true, "verified": true, "visibility": "private" },
    ]);
    world
        .emulation
        .answer(&format!("GET {api}/user/emails"), 200, &emails);
}

#[tokio::test]
async fn github_is_asked_in_the_cloud_and_on_premises_by_oauth_apps_and_github_apps() {
    let app =
        json!({ "access_token": "gho_t", "scope": "read:user,user:email", "token_type": "bearer" });
    let github_app = json!({
        "access_token": "ghu_t", "expires_in": 28800, "refresh_token": "ghr_t", "refresh_token_expires_in": 15_811_200,
        "scope": "", "token_type": "bearer",
    });
    for place in [CLOUD, ENTERPRISE] {
        for tokens in [&app, &github_app] {
            let mut github = GitHub::new("the-client", "the-secret");
            if place == ENTERPRISE {
                github = github.with_enterprise_instance_url("https://ghe.example.com/");
            }
            let world = World::start(github, Resolver::email()).await;
            let sent = world.begin().await;
            let [web, token, api] = place;
            assert_eq!(sent.to, format!("https://{web}/login/oauth/authorize"));
            let expected = params([
                ("client_id", "the-client"),
                ("scope", "read:user user:email"),
            ]);
            assert_eq!(sent.params, expected);
            tell(&world, place, tokens.clone());
            let heard = world.back(&sent).await;
            let response = &heard["response"];
            assert_eq!(
                response["backstageIdentity"]["identity"]["userEntityRef"], ADA,
                "{heard}"
            );
            let calls = world.emulation.calls();
            assert_eq!(calls.len(), 3, "{calls:?}");
            exchanged(
                &calls[0],
                &format!("POST {token}/login/oauth/access_token"),
                &world,
                &IN_BODY,
            );
            for (call, path) in calls[1..].iter().zip(["/user", "/user/emails"]) {
                assert_eq!(call.to, format!("GET {api}{path}"));
                let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
                assert_eq!(call.headers["authorization"], bearer);
                assert_eq!(call.headers["accept"], "application/vnd.github+json");
            }
        }
    }
}

#[tokio::test]
async fn githubs_own_errors_are_told_without_its_words() {
    let world = World::start(GitHub::new("the-client", "the-secret"), Resolver::email()).await;
    for (error, because) in [
        ("bad_verification_code", "bad_verification_code"),
        (
            "incorrect_client_credentials",
            "incorrect_client_credentials",
        ),
        ("redirect_uri_mismatch", "redirect_uri_mismatch"),
    ] {
        let sent = world.begin().await;
        // With status 200, as GitHub does.
        let body = json!({ "error": error, "error_description": "CANARY", "error_uri": "https://docs.github.com/x" });
        tell(&world, CLOUD, body);
        world.fails(&sent, "", because).await;
    }
    for (status, user) in [
        (
            401,
            json!({ "message": "Bad credentials CANARY", "documentation_url": "https://docs.github.com/rest" }),
        ),
        (403, json!({ "message": "API rate limit exceeded CANARY" })),
        (200, json!({ "login": "ada" })),
    ] {
        let sent = world.begin().await;
        tell(
            &world,
            CLOUD,
            json!({ "access_token": "gho_t", "scope": "", "token_type": "bearer" }),
        );
        world
            .emulation
            .answer("GET api.github.com/user", status, &user);
        world.fails(&sent, "", "").await;
    }
}
