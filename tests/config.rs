//! `app-config.yaml`: what it builds, and every way in which it can be wrong.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer as _, ServiceBuilder, ServiceExt};
use tower_identity::{Config, ConfigError, Identity};

/// The file of the README, as operators have it.
const FILE: &str = r#"
auth:
  environment: development
  providers:
    github:
      development:
        clientId: ${GITHUB_CLIENT_ID}
        clientSecret: ${GITHUB_CLIENT_SECRET}
        signIn:
          resolvers:
            - resolver: usernameMatchingUserEntityName
backend:
  auth:
    keys:
      - secret: ${BACKSTAGE_SERVICE_KEY}
        id: "ap-key"
        description: "service api key"
"#;
const KEY: &str = "c2VydmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";

fn variables(name: &str) -> Option<String> {
    Some(match name {
        "GITHUB_CLIENT_ID" => "an-id".into(),
        "GITHUB_CLIENT_SECRET" => "canary-client-secret".into(),
        "BACKSTAGE_SERVICE_KEY" => KEY.into(),
        "EMPTY" => String::new(),
        _ => return None,
    })
}

struct File(PathBuf);

impl File {
    fn new(text: impl AsRef<[u8]>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "tid-config-{}-{}.yaml",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load(texts: &[&str]) -> Result<Config, ConfigError> {
    let files: Vec<_> = texts.iter().map(File::new).collect();
    Config::load_with(files.iter().map(|file| file.0.as_path()), variables)
}

/// Each mistake as `line key: message`.
#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    let error = load(&[text])
        .and_then(|config| config.layers())
        .expect_err("a mistake");
    let one = |m: &tower_identity::ConfigMistake| {
        format!(
            "{} {}: {}",
            m.line().map_or("-".into(), |l| l.to_string()),
            m.key(),
            m.message()
        )
    };
    error.mistakes().iter().map(one).collect()
}

async fn call(config: &Config, authorization: Option<&str>) -> (StatusCode, String, String) {
    let layers = config.layers().unwrap();
    let service = ServiceBuilder::new()
        .layer(layers.oauth_callback)
        .layer(layers.bearer_key)
        .layer(layers.identity)
        .service_fn(|request: Request<Full<bytes::Bytes>>| async move {
            let body = serde_json::to_vec(&Identity::of(&request)).unwrap();
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(body.into())))
        });
    let mut request = Request::get("/api/whoami");
    if let Some(value) = authorization {
        request = request.header(AUTHORIZATION, value);
    }
    let response = service
        .oneshot(request.body(Full::default()).unwrap())
        .await
        .unwrap();
    let status = response.status();
    let challenge = response
        .headers()
        .get("www-authenticate")
        .map(|v| v.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        challenge.unwrap_or_default(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn the_file_of_the_readme_works_unchanged() {
    let config = load(&[FILE]).unwrap();
    assert_eq!(config.base_url(), "http://localhost:7007");
    assert_eq!(
        config.clone().with_port(1234).base_url(),
        "http://localhost:1234"
    );
    let (status, _, body) = call(&config, Some(&format!("Bearer {KEY}"))).await;
    assert_eq!(status, 200);
    assert!(
        body.contains(r#""principal":"service","subject":"external:ap-key""#),
        "{body}"
    );
    assert!(body.contains(r#""method":"api-key""#), "{body}");
    for (wrong, code) in [
        (None, ""),
        (Some("Bearer wrong"), r#", error="invalid_token""#),
    ] {
        let (status, challenge, body) = call(&config, wrong).await;
        assert_eq!(status, 401);
        assert_eq!(challenge, format!(r#"Bearer realm="tower-identity"{code}"#));
        assert!(
            body.starts_with(r#"{"error":{"name":"AuthenticationError""#),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_hs256_token_signed_with_the_secret_is_accepted() {
    let config = load(&[FILE]).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let claims = |exp: u64| format!(r#"{{"sub":"backstage-server","exp":{exp}}}"#);
    let decoded = b"service-key-0123456789abcdef";
    for (key, claims, status) in [
        (&decoded[..], claims(now + 3600), 200),
        (KEY.as_bytes(), claims(now + 3600), 200),
        (b"another-key-of-some-length", claims(now + 3600), 401),
        (decoded, claims(now - 1), 401),
        (decoded, r#"{"sub":"backstage-server"}"#.into(), 401),
        (
            decoded,
            format!(
                r#"{{"sub":"backstage-server","aud":"x","exp":{}}}"#,
                now + 60
            ),
            401,
        ),
        (
            decoded,
            format!(r#"{{"sub":"somebody-else","exp":{}}}"#, now + 60),
            401,
        ),
    ] {
        let token = hs256(key, &claims);
        let (found, _, body) = call(&config, Some(&format!("Bearer {token}"))).await;
        assert_eq!(found, status, "{claims}: {body}");
    }
}

fn hs256(key: &[u8], claims: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as b64;
    let message = format!(
        "{}.{}",
        b64.encode(br#"{"alg":"HS256"}"#),
        b64.encode(claims)
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    format!(
        "{message}.{}",
        b64.encode(aws_lc_rs::hmac::sign(&key, message.as_bytes()))
    )
}

#[test]
fn op_01_every_mistake_is_listed_with_its_place() {
    let file = File::new(FILE);
    let error = Config::load_with([&file.0], |_| None).unwrap_err();
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{error}");
    for (key, name) in [
        (
            "auth.providers.github.development.clientId",
            "GITHUB_CLIENT_ID",
        ),
        (
            "auth.providers.github.development.clientSecret",
            "GITHUB_CLIENT_SECRET",
        ),
        ("backend.auth.keys[0].secret", "BACKSTAGE_SERVICE_KEY"),
    ] {
        let wanted = format!("{key}: environment variable {name} is not set");
        assert!(lines.iter().any(|line| line.ends_with(&wanted)), "{error}");
    }
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with(&format!("{}:", file.0.display())))
    );
}

#[test]
fn op_01_each_kind_of_mistake_says_what_was_expected() {
    let provider = |block: &str| {
        format!("auth:\n  providers:\n    x:\n      type: oidc\n      development: {block}\n")
    };
    let access = |kind: &str, options: &str| {
        format!("backend: {{auth: {{externalAccess: [{{type: {kind}, options: {{{options}}}}}]}}}}")
    };
    let good = "clientId: a, clientSecret: b";
    for (text, expected) in [
        ("auth: {enviroment: x}".into(), "1 auth.enviroment: unknown key \"enviroment\"; did you mean \"environment\"?"),
        ("auht: {}".into(), "1 auht: unknown key \"auht\"; did you mean \"auth\"?"),
        ("auth: 7".into(), "1 auth: expected an object, found a number"),
        ("auth: {session: {secret: short}}".into(), "1 auth.session.secret: expected at least 32 bytes"),
        ("backend: {baseUrl: 'ftp://x'}".into(), "1 backend.baseUrl: expected an http or https URL"),
        ("backend: {baseUrl: 'http://portal.example.com'}".into(), "1 backend.baseUrl: plain http is accepted on loopback hosts only, found portal.example.com"),
        ("backend: {listen: 'x:y'}".into(), "1 backend.listen: expected a port, or host:port"),
        ("backend: {listen: '::1'}".into(), "1 backend.listen: expected a port, or host:port"),
        ("app: {baseUrl: 'http://portal.example.com'}".into(), "1 app.baseUrl: plain http is accepted on loopback hosts only, found portal.example.com"),
        ("app: {baseUrl: 'https://:pw@portal.example.com'}".into(), "1 app.baseUrl: expected an http or https URL"),
        ("auth: {experimentalExtraAllowedOrigins: [portal]}".into(), "1 auth.experimentalExtraAllowedOrigins: expected origins such as https://docs.example.com"),
        ("auth: {providers: {x: {type: guest}}}".into(), "1 auth.providers.x: the guest's id is \"guest\", and no other provider's"),
        ("auth: {providers: {github: {clientId: x}}}".into(), "1 auth.providers.github.clientId: expected an object, found a string"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', callbackUrl: 'http://evil.example/cb'}}")), "5 auth.providers.x.development.callbackUrl: plain http is accepted on loopback hosts only, found evil.example"),
        (access("static", "token: short, subject: ci"), "1 backend.auth.externalAccess[0].options.token: expected at least 8 characters"),
        (access("static", "token: 'p@ssw0rd!secret', subject: ci"), "1 backend.auth.externalAccess[0].options.token: expected letters, digits and -._~+/ only: no other token fits an Authorization header"),
        (access("static", "token: long-enough, subject: 'a b'"), "1 backend.auth.externalAccess[0].options.subject: expected a subject without spaces"),
        (access("static", "tokenHash: 'sha256:x', subject: ci"), "1 backend.auth.externalAccess[0].options.tokenHash: expected sha256: and 64 hexadecimal digits"),
        (access("legacy", "secret: AAAAAAAAAAAAAAAAAAAAAAAA, subject: ci"), "1 backend.auth.externalAccess[0].options.secret: expected a random secret: the key that it decodes to can be guessed"),
        (access("jwks", "url: 'http://idp.example.com/keys'"), "1 backend.auth.externalAccess[0].options.url: plain http is accepted on loopback hosts only, found idp.example.com"),
        (access("jwks", "url: 'https://i/keys', algorithm: HS256"), "1 backend.auth.externalAccess[0].options.algorithm: expected asymmetric algorithms such as RS256, ES256 or EdDSA"),
        (access("jwt", "url: 'https://i/keys'"), "1 backend.auth.externalAccess[0].type: expected one of \"static\", \"legacy\", \"jwks\", found \"jwt\""),
        ("backend: {auth: {keys: [{secret: a-secret-of-16-characters, accessRestrictions: [{plugin: a}, {plugin: a}]}]}}".into(), "1 backend.auth.keys[0].accessRestrictions[1].plugin: the plugin \"a\" is restricted twice"),
        ("backend: {auth: {keys: [{secret: a-secret-of-16-characters, accessRestrictions: [{plugin: a, permission: ' , '}]}]}}".into(), "1 backend.auth.keys[0].accessRestrictions[0].permission: expected at least one permission"),
        ("backend:\n  auth:\n    keys:\n    - secret: a-secret-of-16-characters\n    - secret: a-secret-of-16-characters".into(), "5 backend.auth.keys[1].secret: another entry has this secret, or one that is the same HMAC key"),
        ("backend:\n  auth:\n    keys:\n      - secret: 8-bytes!".into(), "4 backend.auth.keys[0].secret: expected a secret of at least 16 characters, found 8"),
        ("backend: {auth: {keys: [{secret: '${EMPTY}'}]}}".into(), "1 backend.auth.keys[0].secret: environment variable EMPTY is empty"),
        ("backend: {auth: {keys: [{id: x}]}}".into(), "1 backend.auth.keys[0].secret: expected a string, found nothing"),
        ("auth: {providers: {google: {development: {}}}}".into(), "1 auth.providers.google: not a provider that is supported by name yet; declare its kind as `type`, one of \"github\", \"oidc\", \"guest\""),
        ("auth: {providers: {x: {type: saml}}}".into(), "1 auth.providers.x.type: expected one of \"github\", \"oidc\", \"guest\", found \"saml\""),
        ("auth: {providers: {'a/b': {type: github, development: {clientId: a, clientSecret: b}}}}".into(), "1 auth.providers.a/b: expected an id of letters, digits, '-' and '_'"),
        (provider(&format!("{{{good}}}")), "5 auth.providers.x.development.metadataUrl: expected an http or https URL, found nothing"),
        (provider(&format!("{{{good}, metadataUrl: 'http://idp.example.com'}}")), "5 auth.providers.x.development.metadataUrl: plain http is accepted on loopback hosts only, found idp.example.com"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', prompt: sometimes}}")), "5 auth.providers.x.development.prompt: expected one of \"auto\", \"none\", \"login\", \"consent\", \"select_account\", found \"sometimes\""),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', startUrlSearchParams: {{redirect_uri: x}}}}")), "5 auth.providers.x.development.startUrlSearchParams: redirect_uri is set by the sign-in itself"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', signIn: {{resolvers: [{{resolver: x}}]}}}}")), "5 auth.providers.x.development.signIn.resolvers[0].resolver: expected one of \"usernameMatchingUserEntityName\", \"emailMatchingUserEntityProfileEmail\", \"emailLocalPartMatchingUserEntityName\", found \"x\""),
    ] {
        let found = mistakes(&text);
        assert!(found.iter().any(|mistake| mistake == expected), "{text}\nexpected {expected}\nfound {found:#?}");
    }
}

#[test]
fn op_01_mistakes_stand_in_the_order_of_the_file() {
    let text = "auth:\n  session: {secret: short}\n  environment: 7\nbackend: {baseUrl: 'http://x.test'}\napp: {baseUrl: x}";
    let lines: Vec<String> = mistakes(text);
    let lines: Vec<&str> = lines.iter().map(|line| &line[..1]).collect();
    assert_eq!(lines, ["2", "3", "4", "5"]);
}

#[test]
fn malformed_files_are_errors_and_never_panics() {
    let deep = format!("a: {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]";
    for text in [
        "a: [".as_bytes(),
        b"a:\n\tb: c",
        b"- a",
        b"just text",
        b"a: b: c",
        b"a: 1\na: 2",
        b"\xff\xfe\x00",
        b"{",
        b"%",
        b"a: *b",
        deep.as_bytes(),
        bomb.as_bytes(),
    ] {
        let file = File::new(text);
        let result = Config::load_with([&file.0], variables);
        assert!(result.is_err(), "{:.40}", text.escape_ascii().to_string());
    }
    assert!(Config::load_with([Path::new("/nowhere/app-config.yaml")], variables).is_err());
    assert!(Config::load_with(Vec::<PathBuf>::new(), variables).is_err());
}

#[test]
fn keys_of_other_plugins_are_ignored_without_noise() {
    let others = "app: {title: x, support: {}}\norganization: {name: y}\nproxy: {endpoints: {}}\ntechdocs: {builder: '${NOT_SET}'}\nbackend: {database: {client: pg}, csp: {}, cors: {origin: x}}\nintegrations: {github: []}\ncatalog: {rules: []}";
    assert!(load(&[FILE, others]).unwrap().layers().is_ok());
}

#[test]
fn later_files_lie_on_top() {
    let over = "backend: {baseUrl: 'https://portal.example.com/'}\nauth: {providers: {github: {development: {clientId: other}}}}";
    let config = load(&[FILE, over]).unwrap();
    assert_eq!(config.base_url(), "https://portal.example.com");
    let layers = config.layers().unwrap();
    assert_eq!(
        layers.sign_in.issuer(),
        "https://portal.example.com/api/auth"
    );
    let gone = "auth: {providers: {github: null}}";
    assert!(
        load(&[FILE, gone])
            .unwrap()
            .layers()
            .unwrap()
            .sign_in
            .providers()
            .is_empty()
    );
}

#[tokio::test]
async fn several_providers_of_one_kind_and_a_hundred_that_nobody_uses_cost_nothing() {
    // A provider that takes connections, and never says a word.
    let idp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = idp.local_addr().unwrap();
    let mut text = String::from("auth:\n  providers:\n    guest: {}\n");
    for i in 0..100 {
        text.push_str(&format!(
            "    corp{i}: {{type: oidc, development: {{metadataUrl: 'http://{at}/{i}', clientId: a, clientSecret: b, prompt: auto, signIn: {{resolvers: [{{resolver: emailMatchingUserEntityProfileEmail}}]}}}}}}\n"
        ));
    }
    let layers = load(&[&text]).unwrap().layers().unwrap();
    assert_eq!(layers.sign_in.providers().len(), 101);
    let service = layers.oauth_callback.layer(tower::service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::default()))
    }));
    let ask = |path: &str| {
        let request = Request::get(path).header("x-requested-with", "XMLHttpRequest");
        let request = request.header("host", "localhost:7007");
        let request = request.body(Full::<bytes::Bytes>::default()).unwrap();
        service.clone().oneshot(request)
    };
    let guest = ask("/api/auth/guest/refresh?env=development")
        .await
        .unwrap();
    assert_eq!(guest.status(), 200);
    let nobody = std::pin::pin!(idp.accept()).now_or_never();
    assert!(nobody.is_none(), "a provider that nobody uses was asked");
    // The one that is used is asked, and what it never says keeps nobody else waiting.
    let mut start = std::pin::pin!(ask("/api/auth/corp7/start?env=development"));
    let (mut asked, _) = tokio::select! {
        answer = &mut start => panic!("{:?}", answer.map(|a| a.status())),
        asked = idp.accept() => asked.unwrap(),
    };
    let mut line = [0; 6];
    tokio::select! {
        answer = &mut start => panic!("{:?}", answer.map(|a| a.status())),
        read = tokio::io::AsyncReadExt::read_exact(&mut asked, &mut line) => drop(read.unwrap()),
    }
    assert_eq!(&line, b"GET /7");
    let guest = ask("/api/auth/guest/refresh?env=development")
        .await
        .unwrap();
    assert_eq!(guest.status(), 200);
}

#[test]
fn another_environment_with_variables_that_are_not_set_here_is_left_out() {
    let text = "auth:\n  providers:\n    github:\n      development: {clientId: a, clientSecret: b}\n      production: {clientId: '${PROD_ID}', clientSecret: '${PROD_SECRET}'}\n";
    assert_eq!(
        load(&[text])
            .unwrap()
            .layers()
            .unwrap()
            .sign_in
            .providers()
            .len(),
        1
    );
    let active = format!("{text}---\n").replace("---\n", "");
    let active = active.replacen("auth:\n", "auth:\n  environment: production\n", 1);
    assert!(
        load(&[&active]).is_err(),
        "in its own environment it is a mistake"
    );
}

#[test]
fn er_05_no_secret_is_in_any_debug_or_error() {
    let config = load(&[FILE]).unwrap();
    let shown = format!(
        "{config:?} {:?} {:?}",
        config.layers().unwrap(),
        config.api_keys()
    );
    for secret in ["canary-client-secret", KEY] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let wrong = load(&["backend: {auth: {keys: [{secret: canary-8}]}}"]).unwrap_err();
    assert!(
        !format!("{wrong} {wrong:?}").contains("canary"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn external_access_and_restrictions_are_read() {
    let text = "backend:\n  auth:\n    externalAccess:\n      - type: static\n        options: {token: a-static-token, subject: ci}\n      - type: static\n        options: {token: a-restricted-token, subject: robot}\n        accessRestrictions: [{plugin: catalog}]\n";
    let config = load(&[text]).unwrap();
    assert_eq!(call(&config, Some("Bearer a-static-token")).await.0, 200);
    let (status, challenge, _) = call(&config, Some("Bearer a-restricted-token")).await;
    assert_eq!(status, 403, "nothing says that this is the catalog");
    assert!(challenge.contains("insufficient_scope"));
}
