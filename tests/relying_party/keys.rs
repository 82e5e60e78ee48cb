//! What a provider publishes as its keys (RFC 7517), and for how long it is believed.

use std::time::Duration;

use serde_json::json;

use super::browser::Browser;
use super::lies::{
    body, cache_control, content_type, document, member, moved, packed, padded, status,
};
use super::{House, refused};

const JWKS: &str = "/jwks";
const STATUS: &str = "expected status 200";

impl House {
    async fn signs_in(&self) -> bool {
        let heard = self.sign_in(&Browser::default(), "oidc", "user=ada").await;
        heard == "signed in"
    }

    /// How often the keys were asked for.
    fn fetches(&self) -> usize {
        self.provider.requests(JWKS)
    }

    fn later(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn ks_09_a_key_set_that_is_none_verifies_nothing() {
    let rows = [
        (
            document(JWKS, json!({"keys": []})),
            "the key set has no usable key",
        ),
        (
            document(JWKS, json!({"keys": [{"kty": "oct", "k": "AAAA"}]})),
            "the key set has no usable key",
        ),
        (document(JWKS, json!({})), "not a key set"),
        (document(JWKS, json!([])), "not a key set"),
        (member(JWKS, "keys", json!({})), "not a key set"),
        // A bomb has to be unpacked to go off: nothing here asks for what is packed, or unpacks it.
        (packed(JWKS), "not the JSON that was expected"),
        (body(JWKS, "<html>"), "not the JSON that was expected"),
        (body(JWKS, "{\"keys\":["), "not the JSON that was expected"),
        (
            content_type(JWKS, "text/html"),
            "expected the content type application/json",
        ),
        (padded(JWKS), "answered more than 1 MiB"),
        // Unchanged, for somebody who has none yet.
        (status(JWKS, 304), STATUS),
        (status(JWKS, 404), STATUS),
        (status(JWKS, 500), STATUS),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn ks_10_keys_that_have_moved_are_not_followed() {
    let rows = [301, 302, 307, 308].map(|code| (moved(JWKS, code), STATUS));
    let house = refused("oidc", rows).await;
    assert_eq!(house.provider.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn ks_09_an_empty_key_set_does_not_replace_a_good_one() {
    for bad in [
        document(JWKS, json!({"keys": []})),
        body(JWKS, "<html>"),
        padded(JWKS),
        status(JWKS, 500),
    ] {
        let house = House::start().await;
        assert!(house.signs_in().await);
        let lies = bad(&house.provider);
        // Past its freshness: it is asked for again, and what comes is no key set.
        house.later(301);
        assert!(house.signs_in().await);
        assert_eq!(lies[0].told(), 1);
        assert_eq!(house.fetches(), 2);
        // The old one does not live for ever (KS-06, KS-07).
        house.later(3600);
        assert!(!house.signs_in().await);
        drop(lies);
        house.later(10);
        assert!(house.signs_in().await);
    }
}

#[tokio::test]
async fn ks_16_how_long_keys_are_believed_is_held_between_five_minutes_and_a_day() {
    const DAY: u64 = 24 * 3600;
    for (said, early, late) in [
        ("max-age=0", 239, 300),
        ("max-age=1", 239, 300),
        ("no-store", 479, 600),
        ("public, max-age=99999999", DAY / 5 * 4 - 1, DAY),
        ("max-age=1000", 799, 1000),
        ("max-age=-1", 479, 600),
        ("max-age=many", 479, 600),
    ] {
        let house = House::start().await;
        let lies = cache_control(JWKS, said)(&house.provider);
        assert!(house.signs_in().await);
        assert_eq!((lies[0].told(), house.fetches()), (1, 1), "{said}");
        house.later(early);
        assert!(house.signs_in().await);
        assert_eq!(house.fetches(), 1, "{said}: they are fresh");
        house.later(late - early);
        assert!(house.signs_in().await);
        assert_eq!(house.fetches(), 2, "{said}: they are stale");
    }
}

#[tokio::test]
async fn ks_07_a_key_that_was_withdrawn_is_not_believed_past_the_freshness_of_its_set() {
    let house = House::start().await;
    assert!(house.signs_in().await);
    let old = house.provider.token();
    house.provider.withdraw_keys().await.unwrap();
    // Signed with the old key by whoever stole it.
    let lie = house.provider.bend_document("/token", move |tokens| {
        let text = tokens["id_token"].as_str().unwrap();
        let claims = super::id_token::decoded(text.split('.').nth(1).unwrap());
        let mut token = old.clone().with_header("typ", "JWT");
        for (name, value) in claims.as_object().unwrap() {
            token = token.with_claim(name, value.clone());
        }
        tokens["id_token"] = token.sign().into();
    });
    house.later(301);
    assert!(!house.signs_in().await);
    assert_eq!(lie.told(), 1);
}
