//! GitHub, which reports errors with status 200, and its API.

use serde_json::json;

use super::lies::{body, both, content_type, document, member, moved, no_member, padded, status};
use super::{refused, tolerated};

const TOKEN: &str = "/login/oauth/access_token";
const USER: &str = "/api/v3/user";
const EMAILS: &str = "/api/v3/user/emails";
const NO_EMAIL: &str = "user profile does not contain an email";
const SHAPE: &str = "not the JSON that was expected";
const STATUS: &str = "expected status 200";
const TYPE: &str = "expected the content type application/json";
const UNKNOWN: &str = "the token endpoint's answer is not one that OAuth knows";

#[tokio::test]
async fn ks_17_an_error_with_status_200_is_an_error() {
    let error = |code: &str| {
        document(
            TOKEN,
            json!({"error": code, "error_description": "The code passed is incorrect or expired."}),
        )
    };
    let rows = [
        (
            error("bad_verification_code"),
            "the token endpoint refused: bad_verification_code",
        ),
        (
            error("incorrect_client_credentials"),
            "the token endpoint refused: incorrect_client_credentials",
        ),
        (
            error("redirect_uri_mismatch"),
            "the token endpoint refused: redirect_uri_mismatch",
        ),
        // Beside a token as well.
        (
            member(TOKEN, "error", "bad_verification_code"),
            "the token endpoint refused: bad_verification_code",
        ),
        (document(TOKEN, json!({"message": "Not Found"})), UNKNOWN),
        (body(TOKEN, "error=bad_verification_code"), UNKNOWN),
        (no_member(TOKEN, "access_token"), UNKNOWN),
        (content_type(TOKEN, "text/html"), UNKNOWN),
        (padded(TOKEN), "answered more than 1 MiB"),
    ];
    refused("github", rows).await;
}

#[tokio::test]
async fn ks_10_github_is_not_followed_elsewhere() {
    let rows = [
        (moved(TOKEN, 307), UNKNOWN),
        (moved(USER, 301), STATUS),
        (moved(EMAILS, 302), STATUS),
    ];
    let house = refused("github", rows).await;
    assert_eq!(house.provider.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn id_02_only_the_primary_address_counts_and_only_if_github_has_verified_it() {
    let email = |email: &str, primary: bool, verified: bool| json!({"email": email, "primary": primary, "verified": verified});
    let ada = "ada@example.com";
    let mallory = "mallory@evil.example";
    let rows = [
        (document(EMAILS, json!([])), NO_EMAIL),
        (document(EMAILS, json!([email(ada, true, false)])), NO_EMAIL),
        (document(EMAILS, json!([email(ada, false, true)])), NO_EMAIL),
        (
            document(
                EMAILS,
                json!([email(mallory, false, true), email(ada, true, false)]),
            ),
            NO_EMAIL,
        ),
        (
            document(
                EMAILS,
                json!([email(ada, false, true), email(mallory, true, true)]),
            ),
            "unable to resolve user identity",
        ),
        (
            document(
                EMAILS,
                json!([{"email": ada, "primary": true, "verified": "true"}]),
            ),
            SHAPE,
        ),
        (
            document(EMAILS, json!([{"email": ada, "primary": true}])),
            SHAPE,
        ),
        (document(EMAILS, json!({"message": "no"})), SHAPE),
        (
            both(document(EMAILS, json!({})), status(EMAILS, 404)),
            NO_EMAIL,
        ),
        (status(EMAILS, 500), STATUS),
        (content_type(EMAILS, "text/html"), TYPE),
        (padded(EMAILS), "answered more than 1 MiB"),
        // The public address of the profile proves nothing.
        (
            both(
                document(EMAILS, json!([])),
                member(USER, "email", "grace@example.com"),
            ),
            NO_EMAIL,
        ),
    ];
    refused("github", rows).await;
    tolerated(
        "github",
        [
            document(
                EMAILS,
                json!([email(mallory, false, false), email(ada, true, true)]),
            ),
            member(USER, "email", "grace@example.com"),
        ],
    )
    .await;
}

#[tokio::test]
async fn ks_17_an_answer_of_the_api_that_names_nobody_is_refused() {
    let rows = [
        (status(USER, 401), "GitHub refused the access token"),
        (status(USER, 404), STATUS),
        (document(USER, json!({"message": "Bad credentials"})), SHAPE),
        (document(USER, json!([])), SHAPE),
        (no_member(USER, "id"), SHAPE),
        (member(USER, "id", "1"), SHAPE),
        (no_member(USER, "login"), SHAPE),
        (body(USER, "<html>"), SHAPE),
        (content_type(USER, "text/html"), TYPE),
        (padded(USER), "answered more than 1 MiB"),
    ];
    refused("github", rows).await;
}
