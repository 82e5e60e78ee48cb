//! The way out: straight, or through the proxy that the environment names for a host.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::is_loopback;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects to hosts, through a tunnel where a proxy is named for them: what is said in it, TLS keeps from the proxy.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    direct: HttpConnector,
    proxies: Arc<Matcher>,
}

impl Connector {
    pub(super) fn new(direct: HttpConnector, proxies: Matcher) -> Self {
        let proxies = Arc::new(proxies);
        Self { direct, proxies }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.direct.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // Plain http is for this machine, which no proxy leads to.
        let beyond = uri.scheme_str() == Some("https") && !uri.host().is_some_and(is_loopback);
        let Some(via) = self.proxies.intercept(&uri).filter(|_| beyond) else {
            let connecting = self.direct.call(uri);
            return async move { Ok(connecting.await?) }.boxed();
        };
        if via.uri().scheme_str() != Some("http") {
            let error = "the proxy of the environment is not an http:// one";
            return async move { Err(error.into()) }.boxed();
        }
        let mut tunnel = Tunnel::new(via.uri().clone(), self.direct.clone());
        if let Some(credentials) = via.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        async move {
            tunnel
                .call(uri)
                .await
                .map_err(|error| format!("the proxy: {error}").into())
        }
        .boxed()
    }
}
