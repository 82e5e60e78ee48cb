//! Every cell of both tables of stances, with the verifiers that ship.

use futures::FutureExt as _;
use std::time::Duration;

use tower::util::Either;
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::http_client::HyperClient;
use tower_identity::identity::EntityRef;
use tower_identity::rejection::RejectionKind::{InvalidToken, MissingCredentials};
use tower_identity::token::TokenIssuer;
use tower_identity::verify::JwtVerifier;
use tower_identity::verify::api_key::{ApiKeys, KeyRecord};
use tower_identity::{ApiKey, BearerKeyLayer, IdentityLayer};

use super::drive::{drive, saw};
use super::judges::{Any, Judge, Stance};
use super::portal::{GUEST, guest, portal, sign_out};
use super::support::get;

/// A layer that judges, and what can be presented to it.
struct Case {
    judge: Judge,
    presented: Vec<Presented>,
}

struct Presented {
    name: &'static str,
    header: &'static str,
    value: String,
    fate: Fate,
}

/// The column of the table.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Good(&'static str),
    Unknown,
    Bad,
}

use Fate::{Bad, Good, Unknown};

fn bearer(name: &'static str, token: &str, fate: Fate) -> Presented {
    let value = format!("Bearer {token}").trim_end().to_owned();
    Presented {
        name,
        header: "authorization",
        value,
        fate,
    }
}

fn cookie(name: &'static str, line: &str, fate: Fate) -> Presented {
    Presented {
        name,
        header: "cookie",
        value: line.to_owned(),
        fate,
    }
}

/// One character of its last part is another one.
fn spoilt(text: &str) -> String {
    let (head, tail) = text.split_at(text.len() - 20);
    let other = if tail.starts_with('0') { '1' } else { '0' };
    format!("{head}{other}{}", &tail[1..])
}

fn keys() -> Case {
    let [good, expired, unknown] = [(); 3].map(|()| ApiKey::generate("tid"));
    let keys = ApiKeys::new([
        KeyRecord::new(good.digest(), good.id(), "ci"),
        KeyRecord::new(expired.digest(), expired.id(), "ci").with_expiry(Timestamp::from_unix(1)),
    ]);
    let verifier = Any::of(keys.unwrap());
    Case {
        judge: Either::Left(BearerKeyLayer::new(verifier)),
        presented: vec![
            bearer("a good key", good.expose(), Good("ci")),
            bearer("an unknown key", unknown.expose(), Unknown),
            bearer("some other token", "eyJh.eyJp.c2ln", Unknown),
            bearer("a malformed one", "a b", Unknown),
            bearer("no token at all", "", Unknown),
            bearer("an expired key", expired.expose(), Bad),
            bearer("a broken key", &spoilt(good.expose()), Bad),
        ],
    }
}

async fn identity() -> Case {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let sign_in = portal().with_clock(clock.clone()).build().unwrap();
    let user = EntityRef::parse("user:default/ada").unwrap();
    let mint = |issuer: &TokenIssuer| {
        let minted = issuer.mint_user(&user, &[]).now_or_never();
        minted.unwrap().unwrap().expose().to_owned()
    };
    let expired = mint(sign_in.tokens());
    hand.advance(Duration::from_secs(2 * 3600));
    let good = mint(sign_in.tokens());
    let elsewhere = TokenIssuer::new(
        "https://x.example/a",
        Duration::from_secs(3600),
        clock.clone(),
    );
    let revoked = guest(&sign_in).await;
    sign_out(&sign_in, &revoked).await;
    let session = guest(&sign_in).await;
    let other = guest(&portal().build().unwrap()).await;
    let client = HyperClient::new().unwrap();
    let verifier = JwtVerifier::with_client([sign_in.tokens().as_issuer()], client, clock).unwrap();
    let layer = IdentityLayer::new(Any::of(verifier)).with_sessions(sign_in.sessions());
    Case {
        judge: Either::Right(layer),
        presented: vec![
            bearer("a good token", &good, Good("user:default/ada")),
            bearer("an opaque token", "opaque", Unknown),
            bearer("another issuer's", &mint(&elsewhere), Unknown),
            bearer("a malformed one", "a b", Unknown),
            bearer("no token at all", "", Unknown),
            bearer("an expired token", &expired, Bad),
            bearer("a forged token", &spoilt(&good), Bad),
            cookie("a good session", &session, Good(GUEST)),
            cookie("another portal's session", &other, Unknown),
            cookie("a junk session", "tid-session=junk", Unknown),
            cookie("an empty session", "tid-session=", Unknown),
            cookie("a chunk of junk", "tid-session.0=junk", Unknown),
            cookie("a cut session", &session[..session.len() - 4], Unknown),
            cookie("a revoked session", &revoked, Bad),
        ],
    }
}

/// One row of the table, on both layers.
async fn check(stance: Stance) {
    for case in [keys(), identity().await] {
        let mut layer = drive(stance.of(case.judge));
        let none = layer.ask(get(&[])).await;
        match stance {
            Stance::Required => drop(none.refused(MissingCredentials)),
            _ => drop(none.passed("nobody")),
        }
        for presented in case.presented {
            let Presented {
                name,
                header,
                value,
                fate,
            } = presented;
            println!("{stance:?}: {name}");
            let turn = layer.ask(get(&[(header, &value)])).await;
            match (fate, stance) {
                // What was judged goes no further.
                (Good(caller), _) => assert_eq!(saw(turn.passed(caller), header), [""; 0]),
                // What nobody has judged is for the next layer.
                (Unknown, Stance::Delegating) => {
                    assert_eq!(saw(turn.passed("nobody"), header), [&value]);
                }
                (Unknown | Bad, _) => drop(turn.refused(InvalidToken)),
            }
        }
    }
}

#[tokio::test]
async fn ex_12_required_refuses_none_with_a_bare_challenge_and_all_else_as_invalid() {
    check(Stance::Required).await;
}

#[tokio::test]
async fn ex_11_optional_lets_none_pass_and_never_a_credential_that_proves_nothing() {
    check(Stance::Optional).await;
}

#[tokio::test]
async fn delegating_passes_on_what_it_does_not_know_and_refuses_what_it_knows_is_bad() {
    check(Stance::Delegating).await;
}
