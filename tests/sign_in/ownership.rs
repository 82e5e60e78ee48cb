//! What a user owns, where it is left out of their token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_identity::Config;
use tower_identity::catalog::FileCatalog;
use tower_identity::identity::EntityRef;

use crate::browser::{Answer, Browser};
use crate::everybody::Portal;
use crate::site::{POPUP, frame};

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
