//! The default client: hyper and rustls, with the platform's certificate verifier.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::via_proxy::Connector;
use super::{HttpClient, HttpError, HttpErrorKind, MAX_BODY};

/// An [`HttpClient`] of hyper and rustls. It verifies TLS with the platform's own trust store,
/// so that private certificate authorities work, and follows no redirect.
///
/// Calls beyond this machine go through the proxy that the environment names (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, in
/// either case), an `http://` one: a tunnel, so that TLS is verified all the same.
#[derive(Clone, Debug)]
pub struct HyperClient(Client<HttpsConnector<Connector>, Full<Bytes>>);

impl HyperClient {
    /// A client with its own pool of connections.
    ///
    /// # Errors
    ///
    /// If the platform has no usable trust store.
    pub fn new() -> Result<Self, HttpError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(std::time::Duration::from_secs(2)));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(provider)
            .map_err(|e| {
                HttpError::new(
                    HttpErrorKind::Connect,
                    format!("no usable trust store: {e}"),
                )
            })?
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector::new(http, Matcher::from_env()));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(std::time::Duration::from_secs(30))
            .build(connector);
        Ok(Self(client))
    }
}

impl HttpClient for HyperClient {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let call = self.0.request(request.map(Full::new));
        async move {
            let response = call.await.map_err(|e| {
                HttpError::new(
                    HttpErrorKind::Connect,
                    format!("{host}: {}", root_cause(&e)),
                )
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(|e| {
                if e.is::<http_body_util::LengthLimitError>() {
                    HttpError::new(
                        HttpErrorKind::TooLarge,
                        format!("{host} answered more than 1 MiB"),
                    )
                } else {
                    HttpError::new(
                        HttpErrorKind::Connect,
                        format!("{host}: the answer broke off"),
                    )
                }
            })?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        }
        .boxed()
    }
}

/// hyper says "client error (Connect)"; what an operator needs is at the end of the chain.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
