//! One plugin calls another, as itself or on behalf of a user (spec section 6.4).

use tower_identity::identity::{Action, Restriction};
use tower_identity::testing;
use tower_identity::token::{DelegationError, PluginTokens};

use super::{ADA, HOUR, INVALID, World, changed, limited};

#[tokio::test]
async fn a_plugin_is_a_service_to_the_one_it_calls() {
    let world = World::new().await;
    let token = world.search.own_token_for("todo");
    let who = world.proven("todo", token.expose()).await.unwrap();
    assert_eq!(who.subject(), "plugin:search");
    assert!(who.service().is_some() && who.user().is_none());
    assert_eq!(who.expires_at(), Some(token.expires_at()));
}

#[tokio::test]
async fn a_plugin_token_is_for_one_plugin_and_signed_by_the_one_it_names() {
    let world = World::new().await;
    let token = world.search.own_token_for("todo");
    let elsewhere = world.search.own_token_for("catalog");
    let stranger = PluginTokens::new("search").unwrap().own_token_for("todo");
    for bad in [
        elsewhere.expose(),
        stranger.expose(),
        &changed(token.expose(), 1),
        &changed(token.expose(), 2),
    ] {
        let answer = world.proven("todo", bad).await.unwrap_err();
        answer.refused(401, Some(INVALID));
    }
    world.hand.advance(HOUR);
    let answer = world.proven("todo", token.expose()).await.unwrap_err();
    answer.refused(401, Some(INVALID));
}

#[tokio::test]
async fn a_user_stays_the_user_through_a_plugin_and_through_another_one() {
    let world = World::new().await;
    // Ada calls search, which calls todo for her, which calls search again.
    let ada = world.proven("search", world.ada().expose()).await.unwrap();
    assert_eq!(ada.user().unwrap().ownership().len(), 2);
    let token = world.search.token_for("todo", &ada).unwrap();
    let at_todo = world.proven("todo", token.expose()).await.unwrap();
    assert_eq!(at_todo.subject(), ADA);
    assert!(
        !at_todo.is_limited(),
        "what was passed on is good everywhere"
    );
    let actor = at_todo.user().unwrap().actor().unwrap();
    assert_eq!(actor.subject(), "plugin:search");
    assert!(token.expires_at() <= ada.expires_at().unwrap());

    let json = serde_json::to_value(&at_todo).unwrap();
    assert_eq!(json["actor"], "plugin:search");

    let again = world.search.token_for("todo", &at_todo).unwrap();
    let at_last = world.proven("todo", again.expose()).await.unwrap();
    assert_eq!(at_last.subject(), ADA);
}

#[tokio::test]
async fn a_user_who_cannot_be_shown_is_not_passed_on() {
    let world = World::new().await;
    let by_session = testing::identity(ADA, []).build();
    let refused = world.search.token_for("todo", &by_session).unwrap_err();
    assert_eq!(refused, DelegationError::NotTransferable);
}

#[tokio::test]
async fn a_restricted_service_reaches_no_further_through_a_plugin() {
    let world = World::new().await;
    let restricted =
        |only: Vec<Restriction>| testing::service("ci").with_restrictions(only).build();
    let todo = || Restriction::to_plugin("todo");
    for (only, expected) in [
        (vec![], Err(DelegationError::NotIncluded)),
        (
            vec![Restriction::to_plugin("catalog")],
            Err(DelegationError::NotIncluded),
        ),
        (
            vec![todo().with_permissions(["todo.read"])],
            Err(DelegationError::NotDelegable),
        ),
        (
            vec![todo().with_actions([Action::Read])],
            Err(DelegationError::NotDelegable),
        ),
        (vec![todo()], Ok(())),
    ] {
        let found = world.search.token_for("todo", &restricted(only.clone()));
        assert_eq!(found.map(|_| ()), expected, "{only:?}");
    }
    let free = testing::service("ci").build();
    assert!(world.search.token_for("todo", &free).is_ok());
}

#[tokio::test]
async fn an_obo_that_is_no_user_token_of_the_portal_is_refused() {
    let world = World::new().await;
    let ada = world.proven("search", world.ada().expose()).await.unwrap();
    let good = world.search.token_for("todo", &ada).unwrap();
    world.proven("todo", good.expose()).await.unwrap();
    // The limited token that it carries is the portal's word: without its key there is none.
    let other = World::new().await;
    let foreign = other.proven("search", other.ada().expose()).await.unwrap();
    let forged = world.search.token_for("todo", &foreign).unwrap();
    let answer = world.proven("todo", forged.expose()).await.unwrap_err();
    answer.refused(401, Some(INVALID));
}

#[tokio::test]
async fn tokens_of_a_plugin_whose_keys_cannot_be_had_are_neither_bad_nor_good() {
    let world = World::new().await;
    let nobody = PluginTokens::new("nobody").unwrap().own_token_for("todo");
    let world = World {
        directory: world
            .directory
            .clone()
            .add_endpoint("http://127.0.0.1:1", ["nobody"]),
        ..world
    };
    let answer = world.proven("todo", nobody.expose()).await.unwrap_err();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_limited_token_is_the_same_whoever_makes_it() {
    let world = World::new().await;
    let token = world.ada();
    let ada = world.proven("search", token.expose()).await.unwrap();
    let plugin = world.search.token_for("todo", &ada).unwrap();
    let payload = plugin.expose().split('.').nth(1).unwrap();
    let payload =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
    let claims: serde_json::Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    assert_eq!(claims["obo"], limited(token.expose()));
}
