//! The catalog of a Backstage backend, over HTTP: what comes back is not always what was asked for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tower_identity::catalog::{CachedCatalog, Catalog, CatalogError, RemoteCatalog, UserQuery};
use tower_identity::provider::Oidc;
use tower_identity::sign_in::{Resolver, SignIn};
use tower_identity::testing::Provider;
use tower_identity::token::PluginTokens;

use crate::browser::Browser;
use crate::site::{POPUP, bind, frame, serve};

const TOKEN: &str = "a-token-of-external-access";

/// A backend that answers what it is told to, and remembers what it was asked.
#[derive(Clone, Default)]
struct Backend {
    says: Arc<Mutex<Option<Said>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

type Said = Arc<dyn Fn(&str) -> Response + Send + Sync>;

impl Backend {
    async fn start() -> (Self, RemoteCatalog) {
        let backend = Self::default();
        let (listener, url) = bind().await;
        let app = Router::new().fallback(answer).with_state(backend.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let catalog = RemoteCatalog::new(&format!("{url}/api/catalog/")).unwrap();
        (backend, catalog.with_token(TOKEN))
    }

    fn says(&self, says: impl Fn(&str) -> Response + Send + Sync + 'static) {
        *self.says.lock().unwrap() = Some(Arc::new(says));
    }

    fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().map(|(uri, _)| uri).collect()
    }
}

async fn answer(State(backend): State<Backend>, request: Request) -> Response {
    let uri = request.uri().to_string();
    let token = request.headers().get(AUTHORIZATION);
    let token = token.map_or("", |token| token.to_str().unwrap()).to_owned();
    backend.asked.lock().unwrap().push((uri.clone(), token));
    let says = backend.says.lock().unwrap().clone();
    says.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |says| says(&uri))
}

fn json_of(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn ada() -> Value {
    json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "User",
        "metadata": {
            "name": "Ada", "namespace": "default", "uid": "1",
            "annotations": { "github.com/user-id": "MDQ6", "backstage.io/orphan": "true" },
        },
        "spec": { "profile": { "email": "Ada@example.com", "displayName": "Ada L" }, "memberOf": ["ignored"] },
        "relations": [
            { "type": "memberOf", "targetRef": "group:default/analysts" },
            { "type": "memberOf", "targetRef": "group:default/analysts" },
            { "type": "ownerOf", "targetRef": "component:default/shop" },
            { "type": "memberOf", "targetRef": "domain:default/odd" },
            { "type": "memberOf", "targetRef": "group:other/ops" },
        ],
    })
}

fn page(items: &[Value]) -> Value {
    json!({ "items": items, "totalItems": items.len(), "pageInfo": {} })
}

fn by_ref() -> UserQuery {
    UserQuery::Ref("user:default/ada".parse().unwrap())
}

fn by_email(email: &str) -> UserQuery {
    UserQuery::Email(email.to_owned())
}

async fn found(catalog: &impl Catalog, query: &UserQuery) -> Result<Vec<String>, String> {
    match catalog.find_user(query).await {
        Ok(user) => Ok(user.ownership().iter().map(ToString::to_string).collect()),
        Err(CatalogError::NotFound) => Err("nobody".into()),
        Err(CatalogError::Conflict) => Err("conflict".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn users_are_asked_for_as_backstage_is_asked() {
    let (backend, catalog) = Backend::start().await;
    backend.says(|uri| match uri.contains("by-name") {
        true => json_of(&ada()),
        false => json_of(&page(&[ada()])),
    });
    let expected = [
        "user:default/ada",
        "group:default/analysts",
        "group:other/ops",
    ];
    for (query, uri) in [
        (by_ref(), "/api/catalog/entities/by-name/user/default/ada"),
        (
            by_email("ada+x@example.com"),
            "/api/catalog/entities/by-query?filter=kind%3Duser%2Cspec.profile.email%3Dada%2Bx%40example.com&limit=20",
        ),
        (
            by_email("ada@example.com"),
            "/api/catalog/entities/by-query?filter=kind%3Duser%2Cspec.profile.email%3Dada%40example.com&limit=20",
        ),
        (
            UserQuery::annotation("github.com/user-id", "MDQ6"),
            "/api/catalog/entities/by-query?filter=kind%3Duser%2Cmetadata.annotations.github.com%2Fuser-id%3DMDQ6&limit=20",
        ),
    ] {
        let answer = found(&catalog, &query).await;
        let same = query != by_email("ada+x@example.com");
        let expected: Vec<_> = expected.map(str::to_owned).into();
        assert_eq!(
            answer,
            if same {
                Ok(expected)
            } else {
                Err("nobody".into())
            }
        );
        let asked = backend.asked.lock().unwrap().pop().unwrap();
        assert_eq!(asked, (uri.to_owned(), format!("Bearer {TOKEN}")));
    }
    let user = catalog.find_user(&by_ref()).await.unwrap();
    assert_eq!(
        (user.display_name(), user.email()),
        (Some("Ada L"), Some("Ada@example.com"))
    );
    assert!(!format!("{catalog:?}").contains(TOKEN));
}

#[tokio::test]
async fn id_07_what_comes_back_is_compared_with_what_was_asked_for() {
    let (backend, catalog) = Backend::start().await;
    let change = |pointer: &str, value: Value| {
        let mut entity = ada();
        *entity.pointer_mut(pointer).unwrap() = value;
        entity
    };
    // By name another entity is an error of the backend; by a field it does not fit.
    for entity in [
        change("/kind", json!("Group")),
        change("/metadata/name", json!("eve")),
        change("/metadata/namespace", json!("other")),
        change("/metadata/name", json!("a/b")),
    ] {
        let told = entity.clone();
        backend.says(move |_| json_of(&told));
        let answer = found(&catalog, &by_ref()).await.unwrap_err();
        assert!(answer.contains("another entity"), "{answer}: {entity}");
    }
    for entity in [
        change("/kind", json!("Group")),
        change("/spec/profile/email", json!("eve@example.com")),
        change("/spec/profile/email", json!("ada@example.com.evil.test")),
        change("/spec/profile/email", json!("\u{212a}da@example.com")),
    ] {
        let told = page(&[entity]);
        backend.says(move |_| json_of(&told));
        assert_eq!(
            found(&catalog, &by_email("ada@example.com")).await,
            Err("nobody".into())
        );
    }
    for value in [json!("mdq6"), json!("MDQ6 "), json!(5), json!(null)] {
        let told = page(&[change("/metadata/annotations/github.com~1user-id", value)]);
        backend.says(move |_| json_of(&told));
        let query = UserQuery::annotation("github.com/user-id", "MDQ6");
        assert_eq!(found(&catalog, &query).await, Err("nobody".into()));
    }
    // Those that differ in case do not make a conflict; two that fit do, and so do more than were sent.
    let inexact = change("/metadata/annotations/github.com~1user-id", json!("mdq6"));
    backend.says(move |_| json_of(&page(&[inexact.clone(), ada()])));
    let query = UserQuery::annotation("github.com/user-id", "MDQ6");
    assert!(found(&catalog, &query).await.is_ok());
    let twin = change("/metadata/name", json!("twin"));
    backend.says(move |_| json_of(&page(&[ada(), twin.clone()])));
    assert_eq!(
        found(&catalog, &by_email("ada@example.com")).await,
        Err("conflict".into())
    );
    backend.says(|_| json_of(&json!({ "items": [ada()], "totalItems": 400, "pageInfo": {} })));
    assert_eq!(
        found(&catalog, &by_email("ada@example.com")).await,
        Err("conflict".into())
    );
}

#[tokio::test]
async fn id_03_a_value_never_becomes_another_condition() {
    let (backend, catalog) = Backend::start().await;
    backend.says(|_| json_of(&page(&[ada()])));
    for query in [
        by_email("x,metadata.name=ada@example.com"),
        by_email("ada@example.com,"),
        by_email(""),
        UserQuery::annotation("a,kind", "b"),
        UserQuery::annotation("a=b", "c"),
        UserQuery::annotation("a", "b,c"),
    ] {
        assert_eq!(
            found(&catalog, &query).await,
            Err("nobody".into()),
            "{query:?}"
        );
    }
    assert_eq!(backend.asked(), [""; 0], "nothing was even asked");
    for email in ["a&filter=kind=group@x", "a%2Cb@x", "a b#c?d@x", "a=b@x"] {
        assert_eq!(
            found(&catalog, &by_email(email)).await,
            Err("nobody".into())
        );
        let asked = backend.asked().concat();
        assert_eq!(asked.matches(['&', '?', '=', '#']).count(), 4, "{asked}");
    }
}

#[tokio::test]
async fn id_01_no_answer_is_never_nobody() {
    let (backend, catalog) = Backend::start().await;
    let html = || ([(CONTENT_TYPE, "text/html")], "<p>sign in</p>").into_response();
    let large = || json_of(&json!({ "items": ["x".repeat(2 << 20)], "pageInfo": {} }));
    let says: [(&str, Said); 9] = [
        (
            "refuses our token",
            Arc::new(|_| StatusCode::UNAUTHORIZED.into_response()),
        ),
        (
            "refuses our token",
            Arc::new(|_| StatusCode::FORBIDDEN.into_response()),
        ),
        (
            "found 500",
            Arc::new(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
        ),
        (
            "found 302",
            Arc::new(|_| (StatusCode::FOUND, [("location", "/elsewhere")]).into_response()),
        ),
        ("catalog unavailable", Arc::new(move |_| html())),
        ("more than 1 MiB", Arc::new(move |_| large())),
        ("not the JSON", Arc::new(|_| json_of(&json!([1, 2])))),
        (
            "not the JSON",
            Arc::new(|_| json_of(&json!({ "items": [{ "kind": "User" }] }))),
        ),
        (
            "catalog unavailable",
            Arc::new(|_| ([(CONTENT_TYPE, "application/json")], "{").into_response()),
        ),
    ];
    for (expected, say) in says {
        backend.says(move |uri| say(uri));
        for query in [by_ref(), by_email("ada@example.com")] {
            let answer = found(&catalog, &query).await.unwrap_err();
            assert!(answer.contains(expected), "{expected}: {answer}");
            assert!(
                !answer.contains(TOKEN) && !answer.contains("ada@"),
                "{answer}"
            );
        }
        // A list holds entities as they are.
        let listed = catalog.entities().await;
        assert!(listed.is_err() || expected == "not the JSON", "{expected}");
    }
    backend.says(|_| StatusCode::NOT_FOUND.into_response());
    assert_eq!(found(&catalog, &by_ref()).await, Err("nobody".into()));
    let answer = found(&catalog, &by_email("ada@example.com"))
        .await
        .unwrap_err();
    assert!(answer.contains("no by-query endpoint"), "{answer}");
    // Nobody listens.
    let (listener, url) = bind().await;
    drop(listener);
    let away = RemoteCatalog::new(&format!("{url}/api/catalog")).unwrap();
    assert!(
        found(&away, &by_ref())
            .await
            .unwrap_err()
            .contains("catalog unavailable")
    );
    for bad in [
        "",
        "catalog",
        "ftp://x",
        "http://backstage.example.com",
        "https://u:p@x",
        "https://x?a",
        "data:x",
        "https://x/#a",
    ] {
        assert!(RemoteCatalog::new(bad).is_err(), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_ends_is_given_up() {
    let (backend, catalog) = Backend::start().await;
    backend.says(|_| {
        let drops = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(bytes::Bytes::from_static(b" ")), ()))
        });
        (
            [(CONTENT_TYPE, "application/json")],
            Body::from_stream(drops),
        )
            .into_response()
    });
    let answer = found(&catalog, &by_ref()).await.unwrap_err();
    assert!(answer.contains("did not answer in 5 s"), "{answer}");
}

#[tokio::test]
async fn entities_are_listed_page_by_page_and_not_for_ever() {
    let (backend, catalog) = Backend::start().await;
    backend.says(|uri| {
        let next = match uri {
            uri if uri.contains("cursor=two") => json!({}),
            uri if uri.contains("cursor=one") => json!({ "nextCursor": "two", "prevCursor": "x" }),
            _ => json!({ "nextCursor": "one" }),
        };
        json_of(&json!({ "items": [{ "uri": uri }], "totalItems": 3, "pageInfo": next }))
    });
    assert_eq!(catalog.entities().await.unwrap().len(), 3);
    assert_eq!(backend.asked().len(), 3);
    backend.says(|_| json_of(&json!({ "items": [{}], "pageInfo": { "nextCursor": "again" } })));
    assert!(
        catalog
            .entities()
            .await
            .unwrap_err()
            .to_string()
            .contains("more than 10000")
    );
    assert_eq!(backend.asked().len(), 100);
    backend.says(|_| json_of(&json!({ "items": [], "pageInfo": { "nextCursor": "again" } })));
    assert_eq!(catalog.entities().await.unwrap().len(), 0);
}

#[tokio::test]
async fn people_of_a_remote_catalog_sign_in_and_a_plugin_may_ask_for_them() {
    let (backend, catalog) = Backend::start().await;
    let tokens = PluginTokens::new("portal").unwrap();
    let catalog = catalog.with_plugin_tokens(tokens);
    let catalog = CachedCatalog::new(catalog, Duration::from_secs(60));
    backend.says(|_| json_of(&page(&[ada()])));
    let provider = Provider::start().await.unwrap();
    let (listener, url) = bind().await;
    let (id, secret) = (provider.client_id(), provider.client_secret());
    let oidc = Oidc::new(provider.issuer(), id, secret);
    let sign_in = SignIn::builder(&url)
        .with_provider("oidc", oidc, [Resolver::email()])
        .with_catalog(catalog);
    serve(listener, sign_in.build().unwrap());
    for _ in 0..3 {
        let browser = Browser::default();
        let way = browser.begin(&url, "oidc", "user=ada", POPUP).await;
        let (message, _) = frame(&browser.get(&way).await);
        let identity = &message["response"]["backstageIdentity"]["identity"];
        assert_eq!(identity["userEntityRef"], "user:default/ada");
    }
    let asked = backend.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "the others were spared it");
    let token = asked[0].1.strip_prefix("Bearer ").unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["aud"]),
        (&json!("portal"), &json!("catalog"))
    );
}
