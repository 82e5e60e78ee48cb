//! Each provider on the wire that it really speaks: every parameter and every header that it is sent, and its own answers
//! and errors, as it documents them.
#![cfg(all(feature = "testing", feature = "sign-in", feature = "app-config"))]

mod auth0;
mod azure;
#[path = "../support/browser.rs"]
#[allow(dead_code)]
mod browser;
mod emulation;
mod github;
mod gitlab;
mod google;
#[path = "../support/jar.rs"]
#[allow(dead_code)]
mod jar;
#[path = "../support/log.rs"]
mod log;
mod microsoft;
mod oauth2;
mod oidc;
mod okta;
#[path = "../support/site.rs"]
#[allow(dead_code)]
mod site;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use tower_identity::catalog::FileCatalog;
use tower_identity::provider::ProviderConfig;
use tower_identity::sign_in::{Resolver, SignIn};

use self::browser::{Answer, Browser};
use self::emulation::{Call, Emulation, Params, params};
use self::log::Log;
use self::site::{bind, frame, serve};

const ADA: &str = "user:default/ada";
const KEPT_OUT: &str = "This account may not sign in here";
const CATALOG: &str = "
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: ada, annotations: { test/id: ada-id } }
spec: { profile: { email: ada@example.com }, memberOf: [analysts] }
";

/// A portal whose one provider, `it`, is emulated.
struct World {
    url: String,
    emulation: Emulation,
    browser: Browser,
}

/// What a browser was sent to the provider with.
struct Sent {
    /// Without its query.
    to: String,
    /// Without those that are new each time.
    params: Params,
    state: String,
    nonce: String,
}

impl World {
    async fn start(provider: impl Into<ProviderConfig>, resolver: Resolver) -> Self {
        Self::with(Emulation::start().await, provider, resolver).await
    }

    async fn with(
        emulation: Emulation,
        provider: impl Into<ProviderConfig>,
        resolver: Resolver,
    ) -> Self {
        let (listener, url) = bind().await;
        let sign_in = SignIn::builder(&url)
            .with_client(emulation.clone())
            .with_provider("it", provider, [resolver])
            .with_catalog(FileCatalog::from_yaml("org.yaml", CATALOG).unwrap());
        serve(listener, sign_in.build().unwrap());
        Self {
            url,
            emulation,
            browser: Browser::default(),
        }
    }

    /// Begins a sign-in by popup.
    async fn begin(&self) -> Sent {
        self.begin_with("").await
    }

    async fn begin_with(&self, query: &str) -> Sent {
        let start = format!("{}/api/auth/it/start?env=development{query}", self.url);
        let answer = self.browser.get(&start).await;
        assert_eq!(answer.status, 302, "{}", answer.body);
        let location = url::Url::parse(&answer.location()).unwrap();
        let mut params = params(location.query_pairs());
        let mut take = |name: &str| params.remove(name).unwrap_or_default();
        let (state, nonce, challenge) = (take("state"), take("nonce"), take("code_challenge"));
        assert_eq!(state.len(), 43, "{location}");
        assert_eq!(challenge.len(), 43, "{location}");
        assert_eq!(take("code_challenge_method"), "S256", "{location}");
        assert_eq!(take("response_type"), "code", "{location}");
        assert_eq!(take("redirect_uri"), self.callback());
        Sent {
            to: location.as_str().split('?').next().unwrap().to_owned(),
            params,
            state,
            nonce,
        }
    }

    fn callback(&self) -> String {
        format!("{}/api/auth/it/handler/frame", self.url)
    }

    /// Comes back with a code: what the popup hears.
    async fn back(&self, sent: &Sent) -> Value {
        let callback = self.callback();
        let way = format!("{callback}?code=the-code&state={}", sent.state);
        frame(&self.browser.get(&way).await).0
    }

    async fn ajax(&self, method: Method, path: &str) -> Answer {
        let url = format!("{}/api/auth/it/{path}?env=development", self.url);
        self.browser.ajax(method, &url).await
    }

    async fn who(&self) -> String {
        let answer = self.browser.get(&format!("{}/api/whoami", self.url)).await;
        match answer.status.as_u16() {
            200 => answer.json()["subject"].as_str().unwrap().to_owned(),
            status => status.to_string(),
        }
    }

    /// Signs in, which fails: nobody is signed in, the popup hears `words`, and of the provider's own words there are none
    /// in it. The operator reads `because`.
    async fn fails(&self, sent: &Sent, words: &str, because: &str) {
        let log = Log::record();
        let heard = self.back(sent).await;
        let log = log.lines("").join("\n");
        let message = heard["error"]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(words), "{heard}");
        assert_eq!(self.who().await, "401", "{heard}");
        assert!(log.contains(because), "{because}\n{log}");
        for secret in ["CANARY", "the-code", "the-secret", &sent.state] {
            assert!(
                !log.contains(secret) && !message.contains(secret),
                "{secret}"
            );
        }
    }
}

/// The token request of a code, but for what is new each time.
#[track_caller]
fn exchanged(call: &Call, to: &str, world: &World, more: &[(&str, &str)]) {
    assert_eq!(call.to, to);
    let mut form = call.form.clone();
    let verifier = form.remove("code_verifier").unwrap_or_default();
    assert_eq!(verifier.len(), 43);
    let mut expected = params([
        ("grant_type", "authorization_code"),
        ("code", "the-code"),
        ("redirect_uri", &world.callback()),
    ]);
    expected.extend(params(more.iter().copied()));
    assert_eq!(form, expected);
    assert_eq!(
        call.headers[CONTENT_TYPE],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(call.headers[ACCEPT], "application/json");
}

/// `client_secret_post`, which sends no header.
const IN_BODY: [(&str, &str); 2] = [("client_id", "the-client"), ("client_secret", "the-secret")];

#[track_caller]
fn in_header(call: &Call) {
    let expected = format!("Basic {}", STANDARD.encode("the-client:the-secret"));
    assert_eq!(call.headers[AUTHORIZATION], expected);
}

/// A request of nothing but a document, with this token.
#[track_caller]
fn asked_with(call: &Call, to: &str, token: &str) {
    assert_eq!(call.to, to);
    assert_eq!(call.headers[AUTHORIZATION], format!("Bearer {token}"));
    assert_eq!(call.form, Params::new());
}

fn metadata(issuer: &str, more: Value) -> Value {
    let mut document = json!({
        "issuer": issuer,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
