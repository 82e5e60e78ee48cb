//! An HTTP client of the app's own: what it brings is held to the same rules.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, pending, ready};
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::{Layer as _, ServiceExt as _};
use tower_identity::OAuthCallbackLayer;
use tower_identity::http_client::{HttpClient, HttpError, HttpErrorKind, HyperClient};
use tower_identity::provider::Oidc;
use tower_identity::sign_in::SignIn;
use tower_identity::testing::Provider;

use super::browser::Browser;
use super::lies::{METADATA, padded};
use super::log::Log;
use super::site::{bind, serve};
use super::{ADA, House};

const ISSUER: &str = "https://idp.example.com";

/// Has one answer for everything.
struct OneAnswer(Bytes);

impl HttpClient for OneAnswer {
    fn send(&self, _: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let answer = Response::builder().header(CONTENT_TYPE, "application/json");
        ready(Ok(answer.body(self.0.clone()).unwrap())).boxed()
    }
}

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "userinfo_endpoint": format!("{ISSUER}/userinfo"),
        "jwks_uri": format!("{ISSUER}/jwks"),
    })
}

/// Begins a sign-in where the provider says this of itself: the status, and the log.
async fn begin(metadata: impl Into<Bytes>) -> (u16, String) {
    let (listener, url) = bind().await;
    let sign_in = SignIn::builder(&url)
        .with_provider("oidc", Oidc::new(ISSUER, "a-client", "a-secret"), [])
        .with_client(OneAnswer(metadata.into()));
    serve(listener, sign_in.build().unwrap());
    let log = Log::record();
    let start = format!("{url}/api/auth/oidc/start?env=development");
    let answer = Browser::default().get(&start).await;
    (answer.status.as_u16(), log.lines("").join("\n"))
}

#[tokio::test]
async fn ks_12_a_provider_elsewhere_has_no_business_on_this_machine() {
    assert_eq!(begin(metadata().to_string()).await.0, 302);
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
    ] {
        for host in [
            "http://127.0.0.1:7007",
            "https://localhost",
            "https://[::1]",
        ] {
            let mut lie = metadata();
            lie[name] = format!("{host}/x").into();
            let (status, log) = begin(lie.to_string()).await;
            assert_eq!(status, 401, "{name} {host}");
            let because = format!("{name} is on this machine, and the provider is not");
            assert!(log.contains(&because), "{name} {host}");
        }
    }
}

#[tokio::test]
async fn ks_09_no_client_brings_more_than_a_mebibyte() {
    let document = metadata().to_string();
    let exactly = format!("{document}{}", " ".repeat(1024 * 1024 - document.len()));
    assert_eq!(begin(exactly.clone()).await.0, 302);
    let (status, log) = begin(exactly + " ").await;
    assert_eq!(status, 503);
    assert!(log.contains("answered more than 1 MiB"));
}

/// Takes the call, and never comes to the end of its answer.
struct Dripping;

impl HttpClient for Dripping {
    fn send(&self, _: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        pending().boxed()
    }
}

/// The clock stands, and leaps to the next deadline when there is nothing else to do.
#[tokio::test(start_paused = true)]
async fn ks_09_nobody_waits_longer_than_five_seconds_for_a_provider() {
    let sign_in = SignIn::builder("http://localhost:7007")
        .with_provider("oidc", Oidc::new(ISSUER, "a-client", "a-secret"), [])
        .with_client(Dripping);
    let inner = tower::service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let portal = OAuthCallbackLayer::new(sign_in.build().unwrap()).layer(inner);
    let start = Request::get("/api/auth/oidc/start?env=development").header(HOST, "localhost:7007");
    let begun = tokio::time::Instant::now();
    let answer = portal.oneshot(start.body(Full::default()).unwrap()).await;
    assert_eq!(answer.unwrap().status(), 503);
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn ks_09_the_client_of_this_crate_stops_reading_at_a_mebibyte() {
    let provider = Provider::start().await.unwrap();
    let url: http::Uri = provider.metadata_url().parse().unwrap();
    let client = HyperClient::new().unwrap();
    let ask = || client.send(Request::get(&url).body(Bytes::new()).unwrap());
    assert!(ask().await.is_ok());
    let lies = padded(METADATA)(&provider);
    assert_eq!(ask().await.unwrap_err().kind(), HttpErrorKind::TooLarge);
    assert_eq!(lies[0].told(), 1);
}

#[tokio::test]
async fn a_provider_may_be_at_an_address_of_ipv6() {
    let provider = Provider::builder().with_address("[::1]:0".parse().unwrap());
    let house = House::of(provider, |oidc| oidc).await;
    assert!(
        house.provider.issuer().starts_with("http://[::1]:"),
        "{}",
        house.provider.issuer()
    );
    for provider in ["oidc", "document", "github"] {
        let browser = Browser::default();
        let heard = house.sign_in(&browser, provider, "user=ada").await;
        assert_eq!(heard, "signed in", "{provider}");
        assert_eq!(house.who(&browser).await, ADA, "{provider}");
    }
}

/// What a provider may do to a connection instead of answering.
#[derive(Clone, Copy, Debug)]
enum Mischief {
    Hangs,
    HangsUp,
    BreaksOff,
    StreamsForEver,
    DripsForEver,
    SendsHeadersForEver,
    SpeaksHtml,
    SpeaksNoHttp,
    SendsABomb,
}

async fn mischief(stream: &mut TcpStream, what: Mischief) -> std::io::Result<()> {
    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let mut asked = [0; 1024];
    if matches!(what, Mischief::HangsUp) {
        return Ok(());
    }
    let _ = stream.read(&mut asked).await?;
    match what {
        Mischief::HangsUp => {}
        Mischief::Hangs => pending::<()>().await,
        Mischief::BreaksOff => {
            stream
                .write_all(format!("{OK}content-length: 100\r\n\r\n{{").as_bytes())
                .await?;
        }
        Mischief::StreamsForEver => {
            stream
                .write_all(format!("{OK}connection: close\r\n\r\n").as_bytes())
                .await?;
            loop {
                stream.write_all(&[b' '; 65_536]).await?;
            }
        }
        Mischief::DripsForEver => {
            stream
                .write_all(format!("{OK}connection: close\r\n\r\n").as_bytes())
                .await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Mischief::SendsHeadersForEver => {
            stream.write_all(OK.as_bytes()).await?;
            loop {
                stream
                    .write_all(format!("x-more: {}\r\n", "x".repeat(8000)).as_bytes())
                    .await?;
            }
        }
        Mischief::SpeaksHtml => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>").await?;
        }
        Mischief::SpeaksNoHttp => stream.write_all(b"220 mail.example.com ESMTP\r\n").await?,
        Mischief::SendsABomb => {
            let bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
            stream
                .write_all(
                    format!("{OK}content-encoding: gzip\r\ncontent-length: 10\r\n\r\n").as_bytes(),
                )
                .await?;
            stream.write_all(bomb).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn ks_09_whatever_a_provider_does_to_a_connection_is_one_error_and_soon() {
    let all = [
        Mischief::Hangs,
        Mischief::HangsUp,
        Mischief::BreaksOff,
        Mischief::StreamsForEver,
        Mischief::DripsForEver,
        Mischief::SendsHeadersForEver,
        Mischief::SpeaksHtml,
        Mischief::SpeaksNoHttp,
        Mischief::SendsABomb,
    ];
    let each = all.map(|what| async move {
        let (listener, provider) = bind().await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move { drop(mischief(&mut stream, what).await) });
            }
        });
        let (listener, url) = bind().await;
        let sign_in =
            SignIn::builder(&url).with_provider("oidc", Oidc::new(provider, "a", "b"), []);
        serve(listener, sign_in.build().unwrap());
        let start = format!("{url}/api/auth/oidc/start?env=development");
        let answer = Browser::default().get(&start).await;
        assert_eq!(answer.status, 503, "{what:?}: {}", answer.body);
        assert_eq!(answer.headers["retry-after"], "5", "{what:?}");
        assert!(answer.headers.get("set-cookie").is_none(), "{what:?}");
        assert!(
            !answer.body.contains("html>") && !answer.body.contains("ESMTP"),
            "{}",
            answer.body
        );
    });
    futures::future::join_all(each).await;
}
