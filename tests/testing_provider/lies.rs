//! Lies: told while they are held, counted when they change anything, and never beyond what they are about.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

use crate::client::{CHALLENGE, Http, REDIRECT, encode, signed_in_as, verify};

#[tokio::test]
async fn a_bent_id_token_is_well_signed_and_says_what_it_was_made_to_say() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let jwks = http.jwks(&provider).await;
    let lie = provider.bend_id_token(|header, claims| {
        header.insert("typ".into(), json!("logout+jwt"));
        claims.insert("nonce".into(), json!("another"));
        claims.remove("at_hash");
    });
    let id_token = http.tokens(&provider).await["id_token"].clone();
    let (header, claims) = verify(id_token.as_str().unwrap(), &jwks).unwrap();
    assert_eq!(header["typ"], "logout+jwt");
    assert_eq!(
        (&claims["nonce"], &claims["sub"]),
        (&json!("another"), &json!("user-ada"))
    );
    assert!(claims.get("at_hash").is_none());
    assert_eq!(lie.told(), 1);

    drop(lie);
    let id_token = http.tokens(&provider).await["id_token"].clone();
    let (header, claims) = verify(id_token.as_str().unwrap(), &jwks).unwrap();
    assert_eq!(
        (&header["typ"], &claims["nonce"]),
        (&json!("JWT"), &json!("the nonce"))
    );
}

#[tokio::test]
async fn a_bent_header_may_lack_what_names_the_key() {
    let provider = signed_in_as("ada").await;
    let lie = provider.bend_id_token(|header, _| drop(header.remove("kid")));
    let http = Http::new();
    let mut jwks = http.jwks(&provider).await;
    for key in &mut jwks {
        key.as_object_mut().unwrap().remove("kid");
    }
    jwks.retain(|key| key["kty"] == "EC");
    let id_token = http.tokens(&provider).await["id_token"].clone();
    let (header, _) = verify(id_token.as_str().unwrap(), &jwks).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT"}));
    assert_eq!(lie.told(), 1);
}

#[tokio::test]
async fn a_bent_answer_keeps_the_rest_and_its_neighbours() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let url = provider.metadata_url();
    let honest = http.get(&url, &[]).await;
    let lies = [
        provider.bend_document("/.well-known/openid-configuration", |document| {
            document["issuer"] = json!("https://elsewhere.example");
        }),
        provider.bend_response("/.well-known/openid-configuration", |response| {
            let html = HeaderValue::from_static("text/html");
            response.headers_mut().insert(CONTENT_TYPE, html);
        }),
    ];
    let bent = http.get(&url, &[]).await;
    assert_eq!(bent.headers["content-type"], "text/html");
    assert_eq!(
        bent.headers["cache-control"],
        honest.headers["cache-control"]
    );
    let mut expected = honest.json();
    expected["issuer"] = json!("https://elsewhere.example");
    assert_eq!(bent.json(), expected);
    http.jwks(&provider).await;
    assert_eq!(lies.each_ref().map(|lie| lie.told()), [1, 1]);

    drop(lies);
    assert_eq!(http.get(&url, &[]).await.body, honest.body);
}

#[tokio::test]
async fn an_answer_can_be_none_and_several_lies_are_told_in_their_order() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let url = format!("{}/jwks", provider.issuer());
    let first = provider.bend_response("/jwks", |response| {
        *response = Response::new("<html>".into());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    });
    // A page is no document: there is nothing to bend.
    let second = provider.bend_document("/jwks", |keys| *keys = json!({}));
    let answer = http.get(&url, &[]).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (502, "<html>"));
    assert_eq!((first.told(), second.told()), (1, 0));
    // Who is away says nothing, not even a lie.
    provider.pause();
    assert_eq!(http.get(&url, &[]).await.status, 503);
    assert_eq!(first.told(), 1);
}

#[tokio::test]
async fn what_comes_out_as_the_truth_would_have_is_no_lie() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let lies = [
        provider.bend_id_token(|_, claims| drop(claims.remove("of course not there"))),
        provider.bend_document("/token", |tokens| tokens["token_type"] = json!("Bearer")),
        provider.bend_callback(|params| drop(params.insert("state".into(), json!("the state")))),
    ];
    http.tokens(&provider).await;
    assert_eq!(lies.each_ref().map(|lie| lie.told()), [0, 0, 0]);
}

#[tokio::test]
async fn a_bent_callback_is_the_browsers_in_every_mode_and_at_github() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let lie = provider.bend_callback(|params| {
        params.remove("code");
        params.insert("iss".into(), json!("https://elsewhere.example"));
    });
    let params = http.authorize(&provider, &[]).await;
    assert_eq!(
        (params.len(), &*params["iss"]),
        (2, "https://elsewhere.example")
    );
    assert_eq!(params["state"], "the state");

    let url = crate::client::authorize_url(&provider, &[("response_mode", "form_post")]);
    let page = http.get(&url, &[]).await;
    assert!(
        page.body.contains("https://elsewhere.example"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("\"code\""), "{}", page.body);

    let query = encode(&[
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("state", "the state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let url = format!("{}/login/oauth/authorize?{query}", provider.url());
    let params = http.get(&url, &[]).await.redirected();
    assert_eq!(
        (params.len(), &*params["iss"]),
        (2, "https://elsewhere.example")
    );
    assert_eq!(lie.told(), 3);
}
