//! Keys that rotate, and tokens made to order.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity::testing::{Algorithm, Provider};

use crate::client::{Http, signed_in_as, verify};

#[tokio::test]
async fn rotation_keeps_old_tokens_good_and_withdrawal_does_not() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let old = provider.access_token("user-ada", "api");
    provider.rotate_keys().await.unwrap();
    let new = provider.access_token("user-ada", "api");
    let jwks = http.jwks(&provider).await;
    assert_eq!(jwks.len(), 4);
    let kids = [&old, &new].map(|token| verify(token, &jwks).unwrap().0["kid"].clone());
    assert_ne!(kids[0], kids[1]);
    assert_eq!(kids[1], provider.key_id());

    provider.withdraw_keys().await.unwrap();
    let jwks = http.jwks(&provider).await;
    assert_eq!(jwks.len(), 2);
    assert!(verify(&old, &jwks).is_none() && verify(&new, &jwks).is_none());
    assert!(verify(&provider.access_token("user-ada", "api"), &jwks).is_some());
}

#[tokio::test]
async fn a_token_made_to_order_says_what_it_was_told_to() {
    let provider = Provider::start().await.unwrap();
    let jwks = Http::new().jwks(&provider).await;
    let token = provider
        .token()
        .with_subject("user-ada")
        .with_audience("api")
        .with_algorithm(Algorithm::Es256)
        .with_lifetime(Duration::ZERO)
        .with_claim("roles", vec!["admin"])
        .without_claim("jti")
        .with_header("typ", "logout+jwt");
    let (header, claims) = verify(&token.sign(), &jwks).unwrap();
    assert_eq!(header["typ"], "logout+jwt");
    assert_eq!(header["alg"], "ES256");
    assert_eq!(claims["iss"], provider.issuer());
    assert_eq!(claims["sub"], "user-ada");
    assert_eq!(claims["aud"], "api");
    assert_eq!(claims["roles"], json!(["admin"]));
    assert_eq!(claims["exp"], claims["iat"]);
    assert_eq!(claims["jti"], Value::Null);
}
