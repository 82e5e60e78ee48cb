//! What a route asks for beyond somebody: a user, a service, a scope; as layers and as extractors.
#![cfg(feature = "testing")]

use std::convert::Infallible;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_identity::extract::{RequiredScope, Scoped};
use tower_identity::identity::{Service, User};
use tower_identity::layer::require::{self, RequireLayer};
use tower_identity::rejection::Rejection;
use tower_identity::verify::api_key::ApiKeys;
use tower_identity::{BearerKeyLayer, Identity, testing};

fn ada() -> Identity {
    testing::identity("user:default/ada", [])
        .with_scopes("items.read items.write")
        .build()
}

fn ci() -> Identity {
    testing::service("ci").with_scopes("items.read").build()
}

/// What the layer answers to a request that carries this identity, after another layer has looked.
async fn ask(layer: &RequireLayer, who: Option<Identity>) -> Response<()> {
    let inner = service_fn(|_: Request<String>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let keys = BearerKeyLayer::new(ApiKeys::new([]).unwrap()).optional();
    let service = keys.layer(layer.layer(inner));
    let mut request = Request::new(String::new());
    if let Some(who) = who {
        request.extensions_mut().insert(who);
    }
    service.oneshot(request).await.unwrap().map(drop)
}

#[tokio::test]
async fn each_lets_through_whom_it_was_made_for() {
    for (layer, user, service) in [
        (require::user(), 200, 403),
        (require::service(), 403, 200),
        (require::scope("items.read"), 200, 200),
        (require::scope("items.write"), 200, 403),
        (require::scope("items.read items.write"), 200, 403),
        (require::scope("items"), 403, 403),
    ] {
        assert_eq!(ask(&layer, Some(ada())).await.status(), user, "{layer:?}");
        assert_eq!(ask(&layer, Some(ci())).await.status(), service, "{layer:?}");
        let nobody = ask(&layer, None).await;
        assert_eq!(nobody.status(), 401, "{layer:?}");
        assert_eq!(
            nobody.headers()["www-authenticate"],
            r#"Bearer realm="tower-identity""#
        );
    }
}

#[tokio::test]
async fn st_a_403_names_the_scope_that_was_lacking() {
    let refused = ask(&require::scope("items.write"), Some(ci())).await;
    assert_eq!(
        refused.headers()["www-authenticate"],
        r#"Bearer realm="tower-identity", error="insufficient_scope", scope="items.write""#
    );
    let why = refused.extensions().get::<Rejection>().unwrap();
    assert!(why.reason().contains("items.write"));
    // What could not stand in the header is left out of it.
    let odd = ask(&require::scope("a\"b"), Some(ci())).await;
    assert_eq!(
        odd.headers()["www-authenticate"],
        r#"Bearer realm="tower-identity", error="insufficient_scope""#
    );
}

#[tokio::test]
async fn a_user_through_a_plugin_is_a_user() {
    let through = testing::identity("user:default/ada", [])
        .with_actor("plugin:search")
        .build();
    assert_eq!(
        ask(&require::user(), Some(through.clone())).await.status(),
        200
    );
    assert_eq!(ask(&require::service(), Some(through)).await.status(), 403);
}

#[tokio::test]
async fn where_no_layer_has_looked_nobody_being_there_means_nothing() {
    let inner = service_fn(|_: Request<String>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let alone = require::user()
        .layer(inner)
        .oneshot(Request::new(String::new()))
        .await
        .unwrap();
    assert_eq!(alone.status(), 500);
}

struct ItemsWrite;

impl RequiredScope for ItemsWrite {
    const SCOPE: &str = "items.write";
}

#[tokio::test]
async fn the_same_as_extractors() {
    let app = |who: Option<Identity>| {
        let routes = Router::new()
            .route(
                "/scope",
                get(|who: Scoped<ItemsWrite>| async move { who.identity().subject().to_owned() }),
            )
            .route(
                "/user",
                get(|who: Option<User>| async move { format!("{}", who.is_some()) }),
            )
            .route(
                "/service",
                get(|who: Option<Service>| async move { format!("{}", who.is_some()) }),
            )
            .layer(BearerKeyLayer::new(ApiKeys::new([]).unwrap()).optional());
        match who {
            Some(who) => routes.layer(Extension(who)),
            None => routes,
        }
    };
    for (who, path, status, body) in [
        (Some(ada()), "/scope", 200, "user:default/ada"),
        (Some(ci()), "/scope", 403, ""),
        (None, "/scope", 401, ""),
        (Some(ada()), "/user", 200, "true"),
        (Some(ci()), "/user", 200, "false"),
        (None, "/user", 200, "false"),
        (Some(ada()), "/service", 200, "false"),
        (Some(ci()), "/service", 200, "true"),
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = app(who).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        if status == 403 {
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains(r#"scope="items.write""#), "{challenge}");
        }
        let text = axum::body::to_bytes(answer.into_body(), 10_000)
            .await
            .unwrap();
        assert!(body.is_empty() || text == body, "{path}: {text:?}");
    }
}
