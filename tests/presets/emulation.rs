//! The servers of a provider, emulated: they answer what a test tells them to, and remember what they were asked, header
//! by header. What is said to `https://host/path` goes over a socket of this machine to `/host/path`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tower_identity::http_client::{HttpClient, HttpError, HyperClient};
use tower_identity::testing::{Algorithm, Provider, TokenBuilder};

use crate::site::bind;

/// What one of the servers was asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `POST login.example.com/token`, with the query if there is one.
    pub(crate) to: String,
    pub(crate) headers: HeaderMap,
    pub(crate) form: Params,
}

/// Status, content type and body.
type Said = (u16, &'static str, String);

/// Parameters by name; one that stands twice is joined by a bar.
pub(crate) type Params = BTreeMap<String, String>;

const JSON: &str = "application/json; charset=utf-8";

#[derive(Clone)]
pub(crate) struct Emulation {
    answers: Arc<Mutex<HashMap<String, Said>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    signer: Arc<Provider>,
    client: Arc<HyperClient>,
    at: String,
}

impl Emulation {
    pub(crate) async fn start() -> Self {
        let signer = Provider::builder().with_algorithm(Algorithm::Rs256);
        let (listener, at) = bind().await;
        let emulation = Self {
            answers: Arc::default(),
            calls: Arc::default(),
            signer: Arc::new(signer.start().await.unwrap()),
            client: Arc::new(HyperClient::new().unwrap()),
            at,
        };
        let app = Router::new().fallback(answer).with_state(emulation.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        emulation
    }

    /// From now on `GET host/path` or the like is answered with this.
    pub(crate) fn answer(&self, to: &str, status: u16, body: &Value) {
        self.answer_with(to, status, JSON, body.to_string());
    }

    pub(crate) fn answer_with(
        &self,
        to: &str,
        status: u16,
        content_type: &'static str,
        body: String,
    ) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(to.to_owned(), (status, content_type, body));
    }

    /// The keys of whoever signs, at this address.
    pub(crate) async fn publish_keys(&self, to: &str) {
        let uri: Uri = format!("{}/jwks", self.signer.issuer()).parse().unwrap();
        let request = http::Request::get(uri).body(Bytes::new()).unwrap();
        let keys = self.client.send(request).await.unwrap();
        self.answer(to, 200, &serde_json::from_slice(keys.body()).unwrap());
    }

    /// A token to be made, by keys that are published.
    pub(crate) fn token(&self, issuer: &str, audience: &str) -> TokenBuilder {
        let token = self.signer.token().with_audience(audience);
        token.with_claim("iss", issuer).with_header("typ", "JWT")
    }

    /// What was asked since the last time, but for keys and descriptions.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        let about = |call: &Call| {
            !["openid-configuration", "keys", "jwks", "jwks.json", "certs"]
                .iter()
                .any(|end| call.to.ends_with(end))
        };
        calls.into_iter().filter(about).collect()
    }
}

impl HttpClient for Emulation {
    fn send(
        &self,
        mut request: http::Request<Bytes>,
    ) -> BoxFuture<'static, Result<http::Response<Bytes>, HttpError>> {
        let uri = request.uri();
        assert_eq!(uri.scheme_str(), Some("https"), "{uri}");
        let there = uri.path_and_query().map_or("/", |path| path.as_str());
        let here = format!("{}/{}{there}", self.at, uri.authority().unwrap());
        *request.uri_mut() = here.parse().unwrap();
        let client = self.client.clone();
        async move { client.send(request).await }.boxed()
    }
}

async fn answer(State(emulation): State<Emulation>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().as_str();
    let to = format!("{} {}", parts.method, &path[1..]);
    let mut headers = parts.headers;
    assert!(
        headers[USER_AGENT]
            .to_str()
            .unwrap()
            .starts_with("tower-identity/")
    );
    for header in [&HOST, &USER_AGENT] {
        headers.remove(header);
    }
    headers.remove("content-length");
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let answer = emulation.answers.lock().unwrap().get(&to).cloned();
    let form = params(url::form_urlencoded::parse(&body));
    emulation
        .calls
        .lock()
        .unwrap()
        .push(Call { to, headers, form });
    let nothing = || (404, JSON, json!({ "error": "nothing here" }).to_string());
    let (status, content_type, body) = answer.unwrap_or_else(nothing);
    let content_type = [(CONTENT_TYPE, content_type)];
    (StatusCode::from_u16(status).unwrap(), content_type, body).into_response()
}

pub(crate) fn params<N: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> Params {
    let mut all = Params::new();
    for (name, value) in pairs {
        let value = value.into();
        all.entry(name.into())
            .and_modify(|known| *known = format!("{known}|{value}"))
            .or_insert(value);
    }
    all
}
