//! What attackers tried on the sign-in, and what must never work again: people in the browser, providers that lie,
//! neighbours that plant cookies.
#![cfg(all(
    feature = "testing",
    feature = "sign-in",
    feature = "app-config",
    feature = "axum"
))]

#[path = "../support/browser.rs"]
mod browser;
mod callers;
mod flood;
mod id_token;
#[path = "../support/jar.rs"]
mod jar;
mod liar;
#[path = "../support/log.rs"]
mod log;
mod people;
mod provider;
mod refresh;
mod sign_out;
#[path = "../support/site.rs"]
mod site;
mod words;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tower_identity::provider::{GitHub, Oidc};
use tower_identity::sign_in::{Resolver, SignIn, SignInBuilder};
use tower_identity::testing::Provider;

use self::browser::{Answer, Browser};
use self::site::{POPUP, bind, catalog, serve};

const ADA: &str = "user:default/ada";
const GRACE: &str = "user:default/grace";
const KATE: &str = "user:default/kate";

/// A portal that knows Ada and Grace, and whatever else `set_up` gives it: its URL.
async fn portal(set_up: impl FnOnce(SignInBuilder) -> SignInBuilder) -> String {
    let (listener, url) = bind().await;
    let builder = set_up(SignIn::builder(&url).with_catalog(catalog()));
    serve(listener, builder.build().unwrap());
    url
}

/// The OpenID Connect client of an honest provider.
fn oidc(provider: &Provider) -> Oidc {
    let (id, secret) = (provider.client_id(), provider.client_secret());
    Oidc::new(provider.issuer(), id, secret)
}

/// The same for GitHub.
fn github(provider: &Provider) -> GitHub {
    let (id, secret) = (provider.client_id(), provider.client_secret());
    GitHub::new(id, secret).with_enterprise_instance_url(provider.url())
}

/// By e-mail, and only that.
fn email() -> [Resolver; 1] {
    [Resolver::email()]
}

impl Browser {
    /// Signs in at an honest provider.
    async fn sign_in(&self, portal: &str, provider: &str, user: &str) -> Answer {
        let user = format!("user={user}");
        let back = self.begin(portal, provider, &user, POPUP).await;
        self.get(&back).await
    }

    /// A script's call to `{provider}/{action}`, with these headers besides.
    async fn call(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        request = request.header("x-requested-with", "XMLHttpRequest");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::<Bytes>::default()).unwrap())
            .await
    }

    async fn refresh(&self, portal: &str, provider: &str) -> Answer {
        let url = format!("{portal}/api/auth/{provider}/refresh?env=development");
        self.ajax(Method::GET, &url).await
    }

    async fn sign_out(&self, portal: &str, provider: &str) -> Answer {
        let url = format!("{portal}/api/auth/{provider}/logout?env=development");
        self.ajax(Method::POST, &url).await
    }

    /// Whom the portal takes it for: an entity, or the status of the refusal.
    async fn who(&self, portal: &str) -> String {
        let answer = self.get(&format!("{portal}/api/whoami")).await;
        match answer.status.as_u16() {
            200 => answer.json()["subject"].as_str().unwrap().to_owned(),
            status => status.to_string(),
        }
    }

    /// Forgets every cookie but these.
    fn keep(&self, kept: impl Fn(&str) -> bool) {
        self.0.lock().unwrap().retain(|(name, ..)| kept(name));
    }

    /// A copy that holds the refresh token and nothing else.
    fn copy_of_renewal(&self) -> Self {
        let copy = self.copy();
        copy.keep(|name| name.ends_with("refresh-token"));
        assert_eq!(copy.names().len(), 1, "there is one");
        copy
    }

    /// Takes over whatever `other` holds.
    fn plant(&self, other: &Self) {
        let planted = other.0.lock().unwrap().clone();
        self.0.lock().unwrap().extend(planted);
    }
}

/// Asserts that no cookie is set, only cleared.
#[track_caller]
fn sets_nothing(answer: &Answer) {
    for line in answer.cookies() {
        assert!(line.contains("Max-Age=0;"), "{line}");
    }
}

/// Asserts that the sign-in is over in this browser and in the copy of it.
async fn is_over(portal: &str, provider: &str, browser: &Browser, copy: &Browser) {
    assert_eq!(browser.names(), [""; 0], "the browser forgot");
    assert_eq!(copy.who(portal).await, "401", "the copied session is dead");
    let again = copy.refresh(portal, provider).await;
    assert_eq!(again.status, 401, "so is what renews it: {}", again.body);
    sets_nothing(&again);
}
