//! What a user owns, where it is left out of their token.

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_identity::catalog::FileCatalog;
use tower_identity::identity::EntityRef;
use tower_identity::token::UserInfo;
use tower_identity::{Config, Identity, IdentityLayer};

use crate::browser::{Answer, Browser};
use crate::everybody::Portal;
use crate::site::{POPUP, bind, frame};

async fn bearer(url: String, token: &str) -> Answer {
    let request = Request::get(url).header("authorization", format!("Bearer {token}"));
    let request = request.body(Full::default()).unwrap();
    Browser::default().send(request).await
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_without_it_is_good_and_userinfo_tells_it() {
    for omitted in [true, false] {
        let portal = Portal::with(|sign_in| match omitted {
            true => sign_in.without_ownership_in_token(),
            false => sign_in,
        })
        .await;
        let browser = Browser::default();
        let back = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
        let (message, _) = frame(&browser.get(&back).await);
        let identity = &message["response"]["backstageIdentity"];
        let owned = json!(["user:default/ada", "group:default/analysts"]);
        assert_eq!(identity["identity"]["ownershipEntityRefs"], owned);
        let token = identity["token"].as_str().unwrap();
        assert_eq!(claims(token).get("ent").is_none(), omitted);
        let members: Vec<_> = claims(token).as_object().unwrap().keys().cloned().collect();
        let in_order = ["iss", "sub", "ent", "aud", "iat", "exp", "uip"];
        let in_order: Vec<_> = in_order
            .into_iter()
            .filter(|m| !omitted || *m != "ent")
            .collect();
        assert_eq!(members, in_order);

        let info = bearer(portal.at("/api/auth/v1/userinfo"), token).await;
        assert_eq!(
            info.json()["claims"],
            json!({ "sub": "user:default/ada", "ent": owned })
        );
        // By the token alone it is less; the session knows all of it.
        let who = bearer(portal.at("/api/whoami"), token).await.json();
        let by_token = if omitted {
            json!(["user:default/ada"])
        } else {
            owned.clone()
        };
        assert_eq!(who["ownership"], by_token, "{who}");
        let who = browser.get(&portal.at("/api/whoami")).await.json();
        assert_eq!(who["ownership"], owned, "{who}");
        let refresh = portal.at("/api/auth/oidc/refresh?env=development&optional");
        let refreshed = browser.ajax(Method::GET, &refresh).await.json();
        let token = refreshed["backstageIdentity"]["token"].as_str().unwrap();
        assert_eq!(claims(token).get("ent").is_none(), omitted);
    }
}

#[tokio::test]
async fn it_is_left_out_as_the_configuration_says() {
    for (value, omitted) in [("true", true), ("false", false)] {
        let yaml = format!(
            "{{ app: {{ baseUrl: 'http://localhost:3000' }}, backend: {{ baseUrl: 'http://localhost:7007' }},
               auth: {{ omitIdentityTokenOwnershipClaim: {value}, providers: {{ guest: {{}} }} }} }}"
        );
        let name = format!("tid-ownership-{value}-{}.yaml", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, yaml).unwrap();
        let config = Config::load([&file]);
        std::fs::remove_file(&file).unwrap();
        let catalog = FileCatalog::from_yaml("org.yaml", "").unwrap();
        let sign_in = config.unwrap().with_catalog(catalog).sign_in().unwrap();
        let tokens = sign_in.tokens();
        let user = EntityRef::parse("user:default/ada").unwrap();
        let token = tokens.mint_user(&user, &[]).await.unwrap();
        assert_eq!(
            claims(token.expose()).get("ent").is_none(),
            omitted,
            "{value}"
        );
    }
}

/// A plugin that asks `portal` what its callers own, and believes the tokens of `issuer`.
async fn plugin(issuer: &str, portal: UserInfo) -> String {
    let (listener, url) = bind().await;
    let owns = async move |who: Identity| match portal.ownership(&who).await {
        Ok(owned) => owned
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => format!("{error:?}"),
    };
    let app = Router::new()
        .route("/owns", get(owns))
        .layer(IdentityLayer::portal(issuer).unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("{url}/owns")
}

async fn token(portal: &Portal) -> String {
    let browser = Browser::default();
    let back = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    let (message, _) = frame(&browser.get(&back).await);
    let token = &message["response"]["backstageIdentity"]["token"];
    token.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_plugin_finds_out_what_a_token_does_not_say() {
    let portal = Portal::with(|sign_in| sign_in.without_ownership_in_token()).await;
    let issuer = portal.at("/api/auth");
    let ada = token(&portal).await;
    for base in [issuer.clone(), format!("{issuer}/")] {
        let url = plugin(&issuer, UserInfo::of_portal(&base).unwrap()).await;
        let answer = bearer(url, &ada).await;
        assert_eq!(answer.body, "user:default/ada group:default/analysts");
    }
    for bad in [
        "",
        "portal",
        "http://portal.example.com/api/auth",
        "ftp://x",
    ] {
        assert!(UserInfo::of_portal(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn what_a_portal_says_of_somebody_else_or_not_at_all_is_never_nothing() {
    let portal = Portal::with(|sign_in| sign_in).await;
    let issuer = portal.at("/api/auth");
    let ada = token(&portal).await;
    let many: Vec<String> = (0..=10_000)
        .map(|i| format!("group:default/g{i}"))
        .collect();
    for (status, answer, expected) in [
        (
            200,
            json!({ "claims": { "sub": "user:default/grace", "ent": ["user:default/grace"] } }),
            "Unavailable",
        ),
        (
            200,
            json!({ "claims": { "sub": "user:default/ada" } }),
            "Unavailable",
        ),
        (
            200,
            json!({ "claims": { "sub": "user:default/ada", "ent": "user:default/ada" } }),
            "Unavailable",
        ),
        (
            200,
            json!({ "claims": { "sub": "user:default/ada", "ent": ["nobody"] } }),
            "Unavailable",
        ),
        (
            200,
            json!({ "claims": { "sub": "user:default/ada", "ent": many } }),
            "Unavailable",
        ),
        (
            200,
            json!({ "sub": "user:default/ada", "ent": [] }),
            "Unavailable",
        ),
        (200, json!([]), "Unavailable"),
        (500, json!({}), "Unavailable"),
        (302, json!({}), "Unavailable"),
        (401, json!({}), "Refused"),
        (403, json!({}), "Refused"),
        (404, json!({}), "Refused"),
    ] {
        let (listener, url) = bind().await;
        let said = answer.clone();
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        let app = Router::new().route(
            "/v1/userinfo",
            get(move || async move { (status, axum::Json(said)) }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        // At its own URL nobody's token of another portal is shown.
        let stranger = plugin(&issuer, UserInfo::of_portal(&url).unwrap()).await;
        assert_eq!(bearer(stranger, &ada).await.body, "NotTransferable");
        let portal = UserInfo::of_portal(&issuer)
            .unwrap()
            .with_url(&url)
            .unwrap();
        let url = plugin(&issuer, portal).await;
        let heard = bearer(url, &ada).await.body;
        assert!(heard.starts_with(expected), "{answer}: {heard}");
        assert!(!heard.contains(&ada), "{heard}");
    }
    // Nobody listens there.
    let (listener, url) = bind().await;
    drop(listener);
    let portal = UserInfo::of_portal(&issuer)
        .unwrap()
        .with_url(&url)
        .unwrap();
    let url = plugin(&issuer, portal).await;
    assert!(bearer(url, &ada).await.body.starts_with("Unavailable"));
}
