//! The one door outwards: every call has a deadline and a size cap, and follows no redirect.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use serde::de::DeserializeOwned;

use crate::secret::Secret;

mod client_secret;
mod hyper_client;
mod url_rule;
mod via_proxy;

pub(crate) use self::client_secret::basic;
pub use self::hyper_client::HyperClient;
pub(crate) use self::url_rule::check_url;
pub(crate) use self::url_rule::is_loopback;

/// An answer is cut off, and the call failed, beyond this many bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;
/// A call is given up after this long, from the name's resolution to the last byte (KS-09).
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// Something that makes HTTP calls: implement it to bring your own client.
///
/// # Security
///
/// An implementation must not follow redirects (the request may carry a client secret), must verify TLS,
/// and should end calls after 5 seconds and bodies after 1 MiB; both are enforced around it as well.
pub trait HttpClient: Send + Sync + 'static {
    /// Makes one call.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the deadline passes.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>>;
}

/// Why a call failed. It names neither the query nor the body of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    kind: HttpErrorKind,
    detail: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpErrorKind {
    /// No connection, or it broke.
    Connect,
    /// Not finished in time.
    Timeout,
    /// The answer is larger than 1 MiB.
    TooLarge,
    /// The answer has a status that was not asked for, a redirect among them.
    Status,
    /// The answer is not of the type or shape that was asked for.
    Content,
    /// The URL is not one that may be called: plain `http` beyond this machine, for one.
    Url,
}

/// The crate's handle on a client: bounds every call, whoever makes it.
#[derive(Clone)]
pub(crate) struct Outward(Arc<dyn HttpClient>);

// ===== impl Outward =====

impl Outward {
    pub(crate) fn new(client: impl HttpClient) -> Self {
        Self(Arc::new(client))
    }

    /// Makes a call and takes whatever status comes back.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the call.
    pub(crate) async fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpError> {
        check_url(request.uri()).map_err(|e| HttpError::new(HttpErrorKind::Url, e))?;
        let agent = HeaderValue::from_static(concat!("tower-identity/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let host = request.uri().host().unwrap_or_default().to_owned();
        let response = match tokio::time::timeout(DEADLINE, self.0.send(request)).await {
            Ok(response) => response?,
            Err(_) => {
                return Err(HttpError::new(
                    HttpErrorKind::Timeout,
                    format!("{host} did not answer in 5 s"),
                ));
            }
        };
        if response.body().len() > MAX_BODY {
            return Err(HttpError::new(
                HttpErrorKind::TooLarge,
                format!("{host} answered more than 1 MiB"),
            ));
        }
        Ok(response)
    }

    /// Gets a document with a bearer token, and takes whatever status comes back.
    pub(crate) async fn get_with_token(
        &self,
        uri: &Uri,
        accept: &'static str,
        token: &Secret<String>,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| HttpError::new(HttpErrorKind::Content, "the access token is not one"))?;
        bearer.set_sensitive(true);
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static(accept));
        request.headers_mut().insert(AUTHORIZATION, bearer);
        self.send(request).await
    }

    /// Gets a JSON document: status 200 and a JSON content type, or an error.
    pub(crate) async fn get_json<T: DeserializeOwned>(&self, uri: &Uri) -> Result<T, HttpError> {
        json_of(&self.get(uri, None).await?)
    }

    /// Gets a JSON document, unless it still is the one that has this entity tag, and takes whatever status comes back.
    pub(crate) async fn get(
        &self,
        uri: &Uri,
        known: Option<&HeaderValue>,
    ) -> Result<Response<Bytes>, HttpError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(known.map(|tag| (IF_NONE_MATCH, tag.clone())));
        self.send(request).await
    }
}

/// The JSON of a response of status 200.
pub(crate) fn json_of<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, HttpError> {
    if response.status() != StatusCode::OK {
        let detail = format!("expected status 200, found {}", response.status().as_u16());
        return Err(HttpError::new(HttpErrorKind::Status, detail));
    }
    let json = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| {
            let essence = v
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            essence == "application/json"
                || (essence.starts_with("application/") && essence.ends_with("+json"))
        });
    if !json {
        return Err(HttpError::new(
            HttpErrorKind::Content,
            "expected the content type application/json",
        ));
    }
    serde_json::from_slice(response.body()).map_err(|e| {
        HttpError::new(
            HttpErrorKind::Content,
            // Serde's own words may repeat a value of the answer: a token in the wrong place, say.
            format!(
                "not the JSON that was expected, at line {} column {}",
                e.line(),
                e.column()
            ),
        )
    })
}

impl fmt::Debug for Outward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outward")
    }
}

// ===== impl HttpError =====

impl HttpError {
    /// A failure; `detail` goes to logs and must not hold a secret.
    pub fn new(kind: HttpErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> HttpErrorKind {
        self.kind
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for HttpError {}
