//! An authorization server that says whatever a test makes it say of a token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    says: (u16, String),
    asked: Vec<Question>,
    ever: usize,
    hold: Option<Arc<Notify>>,
}

pub(crate) struct Question {
    pub(crate) form: String,
    pub(crate) authorization: String,
    pub(crate) content_type: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            script: Arc::default(),
        };
        let app = Router::new()
            .route("/introspect", post(answer))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    pub(crate) fn says(&self, status: u16, answer: &Value) {
        self.says_text(status, &answer.to_string());
    }

    pub(crate) fn says_text(&self, status: u16, answer: &str) {
        self.script.lock().unwrap().says = (status, answer.to_owned());
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Question> {
        std::mem::take(&mut self.script.lock().unwrap().asked)
    }

    /// Holds every answer until it is let go.
    pub(crate) fn hold(&self) -> Arc<Notify> {
        let hold = Arc::new(Notify::new());
        self.script.lock().unwrap().hold = Some(hold.clone());
        hold
    }

    pub(crate) fn release(&self) {
        self.script.lock().unwrap().hold = None;
    }

    /// Waits until it has been asked so often.
    pub(crate) async fn until(&self, times: usize) {
        for _ in 0..1000 {
            if self.script.lock().unwrap().ever >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it was not asked {times} times");
    }
}

async fn answer(State(server): State<Server>, headers: HeaderMap, form: String) -> Response {
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value: &http::HeaderValue| value.to_str().unwrap())
            .to_owned()
    };
    let hold = {
        let mut script = server.script.lock().unwrap();
        script.ever += 1;
        script.asked.push(Question {
            form,
            authorization: text(AUTHORIZATION),
            content_type: text(CONTENT_TYPE),
        });
        script.hold.clone()
    };
    if let Some(hold) = hold {
        hold.notified().await;
    }
    let (status, body) = server.script.lock().unwrap().says.clone();
    let json = [(CONTENT_TYPE, "application/json")];
    (StatusCode::from_u16(status).unwrap(), json, body).into_response()
}
