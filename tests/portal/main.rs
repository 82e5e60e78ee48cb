//! What a portal is held to whoever signs in: its cookies, the headers of its answers, how long anything lasts, and
//! whom the guest is for.
#![cfg(all(feature = "testing", feature = "sign-in", feature = "app-config"))]

#[path = "../support/browser.rs"]
#[allow(dead_code)]
mod browser;
#[path = "../support/echo.rs"]
#[allow(dead_code)]
mod echo;
mod guest;
mod headers;
mod https;
mod lifetimes;
#[path = "../support/site.rs"]
#[allow(dead_code)]
mod site;
#[path = "../support/mod.rs"]
#[allow(dead_code)]
mod support;

use std::convert::Infallible;
use std::fmt::Debug;

use bytes::Bytes;
use http::header::{HOST, LOCATION, SET_COOKIE};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};
use tower_identity::OAuthCallbackLayer;
use tower_identity::clock::Clock;
use tower_identity::provider::Oidc;
use tower_identity::sign_in::{Resolver, SignIn, SignInBuilder};
use tower_identity::testing::{Client, Provider};

use self::browser::Browser;
use self::echo::Echo;
use self::site::catalog;
use self::support::{Answer, send};

const ADA: &str = "user:default/ada";
const POPUP_OF: &str = "env=development&flow=popup";

/// A portal without a socket, as one browser sees it that holds every cookie for ever.
struct Visit {
    origin: String,
    portal: BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>,
    jar: Vec<(String, String)>,
    /// Every line that set a cookie.
    lines: Vec<String>,
}

/// A portal at `origin` whose people are Ada's provider's.
fn portal(origin: &str, provider: &Provider) -> SignInBuilder {
    let (id, secret) = (provider.client_id(), provider.client_secret());
    let oidc = Oidc::new(provider.issuer(), id, secret)
        .with_callback_url(format!("{origin}/api/auth/oidc/handler/frame"));
    SignIn::builder(origin)
        .with_provider("oidc", oidc, [Resolver::email()])
        .with_catalog(catalog())
}

impl Visit {
    fn to(origin: &str, sign_in: &SignIn) -> Self {
        let portal = ServiceBuilder::new()
            .layer(OAuthCallbackLayer::new(sign_in.clone()))
            .layer(sign_in.identity_layer())
            .service(Echo::default());
        Self {
            origin: origin.to_owned(),
            portal: ServiceExt::<Request<Full<Bytes>>>::then(portal, whole).boxed_clone(),
            jar: Vec::new(),
            lines: Vec::new(),
        }
    }

    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = self.origin.split("://").nth(1).unwrap();
        let mut request = support::request(method, path, &[]);
        request.headers_mut().insert(HOST, host.parse().unwrap());
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        if !self.jar.is_empty() {
            let pairs = self
                .jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            let pairs = pairs.collect::<Vec<_>>().join("; ");
            let cookie = HeaderValue::try_from(pairs).unwrap();
            request.headers_mut().insert("cookie", cookie);
        }
        let answer = send(&self.portal, request).await;
        for line in answer.headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap().to_owned();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.jar.retain(|(other, _)| other != name);
            if !value.is_empty() {
                self.jar.push((name.to_owned(), value.to_owned()));
            }
            self.lines.push(line);
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }

    /// As the portal's own scripts ask.
    async fn ajax(&mut self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[("x-requested-with", "XMLHttpRequest")])
            .await
    }

    /// Goes to the provider, where nobody is asked anything, and comes back.
    async fn sign_in(&mut self, query: &str) -> Answer {
        let back = self.way_back(query).await;
        self.get(&back).await
    }

    /// The path that the provider sends the browser back to.
    async fn way_back(&mut self, query: &str) -> String {
        let start = self.get(&format!("/api/auth/oidc/start?{query}")).await;
        let location = start.header(LOCATION.as_str());
        let location = location.unwrap_or_else(|| panic!("{start:?}"));
        let back = Browser::default().get(location).await.location();
        let path = back.strip_prefix(&self.origin);
        path.unwrap_or_else(|| panic!("{back}")).to_owned()
    }

    async fn refresh(&mut self) -> Answer {
        self.ajax("GET", "/api/auth/oidc/refresh?env=development")
            .await
    }

    /// Whom the portal takes the browser for, or the status of its refusal.
    async fn who(&mut self) -> String {
        let answer = self.get("/x").await;
        match answer.status.as_u16() {
            200 => answer.body,
            status => status.to_string(),
        }
    }
}

/// A response with its body read to the end, so that its type can be named.
async fn whole<B: Body<Data = Bytes>>(
    answer: Result<Response<B>, Infallible>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    B::Error: Debug,
{
    let (parts, body) = answer?.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok(Response::from_parts(parts, Full::new(body)))
}

/// An honest provider where Ada is signed in, with a client for this portal.
async fn provider(origin: &str, clock: Clock) -> Provider {
    let client = Client::new("the-client", "secret-of-the-client")
        .add_redirect_uri(format!("{origin}/api/auth/oidc/handler/frame"));
    Provider::builder()
        .with_client(client)
        .sign_in_as("ada")
        .with_clock(clock)
        .start()
        .await
        .unwrap()
}
