//! Tells the layers who is at the other end of a connection: proxies that sign nothing are believed by their address.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected, IntoMakeServiceWithConnectInfo};
use axum::middleware::map_request;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;
use tower_identity::credential::PeerAddress;

use crate::tls::Tls;

/// The other end of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Peer(SocketAddr);

/// The app, told with every request who sent it.
pub(crate) fn told(app: Router) -> IntoMakeServiceWithConnectInfo<Router, Peer> {
    app.layer(map_request(tell))
        .into_make_service_with_connect_info()
}

async fn tell(ConnectInfo(Peer(peer)): ConnectInfo<Peer>, mut request: Request) -> Request {
    request.extensions_mut().insert(PeerAddress::from(peer));
    request
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, Tls>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Tls>) -> Self {
        Self(*stream.remote_addr())
    }
}
