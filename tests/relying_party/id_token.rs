//! ID tokens (OpenID Connect Core section 3.1.3.7), each wrong in one place.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};
use tower_identity::provider::Oidc;
use tower_identity::testing::{Algorithm, Provider};
use tower_identity::verify::jwt;

use super::browser::Browser;
use super::lies::{
    METADATA, Telling, both, claim, claim_in, header, member, no_claim, no_member, token,
};
use super::log::Log;
use super::{ADA, House, refused, refused_at, tolerated};

const ALGORITHMS: &str = "id_token_signing_alg_values_supported";
const OTHER_ISSUER: &str = "ID token: its iss is not the provider's";
const OTHER_AUDIENCE: &str = "ID token: its aud is not this client alone";
const NO_AUDIENCE: &str = "ID token: its aud is missing or malformed";
const OTHER_PARTY: &str = "ID token: its azp is another client";
const OTHER_NONCE: &str = "ID token: its nonce is not this attempt's";
const OTHER_HASH: &str = "ID token: its at_hash is not that of the access token";
const OTHER_TYPE: &str = "ID token: its typ is that of another kind of token";
const OTHER_ALGORITHM: &str = "ID token: its algorithm is not one that was agreed on";
const WRONG_SIGNATURE: &str = "ID token: its signature is wrong";
const NO_SUBJECT: &str = "ID token: sub is missing or not a subject";

/// The ID token in the answer of `/token`, taken apart and put together again.
fn remade(remake: impl Fn([&str; 3]) -> String + Send + Sync + 'static) -> Telling {
    let remake = Arc::new(remake);
    Box::new(move |provider| {
        let remake = remake.clone();
        vec![provider.bend_document("/token", move |tokens| {
            let token = tokens["id_token"].as_str().unwrap().to_owned();
            let parts: Vec<_> = token.split('.').collect();
            tokens["id_token"] = remake(parts.try_into().unwrap()).into();
        })]
    })
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

pub(crate) fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn jw_01_an_id_token_that_the_providers_key_did_not_sign_is_refused() {
    let thief = Provider::start().await.unwrap();
    let rows = [
        (
            // What is signed is no longer what is said.
            remade(|[header, payload, signature]| {
                let mut claims = decoded(payload);
                claims["sub"] = "user-grace".into();
                format!("{header}.{}.{signature}", encoded(&claims))
            }),
            WRONG_SIGNATURE,
        ),
        (
            // Well signed, under the right name, by somebody else.
            remade(move |[header, payload, _]| {
                let mut token = thief.token();
                for (name, value) in decoded(header).as_object().unwrap() {
                    token = token.with_header(name, value.clone());
                }
                for (name, value) in decoded(payload).as_object().unwrap() {
                    token = token.with_claim(name, value.clone());
                }
                token.without_claim("client_id").sign()
            }),
            WRONG_SIGNATURE,
        ),
        (
            header("kid", "of a key that nobody published"),
            "ID token: no published key fits",
        ),
        (
            remade(|[header, payload, _]| format!("{header}.{payload}.")),
            "ID token: not a signed token",
        ),
        (
            remade(|[header, payload, _]| format!("{header}.{payload}")),
            "ID token: not a signed token",
        ),
    ];
    refused("oidc", rows).await;
}

/// By the secret that both sides know: whoever knows it could be anybody.
fn signed_by_the_secret() -> Telling {
    remade(|[_, payload, _]| {
        let header = encoded(&json!({"alg": "HS256", "typ": "JWT"}));
        let message = format!("{header}.{payload}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"testing-client-secret");
        let tag = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    })
}

#[tokio::test]
async fn lf_22_an_algorithm_that_is_none_or_was_not_agreed_on_is_refused() {
    let unsigned = encoded(&json!({"alg": "none"}));
    let rows = [
        (
            header("alg", "none"),
            "ID token: alg is missing or not accepted",
        ),
        (
            remade(move |[_, payload, _]| format!("{unsigned}.{payload}.")),
            "ID token: not a signed token",
        ),
        (signed_by_the_secret(), OTHER_ALGORITHM),
        // The provider may announce it, or nothing at all: that makes it no better.
        (
            both(
                member(METADATA, ALGORITHMS, json!(["RS256", "HS256"])),
                signed_by_the_secret(),
            ),
            OTHER_ALGORITHM,
        ),
        (
            both(no_member(METADATA, ALGORITHMS), signed_by_the_secret()),
            OTHER_ALGORITHM,
        ),
        // The RSA key signs, and the metadata says that it does not.
        (
            member(METADATA, ALGORITHMS, json!(["ES256"])),
            OTHER_ALGORITHM,
        ),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn ks_13_the_metadata_narrows_what_is_accepted_and_never_widens_it() {
    let rows = [json!(["none"]), json!(["none", "HS256"]), json!(["HS256"])];
    let rows = rows.map(|published| (member(METADATA, ALGORITHMS, published), OTHER_ALGORITHM));
    refused("oidc", rows).await;
    tolerated(
        "oidc",
        [json!(["RS256", "none", "unheard of"]), json!([])]
            .map(|published| member(METADATA, ALGORITHMS, published)),
    )
    .await;
}

#[tokio::test]
async fn ks_13_a_client_that_is_registered_for_one_algorithm_takes_no_other() {
    let es256 = |oidc: Oidc| oidc.with_id_token_algorithm(jwt::Algorithm::Es256);
    let house = House::of(Provider::builder(), es256).await;
    let browser = Browser::default();
    let log = Log::record();
    house.sign_in(&browser, "oidc", "user=ada").await;
    assert!(log.lines("").join("\n").contains(OTHER_ALGORITHM));
    assert_eq!(house.who(&browser).await, "401");

    let signed = Provider::builder().with_algorithm(Algorithm::Es256);
    let house = House::of(signed, es256).await;
    house.sign_in(&browser, "oidc", "user=ada").await;
    assert_eq!(house.who(&browser).await, ADA);
}

#[tokio::test]
async fn cl_01_an_id_token_of_another_issuer_is_refused() {
    let rows = [
        claim("iss", "https://elsewhere.example"),
        claim("iss", json!(["https://elsewhere.example"])),
        claim("iss", ""),
        no_claim("iss"),
        token(|_, claims| {
            let slash = format!("{}/", claims["iss"].as_str().unwrap());
            claims.insert("iss".into(), slash.into());
        }),
        token(|_, claims| {
            let list = json!([claims["iss"]]);
            claims.insert("iss".into(), list);
        }),
    ];
    refused("oidc", rows.map(|lie| (lie, OTHER_ISSUER))).await;
}

#[tokio::test]
async fn lf_11_an_id_token_for_another_audience_is_refused() {
    let rows = [
        (claim("aud", "another-client"), OTHER_AUDIENCE),
        (
            claim("aud", json!(["tower-identity", "another-client"])),
            OTHER_AUDIENCE,
        ),
        (
            claim("aud", json!(["tower-identity", "tower-identity"])),
            OTHER_AUDIENCE,
        ),
        (claim("aud", json!([])), OTHER_AUDIENCE),
        (claim("aud", ""), OTHER_AUDIENCE),
        (claim("aud", json!(["tower-identity", 7])), NO_AUDIENCE),
        (claim("aud", json!(null)), NO_AUDIENCE),
        (no_claim("aud"), NO_AUDIENCE),
        (claim("azp", "another-client"), OTHER_PARTY),
        (claim("azp", json!(["tower-identity"])), OTHER_PARTY),
        (claim("azp", json!(null)), OTHER_PARTY),
    ];
    refused("oidc", rows).await;
    tolerated(
        "oidc",
        [
            claim("aud", json!(["tower-identity"])),
            claim("azp", "tower-identity"),
        ],
    )
    .await;
}

#[tokio::test]
async fn cl_05_cl_07_an_id_token_of_another_time_is_refused() {
    let rows = [
        (claim_in("exp", 0), "ID token: expired"),
        (claim_in("exp", -3600), "ID token: expired"),
        (no_claim("exp"), "ID token: exp is missing"),
        (claim("exp", "never"), "ID token: exp is not a number"),
        (no_claim("iat"), "ID token: iat is missing"),
        (claim("iat", "today"), "ID token: iat is not a number"),
        (
            claim_in("iat", 3600),
            "ID token: issued in the future (iat)",
        ),
        (claim_in("nbf", 3600), "ID token: not valid yet (nbf)"),
    ];
    refused("oidc", rows).await;
    tolerated("oidc", [claim_in("exp", 1), claim_in("iat", 30)]).await;
}

#[tokio::test]
async fn an_id_token_is_of_this_sign_in_and_not_of_an_old_one() {
    let old = "ID token: issued too long ago for a sign-in that has just been (iat)";
    let rows = [
        (claim_in("iat", -661), old),
        (claim_in("iat", -86_400), old),
        (claim("iat", 0), old),
    ];
    refused("oidc", rows).await;
    tolerated("oidc", [claim_in("iat", -660), claim_in("iat", -60)]).await;
}

#[tokio::test]
async fn lf_09_an_id_token_of_another_attempt_is_refused() {
    let rows = [
        claim("nonce", "another"),
        claim("nonce", ""),
        claim("nonce", json!(null)),
        claim("nonce", json!(true)),
        no_claim("nonce"),
        token(|_, claims| {
            let list = json!([claims["nonce"]]);
            claims.insert("nonce".into(), list);
        }),
    ];
    refused("oidc", rows.map(|lie| (lie, OTHER_NONCE))).await;
}

#[tokio::test]
async fn lf_10_an_id_token_beside_another_access_token_is_refused() {
    let rows = [
        (claim("at_hash", "MTIzNDU2Nzg5MDEyMzQ1Ng"), OTHER_HASH),
        (claim("at_hash", ""), OTHER_HASH),
        (claim("at_hash", json!(null)), OTHER_HASH),
        (
            member("/token", "access_token", "of-somebody-else"),
            OTHER_HASH,
        ),
    ];
    refused("oidc", rows).await;
    // It need not be there (section 3.1.3.6).
    tolerated("oidc", [no_claim("at_hash")]).await;
}

#[tokio::test]
async fn cl_08_another_kind_of_token_is_no_id_token() {
    let rows = [
        header("typ", "at+jwt"),
        header("typ", "logout+jwt"),
        header("typ", "application/at+jwt"),
        header("typ", ""),
    ];
    refused("oidc", rows.map(|lie| (lie, OTHER_TYPE))).await;
    tolerated(
        "oidc",
        [
            header("typ", "jwt"),
            header("typ", "application/JWT"),
            token(|header, _| drop(header.remove("typ"))),
        ],
    )
    .await;
}

#[tokio::test]
async fn st_09_a_token_without_a_key_id_is_served_by_the_one_key_that_fits() {
    tolerated("oidc", [token(|header, _| drop(header.remove("kid")))]).await;
    let house = House::start().await;
    house.provider.rotate_keys().await.unwrap();
    let telling = token(|header, _| drop(header.remove("kid")));
    let because = "ID token: no published key fits";
    refused_at(&house, "oidc", "user=ada", telling, (0, because)).await;
}

#[tokio::test]
async fn cl_10_an_id_token_about_nobody_is_refused() {
    let rows = [
        claim("sub", ""),
        claim("sub", " "),
        claim("sub", 7),
        claim("sub", json!(null)),
        claim("sub", "a\u{0}b"),
        no_claim("sub"),
    ];
    refused("oidc", rows.map(|lie| (lie, NO_SUBJECT))).await;
}

#[tokio::test]
async fn st_10_a_token_response_without_an_id_token_is_refused() {
    let because = "the token endpoint gave no ID token";
    let rows = [
        (no_member("/token", "id_token"), because),
        (member("/token", "id_token", json!(null)), because),
        (
            member("/token", "id_token", "not.a.token"),
            "ID token: not a signed token",
        ),
        (
            member("/token", "id_token", "a.b.c.d.e"),
            "ID token: not a signed token",
        ),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn rf_07_what_a_refresh_brings_is_checked_as_well() {
    let rows = [
        (claim("iss", "https://elsewhere.example"), OTHER_ISSUER),
        (claim("aud", "another-client"), OTHER_AUDIENCE),
        (claim_in("exp", -1), "ID token: expired"),
        (claim("at_hash", "x"), OTHER_HASH),
        (header("alg", "none"), "ID token: alg is missing"),
        (header("typ", "at+jwt"), OTHER_TYPE),
    ];
    for (telling, because) in rows {
        let house = House::start().await;
        let browser = Browser::default();
        house.sign_in(&browser, "oidc", "user=ada").await;
        let before = browser.copy();
        let lies = telling(&house.provider);
        let log = Log::record();
        let refresh = format!("{}/api/auth/oidc/refresh?env=development", house.url);
        let answer = browser.ajax(Method::GET, &refresh).await;
        assert_eq!(answer.status, 401, "{because}: {}", answer.body);
        assert_eq!(lies[0].told(), 1, "{because}");
        assert!(!answer.body.contains("token\""), "{}", answer.body);
        assert!(log.lines("").join("\n").contains(because), "{because}");
        let jar = before.0.lock().unwrap().clone();
        let mut now = browser.0.lock().unwrap().clone().into_iter();
        assert!(now.all(|one| jar.contains(&one)), "nothing new, {because}");
    }
}
