//! The axum extractors: what a handler gets, and what a caller hears if it gets nothing.

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_identity::identity::{Service, User};
use tower_identity::verify::api_key::{ApiKey, ApiKeys, KeyRecord};
use tower_identity::{BearerKeyLayer, Identity, testing};

fn handlers() -> Router {
    Router::new()
        .route(
            "/anybody",
            get(|who: Identity| async move { who.subject().to_owned() }),
        )
        .route(
            "/perhaps",
            get(|who: Option<Identity>| async move {
                who.map_or("nobody".into(), |w| w.subject().to_owned())
            }),
        )
        .route(
            "/people",
            get(|who: User| async move { who.subject().to_owned() }),
        )
        .route(
            "/machines",
            get(|who: Service| async move { who.subject().to_owned() }),
        )
        .route("/json", get(|who: Identity| async move { Json(who) }))
}

async fn ask(app: &Router, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = app
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn guarded() -> (Router, String) {
    let key = ApiKey::generate("tid");
    let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")]).unwrap();
    (
        handlers().layer(BearerKeyLayer::new(keys).optional()),
        key.expose().to_owned(),
    )
}

#[tokio::test]
async fn a_handler_gets_what_it_asks_for() {
    let (app, key) = guarded();
    for path in ["/anybody", "/perhaps", "/machines"] {
        assert_eq!(
            ask(&app, path, Some(&key)).await,
            (StatusCode::OK, "ci".into()),
            "{path}"
        );
    }
    let (status, body) = ask(&app, "/json", Some(&key)).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        r#"{"principal":"service","subject":"ci","ownership":[],"scopes":[],"method":"api-key","issuer":null,"expiresAt":null}"#
    );
}

#[tokio::test]
async fn a_missing_identity_is_401_and_one_of_the_other_kind_403() {
    let (app, key) = guarded();
    for path in ["/anybody", "/people", "/machines"] {
        let (status, body) = ask(&app, path, None).await;
        assert_eq!(status, 401, "{path}");
        assert!(body.contains("Missing credentials"), "{body}");
    }
    assert_eq!(
        ask(&app, "/perhaps", None).await,
        (StatusCode::OK, "nobody".into())
    );
    assert_eq!(ask(&app, "/people", Some(&key)).await.0, 403);
}

#[tokio::test]
async fn a_forgotten_layer_fails_closed_even_where_the_identity_is_optional() {
    for path in ["/anybody", "/perhaps", "/people", "/machines"] {
        assert_eq!(ask(&handlers(), path, Some("any")).await.0, 500, "{path}");
    }
}

#[tokio::test]
async fn a_test_can_make_any_identity() {
    let ada = testing::identity("user:default/ada", ["group:default/analysts"])
        .with_scopes("read write")
        .build();
    assert!(
        ada.user()
            .unwrap()
            .owns(&"group:default/analysts".parse().unwrap())
    );
    assert!(ada.scopes().contains("read"));
    let app = handlers().layer(Extension(ada));
    assert_eq!(
        ask(&app, "/people", None).await,
        (StatusCode::OK, "user:default/ada".into())
    );
    assert_eq!(ask(&app, "/machines", None).await.0, 403);
    let app = handlers().layer(Extension(testing::service("ci").build()));
    assert_eq!(
        ask(&app, "/machines", None).await,
        (StatusCode::OK, "ci".into())
    );
}

#[tokio::test]
async fn a_layer_can_be_changed_after_it_was_cloned() {
    let layer = BearerKeyLayer::new(ApiKeys::new([]).unwrap());
    let (required, optional) = (layer.clone(), layer.optional());
    assert_eq!(
        ask(&handlers().layer(required), "/perhaps", None).await.0,
        401
    );
    assert_eq!(
        ask(&handlers().layer(optional), "/perhaps", None).await.0,
        200
    );
}
