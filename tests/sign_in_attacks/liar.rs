//! A provider that says whatever a test makes it say: OpenID Connect, and GitHub's API beside it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower_identity::clock::Clock;
use tower_identity::provider::{GitHub, Oidc};
use tower_identity::testing::{Provider, TokenBuilder};

use super::browser::{Answer, Browser};
use super::site::bind;

#[derive(Clone)]
pub(crate) struct Liar(Arc<Mutex<Script>>);

/// What it says next.
pub(crate) struct Script {
    url: String,
    nonce: String,
    pub(crate) signer: Arc<Provider>,
    pub(crate) jwks_uri: String,
    /// The ID token's; without any there is no ID token.
    pub(crate) claims: Value,
    /// Signs the ID token, after whatever it does to it.
    pub(crate) bend: Bend,
    /// On top of its true metadata.
    pub(crate) metadata: Value,
    /// The token endpoint's answer, whatever it is: status, content type, body.
    pub(crate) raw: Option<(u16, &'static str, String)>,
    /// How often its token endpoint has spoken.
    pub(crate) spoken: usize,
    /// On top of the true parameters of the way back.
    pub(crate) back: String,
    /// With it there is an endpoint for it.
    pub(crate) userinfo: Option<Value>,
    pub(crate) refresh_token: Option<String>,
    /// Said instead of tokens.
    pub(crate) tokens: Option<(u16, &'static str)>,
    /// GitHub's `/user`.
    pub(crate) user: (u16, Value),
    /// GitHub's `/user/emails`.
    pub(crate) emails: Value,
    hold: Option<Arc<Hold>>,
}

type Bend = Arc<dyn Fn(TokenBuilder) -> String + Send + Sync>;

/// A token request that waits: for the test to see that it is there, and to let it go on.
#[derive(Default)]
pub(crate) struct Hold {
    pub(crate) arrived: Notify,
    pub(crate) go: Notify,
}

impl Script {
    pub(crate) fn issuer(&self) -> String {
        self.url.clone()
    }
}

impl Liar {
    pub(crate) async fn start() -> Self {
        Self::with_clock(Clock::system()).await
    }

    /// It begins with the truth about Ada, and a refresh token.
    pub(crate) async fn with_clock(clock: Clock) -> Self {
        let (listener, url) = bind().await;
        let signer = signer(clock).await;
        let liar = Self(Arc::new(Mutex::new(Script {
            url,
            nonce: String::new(),
            jwks_uri: format!("{}/jwks", signer.issuer()),
            signer,
            claims: ada(),
            bend: Arc::new(|token| token.sign()),
            metadata: json!({}),
            raw: None,
            spoken: 0,
            back: String::new(),
            userinfo: None,
            refresh_token: Some("the-refresh-token".into()),
            tokens: None,
            user: (200, json!({"login": "ada", "id": 1})),
            emails: json!([]),
            hold: None,
        })));
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/login/oauth/access_token", post(token))
            .route("/api/v3/user", get(user))
            .route("/api/v3/user/emails", get(emails))
            .with_state(liar.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        liar
    }

    pub(crate) fn say(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.lock().unwrap());
    }

    /// Holds the token requests from now on.
    pub(crate) fn hold(&self) -> Arc<Hold> {
        let hold = Arc::new(Hold::default());
        self.say(|script| script.hold = Some(hold.clone()));
        hold
    }

    pub(crate) fn oidc(&self) -> Oidc {
        Oidc::new(self.url(), "client", "secret-of-the-client")
    }

    pub(crate) fn github(&self) -> GitHub {
        GitHub::new("client", "secret-of-the-client").with_enterprise_instance_url(self.url())
    }

    fn url(&self) -> String {
        self.0.lock().unwrap().url.clone()
    }
}

impl Browser {
    /// Signs in as whomever the liar says.
    pub(crate) async fn lie(&self, portal: &str, provider: &str, liar: &Liar) -> Answer {
        let start = format!("{portal}/api/auth/{provider}/start?env=development&origin={portal}");
        let state = liar.hear(&self.get(&start).await.location());
        let frame = format!("{portal}/api/auth/{provider}/handler/frame");
        let back = liar.0.lock().unwrap().back.clone();
        self.get(&format!("{frame}?code=c&state={state}{back}"))
            .await
    }
}

impl Liar {
    /// Reads an authorization request, for the nonce: its state.
    pub(crate) fn hear(&self, location: &str) -> String {
        let query = location.split_once('?').unwrap().1;
        let mut query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        self.say(|script| script.nonce = query.remove("nonce").unwrap_or_default());
        query.remove("state").unwrap()
    }
}

pub(crate) fn ada() -> Value {
    json!({"sub": "1", "email": "ada@example.com", "email_verified": true})
}

/// Who signs its ID tokens.
pub(crate) async fn signer(clock: Clock) -> Arc<Provider> {
    Arc::new(Provider::builder().with_clock(clock).start().await.unwrap())
}

async fn metadata(State(Liar(script)): State<Liar>) -> Json<Value> {
    let script = script.lock().unwrap();
    let at = |path: &str| format!("{}{path}", script.url);
    let mut document = json!({
        "issuer": script.url,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "jwks_uri": script.jwks_uri,
    });
    if script.userinfo.is_some() {
        document["userinfo_endpoint"] = at("/userinfo").into();
    }
    for (name, value) in script.metadata.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    Json(document)
}

async fn token(State(Liar(script)): State<Liar>) -> Response {
    let hold = script.lock().unwrap().hold.clone();
    if let Some(hold) = hold {
        hold.arrived.notify_one();
        hold.go.notified().await;
    }
    let mut script = script.lock().unwrap();
    script.spoken += 1;
    if let Some((status, content_type, body)) = script.raw.clone() {
        let status = StatusCode::from_u16(status).unwrap();
        return (status, [(CONTENT_TYPE, content_type)], body).into_response();
    }
    if let Some((status, body)) = script.tokens {
        let json = [(CONTENT_TYPE, "application/json")];
        return (StatusCode::from_u16(status).unwrap(), json, body).into_response();
    }
    let mut tokens = json!({"access_token": "liar-access-token", "token_type": "Bearer"});
    if let Some(claims) = script.claims.as_object() {
        let token = script.signer.token().with_header("typ", "JWT");
        let mut token = token
            .with_claim("iss", script.url.clone())
            .with_claim("aud", "client")
            .with_claim("nonce", script.nonce.clone())
            .without_claim("client_id");
        for (name, value) in claims {
            token = token.with_claim(name, value.clone());
        }
        tokens["id_token"] = (script.bend)(token).into();
    }
    if let Some(refresh_token) = &script.refresh_token {
        tokens["refresh_token"] = refresh_token.as_str().into();
    }
    Json(tokens).into_response()
}

async fn userinfo(State(Liar(script)): State<Liar>) -> Json<Option<Value>> {
    Json(script.lock().unwrap().userinfo.clone())
}

async fn user(State(Liar(script)): State<Liar>) -> Response {
    let (status, body) = script.lock().unwrap().user.clone();
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

async fn emails(State(Liar(script)): State<Liar>) -> Json<Value> {
    Json(script.lock().unwrap().emails.clone())
}
