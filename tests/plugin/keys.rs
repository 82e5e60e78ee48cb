//! `/.backstage/auth/v1/jwks.json`, and what strangers can do with ids of plugins.

use tower_identity::layer::Plugin;
use tower_identity::token::PluginTokens;

use super::{World, ask};

const KEYS: &str = "/api/todo/.backstage/auth/v1/jwks.json";

#[tokio::test]
async fn a_plugin_publishes_its_keys_to_anybody_and_its_private_halves_to_nobody() {
    let world = World::new().await;
    let tokens = PluginTokens::new("todo").unwrap();
    let (service, echo) = world.todo(Plugin::new("todo").with_tokens(tokens.clone()));
    for headers in [&[][..], &[("authorization", "Bearer junk")]] {
        let answer = ask(&service, "GET", KEYS, headers).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let found: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(found, tokens.keys().jwks());
        assert_eq!(found["keys"][0]["kty"], "EC");
        assert!(found["keys"][0].get("d").is_none());
    }
    assert_eq!(ask(&service, "POST", KEYS, &[]).await.status, 401);
    assert_eq!(echo.calls(), 0);
}

#[tokio::test]
async fn a_plugin_without_tokens_has_no_key_set() {
    let world = World::new().await;
    let (service, _) = world.todo(Plugin::new("todo"));
    assert_eq!(ask(&service, "GET", KEYS, &[]).await.status, 401);
}

#[tokio::test]
async fn an_id_that_could_lead_elsewhere_is_no_plugins() {
    for bad in ["", "a b", "a/b", "..", "a?b", "é", &"x".repeat(65)] {
        assert!(PluginTokens::new(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_key_that_was_rotated_is_found() {
    let world = World::new().await;
    let before = world.search.own_token_for("todo");
    world.proven("todo", before.expose()).await.unwrap();
    world.search.keys().rotate();
    let after = world.search.own_token_for("todo");
    for token in [before, after] {
        world.proven("todo", token.expose()).await.unwrap();
    }
}
