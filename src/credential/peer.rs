//! Who is at the other end of the connection.

use std::net::{IpAddr, SocketAddr};

/// The address at the other end of the connection, put into a request's extensions by whoever accepts connections.
///
/// Only the providers that believe unsigned headers of certain peers ask for it, such as
/// [`OAuth2Proxy`](crate::provider::OAuth2Proxy). With axum:
///
/// ```
/// use std::net::SocketAddr;
/// use axum::extract::{ConnectInfo, Request};
/// use tower_identity::credential::PeerAddress;
///
/// /// Outside of the layers: `.layer(axum::middleware::map_request(peer))`, and serve
/// /// `app.into_make_service_with_connect_info::<SocketAddr>()`.
/// async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
///     request.extensions_mut().insert(PeerAddress::from(peer));
///     request
/// }
/// # let _ = axum::Router::<()>::new().layer(axum::middleware::map_request(peer));
/// ```
///
/// # Security
///
/// It has to be the connection's own. What a header such as `X-Forwarded-For` says can be written by anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(IpAddr);

impl PeerAddress {
    /// The address; one of IPv4 that came in the clothes of IPv6 without them.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for PeerAddress {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}
