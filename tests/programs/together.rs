//! A portal that signs people in, a plugin that believes it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

use super::browser::Browser;
use super::door::Door;
use super::portal::Folder;
use super::{Program, get, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_signs_people_in_and_a_plugin_believes_it() {
    let mut portal = Program::start("portal", &["--listen", "127.0.0.1:0"]);
    let at = portal.url();
    assert_eq!(get(&format!("{at}/healthz"), None).await.status, 200);

    // A machine, by key.
    let whoami = format!("{at}/api/whoami");
    let machine = get(&whoami, Some(&portal.bearer())).await.json();
    assert_eq!(
        (&machine["principal"], &machine["method"]),
        (&"service".into(), &"api-key".into())
    );
    let entities = get(
        &format!("{at}/api/catalog/entities"),
        Some(&portal.bearer()),
    )
    .await;
    assert!(entities.json().as_array().unwrap().len() > 3);
    for (wrong, code) in [
        (None, false),
        (Some("wrong"), true),
        (Some("tid_AAAAAAAAAAAA_x"), true),
    ] {
        let refused = get(&whoami, wrong).await;
        assert_eq!(refused.status, 401);
        assert_eq!(
            refused.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .contains("invalid_token"),
            code
        );
        assert_eq!(refused.json()["error"]["name"], "AuthenticationError");
    }

    let mut plugin = Program::start(
        "plugin",
        &[
            "--issuer",
            &format!("{at}/api/auth"),
            "--listen",
            "127.0.0.1:0",
        ],
    );
    let asked = format!("{}/whoami", plugin.url());
    assert_eq!(get(&asked, None).await.status, 401);

    let mut token = String::new();
    for provider in ["github", "corp"] {
        // A person, by either provider.
        let browser = Browser::default();
        assert_eq!(browser.get(&whoami).await.status, 401);
        sign_in(&browser, &at, provider).await;
        let me = browser.get(&whoami).await.json();
        assert_eq!(me["subject"], "user:default/ada", "{me}");
        assert_eq!(
            me["ownership"],
            serde_json::json!(["user:default/ada", "group:default/analysts"])
        );
        assert_eq!(
            (&me["method"], &me["provider"]),
            (&"session".into(), &provider.into())
        );
        assert_eq!(me["issuer"], format!("{at}/api/auth"));

        // The session gives a token, and the plugin, which has never heard of the person, believes it.
        let refresh = format!("{at}/api/auth/{provider}/refresh?optional&env=development");
        let session = browser.ajax(Method::GET, &refresh).await;
        assert_eq!(session.status, 200, "{}", session.body);
        token = session.json()["backstageIdentity"]["token"]
            .as_str()
            .unwrap()
            .to_owned();
        let there = get(&asked, Some(&token)).await.json();
        assert_eq!(there["subject"], "user:default/ada", "{there}");
        assert_eq!(there["ownership"], me["ownership"]);
        assert_eq!(there["method"], "token");

        // Out: the cookie is gone, and a copy of it is dead.
        let copy = Browser::default();
        copy.0
            .lock()
            .unwrap()
            .clone_from(&browser.0.lock().unwrap());
        let out = browser
            .ajax(
                Method::POST,
                &format!("{at}/api/auth/{provider}/logout?env=development"),
            )
            .await;
        assert_eq!(out.status, 200, "{}", out.body);
        assert_eq!(browser.get(&whoami).await.status, 401);
        assert_eq!(
            copy.get(&whoami).await.status,
            401,
            "a copied session ends with the original"
        );
    }

    // Keys are the portal's, not the plugin's.
    assert_eq!(get(&asked, Some(&portal.bearer())).await.status, 401);
    let forged = format!("{}x", token);
    assert_eq!(get(&asked, Some(&forged)).await.status, 401);

    // The portal goes away: what the plugin knows stays good.
    portal.stop();
    assert_eq!(
        get(&asked, Some(&token)).await.json()["subject"],
        "user:default/ada"
    );
    assert_eq!(get(&asked, Some(&forged)).await.status, 401);
    plugin.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_starts_before_its_portal_says_so_and_catches_up() {
    // The portal is known by a door that is shut at first: a port that nobody else can take meanwhile.
    let door = Door::shut().await;
    let url = format!("http://{}", door.at);
    let issuer = format!("{url}/api/auth");
    let plugin = ["--issuer", &issuer, "--listen", "127.0.0.1:0"];
    let plugin = Program::start("plugin", &plugin);
    let asked = format!("{}/whoami", plugin.url());
    // A token that names the issuer, so that its keys are asked for.
    let head = r#"{"typ":"vnd.backstage.user","alg":"ES256","kid":"k"}"#;
    let claims = format!(r#"{{"iss":"{issuer}"}}"#);
    let [head, claims] = [head, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let refused = get(&asked, Some(&format!("{head}.{claims}.AAAA"))).await;
    assert_eq!(
        refused.status, 503,
        "an issuer that is away is never a 401 and never a pass"
    );
    let wait = refused.headers["retry-after"].to_str().unwrap();
    let wait = Duration::from_secs(wait.parse().unwrap());

    let folder = Folder::new("door");
    let config = format!("backend: {{baseUrl: '{url}'}}\nauth: {{providers: {{guest: {{}}}}}}\n");
    let config = folder.file("app-config.yaml", &config);
    let portal = Program::start("portal", &["--config", &config, "--listen", "127.0.0.1:0"]);
    door.lead_to(&portal.url());
    let refresh = format!("{issuer}/guest/refresh");
    let guest = Browser::default().ajax(Method::POST, &refresh).await.json();
    let token = guest["backstageIdentity"]["token"].as_str().unwrap();
    // As it was told to.
    tokio::time::sleep(wait).await;
    let answer = get(&asked, Some(token)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["subject"], "user:development/guest");
}
