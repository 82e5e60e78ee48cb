//! Identity-aware proxies: whoever reaches the port can send their headers, and nobody can sign them.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_identity::Config;
use tower_identity::catalog::FileCatalog;
use tower_identity::http_client::{HttpClient, HttpError, HyperClient};
use tower_identity::provider::{CloudflareAccess, GcpIap};
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
    use base64::Engine as _;
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
