//! The three layers in all six orders: one works, five fail closed and say so.
#![cfg(all(feature = "testing", feature = "sign-in"))]

#[path = "support/portal.rs"]
mod portal;
#[path = "support/mod.rs"]
mod support;

use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Service, ServiceBuilder};
use tower_identity::sign_in::SignIn;
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::{ApiKey, BearerKeyLayer, IdentityLayer, OAuthCallbackLayer};
use tracing_subscriber::fmt::MakeWriter;

use self::portal::{GUEST, ORIGIN, guest, portal};
use self::support::{Answer, Echo, get, request, send};

/// The log, in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Records this thread until the guard is dropped.
    fn record(&self) -> tracing::subscriber::DefaultGuard {
        let lines = tracing_subscriber::fmt().without_time().with_ansi(false);
        tracing::subscriber::set_default(lines.with_writer(self.clone()).finish())
    }

    /// The lines of misplaced layers.
    fn errors(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let errors = text.lines().filter(|line| line.contains("ERROR"));
        errors.map(str::to_owned).collect()
    }
}

/// Whom the requests of one run claim to come from.
struct Callers {
    sign_in: SignIn,
    key: ApiKey,
    keys: ApiKeys,
}

async fn callers() -> Callers {
    let sign_in = portal().build().unwrap();
    let key = ApiKey::generate("tid");
    let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")]).unwrap();
    Callers { sign_in, key, keys }
}

impl Callers {
    fn layers(&self) -> (OAuthCallbackLayer, BearerKeyLayer, IdentityLayer) {
        (
            OAuthCallbackLayer::new(self.sign_in.clone()),
            BearerKeyLayer::new(self.keys.clone()).delegating(),
            self.sign_in.identity_layer(),
        )
    }
}

/// What a stack answered, three times over so that what is said once can be told from what is said always.
struct Outcome {
    sign_in: Answer,
    session: Answer,
    key: Answer,
    errors: Vec<String>,
}

/// Drives one stack: nobody, a stranger, a session and a key, on a sign-in path and on another.
async fn drive<S, R>(callers: &Callers, service: S, inner: &Echo) -> Outcome
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    S::Error: Debug,
    R: Body<Data = Bytes>,
    R::Error: Debug,
{
    let log = Log::default();
    let recording = log.record();
    let xhr = ("x-requested-with", "XMLHttpRequest");
    let key = format!("Bearer {}", callers.key.expose());
    let key = ("authorization", &*key);
    let stranger = format!("Bearer {}", ApiKey::generate("tid").expose());
    let refresh = "/api/auth/guest/refresh";
    let mut last = None;
    for _ in 0..3 {
        // A fresh one each time: signing in again ends the session that the browser had.
        let cookie = guest(&callers.sign_in).await;
        let cookie = ("cookie", &*cookie);
        let calls = inner.calls();
        // Whatever the order, these reach nobody.
        for headers in [
            &[][..],
            &[("authorization", &*stranger)],
            &[("cookie", "tid-session=junk")],
        ] {
            let answer = send(&service, get(headers)).await;
            assert!(answer.status.is_client_error(), "{answer:?}");
        }
        assert_eq!(inner.calls(), calls);
        // A session and a key prove who they prove, or nobody.
        let session = send(&service, get(&[cookie])).await;
        assert!(
            session.status != 200 || session.body == GUEST,
            "{session:?}"
        );
        let by_key = send(&service, get(&[key])).await;
        assert!(by_key.status != 200 || by_key.body == "ci", "{by_key:?}");
        let answered = [&session, &by_key]
            .iter()
            .filter(|a| a.status == 200)
            .count();
        assert_eq!(inner.calls() - calls, answered);
        // And neither does so for a page of another site.
        let led = [cookie, ("origin", "https://evil.example")];
        assert_ne!(
            send(&service, request("POST", "/x", &led)).await.status,
            200
        );
        let calls = inner.calls();
        // A sign-in path is never the inner service's, whoever asks.
        let host = ("host", "127.0.0.1:7007");
        let sign_in = send(&service, request("GET", refresh, &[xhr, host])).await;
        for headers in [&[xhr, host, cookie][..], &[xhr, host, key]] {
            let answer = send(&service, request("GET", refresh, headers)).await;
            let signed_in = answer.headers.contains_key("set-cookie");
            assert_eq!(signed_in, sign_in.status == 200, "{answer:?}");
        }
        let logout = [xhr, cookie, ("origin", "https://evil.example")];
        assert_ne!(logout[2].1, ORIGIN);
        let answer = send(&service, request("POST", "/api/auth/guest/logout", &logout)).await;
        assert!(!answer.status.is_success(), "{answer:?}");
        assert_eq!(
            inner.calls(),
            calls,
            "a sign-in path reached the inner service"
        );
        last = Some((sign_in, session, by_key));
    }
    drop(recording);
    let (sign_in, session, key) = last.unwrap();
    Outcome {
        sign_in,
        session,
        key,
        errors: log.errors(),
    }
}

impl Outcome {
    /// Asserts what a wrong order must hold to: nobody signs in, or nobody gets through with a session.
    #[track_caller]
    fn closed(&self, says: &[&str]) {
        let (sign_in, session) = (self.sign_in.status, self.session.status);
        assert!(sign_in != 200 || session != 200, "{sign_in} {session}");
        if sign_in != 200 {
            assert_eq!(self.sign_in.header("set-cookie"), None);
        }
        for said in says {
            let lines = self
                .errors
                .iter()
                .filter(|line| line.contains(said))
                .count();
            assert_eq!(lines, 1, "{said:?} in {:#?}", self.errors);
        }
        assert_eq!(self.errors.len(), says.len(), "{:#?}", self.errors);
    }
}

const KEYS_INSIDE: &str = "BearerKeyLayer stands inside IdentityLayer";
const CALLBACK_INSIDE: &str = "OAuthCallbackLayer stands inside a layer that judges";
const PATH_REACHED: &str = "a sign-in path reached IdentityLayer";

#[tokio::test]
async fn px_19_callback_keys_identity_is_the_order_that_works_and_is_silent() {
    let (callers, echo) = (callers().await, Echo::default());
    let (callback, keys, identity) = callers.layers();
    let stack = ServiceBuilder::new()
        .layer(callback)
        .layer(keys)
        .layer(identity);
    let outcome = drive(&callers, stack.service(echo.clone()), &echo).await;
    assert_eq!(outcome.sign_in.status, 200);
    assert!(outcome.sign_in.header("set-cookie").is_some());
    assert_eq!(outcome.session.passed(GUEST).saw("cookie"), None);
    assert_eq!(outcome.key.passed("ci").saw("authorization"), None);
    assert_eq!(outcome.errors, [""; 0]);
}

#[tokio::test]
async fn px_19_callback_identity_keys_fails_closed() {
    let (callers, echo) = (callers().await, Echo::default());
    let (callback, keys, identity) = callers.layers();
    let stack = ServiceBuilder::new()
        .layer(callback)
        .layer(identity)
        .layer(keys);
    let outcome = drive(&callers, stack.service(echo.clone()), &echo).await;
    outcome.closed(&[KEYS_INSIDE]);
    outcome.session.refused(500, None);
    assert_eq!((outcome.key.status.as_u16(), echo.calls()), (401, 0));
}

#[tokio::test]
async fn px_19_keys_callback_identity_fails_closed() {
    let (callers, echo) = (callers().await, Echo::default());
    let (callback, keys, identity) = callers.layers();
    let stack = ServiceBuilder::new()
        .layer(keys)
        .layer(callback)
        .layer(identity);
    let outcome = drive(&callers, stack.service(echo.clone()), &echo).await;
    outcome.closed(&[CALLBACK_INSIDE]);
    assert_eq!(outcome.sign_in.status, 500);
}

#[tokio::test]
async fn px_19_keys_identity_callback_fails_closed() {
    let (callers, echo) = (callers().await, Echo::default());
    let (callback, keys, identity) = callers.layers();
    let stack = ServiceBuilder::new()
        .layer(keys)
        .layer(identity)
        .layer(callback);
    let outcome = drive(&callers, stack.service(echo.clone()), &echo).await;
    outcome.closed(&[PATH_REACHED, CALLBACK_INSIDE]);
    assert_eq!(outcome.sign_in.status, 401);
}

#[tokio::test]
async fn px_19_identity_callback_keys_fails_closed() {
    let (callers, echo) = (callers().await, Echo::default());
    let (callback, keys, identity) = callers.layers();
    let stack = ServiceBuilder::new()
        .layer(identity)
        .layer(callback)
        .layer(keys);
    let outcome = drive(&callers, stack.service(echo.clone()), &echo).await;
    outcome.closed(&[PATH_REACHED, CALLBACK_INSIDE, KEYS_INSIDE]);
    assert_eq!((outcome.sign_in.status.as_u16(), echo.calls()), (401, 0));
}

#[tokio::test]
async fn px_19_identity_keys_callback_fails_closed() {
    let (callers, echo) = (callers().await, Echo::default());
    let (callback, keys, identity) = callers.layers();
    let stack = ServiceBuilder::new()
        .layer(identity)
        .layer(keys)
        .layer(callback);
    let outcome = drive(&callers, stack.service(echo.clone()), &echo).await;
    outcome.closed(&[PATH_REACHED, KEYS_INSIDE]);
    assert_eq!((outcome.sign_in.status.as_u16(), echo.calls()), (401, 0));
}
