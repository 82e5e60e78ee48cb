//! A browser of one host, which holds many tabs.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        let location = self
            .headers
            .get(LOCATION)
            .unwrap_or_else(|| panic!("{}: {}", self.status, self.body));
        location.to_str().unwrap().to_owned()
    }
}

/// A browser of one host, whose tabs share the jar. It heeds `Max-Age=0` and paths.
#[derive(Clone, Default)]
pub(crate) struct Browser(pub(crate) Arc<Mutex<Vec<(String, String, String)>>>);

impl Browser {
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Answer {
        let jar: Vec<String> = {
            let path = request.uri().path();
            let jar = self.0.lock().unwrap();
            jar.iter()
                .filter(|(_, _, scope)| path.starts_with(scope.as_str()))
                .map(|(n, v, _)| format!("{n}={v}"))
                .collect()
        };
        if !jar.is_empty() {
            request
                .headers_mut()
                .insert(COOKIE, jar.join("; ").parse().unwrap());
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        for line in head.headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let path = line
                .split("; ")
                .find_map(|a| a.strip_prefix("Path="))
                .unwrap();
            let mut jar = self.0.lock().unwrap();
            jar.retain(|(n, _, p)| n != name || p != path);
            if !line.contains("Max-Age=0;") {
                jar.push((name.into(), value.into(), path.into()));
            }
        }
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send(Request::get(url).body(Full::default()).unwrap())
            .await
    }

    #[allow(dead_code)]
    pub(crate) async fn post_form(&self, url: &str, form: &str) -> Answer {
        let request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = Full::from(form.to_owned());
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn ajax(&self, method: Method, url: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("x-requested-with", "XMLHttpRequest");
        self.send(request.body(Full::default()).unwrap()).await
    }
}

/// Answers the provider's page as its form would.
pub(crate) async fn choose(page: &str, user: &str) -> String {
    let (page, query) = page.split_once('?').unwrap();
    let request = Request::post(page)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(format!("{query}&{user}")))
        .unwrap();
    Browser::default().send(request).await.location()
}
