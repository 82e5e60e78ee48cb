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

fn membership(organization: &str, state: &str) -> Value {
    json!({ "state": state, "role": "member", "organization": { "login": organization, "id": 1 } })
}

fn app() -> Value {
    json!({ "access_token": "gho_t", "scope": "read:org,read:user,user:email", "token_type": "bearer" })
}

#[tokio::test]
async fn only_members_of_an_organisation_that_is_let_in() {
    let github = || GitHub::new("the-client", "the-secret");
    let allowed = github().with_allowed_organizations(["acme", "Widgets"]);
    let world = World::start(allowed, Resolver::email()).await;
    let at =
        |organization: &str| format!("GET api.github.com/user/memberships/orgs/{organization}");
    let nobody = json!({ "message": "Not Found", "status": "404" });
    for (acme, widgets, because) in [
        (
            (404, nobody.clone()),
            (404, nobody.clone()),
            "of no organisation that is let in",
        ),
        (
            (200, membership("acme", "pending")),
            (404, nobody.clone()),
            "of no organisation that is let in",
        ),
        // GitHub's answer about another one.
        (
            (200, membership("evil", "active")),
            (404, nobody.clone()),
            "of no organisation that is let in",
        ),
        (
            (403, json!({ "message": "CANARY" })),
            (200, membership("widgets", "active")),
            "has to approve the app",
        ),
        (
            (500, json!({})),
            (200, membership("widgets", "active")),
            "expected status 200",
        ),
        ((200, json!([])), (200, membership("widgets", "active")), ""),
    ] {
        let sent = world.begin().await;
        assert_eq!(sent.params["scope"], "read:user user:email read:org");
        tell(&world, CLOUD, app());
        world.emulation.answer(&at("acme"), acme.0, &acme.1);
        world
            .emulation
            .answer(&at("Widgets"), widgets.0, &widgets.1);
        world.fails(&sent, "", because).await;
    }
    world.emulation.answer(&at("acme"), 404, &nobody);
    world
        .emulation
        .answer(&at("Widgets"), 200, &membership("widgets", "active"));
    let sent = world.begin().await;
    assert!(world.back(&sent).await["response"]["backstageIdentity"].is_object());
    // Whoever leaves is out at the next refresh; whom GitHub can't be asked about is not.
    world.emulation.answer(&at("Widgets"), 502, &json!({}));
    assert_eq!(world.ajax(http::Method::GET, "refresh").await.status, 503);
    assert_eq!(world.who().await, ADA);
    world.emulation.answer(&at("Widgets"), 404, &nobody);
    assert_eq!(world.ajax(http::Method::GET, "refresh").await.status, 401);
    assert_eq!(world.who().await, "401");
    for bad in ["", "a/b", "..", "a?b"] {
        let built = tower_identity::sign_in::SignIn::builder("http://localhost:7007")
            .with_provider(
                "it",
                github().with_allowed_organizations([bad]),
                [Resolver::email()],
            )
            .build();
        assert!(built.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn cl_12_organisations_and_teams_are_all_of_them_or_an_error() {
    let by_team = Resolver::from_fn("byTeam", async |person, catalog| {
        let groups = person.groups()?.unwrap_or_default();
        assert!(groups.contains(&"acme"), "{groups:?}");
        match groups.contains(&"acme/last") {
            true => {
                let ada = tower_identity::catalog::UserQuery::Email("ada@example.com".into());
                catalog.find_user(&ada).await
            }
            false => Err(tower_identity::sign_in::ResolverError::not_found(
                "in no such team",
            )),
        }
    });
    let github = GitHub::new("the-client", "the-secret").with_organizations_and_teams();
    let world = World::start(github, by_team).await;
    let team = |slug: &str| json!({ "id": 1, "slug": slug, "organization": { "login": "acme" } });
    let page = |n: usize| format!("GET api.github.com/user/teams?per_page=100&page={n}");
    let full = json!((0..100).map(|i| team(&format!("t{i}"))).collect::<Vec<_>>());
    let memberships = "GET api.github.com/user/memberships/orgs?state=active&per_page=100&page=1";
    world.emulation.answer(
        memberships,
        200,
        &json!([membership("acme", "active"), membership("other", "pending")]),
    );
    world.emulation.answer(&page(1), 200, &full);
    world
        .emulation
        .answer(&page(2), 200, &json!([team("last")]));
    let sent = world.begin().await;
    tell(&world, CLOUD, app());
    let heard = world.back(&sent).await;
    assert!(
        heard["response"]["backstageIdentity"].is_object(),
        "{heard}"
    );
    // Without the scope GitHub says 403, which is not "in no team".
    for (status, answer) in [
        (403, json!({ "message": "Must have read:org CANARY" })),
        (404, json!({})),
        (200, json!({})),
    ] {
        world.emulation.answer(&page(2), status, &answer);
        let sent = world.begin().await;
        world
            .browser
            .0
            .lock()
            .unwrap()
            .retain(|(name, ..)| name.contains("attempt"));
        world.fails(&sent, "", "").await;
    }
    for n in 1..=10 {
        world.emulation.answer(&page(n), 200, &full);
    }
    let sent = world.begin().await;
    world
        .fails(&sent, "", "more groups than GitHub is asked for")
        .await;
}
