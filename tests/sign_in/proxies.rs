//! Identity-aware proxies: whoever reaches the port can send their headers, and nobody can sign them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_identity::Config;
use tower_identity::catalog::FileCatalog;
use tower_identity::clock::Clock;
use tower_identity::http_client::{HttpClient, HttpError, HyperClient};
use tower_identity::provider::{AwsAlb, CloudflareAccess, GcpIap};
use tower_identity::sign_in::{Resolver, SignIn};
use tower_identity::testing::{Algorithm, Provider, TokenBuilder};

use crate::browser::{Answer, Browser};
use crate::site::{bind, serve};

const AUDIENCE: &str = "/projects/1/global/backendServices/2";
const CATALOG: &str = "
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: countess, annotations: { google.com/user-id: '1815' } }
spec: { profile: { email: ada@example.com }, memberOf: [analysts] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: pipeline }
spec: { profile: { email: ci@example.com } }
";

/// Leads to the keys of a provider of ours, wherever the proxy's are.
#[derive(Clone)]
struct Keys {
    client: Arc<HyperClient>,
    at: Uri,
}

impl HttpClient for Keys {
    fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let known = [
            "https://www.gstatic.com/iap/verify/public_key-jwk",
            "https://acme.cloudflareaccess.com/cdn-cgi/access/certs",
        ];
        assert!(
            known.contains(&request.uri().to_string().as_str()),
            "{}",
            request.uri()
        );
        *request.uri_mut() = self.at.clone();
        self.client.send(request)
    }
}

struct Site {
    url: String,
    provider: Provider,
}

impl Site {
    async fn start() -> Self {
        let provider = Provider::builder()
            .with_algorithm(Algorithm::Es256)
            .start()
            .await
            .unwrap();
        let (listener, url) = bind().await;
        let keys = Keys {
            client: Arc::new(HyperClient::new().unwrap()),
            at: format!("{}/jwks", provider.issuer()).parse().unwrap(),
        };
        let access = CloudflareAccess::new("acme", AUDIENCE)
            .add_service_token("client-id.access", "ci@example.com");
        let sign_in = SignIn::builder(&url)
            .with_client(keys)
            .with_provider(
                "gcpIap",
                GcpIap::new(AUDIENCE),
                [Resolver::user_id_annotation("google.com/user-id")],
            )
            .with_provider("cfaccess", access, [Resolver::email()])
            .with_catalog(FileCatalog::from_yaml("org.yaml", CATALOG).unwrap());
        serve(listener, sign_in.build().unwrap());
        Self { url, provider }
    }

    fn iap(&self) -> TokenBuilder {
        self.token("https://cloud.google.com/iap")
            .with_subject("accounts.google.com:1815")
    }

    fn access(&self) -> TokenBuilder {
        self.token("https://acme.cloudflareaccess.com")
            .with_subject("uuid-of-ada")
    }

    fn token(&self, issuer: &str) -> TokenBuilder {
        let token = self
            .provider
            .token()
            .with_audience(AUDIENCE)
            .with_claim("iss", issuer);
        token
            .with_claim("email", "ada@example.com")
            .with_header("typ", "JWT")
    }

    async fn refresh(&self, browser: &Browser, id: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}/api/auth/{id}/refresh", self.url))
            .header("x-requested-with", "XMLHttpRequest");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        browser.send(request.body(Full::default()).unwrap()).await
    }
}

const IAP: &str = "x-goog-iap-jwt-assertion";
const ACCESS: &str = "cf-access-jwt-assertion";

#[tokio::test]
async fn whom_the_proxy_names_is_signed_in_as_backstages_page_expects() {
    let site = Site::start().await;
    let cookie = format!("CF_Authorization={}", site.access().sign());
    for (id, header, value) in [
        ("gcpIap", IAP, site.iap().sign()),
        ("cfaccess", ACCESS, site.access().sign()),
        ("cfaccess", "cookie", cookie),
        // Its id in any case, as paths are.
        ("GCPIAP", IAP, site.iap().sign()),
    ] {
        let browser = Browser::default();
        let answer = site.refresh(&browser, id, &[(header, &value)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let session = answer.json();
        assert_eq!(session["profile"], json!({ "email": "ada@example.com" }));
        assert!(session["providerInfo"].is_object());
        let identity = &session["backstageIdentity"];
        assert_eq!(
            identity["identity"],
            json!({
                "type": "user",
                "userEntityRef": "user:default/countess",
                "ownershipEntityRefs": ["user:default/countess", "group:default/analysts"],
            })
        );
        assert!(identity["expiresInSeconds"].as_u64().unwrap() > 3000);
        let whoami = browser
            .get(&format!("{}/api/whoami", site.url))
            .await
            .json();
        assert_eq!(whoami["subject"], "user:default/countess", "{id}");
    }
    // A service, by the client id of its token.
    let service = site.access().without_claim("sub").without_claim("email");
    let service = service.with_claim("common_name", "client-id.access").sign();
    let answer = site
        .refresh(&Browser::default(), "cfaccess", &[(ACCESS, &service)])
        .await;
    let user = &answer.json()["backstageIdentity"]["identity"]["userEntityRef"];
    assert_eq!(*user, "user:default/pipeline");
}

#[tokio::test]
async fn what_the_proxy_did_not_sign_for_us_and_now_names_nobody() {
    let site = Site::start().await;
    let other = Provider::builder()
        .with_algorithm(Algorithm::Es256)
        .start()
        .await
        .unwrap();
    let forged = other
        .token()
        .with_audience(AUDIENCE)
        .with_claim("iss", "https://cloud.google.com/iap");
    let forged = forged
        .with_subject("accounts.google.com:1815")
        .with_claim("email", "ada@example.com")
        .with_header("typ", "JWT");
    let good = site.iap().sign();
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (header, rest) = good.split_once('.').unwrap();
    let none = tower_none(header, rest);
    let long = "a".repeat(20_000);
    // Both are ours, and each has the signature of the other.
    let other_signature = site.iap().with_subject("accounts.google.com:7").sign();
    let (other_claims, _) = other_signature.rsplit_once('.').unwrap();
    let swapped = format!("{other_claims}.{}", good.rsplit_once('.').unwrap().1);
    let table: Vec<(&str, String)> = vec![
        ("another key", forged.sign()),
        ("no signature", format!("{signed}.")),
        (
            "another's signature",
            format!("{signed}.{}", other_signature.rsplit_once('.').unwrap().1),
        ),
        ("claims of somebody else", swapped),
        ("alg none", none),
        ("a longer header", long),
        ("no token", "Bearer x".into()),
        (
            "another audience",
            site.iap()
                .with_audience("/projects/1/global/backendServices/3")
                .sign(),
        ),
        (
            "audiences beside ours",
            site.iap().with_claim("aud", json!([AUDIENCE, "x"])).sign(),
        ),
        ("no audience", site.iap().without_claim("aud").sign()),
        (
            "another issuer",
            site.iap()
                .with_claim("iss", "https://cloud.google.com/iap/")
                .sign(),
        ),
        (
            "the other proxy's",
            site.access()
                .with_subject("accounts.google.com:1815")
                .sign(),
        ),
        ("no issuer", site.iap().without_claim("iss").sign()),
        ("expired", site.iap().with_claim("exp", 1_000_000).sign()),
        ("for ever", site.iap().without_claim("exp").sign()),
        (
            "not yet",
            site.iap().with_claim("nbf", 9_999_999_999_u64).sign(),
        ),
        ("nobody", site.iap().without_claim("sub").sign()),
        ("an empty name", site.iap().with_subject("").sign()),
        ("no e-mail", site.iap().without_claim("email").sign()),
        (
            "an e-mail that is none",
            site.iap()
                .with_claim("email", json!(["ada@example.com"]))
                .sign(),
        ),
        (
            "a portal token",
            site.iap().with_header("typ", "vnd.backstage.user").sign(),
        ),
        (
            "an extension",
            site.iap().with_header("crit", json!(["exp"])).sign(),
        ),
        (
            "an invented key",
            site.iap().with_header("kid", "invented").sign(),
        ),
    ];
    for (what, token) in &table {
        let browser = Browser::default();
        let answer = site.refresh(&browser, "gcpIap", &[(IAP, token)]).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        let error = &answer.json()["error"];
        assert_eq!(error["name"], "AuthenticationError", "{what}");
        assert!(
            !answer.body.contains(token.as_str()) && !answer.body.contains("ada@"),
            "{what}"
        );
        assert_eq!(browser.names(), [""; 0], "{what}");
        // The same at the other proxy.
        let answer = site.refresh(&browser, "cfaccess", &[(ACCESS, token)]).await;
        let theirs = *what == "the other proxy's";
        assert_eq!(answer.status, if theirs { 200 } else { 401 }, "{what}");
    }
    let access = site.access().sign();
    let two = format!("CF_Authorization={access}; CF_Authorization={access}");
    let unknown = site
        .access()
        .without_claim("sub")
        .with_claim("common_name", "other")
        .sign();
    let nobody = site.access().without_claim("sub").sign();
    for (what, id, headers) in [
        ("nothing", "gcpIap", vec![]),
        ("nothing", "cfaccess", vec![]),
        (
            "two of it",
            "gcpIap",
            vec![(IAP, good.as_str()), (IAP, good.as_str())],
        ),
        ("two cookies", "cfaccess", vec![("cookie", two.as_str())]),
        ("another's header", "gcpIap", vec![(ACCESS, good.as_str())]),
        (
            "as a bearer",
            "gcpIap",
            vec![("authorization", good.as_str())],
        ),
        (
            "an unknown service",
            "cfaccess",
            vec![(ACCESS, unknown.as_str())],
        ),
        ("no service", "cfaccess", vec![(ACCESS, nobody.as_str())]),
    ] {
        let answer = site.refresh(&Browser::default(), id, &headers).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    }
    // Another site can't sign somebody in who comes through the proxy.
    let url = format!("{}/api/auth/gcpIap/refresh", site.url);
    let plain = Request::get(&url)
        .header(IAP, good.as_str())
        .body(Full::default())
        .unwrap();
    assert_eq!(Browser::default().send(plain).await.status, 401);
    let cross = [(IAP, good.as_str()), ("origin", "https://evil.test")];
    assert_eq!(
        site.refresh(&Browser::default(), "gcpIap", &cross)
            .await
            .status,
        403
    );
}

/// The same claims under `alg: none`.
fn tower_none(header: &str, rest: &str) -> String {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header: Value = serde_json::from_slice(&engine.decode(header).unwrap()).unwrap();
    let header = json!({ "alg": "none", "kid": header["kid"] }).to_string();
    format!("{}.{rest}", engine.encode(header))
}

#[tokio::test]
async fn a_session_lasts_no_longer_than_the_proxy_names_that_person() {
    let site = Site::start().await;
    let whoami = format!("{}/api/whoami", site.url);
    let ada = site.iap().sign();
    let unknown = site.iap().with_subject("accounts.google.com:7").sign();
    for (what, header, ends) in [
        ("the same person", Some(&ada), false),
        (
            "somebody whom the catalog does not know",
            Some(&unknown),
            true,
        ),
        ("nobody", None, true),
    ] {
        let browser = Browser::default();
        assert_eq!(
            site.refresh(&browser, "gcpIap", &[(IAP, &ada)])
                .await
                .status,
            200
        );
        let thief = browser.copy();
        let headers: Vec<_> = header.iter().map(|value| (IAP, value.as_str())).collect();
        let again = site.refresh(&browser, "gcpIap", &headers).await;
        assert_eq!(
            again.status,
            if ends { 401 } else { 200 },
            "{what}: {}",
            again.body
        );
        let expected = if ends { 401 } else { 200 };
        assert_eq!(browser.get(&whoami).await.status, expected, "{what}");
        assert_eq!(thief.get(&whoami).await.status, expected, "{what}");
    }
    let browser = Browser::default();
    assert_eq!(
        site.refresh(&browser, "gcpIap", &[(IAP, &ada)])
            .await
            .status,
        200
    );
    let out = format!("{}/api/auth/gcpIap/logout", site.url);
    for (path, status) in [("start", 501), ("handler/frame", 501)] {
        let url = format!("{}/api/auth/gcpIap/{path}?env=development", site.url);
        let answer = browser.get(&url).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.json()["error"]["name"], "NotImplementedError");
    }
    assert_eq!(browser.ajax(Method::POST, &out).await.status, 200);
    assert_eq!(browser.get(&whoami).await.status, 401, "signed out");
}

#[test]
fn proxies_are_configured_as_in_backstage() {
    let text = "
auth:
  providers:
    gcpIap:
      audience: /projects/1/global/backendServices/2
      jwtHeader: x-other
      signIn: { resolvers: [{ resolver: emailMatchingUserEntityAnnotation }, { resolver: idMatchingUserEntityAnnotation }] }
    cfaccess:
      teamName: acme
      audience: abc
      serviceTokens: [{ token: x.access, subject: ci@example.com }]
      signIn: { resolvers: [{ resolver: emailMatchingUserEntityProfileEmail }] }
";
    let file = std::env::temp_dir().join(format!("tid-proxies-{}.yaml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let config = Config::load([&file]);
    std::fs::remove_file(&file).unwrap();
    let providers = config.unwrap().sign_in().unwrap().providers();
    let shown: Vec<_> = providers
        .iter()
        .map(|p| (p.id.as_str(), p.is_proxy))
        .collect();
    assert_eq!(shown, [("gcpIap", true), ("cfaccess", true)]);
    // Without a resolver a proxy does nothing, and two of one id are a mistake.
    let none = SignIn::builder("http://localhost:7007").with_provider("iap", GcpIap::new("x"), []);
    assert!(
        none.build()
            .unwrap_err()
            .to_string()
            .contains("auth.providers.iap.signIn.resolvers")
    );
    let twice = SignIn::builder("http://localhost:7007")
        .with_provider("iap", GcpIap::new("x"), [Resolver::email()])
        .with_provider("iap", GcpIap::new("y"), [Resolver::email()]);
    assert!(
        twice
            .build()
            .unwrap_err()
            .to_string()
            .contains("given twice")
    );
    let empty = SignIn::builder("http://localhost:7007").with_provider(
        "iap",
        GcpIap::new(""),
        [Resolver::email()],
    );
    assert!(
        empty
            .build()
            .unwrap_err()
            .to_string()
            .contains("auth.providers.iap.audience")
    );
}

/// A load balancer that signs as Amazon's do: with padding, and who it is in the header.
struct Alb {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

const REGION: &str = "https://public-keys.auth.elb.eu-west-1.amazonaws.com/";
const SIGNER: &str = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/portal/2";
const IDP: &str = "https://login.example.com";
const KID: &str = "12345678-90ab-cdef-0123-456789abcdef";

impl Alb {
    fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, kid }
    }

    fn pem(&self) -> String {
        let der = self.pair.public_key().as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    fn sign(&self, change: impl Fn(&mut Value, &mut Value)) -> String {
        let mut header = json!({
            "typ": "JWT", "kid": self.kid, "alg": "ES256", "iss": IDP, "client": "c", "signer": SIGNER,
            "exp": 4_000_000_000_u64,
        });
        let mut claims =
            json!({ "sub": "ada", "email": "ada@example.com", "name": "Ada L", "iss": IDP });
        change(&mut header, &mut claims);
        let [header, claims] = [header, claims].map(|part| URL_SAFE.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.pair.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE.encode(signature.as_ref()))
    }
}

/// Amazon's bucket of keys, which remembers what it was asked for.
#[derive(Clone, Default)]
struct Bucket {
    keys: Arc<Mutex<Vec<(&'static str, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    status: Arc<Mutex<Option<u16>>>,
}

impl Bucket {
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl HttpClient for Bucket {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let uri = request.uri().to_string();
        let kid = uri.strip_prefix(REGION).expect("Amazon's").to_owned();
        self.asked.lock().unwrap().push(kid.clone());
        let keys = self.keys.lock().unwrap();
        let found = keys.iter().find(|(known, _)| *known == kid);
        let (status, body) = match (*self.status.lock().unwrap(), found) {
            (Some(status), _) => (status, String::new()),
            (None, Some((_, pem))) => (200, pem.clone()),
            (None, None) => (403, "<Error>".into()),
        };
        let response = Response::builder().status(status).body(body.into());
        futures::future::ready(Ok(response.unwrap())).boxed()
    }
}

async fn behind_alb(bucket: &Bucket, clock: &Clock) -> String {
    let (listener, url) = bind().await;
    let sign_in = SignIn::builder(&url)
        .with_client(bucket.clone())
        .with_clock(clock.clone())
        .with_provider(
            "awsalb",
            AwsAlb::new(IDP, "eu-west-1", SIGNER),
            [Resolver::email()],
        )
        .with_catalog(FileCatalog::from_yaml("org.yaml", CATALOG).unwrap());
    serve(listener, sign_in.build().unwrap());
    url
}

async fn through_alb(url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(format!("{url}/api/auth/awsalb/refresh"));
    for (name, value) in [("x-requested-with", "XMLHttpRequest")]
        .iter()
        .chain(headers)
    {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::default()).unwrap();
    Browser::default().send(request).await
}

async fn with_data(url: &str, data: &str) -> Answer {
    let headers = [
        ("x-amzn-oidc-data", data),
        ("x-amzn-oidc-accesstoken", "at"),
    ];
    through_alb(url, &headers).await
}

#[tokio::test]
async fn a_load_balancer_is_believed_by_its_own_name_only() {
    let (clock, _hand) = Clock::manual(SystemTime::now().into());
    let (alb, bucket) = (Alb::new(KID), Bucket::default());
    bucket.keys.lock().unwrap().push((KID, alb.pem()));
    let url = behind_alb(&bucket, &clock).await;
    let good = alb.sign(|_, _| {});
    assert!(good.contains('='), "padded, as Amazon's are");
    for _ in 0..3 {
        let answer = with_data(&url, &good).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let session = answer.json();
        assert_eq!(session["providerInfo"]["accessToken"], "at");
        let user = &session["backstageIdentity"]["identity"]["userEntityRef"];
        assert_eq!(*user, "user:default/countess");
    }
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let swapped = alb.sign(|_, claims| claims["email"] = "ci@example.com".into());
    let swapped = format!("{}.{signature}", swapped.rsplit_once('.').unwrap().0);
    let path = "../../../../../../../../../../../..xy";
    for (what, data) in [
        (
            "another load balancer",
            alb.sign(|header, _| header["signer"] = "arn:aws:x".into()),
        ),
        (
            "no load balancer",
            alb.sign(|header, _| header["signer"] = Value::Null),
        ),
        (
            "a signer in the claims",
            alb.sign(|header, claims| {
                header["signer"] = "arn:aws:x".into();
                claims["signer"] = SIGNER.into();
            }),
        ),
        (
            "another issuer",
            alb.sign(|_, claims| claims["iss"] = "https://evil.test".into()),
        ),
        (
            "an issuer in the header only",
            alb.sign(|_, claims| claims["iss"] = Value::Null),
        ),
        (
            "expired",
            alb.sign(|header, _| header["exp"] = 1_000.into()),
        ),
        (
            "expired claims",
            alb.sign(|_, claims| claims["exp"] = 1_000.into()),
        ),
        (
            "for ever",
            alb.sign(|header, _| drop(header.as_object_mut().unwrap().remove("exp"))),
        ),
        (
            "a time that is none",
            alb.sign(|header, _| header["exp"] = "later".into()),
        ),
        (
            "alg none",
            alb.sign(|header, _| header["alg"] = "none".into()),
        ),
        (
            "another algorithm",
            alb.sign(|header, _| header["alg"] = "HS256".into()),
        ),
        (
            "an extension",
            alb.sign(|header, _| header["crit"] = json!(["exp"])),
        ),
        (
            "no e-mail",
            alb.sign(|_, claims| claims["email"] = Value::Null),
        ),
        (
            "an e-mail that is not verified",
            alb.sign(|_, claims| claims["email_verified"] = "false".into()),
        ),
        ("nobody", alb.sign(|_, claims| claims["sub"] = "".into())),
        (
            "no key",
            alb.sign(|header, _| drop(header.as_object_mut().unwrap().remove("kid"))),
        ),
        (
            "a key that is a path",
            alb.sign(|header, _| header["kid"] = path.into()),
        ),
        ("another's signature", swapped),
        ("no signature", format!("{signed}.")),
        ("without its padding", good.replace('=', "")),
        ("an empty text", String::new()),
    ] {
        let answer = with_data(&url, &data).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    }
    assert_eq!(bucket.asked(), 1, "nothing was asked for any of them");
    for headers in [
        vec![("x-amzn-oidc-data", good.as_str())],
        vec![("x-amzn-oidc-accesstoken", "at")],
        vec![
            ("x-amzn-oidc-data", &good),
            ("x-amzn-oidc-data", &good),
            ("x-amzn-oidc-accesstoken", "at"),
        ],
        vec![(IAP, &good), ("x-amzn-oidc-accesstoken", "at")],
    ] {
        assert_eq!(through_alb(&url, &headers).await.status, 401, "{headers:?}");
    }
    for (region, signer) in [
        ("", SIGNER),
        ("evil.test/", SIGNER),
        ("EU", SIGNER),
        ("eu-west-1", ""),
        ("eu-west-1", "any"),
    ] {
        let built = SignIn::builder("http://localhost:7007")
            .with_provider(
                "awsalb",
                AwsAlb::new(IDP, region, signer),
                [Resolver::email()],
            )
            .build();
        assert!(built.is_err(), "{region} {signer}");
    }
}

#[tokio::test]
async fn ks_02_keys_of_a_load_balancer_are_asked_for_sparingly() {
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let (alb, late) = (
        Alb::new(KID),
        Alb::new("ffffffff-90ab-cdef-0123-456789abcdef"),
    );
    let bucket = Bucket::default();
    bucket.keys.lock().unwrap().push((KID, alb.pem()));
    let url = behind_alb(&bucket, &clock).await;
    let [good, strange] = [&alb, &late].map(|alb| alb.sign(|_, _| {}));
    let status = async |data: &str| with_data(&url, data).await.status.as_u16();
    assert_eq!(status(&good).await, 200);
    // A name that leads to nothing is asked for once a minute, and names at all once a second.
    hand.advance(Duration::from_secs(1));
    for _ in 0..5 {
        assert_eq!(status(&strange).await, 401);
    }
    assert_eq!(bucket.asked(), 2);
    let third = Alb::new("aaaaaaaa-90ab-cdef-0123-456789abcdef").sign(|_, _| {});
    assert_eq!(status(&third).await, 503, "not now, which is not no");
    assert_eq!(status(&good).await, 200, "known keys wait for nobody");
    assert_eq!(bucket.asked(), 2);
    // It is published after all.
    bucket.keys.lock().unwrap().push((late.kid, late.pem()));
    hand.advance(Duration::from_secs(60));
    assert_eq!(status(&strange).await, 200);
    // After an hour a key is asked for anew; one that can't be had now is neither good nor bad.
    hand.advance(Duration::from_secs(3600));
    *bucket.status.lock().unwrap() = Some(500);
    assert_eq!(status(&good).await, 503);
    *bucket.status.lock().unwrap() = None;
    hand.advance(Duration::from_secs(1));
    assert_eq!(status(&good).await, 200);
}
