//! `app-config.yaml`: what it builds, and every way in which it can be wrong.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{ServiceBuilder, ServiceExt};
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
    let external = |entry: &str| format!("backend:\n  auth:\n    externalAccess:\n      - {entry}");
    let good = "clientId: a, clientSecret: b";
    for (text, expected) in [
        ("auth: {enviroment: x}".into(), "1 auth.enviroment: unknown key \"enviroment\"; did you mean \"environment\"?"),
        ("auht: {}".into(), "1 auht: unknown key \"auht\"; did you mean \"auth\"?"),
        ("auth: 7".into(), "1 auth: expected an object, found a number"),
        ("auth: {session: {secret: short}}".into(), "1 auth.session.secret: a sealing secret needs at least 32 bytes"),
        ("backend: {baseUrl: 'ftp://x'}".into(), "1 backend.baseUrl: expected an http or https URL"),
        ("backend: {baseUrl: 'http://portal.example.com'}".into(), "1 backend.baseUrl: expected an https URL: plain http is accepted on loopback hosts only"),
        ("backend: {listen: 'x:y'}".into(), "1 backend.listen: expected a port, or host:port"),
        ("backend:\n  auth:\n    keys:\n      - secret: 8-bytes-".into(), "4 backend.auth.keys[0].secret: expected a secret of at least 16 characters, found 8"),
        ("backend: {auth: {keys: [{secret: '${EMPTY}'}]}}".into(), "1 backend.auth.keys[0].secret: environment variable EMPTY is empty"),
        ("backend: {auth: {keys: [{id: x}]}}".into(), "1 backend.auth.keys[0].secret: expected a string, found nothing"),
        ("auth: {providers: {onelogin: {development: {}}}}".into(), "1 auth.providers.onelogin: not a provider that is supported by name yet; declare its kind as `type`, one of \"github\", \"oidc\", \"google\", \"microsoft\", \"okta\", \"gitlab\", \"auth0\", \"oauth2\", \"guest\", \"gcpIap\", \"cfaccess\", \"awsalb\", \"azureEasyAuth\", \"oauth2Proxy\""),
        ("auth: {providers: {x: {type: saml}}}".into(), "1 auth.providers.x.type: expected one of \"github\", \"oidc\", \"google\", \"microsoft\", \"okta\", \"gitlab\", \"auth0\", \"oauth2\", \"guest\", \"gcpIap\", \"cfaccess\", \"awsalb\", \"azureEasyAuth\", \"oauth2Proxy\", found \"saml\""),
        ("auth: {providers: {'a/b': {type: github, development: {clientId: a, clientSecret: b}}}}".into(), "1 auth.providers.a…: expected an id of letters, digits, '-' and '_'"),
        ("app: {baseUrl: 'http://portal.example.com'}".into(), "1 app.baseUrl: expected an https URL: plain http is accepted on loopback hosts only"),
        ("app: {baseUrl: 'https://:canary@portal.example.com'}".into(), "1 app.baseUrl: expected a URL without user information"),
        ("backend: {baseUrl: 'https://canary@portal.example.com'}".into(), "1 backend.baseUrl: expected a URL without user information"),
        ("backend: {baseUrl: 'https://portal.example.com/?canary'}".into(), "1 backend.baseUrl: expected a URL without a query and a fragment"),
        ("backend: {baseUrl: canary}".into(), "1 backend.baseUrl: expected an http or https URL"),
        ("backend: {listen: '::1'}".into(), "1 backend.listen: expected a port, or host:port; an IPv6 address stands in brackets, as in [::1]:7007"),
        ("backend: {listen: {host: 'a b', port: 1}}".into(), "1 backend.listen.host: expected a host name or an address"),
        ("auth:\n  experimentalExtraAllowedOrigins:\n    - https://docs.example.com\n    - https://*.com\n    - canary".into(), "4 auth.experimentalExtraAllowedOrigins[1]: expected the last two labels of the host to be written out, as in *.example.com"),
        ("auth:\n  experimentalExtraAllowedOrigins:\n    - https://docs.example.com\n    - https://*.com\n    - canary".into(), "5 auth.experimentalExtraAllowedOrigins[2]: expected an http or https URL"),
        ("auth: {providers: {github: {clientId: canary}}}".into(), "1 auth.providers.github.clientId: expected an environment such as \"development\", which is an object and has the provider's keys in it, found a string"),
        ("auth: {providers: {x: {type: atlassian, development: {}}}}".into(), "1 auth.providers.x.type: \"atlassian\" is not supported yet; expected one of \"github\", \"oidc\", \"google\", \"microsoft\", \"okta\", \"gitlab\", \"auth0\", \"oauth2\", \"guest\", \"gcpIap\", \"cfaccess\", \"awsalb\", \"azureEasyAuth\", \"oauth2Proxy\""),
        ("auth:\n  providers:\n    corp: {type: github, development: {clientId: a, clientSecret: b}}\n    Corp: {type: github, development: {clientId: a, clientSecret: b}}".into(), "4 auth.providers.Corp: only its case tells it from \"corp\""),
        ("auth: {providers: {visitor: {type: guest}}}".into(), "1 auth.providers.visitor: the guest's id is \"guest\""),
        ("auth: {providers: {guest: {type: github, development: {clientId: a, clientSecret: b}}}}".into(), "1 auth.providers.guest: this id is the guest's"),
        ("auth: {providers: {guest: {ownershipEntityRefs: ['user:a', 'b']}}}".into(), "1 auth.providers.guest.ownershipEntityRefs[1]: expected an entity ref such as user:default/guest"),
        ("auth:\n  providers:\n    github:\n      development:\n        clientId: a\n        clientSecret: b\n        callbackUrl: http://evil.example/cb".into(), "7 auth.providers.github.development.callbackUrl: expected an https URL: plain http is accepted on loopback hosts only"),
        ("auth:\n  providers:\n    github:\n      development:\n        clientId: a\n        clientSecret: b\n        enterpriseInstanceUrl: http://ghe.example".into(), "7 auth.providers.github.development.enterpriseInstanceUrl: plain http is accepted on loopback hosts only, found ghe.example"),
        ("auth:\n  providers:\n    github:\n      development:\n        clientId: a\n        clientSecret: b\n        enterpriseInstanceUrl: https://canary@ghe.example".into(), "7 auth.providers.github.development.enterpriseInstanceUrl: expected a URL without user information"),
        (external("type: static\n        options: {token: 'p@ssw0rd!canary', subject: ci}"), "5 backend.auth.externalAccess[0].options.token: expected what a bearer token may be (RFC 6750): letters, digits and -._~+/ without spaces, and `=` at the end only"),
        (external("type: static\n        options: {token: 'aaaa=aaaa', subject: ci}"), "5 backend.auth.externalAccess[0].options.token: expected what a bearer token may be (RFC 6750): letters, digits and -._~+/ without spaces, and `=` at the end only"),
        (external("type: static\n        options: {token: tid_AAAAAAAAAAAA_canary7890123456789012345678901234567890123XXXXXX, subject: ci}"), "5 backend.auth.externalAccess[0].options.token: has the form of a generated key, and its checksum is wrong: is it mistyped?"),
        (external("type: static\n        options: {token: seven-7, subject: ci}"), "5 backend.auth.externalAccess[0].options.token: expected a secret of at least 8 characters, found 7"),
        (external("type: legacy\n        options: {secret: seven-7, subject: ci}"), "5 backend.auth.externalAccess[0].options.secret: expected a secret of at least 16 characters, found 7"),
        (external("type: static\n        options: {token: a-static-token, subject: 'a b'}"), "5 backend.auth.externalAccess[0].options.subject: expected visible ASCII characters without spaces"),
        (external("type: static\n        options: {tokenHash: 'sha256:canary', subject: ci}"), "5 backend.auth.externalAccess[0].options.tokenHash: expected sha256: and 64 hexadecimal digits"),
        (external("type: static\n        options: {tokenHash: x, token: a-static-token, subject: ci}"), "5 backend.auth.externalAccess[0].options.tokenHash: expected either a token or its hash, found both"),
        (external("type: saml\n        options: {}"), "4 backend.auth.externalAccess[0].type: expected one of \"static\", \"legacy\", \"jwks\", found \"saml\""),
        (external("type: static\n        options: {token: a-static-token, subject: ci}\n        accessRestrictions:\n          - plugin: catalog\n          - plugin: catalog"), "8 backend.auth.externalAccess[0].accessRestrictions[1].plugin: the same plugin twice: expected one entry for each"),
        (external("type: static\n        options: {token: a-static-token, subject: ci}\n        accessRestrictions:\n          - plugin: catalog\n            permission: ' , '"), "8 backend.auth.externalAccess[0].accessRestrictions[0].permission: expected at least one, found none"),
        (external("type: static\n        options: {token: a-static-token, subject: ci}\n        accessRestrictions:\n          - plugin: catalog\n            permissionAttribute:\n              action:\n                - read\n                - drop"), "11 backend.auth.externalAccess[0].accessRestrictions[0].permissionAttribute.action[1]: expected one of \"create\", \"read\", \"update\", \"delete\""),
        (external("type: jwks\n        options: {}"), "5 backend.auth.externalAccess[0].options.url: expected an http or https URL, found nothing"),
        (external("type: jwks\n        options: {url: 'http://keys.example/x', audience: a}"), "5 backend.auth.externalAccess[0].options.url: plain http is accepted on loopback hosts only, found keys.example"),
        (external("type: jwks\n        options: {url: 'https://keys.example', audience: a, algorithm: 'ES256, HS256'}"), "5 backend.auth.externalAccess[0].options.algorithm: expected one of ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA"),
        (external("type: jwks\n        options: {url: 'https://keys.example', audience: ','}"), "5 backend.auth.externalAccess[0].options.audience: expected at least one, found none"),
        (external("type: jwks\n        options: {url: 'https://keys.example', audience: a, claims: {project: []}}"), "5 backend.auth.externalAccess[0].options.claims.project: expected at least one value, found none"),
        (external("type: jwks\n        options: {url: 'https://keys.example', audience: a, claims: {project: {a: b}}}"), "5 backend.auth.externalAccess[0].options.claims.project: expected a string, a number or a boolean, or a list of them, found an object"),
        (external("type: jwks\n        options: {url: 'https://keys.example', audience: a, subject: x}"), "5 backend.auth.externalAccess[0].options.subject: unknown key \"subject\"; expected one of \"url\", \"issuer\", \"audience\", \"algorithm\", \"subjectPrefix\", \"claims\""),
        ("backend: {auth: {keys: [{secret: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}}".into(), "1 backend.auth.keys[0].secret: decodes to a key that ends in zeros: expected at least 16 bytes before them, found 0"),
        (provider(&format!("{{{good}}}")), "5 auth.providers.x.development.metadataUrl: expected an http or https URL, found nothing"),
        (provider(&format!("{{{good}, metadataUrl: 'http://idp.example.com'}}")), "5 auth.providers.x.development.metadataUrl: plain http is accepted on loopback hosts only, found idp.example.com"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', prompt: sometimes}}")), "5 auth.providers.x.development.prompt: expected one of \"auto\", \"none\", \"login\", \"consent\", \"select_account\", found \"sometimes\""),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', startUrlSearchParams: {{redirect_uri: x}}}}")), "5 auth.providers.x.development.startUrlSearchParams: redirect_uri is set by the sign-in itself"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', signIn: {{resolvers: [{{resolver: x}}]}}}}")), "5 auth.providers.x.development.signIn.resolvers[0].resolver: expected one of \"emailMatchingUserEntityProfileEmail\", \"emailLocalPartMatchingUserEntityName\", \"usernameMatchingUserEntityName\", \"preferredUsernameMatchingUserEntityName\", \"userIdMatchingUserEntityAnnotation\", \"emailMatchingUserEntityAnnotation\", found \"x\""),
        ("backend: {cors: {origin: ['https://a.example', 'https://*']}}".into(), "1 backend.cors.origin[1]: expected the last two labels of the host to be written out, as in *.example.com"),
        ("backend: {cors: {origin: 'https://canary:x@a.example'}}".into(), "1 backend.cors.origin: expected a URL without user information"),
        ("backend: {cors: {methods: 'GET, P UT, PØST'}}".into(), "1 backend.cors.methods: expected each to be a method such as GET"),
        ("backend: {cors: {exposedHeaders: ['x y']}}".into(), "1 backend.cors.exposedHeaders: expected each to be the name of a header"),
        ("backend: {cors: {maxage: 5}}".into(), "1 backend.cors.maxage: unknown key \"maxage\"; did you mean \"maxAge\"?"),
        ("discovery: {endpoints: [{plugins: [a]}]}".into(), "1 discovery.endpoints[0].target: expected a URL, found nothing"),
        ("discovery: {endpoints: [{target: 'https://x.example'}]}".into(), "1 discovery.endpoints[0].plugins: expected a list of plugin ids, found nothing"),
        ("discovery: {endpoints: [{target: 'http+srv://x.example', plugins: [a]}]}".into(), "1 discovery.endpoints[0].target: SRV records are not looked up here: expected an http or https URL"),
        ("discovery: {endpoints: [{target: {internal: 'http://x.example'}, plugins: [a]}]}".into(), "1 discovery.endpoints[0].target.internal: plain http is accepted on loopback hosts only, found x.example"),
        ("discovery: {endpoint: []}".into(), "1 discovery.endpoint: unknown key \"endpoint\"; did you mean \"endpoints\"?"),
        ("backend: {https: true}".into(), "1 backend.https: no certificate is made here: expected {certificate: {cert: {$file: cert.pem}, key: {$file: key.pem}}}"),
        ("backend: {https: {certificate: {cert: 'canary'}}}".into(), "1 backend.https.certificate.key: expected a string, found nothing"),
        ("backend: {https: {certificate: {cert: '-----BEGIN CERTIFICATE-----', key: '-----BEGIN canary'}}}".into(), "1 backend.https.certificate: expected certificates in PEM in cert"),
        ("auth: {experimentalExtraAllowedOrigins: ['https://{a,b}.x.example', 'https://!(a).x.example']}".into(), "1 auth.experimentalExtraAllowedOrigins[1]: of patterns only *, ? and {a,b} are supported"),
        ("auth: {providers: {gcpIap: {audience: /x}}}".into(), "1 auth.providers.gcpIap.signIn: expected at least one of signIn.resolvers: a proxy does nothing but sign people in"),
        ("auth: {providers: {gcpIap: {signIn: {resolvers: [{resolver: idMatchingUserEntityAnnotation}]}}}}".into(), "1 auth.providers.gcpIap.audience: expected a string, found nothing"),
        ("auth: {providers: {gcpIap: {audience: /x, signIn: {resolvers: [{resolver: usernameMatchingUserEntityName}]}}}}".into(), "1 auth.providers.gcpIap.signIn.resolvers[0].resolver: expected one of \"emailMatchingUserEntityProfileEmail\", \"emailLocalPartMatchingUserEntityName\", \"emailMatchingUserEntityAnnotation\", \"idMatchingUserEntityAnnotation\", found \"usernameMatchingUserEntityName\""),
        ("auth: {providers: {cfaccess: {audience: x, serviceTokens: [{token: canary}]}}}".into(), "1 auth.providers.cfaccess.serviceTokens[0].subject: expected a string, found nothing"),
        ("auth: {providers: {cfaccess: {teamName: 'evil.test/canary', audience: x, signIn: {resolvers: [{resolver: emailMatchingUserEntityProfileEmail}]}}}}".into(), "- auth.providers.cfaccess.teamName: expected the name of a team: letters, digits and '-'"),
        ("auth: {providers: {awsalb: {issuer: 'https://x.example', region: eu-west-1, signIn: {resolvers: [{resolver: emailMatchingUserEntityProfileEmail}]}}}}".into(), "1 auth.providers.awsalb.signer: expected the ARN of the load balancer: others sign with the same keys, found nothing"),
        ("auth: {providers: {awsalb: {issuer: 'https://x.example', region: 'evil.test/canary', signer: 'arn:x', signIn: {resolvers: [{resolver: emailMatchingUserEntityProfileEmail}]}}}}".into(), "- auth.providers.awsalb.region: expected a region such as eu-west-1"),
        ("auth: {providers: {okta: {development: {clientId: a, clientSecret: canary}}}}".into(), "1 auth.providers.okta.development.audience: expected an http or https URL, found nothing"),
        ("auth: {providers: {okta: {development: {clientId: a, clientSecret: canary, audience: 'https://x.example', authServerId: 'a/b'}}}}".into(), "- auth.providers.okta.development.authServerId: expected the id of an authorization server, such as default"),
        ("auth: {providers: {microsoft: {development: {clientId: a, clientSecret: canary}}}}".into(), "1 auth.providers.microsoft.development.tenantId: expected a string, found nothing"),
        ("auth: {providers: {microsoft: {development: {clientId: a, clientSecret: canary, tenantId: 'evil/x'}}}}".into(), "- auth.providers.microsoft.development.tenantId: expected the number or a domain of a tenant, organizations, consumers or common"),
        ("auth: {providers: {microsoft: {development: {clientId: a, clientSecret: canary, tenantId: common, allowedTenants: [x]}}}}".into(), "- auth.providers.microsoft.development.allowedTenants: expected the numbers of tenants, in lower case; found \"x\""),
        ("auth: {providers: {google: {development: {clientId: a, clientSecret: canary, hostedDomain: x}}}}".into(), "1 auth.providers.google.development.hostedDomain: unknown key \"hostedDomain\"; did you mean \"hostedDomains\"?"),
        ("auth: {providers: {google: {development: {clientId: a, clientKey: {privateKeyFile: x}}}}}".into(), "1 auth.providers.google.development.clientSecret: expected a string, found nothing"),
        ("auth: {providers: {auth0: {development: {clientId: a, clientSecret: canary, domain: 'https://x'}}}}".into(), "- auth.providers.auth0.development.domain: expected a domain such as example.eu.auth0.com"),
        ("auth: {providers: {gitlab: {development: {clientId: a, clientSecret: canary, audience: 'http://gitlab.example.com'}}}}".into(), "1 auth.providers.gitlab.development.audience: plain http is accepted on loopback hosts only, found gitlab.example.com"),
        ("auth: {providers: {oauth2: {development: {clientId: a, clientSecret: canary, authorizationUrl: 'https://x.example/a', tokenUrl: 'https://x.example/t'}}}}".into(), "1 auth.providers.oauth2.development.userInfoUrl: expected the URL that says who somebody is, which is ours: OAuth 2.0 itself does not; if the provider speaks OpenID Connect, use the type oidc, found nothing"),
        ("auth: {providers: {azureEasyAuth: {signIn: {resolvers: [{resolver: idMatchingUserEntityAnnotation}]}}}}".into(), "1 auth.providers.azureEasyAuth.tenantId: expected the number of your tenant, which is ours: ID tokens are verified here, found nothing"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', clientKey: {{privateKeyFile: /nowhere}}}}")), "5 auth.providers.x.development.clientKey: expected it or clientSecret, found both"),
        (provider("{clientId: a, metadataUrl: 'https://i', clientKey: {privateKeyFile: /nowhere, algorithm: HS256}}"), "5 auth.providers.x.development.clientKey.algorithm: expected one of \"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"EdDSA\", found \"HS256\""),
        (provider("{clientId: a, metadataUrl: 'https://i', clientKey: {privateKeyFile: /nowhere}}"), "5 auth.providers.x.development.clientKey.privateKeyFile: the file cannot be read: No such file or directory (os error 2)"),
        ("auth: {providers: {oauth2Proxy: {signIn: {resolvers: [{resolver: forwardedUserMatchingUserEntityName}]}}}}".into(), "1 auth.providers.oauth2Proxy.trustedPeers: expected the addresses of the proxy, such as 10.0.3.0/24, found nothing: its headers are not signed"),
        ("auth: {providers: {oauth2Proxy: {trustedPeers: [0.0.0.0/0], signIn: {resolvers: [{resolver: forwardedUserMatchingUserEntityName}]}}}}".into(), "- auth.providers.oauth2Proxy.trustedPeers: expected a network of 1 to 32 bits: others are everybody"),
        ("auth: {providers: {oauth2Proxy: {trustedPeers: [10.0.0.1], dangerouslyTrustEveryPeer: true, signIn: {resolvers: [{resolver: forwardedUserMatchingUserEntityName}]}}}}".into(), "1 auth.providers.oauth2Proxy.trustedPeers: has no effect beside dangerouslyTrustEveryPeer"),
        ("auth: {providers: {oauth2Proxy: {trustedPeers: [10.0.0.1], signIn: {resolvers: [{resolver: usernameMatchingUserEntityName}]}}}}".into(), "1 auth.providers.oauth2Proxy.signIn.resolvers[0].resolver: expected one of \"forwardedUserMatchingUserEntityName\", \"forwardedPreferredUsernameMatchingUserEntityName\", \"emailMatchingUserEntityProfileEmail\", \"emailLocalPartMatchingUserEntityName\", found \"usernameMatchingUserEntityName\""),
        ("catalog: {remote: {token: canary}}".into(), "1 catalog.remote.url: expected an http or https URL, found nothing"),
        ("catalog: {remote: {url: 'http://backstage.example.com/api/catalog', token: canary}}".into(), "1 catalog.remote.url: plain http is accepted on loopback hosts only, found backstage.example.com"),
        ("catalog: {remote: {url: 'https://b.example/api/catalog?x=canary'}}".into(), "1 catalog.remote.url: expected the URL of a catalog, such as https://backstage.example.com/api/catalog"),
        ("catalog: {remote: {url: 'https://b.example/api/catalog', cacheFor: 1 hour}}".into(), "1 catalog.remote.cacheFor: expected at most 5 minutes"),
        ("catalog: {remote: {url: 'https://b.example/api/catalog', tokn: canary}}".into(), "1 catalog.remote.tokn: unknown key \"tokn\"; did you mean \"token\"?"),
        ("catalog: {remote: {url: 'https://b.example/api/catalog'}, locations: [{type: file, target: examples/portal/catalog.yaml}]}".into(), "1 catalog.remote: expected either a remote catalog or locations of type \"file\", found both"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', signIn: {{resolvers: [{{resolver: userIdMatchingUserEntityAnnotation}}]}}}}")), "5 auth.providers.x.development.signIn.resolvers[0].annotation: expected a string, found nothing"),
        (provider(&format!("{{{good}, metadataUrl: 'https://i', signIn: {{resolvers: [{{resolver: usernameMatchingUserEntityName, annotation: a/b}}]}}}}")), "5 auth.providers.x.development.signIn.resolvers[0].annotation: unknown key \"annotation\"; expected one of \"resolver\", \"allowedDomains\", \"dangerouslyAllowSignInWithoutUserInCatalog\""),
    ] {
        let found = mistakes(&text);
        assert!(!found.concat().contains("canary"), "{found:#?}");
        assert!(found.iter().any(|mistake| mistake == expected), "{text}\nexpected {expected}\nfound {found:#?}");
    }
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
    let others = "app: {title: x, support: {}}\norganization: {name: y}\nproxy: {endpoints: {}}\ntechdocs: {builder: '${NOT_SET}'}\nbackend: {database: {client: pg}, csp: {}, cors: {origin: 'https://x.example'}}\nintegrations: {github: []}\ncatalog: {rules: []}";
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

#[test]
fn every_kind_of_provider_is_built_by_its_own_name() {
    let signs = "signIn: {resolvers: [{resolver: emailMatchingUserEntityProfileEmail}]}";
    let client = format!("clientId: a, clientSecret: b, {signs}");
    let pages = [
        (
            "github",
            "allowedOrganizations: [acme], organizationsAndTeams: true",
        ),
        ("google", "hostedDomains: [example.com]"),
        (
            "microsoft",
            "tenantId: organizations, allowedTenants: [72f988bf-86f1-41af-91ab-2d7cd011db47], domainHint: x.test",
        ),
        (
            "okta",
            "audience: 'https://example.okta.com', authServerId: default, idp: x",
        ),
        ("gitlab", "audience: 'https://gitlab.example.com'"),
        (
            "auth0",
            "domain: example.eu.auth0.com, audience: a, connection: b, connectionScope: c",
        ),
        (
            "oauth2",
            "authorizationUrl: 'https://x.test/a', tokenUrl: 'https://x.test/t', userInfoUrl: 'https://x.test/me', includeBasicAuth: true",
        ),
        (
            "oidc",
            "metadataUrl: 'https://x.test', maxAge: 1 hour, acrValues: [a], responseMode: form_post, userinfoSigned: true, pushedAuthorizationRequests: false",
        ),
    ];
    let proxies = [
        ("gcpIap", "audience: /x"),
        ("cfaccess", "teamName: x, audience: y"),
        (
            "awsalb",
            "issuer: 'https://x.test', region: eu-west-1, signer: 'arn:x'",
        ),
        (
            "azureEasyAuth",
            "tenantId: 72f988bf-86f1-41af-91ab-2d7cd011db47, clientId: a",
        ),
        ("oauth2Proxy", "trustedPeers: [10.0.0.0/8]"),
    ];
    let mut text = String::from("auth:\n  providers:\n    guest: {}\n");
    for (id, own) in pages {
        text.push_str(&format!("    {id}: {{development: {{{client}, {own}}}}}\n"));
        text.push_str(&format!(
            "    my-{id}: {{type: {id}, development: {{{client}, {own}}}}}\n"
        ));
    }
    for (id, own) in proxies {
        text.push_str(&format!("    {id}: {{{signs}, {own}}}\n"));
    }
    let layers = load(&[&text]).unwrap().layers().unwrap();
    let providers = layers.sign_in.providers();
    assert_eq!(providers.len(), 1 + 2 * pages.len() + proxies.len());
    let proxied = providers.iter().filter(|provider| provider.is_proxy);
    assert_eq!(
        proxied.count(),
        1 + proxies.len(),
        "the guest has no page either"
    );
}

#[test]
fn several_providers_of_one_kind_and_a_hundred_that_nobody_uses_cost_nothing() {
    let mut text = String::from("auth:\n  providers:\n");
    for i in 0..100 {
        text.push_str(&format!(
            "    corp{i}: {{type: oidc, development: {{metadataUrl: 'https://idp{i}.invalid', clientId: a, clientSecret: b, prompt: auto, signIn: {{resolvers: [{{resolver: emailMatchingUserEntityProfileEmail}}]}}}}}}\n"
        ));
    }
    let layers = load(&[&text]).unwrap().layers().unwrap();
    assert_eq!(layers.sign_in.providers().len(), 100);
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

#[test]
fn op_01_config_and_catalog_come_in_one_list_in_the_order_of_the_files() {
    let org = File::new("kind: User\n---\napiVersion: v1\nkind: User\nmetadata: {name: 'a b'}\n");
    let first = File::new(format!(
        "auth:\n  session: {{secret: short}}\n  color: red\ncatalog:\n  locations:\n    - {{type: file, target: {}}}\n    - {{type: file, target: /nowhere/org.yaml}}\n",
        org.0.display()
    ));
    let second = File::new(
        "app: {baseUrl: 'ftp://x'}\nbackend:\n  auth:\n    keys: [{secret: short}, {}]\n",
    );
    let error = Config::load_with([&first.0, &second.0], variables).unwrap_err();
    let found: Vec<_> = error
        .mistakes()
        .iter()
        .map(|m| {
            (
                m.file().unwrap(),
                m.line().unwrap(),
                m.column().unwrap(),
                m.key(),
            )
        })
        .collect();
    let (first, second, org) = (first.0.as_path(), second.0.as_path(), org.0.as_path());
    assert_eq!(
        found,
        [
            (first, 2, 21, "auth.session.secret"),
            (first, 3, 3, "auth.color"),
            (first, 7, 28, "catalog.locations[1].target"),
            (second, 1, 16, "app.baseUrl"),
            (second, 4, 21, "backend.auth.keys[0].secret"),
            (second, 4, 29, "backend.auth.keys[1].secret"),
            (org, 1, 1, "apiVersion"),
            (org, 1, 1, "metadata"),
            (org, 5, 18, "metadata.name"),
        ],
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("/nowhere/org.yaml cannot be read")
    );
    // What `fn main() -> Result<(), Box<dyn Error>>` prints.
    assert_eq!(format!("{error:?}"), format!("\n{error}"));
}

#[test]
fn op_01_files_of_the_command_line_are_judged_with_the_rest_and_stand_in_for_the_named() {
    let org = File::new("kind: User\n");
    let text = "auth: {color: red}\ncatalog: {locations: [{type: file, target: /nowhere.yaml}]}";
    let config = File::new(text);
    let error = Config::sources([&config.0])
        .add_catalog_file(&org.0)
        .add_catalog_file("/neither.yaml")
        .load()
        .unwrap_err();
    let keys: Vec<_> = error.mistakes().iter().map(|m| m.key()).collect();
    assert_eq!(
        keys,
        ["auth.color", "apiVersion", "metadata", ""],
        "{error}"
    );
    assert!(
        error.to_string().contains("/neither.yaml: cannot be read"),
        "{error}"
    );
    assert!(!error.to_string().contains("/nowhere.yaml"), "{error}");
}

#[test]
fn op_01_a_broken_file_hides_no_other_and_what_it_may_say_is_not_missed() {
    let broken = File::new("auth: [");
    let other = "auth: {providers: {github: {development: {clientId: a, callbackUrl: x}}, guest: {type: guest}}}";
    let other = File::new(other);
    let error = Config::load_with([&broken.0, &other.0], variables).unwrap_err();
    let found: Vec<_> = error
        .mistakes()
        .iter()
        .map(|m| (m.file(), m.key()))
        .collect();
    let callback = "auth.providers.github.development.callbackUrl";
    assert_eq!(
        found,
        [(Some(&*broken.0), ""), (Some(&*other.0), callback)],
        "{error}"
    );
}

#[test]
fn op_01_two_keys_of_one_kind_are_a_mistake_that_names_both_places() {
    let text = "backend:
  auth:
    externalAccess:
      - type: static
        options: {token: c2VydmljZS1rZXktMDEyMzQ1Ng==, subject: ci}
      - type: static
        options: {token: c2VydmljZS1rZXktMDEyMzQ1Ng==, subject: ci}
    keys:
      - {secret: c2VydmljZS1rZXktMDEyMzQ1Ng, id: a}
      - {secret: YW5vdGhlci1rZXktMDEyMzQ1Ng==, id: a}
      - {secret: c2VydmljZS1rZXktMDEyMzQ1NgA=, id: b}
";
    let file = File::new(text);
    let error = Config::load_with([&file.0], variables).unwrap_err();
    let path = file.0.display();
    assert_eq!(
        error.to_string(),
        format!(
            "{path}:7:26: backend.auth.externalAccess[1].options.token: has the same key as backend.auth.externalAccess[0].options ({path}:5)\n\
             {path}:10:52: backend.auth.keys[1].id: has the same id as backend.auth.keys[0] ({path}:9)\n\
             {path}:11:18: backend.auth.keys[2].secret: has the same HMAC key as backend.auth.keys[0] ({path}:9)"
        )
    );
}

#[test]
fn ten_thousand_keys_are_read_in_one_go() {
    // Copying all keys for each, or looking each up in a list, would be 10^8 steps and more.
    let mut text = String::from("backend:\n  auth:\n    keys:\n");
    for i in 0..10_000 {
        text.push_str(&format!(
            "      - {{secret: {i:08}-is-a-secret-that-is-long, id: key-{i}}}\n"
        ));
    }
    assert_eq!(load(&[&text]).unwrap().api_keys().len(), 10_000);
}

/// What is logged meanwhile.
fn logged(act: impl FnOnce()) -> String {
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, act);
    let text = log.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn what_is_seldom_meant_is_a_warning_with_its_place() {
    let block = "clientId: a, clientSecret: b";
    let signs_in = "signIn: {resolvers: [{resolver: usernameMatchingUserEntityName}]}";
    for (text, expected) in [
        ("auth:\n  providers: {github: {production: {clientId: '${NOPE}'}}}".into(), Some(":2:14: auth.providers: none has a block for the current environment, \"development\"")),
        (format!("auth:\n  providers: {{github: {{production: {{{block}, {signs_in}}}}}}}"), Some(":2:14: auth.providers: none has a block for the current environment, \"development\"")),
        (format!("auth:\n  providers: {{github: {{development: {{{block}}}}}}}"), Some("auth.providers.github.development.signIn: names no resolver")),
        ("catalog:\n  locations:\n    - type: url\n      target: https://x".into(), Some(":3:13: catalog.locations[0].type: is left out: only locations of type \"file\" are read here")),
        ("backend: {auth: {externalAccess: [{type: jwks, options: {url: 'https://keys.example'}}]}}".into(), Some("backend.auth.externalAccess[0].options: no audience is named")),
        ("# nothing".into(), Some(".yaml: is empty")),
        (format!("auth: {{providers: {{guest: {{}}, github: {{development: {{{block}, {signs_in}}}}}}}}}"), None),
    ] {
        let log = logged(|| drop(load(&[&text]).unwrap()));
        match expected {
            Some(expected) => assert!(
                log.contains(expected) && log.contains("WARN tower_identity:"),
                "{text}\n{log}"
            ),
            None => assert_eq!(log, "", "{text}"),
        }
    }
}

#[test]
fn providers_keep_the_order_of_the_files() {
    let block = "{type: github, development: {clientId: a, clientSecret: b}}";
    let text = format!("auth: {{providers: {{zeta: {block}, guest: {{}}, alpha: {block}}}}}");
    let over = format!("auth: {{providers: {{beta: {block}, zeta: {block}}}}}");
    let layers = load(&[&text, &over]).unwrap().layers().unwrap();
    let ids: Vec<_> = layers
        .sign_in
        .providers()
        .into_iter()
        .map(|p| p.id)
        .collect();
    assert_eq!(ids, ["zeta", "guest", "alpha", "beta"]);
}

#[test]
fn a_summary_tells_what_was_read() {
    let config = load(&[FILE, "auth: {providers: {guest: {}}}"]).unwrap();
    let org = "apiVersion: v1\nkind: User\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Group\nmetadata: {name: b}\n";
    let org = File::new(org);
    let file = File::new(FILE);
    let told = config.summary().to_string();
    assert!(
        told.contains("\nproviders    github (development), guest\n"),
        "{told}"
    );
    assert!(told.contains("\nservices     1 key, 0 key sets"), "{told}");
    let config = Config::sources([&file.0])
        .with_variables(variables)
        .add_catalog_file(&org.0)
        .load()
        .unwrap();
    let told = config.summary().to_string();
    assert!(
        told.ends_with("\ncatalog      1 user, 2 entities"),
        "{told}"
    );
    assert!(!told.contains("canary") && !told.contains(KEY), "{told}");
}

#[tokio::test]
async fn a_static_token_may_be_given_as_its_digest() {
    let key = tower_identity::ApiKey::generate("tid");
    let text = format!(
        "backend:\n  auth:\n    externalAccess:\n      - type: static\n        options: {{tokenHash: '{}', subject: ci}}\n        expiresAt: 2999-01-01T00:00:00Z\n",
        key.digest()
    );
    let config = load(&[&text]).unwrap();
    let authorization = format!("Bearer {}", key.expose());
    let (status, _, body) = call(&config, Some(&authorization)).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""subject":"ci""#), "{body}");
    let digest = format!("Bearer {}", key.digest().to_string().replace("sha256:", ""));
    assert_eq!(call(&config, Some(&digest)).await.0, 401);
}

#[tokio::test]
async fn services_prove_themselves_with_tokens_of_a_key_set() {
    let provider = tower_identity::testing::Provider::start().await.unwrap();
    let text = format!(
        "backend:
  auth:
    externalAccess:
      - type: jwks
        options:
          url: {}/jwks
          issuer: {}
          audience: other, portal
          algorithm: [ES256, RS256]
          subjectPrefix: ci
          claims: {{project: [shop, 7], protected: true}}
        accessRestrictions: [{{plugin: catalog}}]
auth: {{providers: {{guest: {{}}}}}}
",
        provider.url(),
        provider.issuer()
    );
    let config = load(&[&text]).unwrap();
    assert_eq!(config.summary().key_sets, 1);
    let free = text.replace("        accessRestrictions: [{plugin: catalog}]\n", "");
    let free = load(&[&free]).unwrap();
    let token = provider
        .token()
        .with_subject("pipeline")
        .with_audience("portal")
        .with_claim("project", "shop")
        .with_claim("protected", true);
    for (token, status) in [
        (token.clone(), 200),
        (token.clone().with_claim("project", 7), 200),
        (token.clone().with_claim("project", "else"), 401),
        (token.clone().without_claim("protected"), 401),
        (token.clone().with_audience("x"), 401),
        (token.clone().with_claim("iss", "https://x"), 401),
        (token.clone().without_claim("exp"), 401),
    ] {
        let authorization = format!("Bearer {}", token.sign());
        let (found, _, body) = call(&free, Some(&authorization)).await;
        assert_eq!(found, status, "{body}");
        if status == 200 {
            assert!(
                body.contains(r#""subject":"external:ci:pipeline""#),
                "{body}"
            );
        }
    }
    let authorization = format!("Bearer {}", token.sign());
    let (status, ..) = call(&config, Some(&authorization)).await;
    assert_eq!(status, 403, "nothing says that this is the catalog");

    // The portal's own tokens are believed as ever.
    let layers = free.layers().unwrap();
    let user = "user:default/jane".parse().unwrap();
    let own = layers.sign_in.tokens().mint_user(&user, &[]).await.unwrap();
    let service = ServiceBuilder::new().layer(layers.identity).service_fn(
        |_: Request<Full<bytes::Bytes>>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(bytes::Bytes::new())))
        },
    );
    let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {}", own.expose()));
    let response = service
        .oneshot(request.body(Full::default()).unwrap())
        .await;
    assert_eq!(response.unwrap().status(), 200);
}

#[test]
fn a_server_is_told_who_may_read_it_where_the_others_are_and_what_it_shows() {
    let key = File::new(TLS_KEY);
    let text = format!(
        "
backend:
  listen: ':8443'
  cors:
    origin: [http://localhost:3000, 'https://*.previews.example.com']
    methods: [GET, PATCH]
    exposedHeaders: etag, x-request-id
    credentials: true
    maxAge: 600
  https: {{certificate: {{cert: '{}', key: {}}}}}
discovery:
  endpoints:
    - {{target: 'https://todo.example.com/{{{{pluginId}}}}', plugins: [todo]}}
    - target: {{internal: 'https://auth.internal/api/{{{{ pluginId }}}}', external: 'https://portal.example.com/api/auth'}}
      plugins: [auth]
",
        TLS_CERTIFICATE.replace('\n', "\n\n"),
        key.0.display(),
    );
    let config = load(&[&text]).unwrap();
    let cors = config.cors().unwrap();
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("https://pr-1.previews.example.com", true),
        ("http://localhost", false),
        ("https://previews.example.com", false),
        ("null", false),
        ("*", false),
    ] {
        let origin = http::HeaderValue::from_static(origin);
        assert_eq!(cors.allows(&origin), allowed, "{origin:?}");
    }
    assert_eq!(cors.methods(), ["GET", "PATCH"]);
    assert_eq!(cors.exposed_headers(), ["etag", "x-request-id"]);
    assert!(cors.credentials() && cors.allowed_headers().is_none());
    assert_eq!(cors.max_age(), Some(std::time::Duration::from_secs(600)));

    assert_eq!(config.base_url(), "https://localhost:8443");
    assert!(
        config
            .https()
            .unwrap()
            .key()
            .expose()
            .contains("PRIVATE KEY")
    );
    let (inside, outside) = (config.plugins(), config.external_plugins());
    assert_eq!(inside.base_url("todo"), "https://todo.example.com/todo");
    assert_eq!(inside.base_url("auth"), "https://auth.internal/api/auth");
    assert_eq!(
        outside.base_url("auth"),
        "https://portal.example.com/api/auth"
    );
    assert_eq!(
        inside.base_url("catalog"),
        "https://localhost:8443/api/catalog"
    );

    let other = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQ==\n-----END PRIVATE KEY-----\n";
    let wrong = text.replace(
        &key.0.display().to_string(),
        &File::new(other).0.display().to_string(),
    );
    let wrong = mistakes(&wrong);
    assert!(
        wrong[0].contains("backend.https.certificate.key: expected PEM, or a file of it"),
        "{wrong:?}"
    );
    let plain = load(&["backend: {listen: ':8443'}"]).unwrap();
    assert!(plain.cors().is_none() && plain.https().is_none());
    assert_eq!(plain.base_url(), "http://localhost:8443");
}

// Made by openssl, for this test only: nobody trusts it.
const TLS_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBnDCCAUGgAwIBAgIUc+4HRHN2r9ZksHozA4xz6Nt/QUwwCgYIKoZIzj0EAwIw\nFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTA3NTA1OFoYDzIxMjYxMTAx\nMDc1MDU4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\nPQMBBwNCAARGeGFJ5mZmcxKrrWdBHKCQ1QdOAJhTczjgjkcBT3iDy29fZLBcsk7F\nhBmRlD4VrnZ0wjdPYwLFRnw934bs282Yo28wbTAdBgNVHQ4EFgQUJmyVb+FyWxP0\nIXlxEa7bpa/gwyYwHwYDVR0jBBgwFoAUJmyVb+FyWxP0IXlxEa7bpa/gwyYwDwYD\nVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI\nzj0EAwIDSQAwRgIhALcvO3MNdhfTGyPNy6nTKZ/CUs2pv/K4jIsFZ1zrwxvuAiEA\n/hczEyFuniSiDkCNdxEzLiR4wcq5Op/3iC237ZJ9zrI=\n-----END CERTIFICATE-----\n";
const TLS_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9ZOlNRgfhCI0LWH/\n171iy55wMw/6OvgNYcFNv8JUs6qhRANCAARGeGFJ5mZmcxKrrWdBHKCQ1QdOAJhT\nczjgjkcBT3iDy29fZLBcsk7FhBmRlD4VrnZ0wjdPYwLFRnw934bs282Y\n-----END PRIVATE KEY-----\n";
