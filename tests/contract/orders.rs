//! The three layers in all six orders, with keys that delegate and keys that are required:
//! one works, the others fail closed and say so, once.

use std::fmt::Debug;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use tower::{Layer, Service, ServiceBuilder};
use tower_identity::sign_in::SignIn;
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::{ApiKey, BearerKeyLayer, IdentityLayer, OAuthCallbackLayer};
use tower_test::mock::Mock;

use super::drive::{Ask, Driven, Tea, Turn, drive, saw};
use super::log::Log;
use super::portal::{GUEST, guest, portal};
use super::support::{get, request};

const KEYS_INSIDE: &str = "BearerKeyLayer stands inside IdentityLayer";
const CALLBACK_INSIDE: &str = "OAuthCallbackLayer stands inside a layer that judges";
const PATH_REACHED: &str = "a sign-in path reached IdentityLayer";

const XHR: (&str, &str) = ("x-requested-with", "XMLHttpRequest");
const HOST: (&str, &str) = ("host", "127.0.0.1:7007");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

/// Whom the requests of one run claim to come from, and the layers that know them.
struct Callers {
    sign_in: SignIn,
    key: String,
    stranger: String,
    keys: BearerKeyLayer,
}

/// What each caller came to, and what the log says: with 418 they reached the inner service.
#[derive(Debug, PartialEq)]
struct Outcome {
    signs_in: u16,
    session: u16,
    key: u16,
    says: Vec<&'static str>,
}

fn callers(delegating: bool) -> Callers {
    let key = ApiKey::generate("tid");
    let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")]).unwrap();
    let keys = BearerKeyLayer::new(keys);
    Callers {
        sign_in: portal().build().unwrap(),
        key: format!("Bearer {}", key.expose()),
        stranger: format!("Bearer {}", ApiKey::generate("tid").expose()),
        keys: if delegating { keys.delegating() } else { keys },
    }
}

impl Callers {
    fn callback(&self) -> OAuthCallbackLayer {
        OAuthCallbackLayer::new(self.sign_in.clone())
    }

    fn keys(&self) -> BearerKeyLayer {
        self.keys.clone()
    }

    fn identity(&self) -> IdentityLayer {
        self.sign_in.identity_layer()
    }

    /// Drives one stack, three times over, so that what is said once can be told from what is said always.
    async fn drive<L, R>(&self, layers: L) -> Outcome
    where
        L: Layer<Mock<Ask, Tea>, Service: Service<Ask, Response = http::Response<R>, Error: Debug>>,
        R: Body<Data = Bytes, Error: Debug>,
    {
        let mut stack = drive(layers);
        let log = Log::record();
        let mut status = (0, 0, 0);
        for _ in 0..3 {
            status = self.round(&mut stack).await;
        }
        let lines = log.lines("ERROR");
        let says = [PATH_REACHED, CALLBACK_INSIDE, KEYS_INSIDE].into_iter();
        let says = says.filter(|said| lines.iter().any(|line| line.contains(said)));
        let says: Vec<_> = says.collect();
        assert_eq!(lines.len(), says.len(), "each is said once: {lines:#?}");
        let (signs_in, session, key) = status;
        Outcome {
            signs_in,
            session,
            key,
            says,
        }
    }

    /// What no order may let happen is asserted here.
    async fn round<S, R>(&self, stack: &mut Driven<S>) -> (u16, u16, u16)
    where
        S: Service<Ask, Response = http::Response<R>, Error: Debug>,
        R: Body<Data = Bytes, Error: Debug>,
    {
        // A fresh one each time: signing in again ends the session that the browser had.
        let cookie = guest(&self.sign_in).await;
        let (cookie, key) = (("cookie", &*cookie), ("authorization", &*self.key));
        // Nobody, a stranger and junk reach nobody.
        for headers in [
            &[][..],
            &[("authorization", &*self.stranger)],
            &[("cookie", "tid-session=junk")],
        ] {
            let turn = stack.ask(get(headers)).await;
            let status = turn.kept_back().status;
            assert!(status.is_client_error(), "{status} {headers:?}");
        }
        // A session and a key prove who they prove, or nobody; and go no further.
        let session = stack.ask(get(&[cookie])).await;
        proves(&session, GUEST, "cookie");
        let by_key = stack.ask(get(&[key])).await;
        proves(&by_key, "ci", "authorization");
        // Neither does so for a page of another site.
        let led = stack.ask(request("POST", "/x", &[cookie, EVIL])).await;
        led.kept_back();
        // A sign-in path is never the inner service's, whoever asks; and all are answered alike.
        let refresh = |headers: &[_]| request("GET", "/api/auth/guest/refresh", headers);
        let nobody = stack.ask(refresh(&[XHR, HOST])).await;
        let signs_in = nobody.kept_back().status;
        for headers in [&[XHR, HOST][..], &[XHR, HOST, cookie], &[XHR, HOST, key]] {
            let turn = stack.ask(refresh(headers)).await;
            let signed_in = turn.kept_back().headers.contains_key("set-cookie");
            assert_eq!(signed_in, signs_in == StatusCode::OK, "{turn:?}");
        }
        let logout = request("POST", "/api/auth/guest/logout", &[XHR, cookie, EVIL]);
        let turn = stack.ask(logout).await;
        assert!(!turn.kept_back().status.is_success(), "{turn:?}");
        let status = |turn: &Turn| turn.answer.status.as_u16();
        (signs_in.as_u16(), status(&session), status(&by_key))
    }
}

#[track_caller]
fn proves(turn: &Turn, caller: &str, header: &str) {
    if turn.was_called() {
        assert_eq!(saw(turn.passed(caller), header), [""; 0]);
    } else {
        turn.kept_back();
    }
}

/// Both runs of one order: of keys that delegate, and of keys that are required.
macro_rules! order {
    ($outer:ident, $middle:ident, $inner:ident: $delegating:expr, $required:expr) => {
        for (delegates, expected) in [(true, $delegating), (false, $required)] {
            let callers = callers(delegates);
            let stack = ServiceBuilder::new()
                .layer(callers.$outer())
                .layer(callers.$middle())
                .layer(callers.$inner());
            let (signs_in, session, key, says) = expected;
            let says = says.to_vec();
            let expected = Outcome {
                signs_in,
                session,
                key,
                says,
            };
            assert_eq!(
                callers.drive(stack.into_inner()).await,
                expected,
                "{delegates}"
            );
        }
    };
}

#[tokio::test]
async fn px_19_callback_keys_identity_is_the_order_that_works_and_is_silent() {
    // Keys that are required here are required of people too.
    order!(callback, keys, identity: (200, 418, 418, &[][..]), (200, 401, 418, &[][..]));
}

#[tokio::test]
async fn px_19_callback_identity_keys_fails_closed() {
    let says = &[KEYS_INSIDE][..];
    order!(callback, identity, keys: (200, 500, 401, says), (200, 500, 401, says));
}

#[tokio::test]
async fn px_19_keys_callback_identity_fails_closed() {
    let says = &[CALLBACK_INSIDE][..];
    order!(keys, callback, identity: (500, 418, 418, says), (401, 401, 418, says));
}

#[tokio::test]
async fn px_19_keys_identity_callback_fails_closed() {
    let says = &[PATH_REACHED, CALLBACK_INSIDE][..];
    order!(keys, identity, callback: (401, 418, 418, says), (401, 401, 418, says));
}

#[tokio::test]
async fn px_19_identity_callback_keys_fails_closed() {
    let says = &[PATH_REACHED, CALLBACK_INSIDE, KEYS_INSIDE][..];
    order!(identity, callback, keys: (401, 500, 401, says), (401, 500, 401, says));
}

#[tokio::test]
async fn px_19_identity_keys_callback_fails_closed() {
    let says = &[PATH_REACHED, KEYS_INSIDE][..];
    order!(identity, keys, callback: (401, 500, 401, says), (401, 500, 401, says));
}
