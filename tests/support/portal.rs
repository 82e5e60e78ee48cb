//! A portal that signs the guest in, without a socket.

use bytes::Bytes;
use http::header::SET_COOKIE;
use http_body_util::Full;
use tower::{Layer as _, service_fn};
use tower_identity::OAuthCallbackLayer;
use tower_identity::provider::Guest;
use tower_identity::sign_in::{SignIn, SignInBuilder};

use super::support::{request, send};

pub(crate) const ORIGIN: &str = "http://127.0.0.1:7007";
pub(crate) const GUEST: &str = "user:development/guest";

/// A portal at [`ORIGIN`], where the guest may sign in.
pub(crate) fn portal() -> SignInBuilder {
    SignIn::builder(ORIGIN).with_provider("guest", Guest::new(), [])
}

/// Signs the guest in: the `Cookie` header of their browser from then on.
pub(crate) async fn guest(sign_in: &SignIn) -> String {
    let nothing = service_fn(|_: http::Request<Full<Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::default()))
    });
    let service = OAuthCallbackLayer::new(sign_in.clone()).layer(nothing);
    let headers = [
        ("x-requested-with", "XMLHttpRequest"),
        ("host", "127.0.0.1:7007"),
    ];
    let answer = send(
        &service,
        request("GET", "/api/auth/guest/refresh", &headers),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.headers.get_all(SET_COOKIE).iter();
    let pairs = lines.map(|line| line.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}
