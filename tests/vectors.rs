//! Sets of published and hand-made vectors, read where `TOWER_IDENTITY_VECTORS` names their folder.
//!
//! Without the variable each test says so and passes on the handful of cases that stand in the code.

use std::path::PathBuf;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::credential::BearerToken;
use tower_identity::http_client::{HttpClient, HttpError, HttpErrorKind};
use tower_identity::verify::jwks::KeySet;
use tower_identity::verify::jwt::Algorithm;
use tower_identity::verify::{Issuer, JwtVerifier, Outcome, Verify};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TOWER_IDENTITY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        println!("TOWER_IDENTITY_VECTORS is not set: only the cases in the code are run");
    }
    folder
}

#[track_caller]
fn json(path: PathBuf) -> Value {
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
    assert_eq!(read(&[b"Bearer a".to_vec()]), Some(Read::Token("a".into())));
    assert_eq!(
        read(&[b"Bearer a".to_vec(), b"Bearer b".to_vec()]),
        Some(Read::Malformed)
    );
    let Some(folder) = folder() else { return };
    let cases = json(folder.join("authorization-cases.json"));
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

#[tokio::test]
async fn jw_01_every_token_is_judged_as_it_should() {
    let Some(folder) = folder() else { return };
    let file = json(folder.join("tokens.json"));
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
fn jw_20_the_key_sets_of_real_providers_are_read() {
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
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
