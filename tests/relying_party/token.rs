//! What the token endpoint answers (RFC 6749 section 5), and what it is asked with.

use serde_json::json;
use tower_identity::provider::{ClientAuthentication, Oidc};
use tower_identity::testing::{Client, Provider};

use super::browser::Browser;
use super::lies::{
    body, both, content_type, document, member, moved, no_claim, no_member, padded, status,
};
use super::{ADA, House, refused, tolerated};

const TOKEN: &str = "/token";
const UNKNOWN: &str = "the token endpoint's answer is not one that OAuth knows";

#[tokio::test]
async fn lf_23_tokens_of_an_unknown_kind_or_life_are_refused() {
    let rows = [
        (no_member(TOKEN, "token_type"), UNKNOWN),
        (member(TOKEN, "token_type", json!(7)), UNKNOWN),
        (
            member(TOKEN, "token_type", "DPoP"),
            "the access token is not a bearer token",
        ),
        (
            member(TOKEN, "token_type", "mac"),
            "the access token is not a bearer token",
        ),
        (member(TOKEN, "expires_in", "3600"), UNKNOWN),
        (member(TOKEN, "expires_in", -1), UNKNOWN),
        (member(TOKEN, "expires_in", 1e12), UNKNOWN),
        (no_member(TOKEN, "access_token"), UNKNOWN),
        (member(TOKEN, "access_token", json!(null)), UNKNOWN),
    ];
    refused("oidc", rows).await;
    tolerated(
        "oidc",
        [
            member(TOKEN, "token_type", "bEaRer"),
            no_member(TOKEN, "expires_in"),
            member(TOKEN, "expires_in", 1_000_000_000_000_u64),
            no_member(TOKEN, "scope"),
        ],
    )
    .await;
}

#[tokio::test]
async fn ks_17_an_answer_that_is_no_token_response_is_refused() {
    let twice = r#"{"access_token":"a","access_token":"b","token_type":"Bearer","id_token":"c"}"#;
    let rows = [
        (body(TOKEN, "<html>"), UNKNOWN),
        (body(TOKEN, ""), UNKNOWN),
        (body(TOKEN, twice), UNKNOWN),
        (document(TOKEN, json!([])), UNKNOWN),
        (document(TOKEN, json!(null)), UNKNOWN),
        (content_type(TOKEN, "text/html"), UNKNOWN),
        (padded(TOKEN), "answered more than 1 MiB"),
        (status(TOKEN, 500), UNKNOWN),
        (status(TOKEN, 201), UNKNOWN),
        // Errors, with the status that RFC 6749 gives them and without.
        (
            document(TOKEN, json!({"error": "invalid_grant"})),
            "the token endpoint refused: invalid_grant",
        ),
        (
            both(
                document(TOKEN, json!({"error": "invalid_client"})),
                status(TOKEN, 401),
            ),
            "the token endpoint refused: invalid_client",
        ),
        // An error beside tokens is an error.
        (
            member(TOKEN, "error", "server_error"),
            "the token endpoint refused: server_error",
        ),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn ks_10_neither_code_nor_secret_follow_a_token_endpoint_that_has_moved() {
    let rows = [301, 302, 303, 307, 308].map(|code| (moved(TOKEN, code), UNKNOWN));
    let house = refused("oidc", rows).await;
    assert_eq!(house.provider.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn lf_24_a_client_secret_of_any_letters_arrives_as_it_is() {
    let (id, secret) = ("an id:with+letters%20", "s:e=c+r&e%t é/ßecret-of-32-bytes");
    for method in [ClientAuthentication::Basic, ClientAuthentication::Post] {
        let with_method = |oidc: Oidc| oidc.with_authentication(method);
        let provider = Provider::builder().with_client(Client::new(id, secret));
        let house = House::of(provider, with_method).await;
        let browser = Browser::default();
        let heard = house.sign_in(&browser, "oidc", "user=ada").await;
        assert_eq!(heard, "signed in", "{method:?}");
        assert_eq!(house.who(&browser).await, ADA, "{method:?}");
    }
}

#[tokio::test]
async fn lf_06_the_access_token_is_not_what_names_the_person() {
    // Without the hash another access token passes, and userinfo does not know it.
    let lie = both(
        no_claim("at_hash"),
        member(TOKEN, "access_token", "another"),
    );
    refused("oidc", [(lie, "expected status 200, found 401")]).await;
}
