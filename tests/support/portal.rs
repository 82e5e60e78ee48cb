//! A portal that signs the guest in, without a socket.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, service_fn};
use tower_identity::OAuthCallbackLayer;
use tower_identity::provider::Guest;
use tower_identity::sign_in::{SignIn, SignInBuilder};

use super::support::{Answer, request, send};

pub(crate) const ORIGIN: &str = "http://127.0.0.1:7007";
pub(crate) const GUEST: &str = "user:development/guest";

/// A portal at [`ORIGIN`], where the guest may sign in.
pub(crate) fn portal() -> SignInBuilder {
    SignIn::builder(ORIGIN).with_provider("guest", Guest::new(), [])
}

/// Signs the guest in: the `Cookie` header of their browser from then on.
pub(crate) async fn guest(sign_in: &SignIn) -> String {
    let headers = [
        ("x-requested-with", "XMLHttpRequest"),
        ("host", "127.0.0.1:7007"),
    ];
    let asked = request("GET", "/api/auth/guest/refresh", &headers);
    let answer = call(sign_in, asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.headers.get_all(SET_COOKIE).iter();
    let pairs = lines.map(|line| line.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}

/// Ends a session, of whose cookie there may be a copy.
pub(crate) async fn sign_out(sign_in: &SignIn, cookie: &str) {
    let headers = [
        ("x-requested-with", "XMLHttpRequest"),
        ("cookie", cookie),
        ("origin", ORIGIN),
    ];
    let asked = request("POST", "/api/auth/guest/logout", &headers);
    let answer = call(sign_in, asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn call(sign_in: &SignIn, request: Request<Full<Bytes>>) -> Answer {
    let nothing = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    send(
        &OAuthCallbackLayer::new(sign_in.clone()).layer(nothing),
        request,
    )
    .await
}
