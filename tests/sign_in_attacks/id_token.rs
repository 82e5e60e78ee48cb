//! An ID token that is wrong in one point (OpenID Connect Core section 3.1.3.7) signs nobody in.

use std::sync::Arc;

use serde_json::json;
use tower_identity::clock::Clock;
use tower_identity::provider::Oidc;
use tower_identity::testing::TokenBuilder;
use tower_identity::verify::jwt::Algorithm;

use super::browser::Browser;
use super::liar::{Liar, signer};
use super::site::frame;
use super::{ADA, email, portal};

/// A portal of one liar's, who has told the truth once.
async fn portal_of(liar: &Liar, oidc: Oidc) -> String {
    let portal = portal(|portal| portal.with_provider("oidc", oidc, email())).await;
    let browser = Browser::default();
    browser.lie(&portal, "oidc", liar).await;
    assert_eq!(browser.who(&portal).await, ADA, "the truth signs her in");
    portal
}

/// Asserts that the liar was asked for tokens, and that nobody is signed in by what it said.
async fn refuses(portal: &str, liar: &Liar, what: &str) {
    let mut before = 0;
    liar.say(|script| before = script.spoken);
    let browser = Browser::default();
    let answer = browser.lie(portal, "oidc", liar).await;
    liar.say(|script| assert_eq!(script.spoken, before + 1, "{what}: it did lie"));
    let (message, _) = frame(&answer);
    assert!(message.get("response").is_none(), "{what}: {message}");
    assert_eq!(message["error"]["name"], "AuthenticationError", "{what}");
    assert_eq!(browser.who(portal).await, "401", "{what}");
    assert!(browser.names().is_empty(), "{what}: {:?}", browser.names());
}

fn bend(liar: &Liar, lie: impl Fn(TokenBuilder) -> String + Send + Sync + 'static) {
    liar.say(|script| script.bend = Arc::new(lie));
}

#[tokio::test]
async fn lf_09_lf_10_lf_11_each_claim_is_held_against_what_it_must_be() {
    let liar = Liar::start().await;
    let portal = portal_of(&liar, liar.oidc()).await;
    let now = Clock::system().now().as_unix();
    let mut url = String::new();
    liar.say(|script| url = script.issuer());
    for (claim, lies) in [
        (
            "iss",
            vec![
                json!("https://other.example"),
                json!(format!("{url}/")),
                json!([url]),
                json!(null),
            ],
        ),
        (
            "aud",
            vec![
                json!("other"),
                json!(["client", "other"]),
                json!(["client", "client"]),
                json!([]),
                json!("Client"),
                json!(1),
                json!(null),
            ],
        ),
        ("azp", vec![json!("other"), json!(null), json!(["client"])]),
        (
            "nonce",
            vec![json!("another"), json!(""), json!(null), json!(7)],
        ),
        (
            "exp",
            vec![
                json!(now - 1),
                json!(0),
                json!(format!("{}", now + 60)),
                json!(null),
            ],
        ),
        ("iat", vec![json!(now + 3600), json!("now"), json!(null)]),
        ("nbf", vec![json!(now + 3600), json!("now")]),
        (
            "sub",
            vec![json!(""), json!(1), json!(null), json!("a\u{0}b")],
        ),
        (
            "at_hash",
            vec![
                json!("AAAAAAAAAAAAAAAAAAAAAA"),
                json!(""),
                json!(1),
                json!(null),
            ],
        ),
    ] {
        for lie in lies {
            let (what, value) = (format!("{claim}: {lie}"), lie);
            bend(&liar, move |token| {
                token.with_claim(claim, value.clone()).sign()
            });
            refuses(&portal, &liar, &what).await;
        }
    }
    for claim in ["iss", "aud", "nonce", "exp", "iat", "sub"] {
        bend(&liar, move |token| token.without_claim(claim).sign());
        refuses(&portal, &liar, &format!("no {claim}")).await;
    }
}

#[tokio::test]
async fn lf_22_the_signature_is_the_providers_or_the_token_is_nobodys() {
    let liar = Liar::start().await;
    let portal = portal_of(&liar, liar.oidc()).await;
    let cut = |token: TokenBuilder| {
        let text = token.sign();
        text.rsplit_once('.').unwrap().0.to_owned()
    };
    bend(&liar, move |token| {
        format!("{}.", cut(token.with_header("alg", "none")))
    });
    refuses(&portal, &liar, "alg none, without a signature").await;
    bend(&liar, |token| token.with_header("alg", "none").sign());
    refuses(&portal, &liar, "alg none, with one").await;
    bend(&liar, |token| token.with_header("alg", "HS256").sign());
    refuses(&portal, &liar, "alg HS256").await;
    bend(&liar, |token| token.with_header("kid", "unknown").sign());
    refuses(&portal, &liar, "a key that nobody publishes").await;
    bend(&liar, |token| {
        let (text, other) = (token.clone().sign(), token.with_claim("sub", "2").sign());
        let signature = other.rsplit_once('.').unwrap().1;
        format!("{}.{signature}", text.rsplit_once('.').unwrap().0)
    });
    refuses(&portal, &liar, "the signature of another token").await;
    for typ in ["at+jwt", "logout+jwt", "vnd.backstage.user"] {
        bend(&liar, move |token| token.with_header("typ", typ).sign());
        refuses(&portal, &liar, typ).await;
    }
    bend(&liar, |token| {
        token.with_header("crit", json!(["x"])).sign()
    });
    refuses(&portal, &liar, "crit").await;
    for text in ["", "a.b.c", "{}", "a.b.c.d.e"] {
        bend(&liar, move |_| text.to_owned());
        refuses(&portal, &liar, &format!("{text:?} for a token")).await;
    }
    liar.say(|script| script.claims = json!(null));
    refuses(&portal, &liar, "no ID token at all").await;
}

#[tokio::test]
async fn jw_02_another_signer_is_not_the_provider() {
    let liar = Liar::start().await;
    let portal = portal_of(&liar, liar.oidc()).await;
    // Its key set stays the first signer's.
    let forger = signer(Clock::system()).await;
    let mut honest = None;
    liar.say(|script| honest = Some(std::mem::replace(&mut script.signer, forger)));
    refuses(&portal, &liar, "a key of its own").await;
}

#[tokio::test]
async fn ks_13_algorithms_are_narrowed_by_registration_and_metadata_and_never_widened() {
    let liar = Liar::start().await;
    // The signer uses RS256: a client that is registered for another one takes nothing else.
    let portal = portal(|portal| {
        let oidc = liar.oidc().with_id_token_algorithm(Algorithm::Es384);
        portal.with_provider("oidc", oidc, email())
    })
    .await;
    refuses(&portal, &liar, "not the registered algorithm").await;

    let liar = Liar::start().await;
    liar.say(|script| {
        script.metadata =
            json!({"id_token_signing_alg_values_supported": ["ES384", "none", "HS256"]});
    });
    let portal = super::portal(|portal| portal.with_provider("oidc", liar.oidc(), email())).await;
    refuses(&portal, &liar, "not one that the metadata names").await;
}
