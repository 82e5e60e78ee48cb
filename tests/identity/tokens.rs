//! What a token must be.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_identity::IdentityLayer;
use tower_identity::clock::Clock;
use tower_identity::identity::EntityRef;
use tower_identity::testing::{Algorithm, Provider, TokenBuilder};
use tower_identity::token::TokenIssuer;
use tower_identity::verify::{Issuer, JwtVerifier};

use super::{API, INVALID, ada, ask, believe, over};

type Flaw = (&'static str, Box<dyn Fn(TokenBuilder) -> TokenBuilder>);

fn claim(name: &'static str, value: Value) -> Flaw {
    (
        name,
        Box::new(move |token| token.with_claim(name, value.clone())),
    )
}

fn header(name: &'static str, value: Value) -> Flaw {
    (
        name,
        Box::new(move |token| token.with_header(name, value.clone())),
    )
}

fn without(name: &'static str) -> Flaw {
    (name, Box::new(move |token| token.without_claim(name)))
}

/// Each of these tokens is refused, without the inner service or the provider being asked.
async fn check(flaws: Vec<Flaw>) {
    let provider = Provider::start().await.unwrap();
    let (service, inner, _) = believe([&provider]);
    ask(&service, &ada(&provider).sign())
        .await
        .passed("user-ada");
    for (name, flaw) in flaws {
        let token = flaw(ada(&provider)).sign();
        let answer = ask(&service, &token).await;
        assert_eq!(answer.status, 401, "{name}: {token}: {answer:?}");
        answer.refused(401, Some(INVALID));
    }
    assert_eq!((inner.calls(), provider.requests("/jwks")), (1, 1));
}

fn now() -> u64 {
    Clock::system().now().as_unix()
}

#[tokio::test]
async fn cl_01_an_issuer_that_differs_in_a_letter_is_another() {
    check(vec![
        without("iss"),
        claim("iss", json!("https://elsewhere.example.com")),
        claim("iss", json!(null)),
        claim("iss", json!("")),
        claim("iss", json!(7)),
    ])
    .await;
    let provider = Provider::start().await.unwrap();
    let (service, _, _) = believe([&provider]);
    let name = provider.issuer();
    for other in [
        json!(format!("{name}/")),
        json!(name.to_uppercase()),
        json!(name.replace("127.0.0.1", "localhost")),
        json!([name]),
        json!(&name[..name.len() - 1]),
    ] {
        let token = ada(&provider).with_claim("iss", other).sign();
        ask(&service, &token).await.refused(401, Some(INVALID));
    }
    assert_eq!(provider.requests("/jwks"), 0);
}

#[tokio::test]
async fn cl_02_a_token_of_one_issuer_that_names_another_is_refused() {
    let (a, b) = (
        Provider::start().await.unwrap(),
        Provider::start().await.unwrap(),
    );
    let (service, inner, _) = believe([&a, &b]);
    ask(&service, &ada(&a).sign()).await.passed("user-ada");
    ask(&service, &ada(&b).sign()).await.passed("user-ada");
    for kid in [a.key_id(), b.key_id()] {
        let token = ada(&a)
            .with_claim("iss", b.issuer())
            .with_header("kid", kid)
            .sign();
        ask(&service, &token).await.refused(401, Some(INVALID));
    }
    assert_eq!(inner.calls(), 2);
}

#[tokio::test]
async fn cl_03_the_audience_is_required_and_ours() {
    check(vec![
        without("aud"),
        claim("aud", json!([])),
        claim("aud", json!(["https://other.example.com"])),
        claim("aud", json!("")),
        claim("aud", json!([API, 7])),
        claim("aud", json!({API: true})),
        claim("aud", json!(null)),
        claim("aud", json!("https://api.example.com/")),
        claim("aud", json!("https://api.example.com.evil.example")),
        claim("aud", json!("HTTPS://API.EXAMPLE.COM")),
    ])
    .await;
    let provider = Provider::start().await.unwrap();
    let (service, _, _) = believe([&provider]);
    let both = ada(&provider).with_claim("aud", json!(["https://other.example.com", API]));
    ask(&service, &both.sign()).await.passed("user-ada");
}

#[tokio::test]
async fn cl_05_cl_06_cl_07_the_times_are_required_numbers_and_now_is_between_them() {
    let (ahead, past) = (now() + 3600, now() - 1);
    check(vec![
        without("exp"),
        claim("exp", json!("9999999999")),
        claim("exp", json!(true)),
        claim("exp", json!(null)),
        claim("exp", json!([ahead])),
        claim("exp", json!(-1)),
        claim("exp", json!(0)),
        claim("exp", json!(past)),
        claim("nbf", json!(ahead)),
        claim("nbf", json!(ahead.to_string())),
        claim("nbf", json!(null)),
        claim("iat", json!(ahead)),
        claim("iat", json!("yesterday")),
    ])
    .await;
}

#[tokio::test]
async fn cl_08_cl_09_another_kind_of_token_is_refused() {
    check(vec![
        header("typ", json!("logout+jwt")),
        header("typ", json!("application/logout+jwt")),
        header("typ", json!("dpop+jwt")),
        header("typ", json!("vnd.backstage.user")),
        header("typ", json!("secevent+jwt")),
        header("typ", json!("at+jwt+x")),
        header("typ", json!("")),
        header("typ", json!(7)),
        header("typ", json!(null)),
        // Bound to a key that nobody has shown (RFC 9449 section 7.2).
        claim("cnf", json!({"jkt": "x"})),
    ])
    .await;
    let provider = Provider::start().await.unwrap();
    let (service, _, _) = believe([&provider]);
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+jwt",
        "JWT",
    ] {
        let token = ada(&provider).with_header("typ", typ).sign();
        ask(&service, &token).await.passed("user-ada");
    }
}

#[tokio::test]
async fn cl_10_cl_11_subject_and_scope_are_type_checked() {
    check(vec![
        without("sub"),
        claim("sub", json!("")),
        claim("sub", json!("  ")),
        claim("sub", json!(7)),
        claim("sub", json!(null)),
        claim("sub", json!("a\u{0}b")),
        claim("sub", json!("x".repeat(2000))),
        claim("scope", json!(["read"])),
        claim("scope", json!(7)),
    ])
    .await;
}

#[tokio::test]
async fn jw_01_jw_05_the_algorithm_is_the_keys_own() {
    check(vec![
        header("alg", json!("none")),
        header("alg", json!("None")),
        header("alg", json!("noNE")),
        header("alg", json!("HS256")),
        header("alg", json!("RS384")),
        header("alg", json!("PS256")),
        header("alg", json!("ES256")),
        header("alg", json!("rs256")),
        header("alg", json!(null)),
        header("alg", json!(["RS256"])),
    ])
    .await;
}

#[tokio::test]
async fn jw_02_an_hmac_with_the_public_key_is_no_signature() {
    use tower_identity::http_client::{HttpClient as _, HyperClient};
    let provider = Provider::start().await.unwrap();
    let (service, inner, _) = believe([&provider]);
    let uri = format!("{}/jwks", provider.url());
    let request = http::Request::get(uri).body(bytes::Bytes::new()).unwrap();
    let jwks = HyperClient::new()
        .unwrap()
        .send(request)
        .await
        .unwrap()
        .into_body();
    let parsed: Value = serde_json::from_slice(&jwks).unwrap();
    let mut keys = vec![jwks.to_vec(), Vec::new()];
    for jwk in parsed["keys"].as_array().unwrap() {
        keys.push(jwk.to_string().into_bytes());
        for member in ["n", "x", "y"] {
            if let Some(text) = jwk[member].as_str() {
                keys.push(text.as_bytes().to_vec());
                keys.push(URL_SAFE_NO_PAD.decode(text).unwrap());
            }
        }
    }
    let token = ada(&provider).with_header("alg", "HS256").sign();
    let (message, _) = token.rsplit_once('.').unwrap();
    for key in keys {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let mac = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
        ask(&service, &format!("{message}.{mac}"))
            .await
            .refused(401, Some(INVALID));
    }
    assert_eq!(inner.calls(), 0);
}

#[tokio::test]
async fn jw_06_jw_07_jw_08_a_header_cannot_steer_the_choice_of_the_key() {
    check(vec![
        header("kid", json!("")),
        header("kid", json!("x".repeat(300))),
        header("kid", json!(["a"])),
        header("kid", json!(7)),
        header("kid", json!("../../../dev/null")),
        header("kid", json!("' OR 1=1--")),
        header("crit", json!(["bork"])),
        header("crit", json!([])),
        header("crit", json!("exp")),
        header("b64", json!(false)),
    ])
    .await;
    // Where a token says its keys are is not where they are looked for.
    let (provider, attacker) = (
        Provider::start().await.unwrap(),
        Provider::start().await.unwrap(),
    );
    let (service, _, _) = believe([&provider]);
    let jku = format!("{}/jwks", attacker.url());
    let lure = |token: TokenBuilder| token.with_header("jku", &*jku).with_header("x5u", &*jku);
    ask(&service, &lure(ada(&provider)).sign())
        .await
        .passed("user-ada");
    let forged = lure(ada(&attacker)).with_claim("iss", provider.issuer());
    ask(&service, &forged.sign())
        .await
        .refused(401, Some(INVALID));
    assert_eq!(attacker.requests("/jwks"), 0);
}

#[tokio::test]
async fn jw_04_jw_09_jw_11_jw_14_a_token_is_three_segments_of_canonical_base64url() {
    let provider = Provider::start().await.unwrap();
    let (service, inner, _) = believe([&provider]);
    let good = ada(&provider).with_algorithm(Algorithm::Es256).sign();
    ask(&service, &good).await.passed("user-ada");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    // 64 bytes leave four bits of the last character unused: none of them may be set.
    let last = signature.chars().last().unwrap();
    let twin = char::from(u8::try_from(last).unwrap() + 1);
    let loose = format!("{}{twin}", &signature[..signature.len() - 1]);
    for token in [
        format!("{message}.{zeros}"),
        format!("{message}."),
        message.to_owned(),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        format!("{good}.{signature}"),
        format!("{good}.{signature}.{signature}"),
        format!("{message}.{loose}"),
        good.replace('.', ".."),
        ".".repeat(10_000),
    ] {
        ask(&service, &token).await.refused(401, Some(INVALID));
    }
    assert_eq!(inner.calls(), 1);
}

#[tokio::test]
async fn a_token_may_prove_a_machine_or_a_catalog_user_by_what_its_issuer_is_for() {
    let provider = Provider::start().await.unwrap();
    let portal = TokenIssuer::new(
        "https://portal.example.com/api/auth",
        std::time::Duration::from_secs(3600),
        Clock::system(),
    );
    let machines = Issuer::oidc(provider.issuer(), API).with_service_subjects("external:ci:");
    let verifier = JwtVerifier::new([machines, portal.as_issuer()]).unwrap();
    let (service, _) = over(IdentityLayer::new(verifier));
    let machine = ada(&provider).with_subject("runner-7").sign();
    ask(&service, &machine).await.passed("external:ci:runner-7");
    let user = EntityRef::parse("user:default/ada").unwrap();
    let minted = portal.mint_user(&user, &[]).await.unwrap();
    ask(&service, minted.expose())
        .await
        .passed("user:default/ada");
    // Another portal of the same name has other keys.
    let impostor = TokenIssuer::new(
        portal.issuer(),
        std::time::Duration::from_secs(3600),
        Clock::system(),
    );
    let forged = impostor.mint_user(&user, &[]).await.unwrap();
    ask(&service, forged.expose())
        .await
        .refused(401, Some(INVALID));
}
