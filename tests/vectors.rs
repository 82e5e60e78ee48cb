//! Vectors: a small set that stands here, and larger ones where `TOWER_IDENTITY_VECTORS` names their folder.
//!
//! Without the variable the tests called `…_of_the_larger_set` say that they have nothing to run on.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::credential::BearerToken;
use tower_identity::http_client::{HttpClient, HttpError, HttpErrorKind};
use tower_identity::verify::jwks::KeySet;
use tower_identity::verify::jwt::Algorithm;
use tower_identity::verify::{Issuer, JwtVerifier, Outcome, Verify};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TOWER_IDENTITY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        // To the terminal itself, past what the test harness keeps back.
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(
            stderr,
            "NOT RUN: TOWER_IDENTITY_VECTORS names no larger set of vectors"
        );
    }
    folder
}

#[track_caller]
fn read_json(path: PathBuf) -> Value {
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

#[derive(Debug, PartialEq)]
enum Read {
    Token(String),
    Nothing,
    Malformed,
}

/// What becomes of `Authorization` lines; `None` if HTTP itself would refuse one.
fn read(lines: &[Vec<u8>]) -> Option<Read> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).ok()?);
    }
    Some(match BearerToken::from_headers(&headers) {
        Ok(Some(token)) => Read::Token(token.as_str().to_owned()),
        Ok(None) => Read::Nothing,
        Err(_) => Read::Malformed,
    })
}

#[test]
fn ex_04_every_authorization_case_is_read_as_it_should() {
    let token = |text: &str| Some(Read::Token(text.into()));
    let (nothing, malformed) = (Some(Read::Nothing), Some(Read::Malformed));
    for (lines, expected) in [
        (&[][..], &nothing),
        (&["Bearer a"], &token("a")),
        (&["BEARER AbC.123-_~+/=="], &token("AbC.123-_~+/==")),
        (&["Bearer  a"], &token("a")),
        (&["Bearer a", "Bearer b"], &malformed),
        (&["Bearer a", "Basic YTpi"], &malformed),
        (&["Basic YTpi"], &nothing),
        (&["Bearer"], &malformed),
        (&["Bearer "], &malformed),
        (&["Bearer a b"], &malformed),
        (&["Bearer\ta"], &malformed),
        (&["Bearer a,b"], &malformed),
        (&["Bearer \"a\""], &malformed),
        (&["Bearer ="], &malformed),
        (&["Bearer a=b"], &malformed),
        (&["Bearer \u{e4}"], &malformed),
        (&["Bearer a\nBearer b"], &None),
    ] {
        let bytes: Vec<_> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        assert_eq!(read(&bytes), *expected, "{lines:?}");
    }
}

#[test]
fn ex_04_every_authorization_case_of_the_larger_set() {
    let Some(folder) = folder() else { return };
    let cases = read_json(folder.join("authorization-cases.json"));
    for case in cases.as_array().unwrap() {
        let lines = case["lines_b64"].as_array().unwrap();
        let lines: Vec<Vec<u8>> = lines
            .iter()
            .map(|line| base64(line.as_str().unwrap()))
            .collect();
        let found = read(&lines);
        let name = &case["name"];
        match &case["want"] {
            Value::String(want) if want == "either" => {}
            // Refused outright, or not a credential of ours: in either case nobody is let in.
            Value::String(want) if want == "reject" => {
                assert!(!matches!(found, Some(Read::Token(_))), "{name}: {found:?}");
            }
            want if want["scheme"] == "bearer" => {
                assert_eq!(
                    found,
                    Some(Read::Token(want["token"].as_str().unwrap().into())),
                    "{name}"
                );
            }
            _ => assert_eq!(found, Some(Read::Nothing), "{name}"),
        }
    }
}

struct NoNetwork;

impl HttpClient for NoNetwork {
    fn send(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> futures::future::BoxFuture<'static, Result<http::Response<bytes::Bytes>, HttpError>> {
        let error = HttpError::new(
            HttpErrorKind::Connect,
            format!("a vector called {}", request.uri()),
        );
        Box::pin(std::future::ready(Err(error)))
    }
}

async fn accepts(case: &Value, now: u64) -> bool {
    let text = |name: &str| case[name].as_str().unwrap();
    let algorithms =
        case["algs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|alg| match alg.as_str().unwrap() {
                "RS256" => Algorithm::Rs256,
                "PS256" => Algorithm::Ps256,
                "ES256" => Algorithm::Es256,
                "Ed25519" => Algorithm::EdDsa,
                other => panic!("{other}"),
            });
    let keys = KeySet::parse(text("jwksText").as_bytes()).unwrap_or_default();
    let issuer = Issuer::oidc(text("issuer"), text("audience"))
        .with_key_set(keys)
        .with_algorithms(algorithms);
    let (clock, _hand) = Clock::manual(Timestamp::from_unix(now));
    let verifier = JwtVerifier::with_client([issuer], NoNetwork, clock).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_str(&format!("Bearer {}", text("token"))).unwrap(),
    );
    match BearerToken::from_headers(&headers) {
        Ok(Some(token)) => matches!(verifier.verify(token).await, Ok(Outcome::Verified(_))),
        _ => false,
    }
}

/// A case of ES256, as those of the larger set are; `change` may spoil it.
fn case(change: impl FnOnce(&mut Value, &mut Value)) -> Value {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let base64url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let point = pair.public_key().as_ref();
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": base64url(&point[1..33]), "y": base64url(&point[33..])});
    let mut header = json!({"alg": "ES256", "kid": "k", "typ": "at+jwt"});
    let mut claims = json!({"iss": "https://i.example", "aud": "api", "sub": "ada", "iat": NOW, "exp": NOW + 60});
    change(&mut header, &mut claims);
    let text = |value: &Value| base64url(value.to_string().as_bytes());
    let message = format!("{}.{}", text(&header), text(&claims));
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    json!({
        "issuer": "https://i.example", "audience": "api", "algs": ["ES256"],
        "jwksText": json!({"keys": [{"kty": "odd"}, key]}).to_string(),
        "token": format!("{message}.{}", base64url(signature.as_ref())),
    })
}

const NOW: u64 = 1_800_000_000;

#[tokio::test]
async fn jw_01_every_token_is_judged_as_it_should() {
    assert!(accepts(&case(|_, _| {}), NOW).await);
    assert!(accepts(&case(|_, claims| claims["aud"] = json!(["x", "api"])), NOW).await);
    assert!(
        accepts(
            &case(|header, _| header["jku"] = json!("https://x.example")),
            NOW
        )
        .await
    );
    assert!(!accepts(&case(|_, _| {}), NOW + 3600).await, "expired");
    let mut forged = case(|_, _| {});
    forged["token"] = case(|_, _| {})["token"].clone();
    assert!(!accepts(&forged, NOW).await, "of another key");
    for (part, name, value) in [
        (0, "alg", json!("none")),
        (0, "alg", json!("HS256")),
        (0, "alg", json!("ES384")),
        (0, "alg", json!(null)),
        (0, "kid", json!(7)),
        (0, "kid", json!("another")),
        (0, "crit", json!(["x"])),
        (0, "b64", json!(false)),
        (0, "typ", json!("logout+jwt")),
        (1, "iss", json!("https://i.example/")),
        (1, "iss", json!(["https://i.example"])),
        (1, "aud", json!("API")),
        (1, "aud", json!([])),
        (1, "aud", json!({"api": true})),
        (1, "exp", json!(NOW)),
        (1, "exp", json!((NOW + 60).to_string())),
        (1, "exp", json!(-1e300)),
        (1, "nbf", json!(NOW + 3600)),
        (1, "sub", json!("")),
        (1, "sub", json!(null)),
    ] {
        let spoilt = case(|header, claims| [header, claims][part][name] = value.clone());
        assert!(!accepts(&spoilt, NOW).await, "{name}: {value}");
    }
}

#[tokio::test]
async fn jw_01_every_token_of_the_larger_set() {
    let Some(folder) = folder() else { return };
    let file = read_json(folder.join("tokens.json"));
    let now = file["now"].as_u64().unwrap();
    for case in file["cases"].as_array().unwrap() {
        let (name, expected) = (
            case["name"].as_str().unwrap(),
            case["expect"].as_str().unwrap(),
        );
        let accepted = accepts(case, now).await;
        // 60 KB of claims are an ID token's, over the back channel; as a credential they are over the cap.
        let expected = if name == "good-large-claims" {
            "reject"
        } else {
            expected
        };
        match expected {
            "accept" => assert!(accepted, "{name}: {}", case["desc"]),
            "reject" | "last-or-reject" => assert!(!accepted, "{name}: {}", case["desc"]),
            "either" => {}
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn jw_20_a_key_set_is_read_and_a_broken_key_never_sinks_it() {
    // RFC 7517 appendix A.1, the EC key; and what may stand beside it.
    let good = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}"#;
    for beside in [
        r#"{"kty":"RSA","kid":"2","e":"AQAB"}"#,
        r#"{"kty":"oct","k":"AAAA"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
        r#"{"kid":7}"#,
        "7",
        "null",
    ] {
        let text = format!(r#"{{"keys":[{beside},{good},{beside}]}}"#);
        let keys = KeySet::parse(text.as_bytes());
        assert_eq!(keys.map(|keys| keys.len()), Some(1), "{beside}");
    }
    for text in ["", "[]", "{}", r#"{"keys":7}"#] {
        let keys = KeySet::parse(text.as_bytes());
        assert!(keys.is_none_or(|keys| keys.is_empty()), "{text}");
    }
}

#[test]
fn jw_20_the_key_sets_of_real_providers_are_read_of_the_larger_set() {
    let Some(folder) = folder() else { return };
    let mut read = 0;
    for entry in std::fs::read_dir(folder.join("oidc-metadata")).unwrap() {
        let provider = entry.unwrap();
        if provider.file_name() == "azuread-broken" {
            continue;
        }
        for file in ["jwks.json", "keycloak-jwks.json"] {
            let Ok(text) = std::fs::read(provider.path().join(file)) else {
                continue;
            };
            let keys = KeySet::parse(&text);
            assert!(
                keys.is_some_and(|keys| !keys.is_empty()),
                "{:?}",
                provider.file_name()
            );
            read += 1;
        }
    }
    assert!(read > 15, "{read} key sets were found");
    let broken =
        folder.join("oidc-metadata/azuread-broken/JsonWebKeySetBadRsaDataMissingComponent.json");
    assert!(
        KeySet::parse(&std::fs::read(broken).unwrap()).is_some(),
        "a broken key never sinks the set"
    );
}

#[test]
fn a_clock_stands_still_until_it_is_moved() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1));
    hand.advance(Duration::from_secs(2));
    assert_eq!(clock.now(), Timestamp::from_unix(3));
}

fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}
