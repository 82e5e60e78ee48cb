//! Everything that is done with secrets, rightly and wrongly.

use std::io;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{Layer as _, service_fn};
use tower_identity::clock::Timestamp;
use tower_identity::secret::SealingKey;
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::verify::{Issuer, JwtVerifier};
use tower_identity::{
    ApiKey, BearerKeyLayer, Config, ConfigError, Identity, IdentityLayer, OAuthCallbackLayer,
};

use super::CANARY;
use super::browser::{self, Browser};
use super::everybody::{Portal, REDIRECT};
use super::overheard::Seen;
use super::portal;
use super::site::{POPUP, frame};
use super::support::{get, request, send};

/// Signs people in by all ways, renews, signs them out, and does what goes wrong besides.
pub(crate) async fn people(portal: &Portal, seen: &Seen) {
    let nobody = Browser::default();
    for provider in ["oidc", "github"] {
        for flow in [POPUP, REDIRECT] {
            for user in ["user=ada", "user=mallory", "deny=1"] {
                let browser = Browser::default();
                let start = portal.at(&format!(
                    "/api/auth/{provider}/start?env=development&origin={}&{flow}",
                    portal.url
                ));
                let started = browser.get(&start).await;
                seen.answer(&started);
                seen.jar(&browser);
                let back = browser::choose(&started.location(), user).await;
                seen.query(&back);
                // Somebody else's browser, then the right one, then again.
                nobody.get(&back).await;
                let done = browser.get(&back).await;
                if flow == POPUP {
                    seen.json(&frame(&done).0);
                }
                seen.jar(&browser);
                seen.answer(&browser.get(&format!("{back}&error=x")).await);
                seen.answer(&browser.get(&back).await);
                seen.answer(&browser.get(&portal.at("/api/whoami")).await);
                let env = "env=development";
                for path in ["refresh", "refresh", "logout", "refresh"] {
                    let url = portal.at(&format!("/api/auth/{provider}/{path}?{env}"));
                    let method = if path == "logout" {
                        Method::POST
                    } else {
                        Method::GET
                    };
                    seen.answer(&browser.ajax(method, &url).await);
                    seen.jar(&browser);
                }
            }
        }
    }
    let guest = Browser::default();
    seen.answer(
        &guest
            .ajax(Method::POST, &portal.at("/api/auth/guest/refresh"))
            .await,
    );
    seen.jar(&guest);
    // A cookie that was tampered with.
    for (_, value, _) in guest.0.lock().unwrap().iter_mut() {
        value.push('A');
    }
    seen.jar(&guest);
    assert_eq!(guest.get(&portal.at("/api/whoami")).await.status, 401);
    // A provider that is away in the middle of it.
    let back = guest.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    seen.query(&back);
    portal.provider.pause();
    guest.get(&back).await;
    portal.provider.resume();
}

async fn whoami(request: Request<Full<Bytes>>) -> io::Result<Response<Full<Bytes>>> {
    let caller = Identity::of(&request).map_or("nobody", Identity::subject);
    Ok(Response::new(Full::from(caller.to_owned())))
}

pub(crate) async fn machines(seen: &Seen) {
    let [good, expired, unknown] = [(); 3].map(|()| ApiKey::generate("tid"));
    let keys = ApiKeys::new([
        KeyRecord::new(good.digest(), good.id(), "ci"),
        KeyRecord::new(expired.digest(), expired.id(), "ci").with_expiry(Timestamp::from_unix(1)),
    ]);
    let layer = BearerKeyLayer::new(keys.unwrap()).with_header("x-api-key".parse().unwrap());
    let service = layer.layer(service_fn(whoami));
    let broken = format!("{}x", &good.expose()[..good.expose().len() - 1]);
    for key in [
        good.expose(),
        expired.expose(),
        unknown.expose(),
        &broken,
        CANARY,
    ] {
        seen.note("key", key);
        // What is left of it without its public id.
        seen.note("key", &key[key.len() - 20..]);
        let line = format!("Bearer {key}");
        for headers in [
            &[("authorization", &*line)][..],
            &[("x-api-key", key)],
            &[("x-api-key", key), ("authorization", &line)],
            &[("authorization", key)],
            &[("cookie", &format!("tid-session={key}"))],
        ] {
            let answer = send(&service, get(headers)).await;
            let said = format!("{:?} {:?}", answer.headers, answer.rejection);
            assert!(!said.contains(&key[key.len() - 20..]), "{said}");
            assert!(!answer.body.contains(&key[key.len() - 20..]), "{answer:?}");
        }
        let query = format!("/x?access_token={key}&api_key={key}");
        let answer = send(&service, request("GET", &query, &[])).await;
        assert!(!answer.header("www-authenticate").unwrap().contains(key));
    }
}

/// What a plugin is shown, and a service behind a provider.
pub(crate) async fn tokens(portal: &Portal, seen: &Seen) {
    let inner = || service_fn(whoami);
    let plugin = IdentityLayer::portal(&format!("{}/api/auth", portal.url)).unwrap();
    let plugin = plugin.layer(inner());
    let verifier = JwtVerifier::new([Issuer::oidc(portal.provider.issuer(), "api")]).unwrap();
    let behind = IdentityLayer::new(verifier).layer(inner());
    let own: Vec<String> = {
        let seen = seen.0.lock().unwrap();
        let tokens = seen
            .iter()
            .filter(|(what, _)| *what == "token" || *what == "id_token");
        tokens.map(|(_, token)| token.clone()).collect()
    };
    assert!(own.len() > 4);
    let provider = &portal.provider;
    let token = || {
        provider
            .token()
            .with_subject("user-ada")
            .with_audience("api")
    };
    let made = [
        token().sign(),
        token().with_claim("exp", 1).sign(),
        token().without_claim("exp").sign(),
        token().with_audience("another").sign(),
        token().with_header("kid", "nobody-has-it").sign(),
        token().with_header("alg", "none").sign(),
        format!("{}x", token().sign()),
    ];
    let mut good = 0;
    for token in own.iter().chain(&made) {
        seen.note("token", token);
        for part in token.split('.').filter(|part| part.len() > 40) {
            seen.note("token", part);
        }
        let line = format!("Bearer {token}");
        let both = [("authorization", &*line), ("cookie", "tid-session=junk")];
        for headers in [&both[..1], &both] {
            good += usize::from(send(&plugin, get(headers)).await.status == 200);
            good += usize::from(send(&behind, get(headers)).await.status == 200);
        }
        let request =
            Request::get(portal.at("/api/auth/v1/userinfo")).header("authorization", line);
        let request = request.body(Full::default()).unwrap();
        seen.answer(&Browser::default().send(request).await);
    }
    assert!(good > 2, "some of them are good");
    // An issuer that is away, and one that is not there at all.
    provider.pause();
    let verifier = JwtVerifier::new([Issuer::oidc(provider.issuer(), "api")]).unwrap();
    let behind = IdentityLayer::new(verifier).layer(inner());
    let line = format!("Bearer {}", made[0]);
    assert_eq!(
        send(&behind, get(&[("authorization", &line)])).await.status,
        503
    );
    provider.resume();
    // The layers in an order that is a mistake.
    let sign_in = portal::portal().build().unwrap();
    let inside = OAuthCallbackLayer::new(sign_in.clone()).layer(inner());
    let wrong = sign_in.identity_layer().layer(inside);
    let cookie = portal::guest(&sign_in).await;
    seen.note("cookie", cookie.split_once('=').unwrap().1);
    let right = sign_in.identity_layer().layer(inner());
    let answer = send(&right, get(&[("cookie", &cookie)])).await;
    assert_eq!(answer.body, portal::GUEST);
    let refresh = "/api/auth/guest/refresh";
    let xhr = ("x-requested-with", "XMLHttpRequest");
    let headers = [xhr, ("cookie", &*cookie), ("host", "127.0.0.1:7007")];
    send(&wrong, request("GET", refresh, &headers)).await;
    portal::sign_out(&sign_in, &cookie).await;
}

/// Config files with a secret in every wrong place.
pub(crate) fn files(seen: &Seen) {
    seen.note("configured secret", "canary-");
    let folder = std::env::temp_dir().join(format!("tid-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("app-config.yaml");
    let variables = |name: &str| (name == "CANARY").then(|| CANARY.to_owned());
    for text in [
        "backend: {auth: {keys: [{secret: canary-8}]}}",
        "backend: {auth: {keys: [{secrets: '${CANARY}'}]}}",
        "backend: {auth: {keys: [{secret: [canary-list]}]}}",
        "backend: {auth: {keys: '${CANARY}'}}",
        "backend: {auth: {externalAccess: [{type: static, options: {token: 'canary- with spaces', subject: ci}}]}}",
        "backend: {auth: {externalAccess: [{type: legacy, options: {secret: '${CANARY} not base64!', subject: 7}}]}}",
        "auth: {session: {secret: canary-9}}",
        "auth: {session: {secret: {nested: '${CANARY}'}}}",
        "auth: {providers: {github: {development: {clientId: a, clientSecret: {x: '${CANARY}'}}}}}",
        "auth: {providers: {github: {development: {clientSecret: '${CANARY}', signIn: {resolvers: [{resolver: nope}]}}}}}",
        "auth: {providers: {corp: {type: oidc, development: {clientId: a, clientSecret: '${CANARY}', metadataUrl: nope, prompt: 7}}}}",
        "auth: {providers: {corp: {type: oidc, development: {clientId: a, clientSecret: '${CANARY}${MISSING}'}}}}",
        "auth: {providers: {github: {development: {clientId: a, clientSecret: \"${CANARY}",
        "auth:\n  clientSecret: ${CANARY}\n clientSecret: canary-indent\n",
    ] {
        std::fs::write(&file, text).unwrap();
        let config = Config::load_with([&file], variables);
        let error = match config {
            Ok(config) => config.layers().err(),
            Err(error) => Some(error),
        };
        let error = error.unwrap_or_else(|| panic!("not a mistake: {text}"));
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary-"), "{text}: {shown}");
    }
    std::fs::remove_dir_all(folder).unwrap();
    let short = SealingKey::from_secret(b"canary-short").unwrap_err();
    let mut shown = format!("{short} {short:?}");
    let keys = folder_of_keys("[{\"id\": \"a\", \"subject\": \"ci\", \"hash\": \"canary-hash\"}]");
    shown.push_str(&format!("{keys} {keys:?}"));
    assert!(!shown.contains("canary-"), "{shown}");
}

/// What is wrong with this list of keys.
fn folder_of_keys(text: &str) -> ConfigError {
    let file = std::env::temp_dir().join(format!("tid-secrets-{}.json", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let error = ApiKeys::from_file(&file).unwrap_err();
    std::fs::remove_file(file).unwrap();
    error
}
