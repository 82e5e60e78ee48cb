//! Rows of the requirements about the login flow, redirects and people that have no better place.

use std::collections::BTreeSet;

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use url::Url;

use crate::browser::{Browser, choose};
use crate::everybody::{Portal, REDIRECT};
use crate::off_site::off_site;
use crate::site::{POPUP, frame};

async fn portal() -> Portal {
    Portal::with(|sign_in| sign_in).await
}

/// Where a start leads, with whatever is asked of it besides.
async fn started(portal: &Portal, more: &str, headers: &[(&str, &str)]) -> Url {
    let start = portal.at(&format!("/api/auth/oidc/start?env=development{more}"));
    let mut request = Request::get(start);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::default()).unwrap();
    let answer = Browser::default().send(request).await;
    assert_eq!(answer.status, 302, "{more}: {}", answer.body);
    Url::parse(&answer.location()).unwrap()
}

fn of<'a>(url: &'a Url, name: &'a str) -> Vec<String> {
    let all = url.query_pairs().filter(|(key, _)| key == name);
    all.map(|(_, value)| value.into_owned()).collect()
}

#[tokio::test]
async fn lf_03_a_stale_tab_of_somebody_who_is_signed_in_is_no_error() {
    let portal = portal().await;
    let browser = Browser::default();
    let stale = browser
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
    let way = browser
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
    assert_eq!(browser.get(&way).await.status, 302);
    // Its attempt is gone: it was among the oldest, or ten minutes are over.
    let handle = |name: &str| name.contains("attempt");
    browser.0.lock().unwrap().retain(|(name, ..)| !handle(name));
    let answer = browser.get(&stale).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::FOUND, portal.at("/"))
    );
    assert_eq!(portal.provider.requests("/token"), 1);
}

#[tokio::test]
async fn lf_05_a_code_of_somebody_elses_attempt_is_worth_nothing() {
    let portal = portal().await;
    let (mallory, ada) = (Browser::default(), Browser::default());
    let theirs = mallory
        .begin(&portal.url, "oidc", "user=grace", POPUP)
        .await;
    let hers = ada.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    let [theirs, mut injected] = [theirs, hers].map(|way| Url::parse(&way).unwrap());
    let code = of(&theirs, "code").remove(0);
    let pairs: Vec<_> = injected.query_pairs().into_owned().collect();
    let pairs = pairs.into_iter().map(|(name, value)| match &*name {
        "code" => (name, code.clone()),
        _ => (name, value),
    });
    let pairs: Vec<_> = pairs.collect();
    injected.query_pairs_mut().clear().extend_pairs(pairs);
    let (message, _) = frame(&ada.get(injected.as_str()).await);
    assert!(message["error"].is_object(), "{message}");
    assert_eq!(
        portal.provider.requests("/token"),
        1,
        "the provider was asked, and refused"
    );
    assert_eq!(ada.get(&portal.at("/api/whoami")).await.status, 401);
}

#[tokio::test]
async fn lf_08_a_response_belongs_to_the_provider_that_was_asked() {
    let portal = portal().await;
    for (begun, elsewhere) in [
        ("oidc", "other"),
        ("other", "oidc"),
        ("oidc", "github"),
        ("github", "oidc"),
    ] {
        let browser = Browser::default();
        let way = browser.begin(&portal.url, begun, "user=ada", POPUP).await;
        let mixed = way.replace(&format!("/{begun}/"), &format!("/{elsewhere}/"));
        assert_ne!(mixed, way);
        let asked = portal.provider.requests("/token");
        let answer = browser.get(&mixed).await;
        assert_eq!(
            answer.status, 400,
            "{begun} at {elsewhere}: {}",
            answer.body
        );
        assert_eq!(portal.provider.requests("/token"), asked);
        assert_eq!(browser.get(&portal.at("/api/whoami")).await.status, 401);
    }
}

#[tokio::test]
async fn lf_14_a_parameter_that_stands_twice_is_none() {
    let portal = portal().await;
    for twice in ["code=x", "state=x", "iss=x", "error=x"] {
        for behind in [false, true] {
            let browser = Browser::default();
            let way = browser
                .begin(&portal.url, "oidc", "user=ada", REDIRECT)
                .await;
            let (at, query) = way.split_once('?').unwrap();
            let mut both = match behind {
                true => format!("{at}?{query}&{twice}"),
                false => format!("{at}?{twice}&{query}"),
            };
            if twice == "error=x" {
                both = format!("{both}&error=y");
            }
            let answer = browser.get(&both).await;
            // To a page that is known the error is told there.
            let told = answer.status == 302 && answer.location().contains("?error=");
            assert!(told || answer.status == 400, "{twice}: {}", answer.status);
            assert_eq!(portal.provider.requests("/token"), 0, "{twice}");
            assert_eq!(
                browser.get(&portal.at("/api/whoami")).await.status,
                401,
                "{twice}"
            );
        }
    }
    for twice in [
        "env=production",
        "origin=x",
        "flow=popup",
        "redirectUrl=/x",
        "scope=x",
        "login_hint=x",
    ] {
        let query = format!(
            "env=development&origin={}&flow=redirect&redirectUrl=/&scope=a&login_hint=b&{twice}",
            portal.url
        );
        let start = portal.at(&format!("/api/auth/oidc/start?{query}"));
        let answer = Browser::default().get(&start).await;
        assert_eq!(answer.status, 400, "{twice}: {}", answer.body);
        assert!(answer.cookies().is_empty(), "{twice}");
    }
}

#[tokio::test]
async fn lf_18_what_an_attempt_is_about_is_not_in_its_state() {
    let portal = portal().await;
    let mut seen = BTreeSet::new();
    for to in ["/welcome", "/deep/down?x=1", "/"] {
        let more = format!("&flow=redirect&redirectUrl={to}");
        let url = started(&portal, &more, &[]).await;
        let state = of(&url, "state").remove(0);
        assert_eq!(state.len(), 43, "256 bits, and nothing else: {state}");
        assert!(
            !url.as_str().contains("welcome") && !url.as_str().contains("deep"),
            "{url}"
        );
        assert!(seen.insert(state));
    }
    let browser = Browser::default();
    let way = browser
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
    let state = of(&Url::parse(&way).unwrap(), "state").remove(0);
    for edited in [
        state.to_uppercase(),
        format!("{state}x"),
        state[1..].to_owned(),
        state.replace(&state[..1], "_"),
    ] {
        let way = way.replace(&state, &edited);
        assert_eq!(browser.get(&way).await.status, 400, "{edited}");
    }
    assert_eq!(browser.get(&way).await.location(), portal.at("/welcome"));
}

#[tokio::test]
async fn lf_19_nobody_but_the_operator_says_what_is_asked_of_a_provider() {
    let portal = portal().await;
    let honest = started(&portal, "", &[]).await;
    let more = "&client_id=evil&redirect_uri=https://evil.test/&response_type=token&response_mode=fragment&nonce=x&state=x\
        &code_challenge=x&code_challenge_method=plain&prompt=none&max_age=0&acr_values=x&request=x&request_uri=https://evil.test\
        &hd=evil.test&domain_hint=x&access_type=online&resource=x&claims=x&ui_locales=x";
    let asked = started(&portal, more, &[]).await;
    let names = |url: &Url| -> Vec<String> {
        url.query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect()
    };
    assert_eq!(names(&asked), names(&honest), "neither more nor twice");
    for name in [
        "client_id",
        "redirect_uri",
        "response_type",
        "code_challenge_method",
        "scope",
    ] {
        assert_eq!(of(&asked, name), of(&honest, name), "{name}");
    }
    for name in ["nonce", "state", "code_challenge"] {
        assert_eq!(of(&asked, name)[0].len(), 43, "{name}");
    }
    assert!(!asked.as_str().contains("evil"), "{asked}");
    // Whom to expect is the one thing that is passed on.
    let hinted = started(&portal, "&login_hint=ada%40example.com", &[]).await;
    assert_eq!(of(&hinted, "login_hint"), ["ada@example.com"]);
    let long = "x".repeat(257);
    for bad in ["a%00b", "a%0d%0ab", &long] {
        let start = portal.at(&format!(
            "/api/auth/oidc/start?env=development&login_hint={bad}"
        ));
        assert_eq!(Browser::default().get(&start).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn lf_20_where_people_come_back_to_is_what_was_configured() {
    let portal = portal().await;
    let expected = portal.at("/api/auth/oidc/handler/frame");
    for (name, value) in [
        ("host", "evil.test"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "host=evil.test;proto=https"),
        ("x-original-url", "/evil"),
        ("x-rewrite-url", "/evil"),
        ("x-original-host", "evil.test"),
    ] {
        let url = started(&portal, "", &[(name, value)]).await;
        assert_eq!(of(&url, "redirect_uri"), [&*expected], "{name}");
        assert!(!url.as_str().contains("evil"), "{name}: {url}");
    }
}

#[tokio::test]
async fn lf_25_what_a_form_held_goes_no_further() {
    let portal = portal().await;
    let browser = Browser::default();
    let way = browser
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
    let (at, form) = way.split_once('?').unwrap();
    let answer = browser.post_form(at, form).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, portal.at("/welcome"))
    );
    let initiate = portal.at("/api/auth/oidc/initiate");
    let form = format!("iss={}", portal.provider.issuer());
    assert_eq!(
        Browser::default().post_form(&initiate, &form).await.status,
        303
    );
}

#[tokio::test]
async fn rd_01_no_form_of_an_address_leads_off_the_site() {
    let portal = portal().await;
    let home = Url::parse(&portal.url).unwrap();
    let forms = off_site();
    assert!(forms.len() > 10_000);
    let mut stayed = 0;
    // Every seventh over a socket; all of them are judged where the rule stands.
    for form in forms.iter().step_by(7) {
        let value: String = url::form_urlencoded::byte_serialize(form.as_bytes()).collect();
        let start = portal.at(&format!(
            "/api/auth/oidc/start?env=development&flow=redirect&redirectUrl={value}"
        ));
        let browser = Browser::default();
        let answer = browser.get(&start).await;
        if answer.status == 403 {
            assert!(answer.cookies().is_empty(), "{form:?}");
            continue;
        }
        assert_eq!(answer.status, 302, "{form:?}");
        // What is let through is a path of our own, however a browser reads it, and however often.
        let read = home.join(form).unwrap();
        assert_eq!(read.origin(), home.origin(), "{form:?}");
        assert!(!read.path().starts_with("//"), "{form:?}");
        stayed += 1;
    }
    assert!(stayed > 0, "a path is a path");
    let browser = Browser::default();
    let way = browser
        .begin(
            &portal.url,
            "oidc",
            "user=ada",
            "flow=redirect&redirectUrl=/evil.test/%252f..",
        )
        .await;
    assert_eq!(
        browser.get(&way).await.location(),
        portal.at("/evil.test/%2f..")
    );
}

#[tokio::test]
async fn rd_08_nobody_says_where_a_sign_out_leads_to() {
    let portal = portal().await;
    let browser = Browser::default();
    let way = browser
        .begin(&portal.url, "oidc", "user=ada", REDIRECT)
        .await;
    browser.get(&way).await;
    let more = "&redirectUrl=https://evil.test&post_logout_redirect_uri=https://evil.test&state=x&id_token_hint=x";
    let logout = portal.at(&format!("/api/auth/oidc/logout?env=development{more}"));
    let answer = browser.ajax(Method::POST, &logout).await;
    let out = Url::parse(answer.json()["logoutUrl"].as_str().unwrap()).unwrap();
    assert_eq!(of(&out, "post_logout_redirect_uri"), [portal.at("/")]);
    assert!(!out.as_str().contains("evil"), "{out}");
    assert_eq!(of(&out, "state"), [""; 0]);
}

#[tokio::test]
async fn rd_09_no_token_is_in_any_address() {
    let portal = portal().await;
    let browser = Browser::default();
    for flow in [REDIRECT, POPUP] {
        let way = browser.begin(&portal.url, "oidc", "user=ada", flow).await;
        let answer = browser.get(&way).await;
        let refreshed = browser
            .ajax(
                Method::GET,
                &portal.at("/api/auth/oidc/refresh?env=development"),
            )
            .await;
        let session = refreshed.json();
        let tokens = [
            &session["backstageIdentity"]["token"],
            &session["providerInfo"]["accessToken"],
        ];
        if let Some(location) = answer.headers.get("location") {
            let location = location.to_str().unwrap();
            assert_eq!(location, portal.at("/welcome"), "nothing is added to it");
            for token in tokens {
                assert!(!location.contains(token.as_str().unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn rd_10_where_a_request_comes_from_leads_nowhere() {
    let portal = portal().await;
    for (name, value) in [
        ("referer", "https://evil.test/x"),
        ("origin", "https://evil.test"),
    ] {
        let browser = Browser::default();
        let request =
            Request::get(portal.at("/api/auth/oidc/start?env=development")).header(name, value);
        let answer = browser.send(request.body(Full::default()).unwrap()).await;
        let way = choose(&answer.location(), "user=ada").await;
        let back = Request::get(way).header(name, value);
        let (_, origin) = frame(&browser.send(back.body(Full::default()).unwrap()).await);
        assert_eq!(origin, portal.url, "{name}");
    }
}

#[tokio::test]
async fn id_06_whoever_takes_over_a_name_is_somebody_else() {
    let portal = portal().await;
    let browser = Browser::default();
    let way = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    browser.get(&way).await;
    // The same name and the same address now, and another person.
    let lie = portal.provider.bend_id_token(|_, claims| {
        claims.insert("sub".into(), "another-ada".into());
    });
    let lie_too = portal
        .provider
        .bend_document("/userinfo", |info| info["sub"] = "another-ada".into());
    let refresh = portal.at("/api/auth/oidc/refresh?env=development");
    assert_eq!(browser.ajax(Method::GET, &refresh).await.status, 401);
    assert!(lie.told() > 0 && lie_too.told() > 0);
    assert_eq!(
        browser.get(&portal.at("/api/whoami")).await.status,
        401,
        "and the session is over"
    );
}

#[tokio::test]
async fn id_08_nothing_that_a_provider_says_of_a_person_is_fetched() {
    let portal = portal().await;
    let at = format!("{}/picture", portal.provider.url());
    let place = at.clone();
    let lie = portal.provider.bend_id_token(move |_, claims| {
        for name in ["picture", "profile", "website", "jku", "x5u"] {
            claims.insert(name.into(), place.as_str().into());
        }
    });
    let browser = Browser::default();
    let way = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    let (message, _) = frame(&browser.get(&way).await);
    assert_eq!(
        message["response"]["profile"]["picture"], *at,
        "the page may show it"
    );
    assert!(lie.told() > 0);
    assert_eq!(portal.provider.requests("/picture"), 0);
    drop(lie);
    for hostile in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:image/svg+xml,x",
        "//x",
    ] {
        let lie = portal.provider.bend_id_token(move |_, claims| {
            claims.insert("picture".into(), hostile.into());
        });
        let way = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
        let (message, _) = frame(&browser.get(&way).await);
        assert!(
            message["response"]["profile"]
                .get("picture")
                .is_none_or(serde_json::Value::is_null),
            "{message}"
        );
        assert!(lie.told() > 0);
    }
}

#[tokio::test]
async fn cl_13_claims_that_are_somewhere_else_are_not_fetched() {
    let portal = portal().await;
    let at = format!("{}/elsewhere", portal.provider.url());
    let lie = portal.provider.bend_id_token(move |_, claims| {
        claims.insert(
            "_claim_names".into(),
            serde_json::json!({ "email": "src1", "groups": "src1" }),
        );
        let source = serde_json::json!({ "src1": { "endpoint": at, "access_token": "x" } });
        claims.insert("_claim_sources".into(), source);
    });
    let browser = Browser::default();
    let way = browser.begin(&portal.url, "oidc", "user=ada", POPUP).await;
    let (message, _) = frame(&browser.get(&way).await);
    assert!(message["response"].is_object(), "{message}");
    assert!(lie.told() > 0);
    assert_eq!(portal.provider.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn er_11_an_error_is_never_read_as_somebody() {
    let portal = portal().await;
    let browser = Browser::default();
    for (method, path) in [
        (Method::GET, "oidc/refresh?env=development"),
        (Method::GET, "oidc/refresh?env=nowhere"),
        (Method::GET, "nobody/refresh?env=development"),
        (Method::POST, "oidc/logout?env=nowhere"),
    ] {
        let answer = browser
            .ajax(method, &portal.at(&format!("/api/auth/{path}")))
            .await;
        assert!(answer.status.is_client_error(), "{path}");
        let body = answer.json();
        for name in ["backstageIdentity", "profile", "providerInfo"] {
            assert!(body.get(name).is_none(), "{path}: {body}");
        }
        assert!(body["error"]["name"].is_string(), "{path}");
    }
}
