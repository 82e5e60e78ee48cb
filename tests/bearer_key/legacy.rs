//! Backstage's shared secrets (spec section 8.2): the secret itself, and HS256 tokens signed with it.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_identity::verify::ApiKeys;
use tower_identity::verify::api_key::{KeyDigest, KeyRecord};
use tower_identity::{BearerKeyLayer, Secret};

use super::support::{get, send};
use super::{INVALID, bearer, over};

/// As `node -p 'require("crypto").randomBytes(24).toString("base64")'` prints it.
const SECRET: &str = "bm90LXNvLXNlY3JldC1idXQtbG9uZy1lbm91Z2gh";

fn layer() -> BearerKeyLayer {
    let record = KeyRecord::new(KeyDigest::of(""), "legacy", "external:backstage-plugin");
    let keys = ApiKeys::new([]).unwrap();
    BearerKeyLayer::new(
        keys.with_legacy_secret(&Secret::from(SECRET), record)
            .unwrap(),
    )
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn mint(key: &[u8], header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn decoded() -> Vec<u8> {
    STANDARD.decode(SECRET).unwrap()
}

#[tokio::test]
async fn the_secret_itself_is_a_key() {
    let (service, _) = over(layer());
    let answer = send(&service, get(&[("authorization", &bearer(SECRET))])).await;
    answer.passed("external:backstage-plugin");
    let cut = bearer(&SECRET[..SECRET.len() - 1]);
    send(&service, get(&[("authorization", &cut)]))
        .await
        .refused(401, Some(INVALID));
}

#[tokio::test]
async fn a_token_of_the_decoded_secret_or_of_its_text_proves_the_service() {
    let (service, _) = over(layer());
    let header = json!({"alg": "HS256"});
    let claims = json!({"sub": "backstage-server", "exp": now() + 3600});
    for key in [decoded(), SECRET.as_bytes().to_vec()] {
        let token = mint(&key, &header, &claims);
        let answer = send(&service, get(&[("authorization", &bearer(&token))])).await;
        assert_eq!(
            answer
                .passed("external:backstage-plugin")
                .saw("authorization"),
            None
        );
    }
}

#[tokio::test]
async fn jw_01_jw_02_cl_05_a_token_that_differs_in_anything_is_refused() {
    let (service, inner) = over(layer());
    let hs256 = json!({"alg": "HS256"});
    let exp = now() + 3600;
    let good = json!({"sub": "backstage-server", "exp": exp});
    let key = decoded();
    for (flaw, token) in [
        ("no sub", mint(&key, &hs256, &json!({"exp": exp}))),
        (
            "another sub",
            mint(&key, &hs256, &json!({"sub": "backstage", "exp": exp})),
        ),
        (
            "a list as sub",
            mint(
                &key,
                &hs256,
                &json!({"sub": ["backstage-server"], "exp": exp}),
            ),
        ),
        (
            "an aud",
            mint(
                &key,
                &hs256,
                &json!({"sub": "backstage-server", "exp": exp, "aud": "x"}),
            ),
        ),
        (
            "aud null",
            mint(
                &key,
                &hs256,
                &json!({"sub": "backstage-server", "exp": exp, "aud": null}),
            ),
        ),
        (
            "no exp",
            mint(&key, &hs256, &json!({"sub": "backstage-server"})),
        ),
        (
            "exp null",
            mint(
                &key,
                &hs256,
                &json!({"sub": "backstage-server", "exp": null}),
            ),
        ),
        (
            "exp text",
            mint(
                &key,
                &hs256,
                &json!({"sub": "backstage-server", "exp": exp.to_string()}),
            ),
        ),
        (
            "expired",
            mint(
                &key,
                &hs256,
                &json!({"sub": "backstage-server", "exp": now()}),
            ),
        ),
        (
            "nbf ahead",
            mint(
                &key,
                &hs256,
                &json!({"sub": "backstage-server", "exp": exp, "nbf": exp}),
            ),
        ),
        (
            "another key",
            mint(b"another-key-of-good-length", &hs256, &good),
        ),
        ("an empty key", mint(b"", &hs256, &good)),
        ("RS256", mint(&key, &json!({"alg": "RS256"}), &good)),
        ("HS512", mint(&key, &json!({"alg": "HS512"}), &good)),
        ("hs256", mint(&key, &json!({"alg": "hs256"}), &good)),
        ("none", mint(&key, &json!({"alg": "none"}), &good)),
        ("no alg", mint(&key, &json!({}), &good)),
        (
            "crit",
            mint(&key, &json!({"alg": "HS256", "crit": ["x"]}), &good),
        ),
    ] {
        let answer = send(&service, get(&[("authorization", &bearer(&token))])).await;
        assert_eq!(answer.status, 401, "{flaw}: {answer:?}");
        answer.refused(401, Some(INVALID));
    }
    let unsigned = mint(&key, &hs256, &good);
    let unsigned = bearer(unsigned.rsplit_once('.').unwrap().0) + ".";
    send(&service, get(&[("authorization", &unsigned)]))
        .await
        .refused(401, Some(INVALID));
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn a_secret_that_has_ended_ends_its_tokens_too() {
    use tower_identity::clock::Timestamp;
    let record =
        KeyRecord::new(KeyDigest::of(""), "legacy", "x").with_expiry(Timestamp::from_unix(1));
    let keys = ApiKeys::new([])
        .unwrap()
        .with_legacy_secret(&Secret::from(SECRET), record);
    let (service, _) = over(BearerKeyLayer::new(keys.unwrap()));
    let claims = json!({"sub": "backstage-server", "exp": now() + 3600});
    for token in [
        SECRET.to_owned(),
        mint(&decoded(), &json!({"alg": "HS256"}), &claims),
    ] {
        let answer = send(&service, get(&[("authorization", &bearer(&token))])).await;
        answer.refused(401, Some(INVALID));
    }
}

#[test]
fn jw_03_a_short_secret_is_refused_when_the_keys_are_built_and_not_repeated() {
    for secret in ["", "hunter2", "fifteen-charact", "with a space in it"] {
        let record = KeyRecord::new(KeyDigest::of(""), "legacy", "x");
        let keys = ApiKeys::new([])
            .unwrap()
            .with_legacy_secret(&Secret::from(secret), record);
        let error = keys.unwrap_err().to_string();
        assert!(secret.is_empty() || !error.contains(secret), "{error}");
    }
}
