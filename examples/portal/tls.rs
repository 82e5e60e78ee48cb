//! What `backend.https` says, as a listener for axum.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower_identity::config::Https;

type Connection = (TlsStream<TcpStream>, SocketAddr);

/// Connections that have shaken hands. Those that take their time keep nobody else waiting.
pub(crate) struct Tls {
    ready: mpsc::Receiver<Connection>,
    at: SocketAddr,
}

impl Tls {
    pub(crate) fn new(
        listener: TcpListener,
        https: &Https,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let chain = CertificateDer::pem_slice_iter(https.certificate().as_bytes());
        let key = PrivateKeyDer::from_pem_slice(https.key().expose().as_bytes())?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain.collect::<Result<_, _>>()?, key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let at = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let Ok((stream, from)) = listener.accept().await else {
                    // Too many files are open: some will be closed.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let (shake, sender) = (acceptor.accept(stream), sender.clone());
                tokio::spawn(async move {
                    let shaken = tokio::time::timeout(Duration::from_secs(10), shake).await;
                    if let Ok(Ok(stream)) = shaken {
                        let _ = sender.send((stream, from)).await;
                    }
                });
            }
        });
        Ok(Self { ready, at })
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The task that accepts has ended with its runtime.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.at)
    }
}
