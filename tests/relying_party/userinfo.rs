//! What userinfo says (OpenID Connect Core section 5.3) beside the ID token.

use serde_json::json;

use super::lies::{
    METADATA, body, content_type, document, member, moved, no_claim, no_member, padded, status,
};
use super::{refused, tolerated};

const USERINFO: &str = "/userinfo";
const SOMEBODY_ELSE: &str = "userinfo is about somebody else (sub)";
const SHAPE: &str = "not the JSON that was expected";
const STATUS: &str = "expected status 200";
const TYPE: &str = "expected the content type application/json";

#[tokio::test]
async fn lf_12_userinfo_about_somebody_else_is_refused() {
    let rows = [
        member(USERINFO, "sub", "user-grace"),
        member(USERINFO, "sub", ""),
        member(USERINFO, "sub", json!(null)),
        member(USERINFO, "sub", json!(["user-ada"])),
        no_member(USERINFO, "sub"),
        document(USERINFO, json!({})),
        document(USERINFO, json!({"sub": "USER-ADA"})),
    ];
    refused("oidc", rows.map(|lie| (lie, SOMEBODY_ELSE))).await;
}

#[tokio::test]
async fn lf_12_userinfo_that_is_none_is_refused() {
    let rows = [
        (document(USERINFO, json!([{"sub": "user-ada"}])), SHAPE),
        (document(USERINFO, json!("user-ada")), SHAPE),
        (document(USERINFO, json!(null)), SHAPE),
        (body(USERINFO, "<html>"), SHAPE),
        (body(USERINFO, ""), SHAPE),
        (content_type(USERINFO, "text/html"), TYPE),
        (
            content_type(USERINFO, "application/jwt"),
            "userinfo: not a signed token",
        ),
        (padded(USERINFO), "answered more than 1 MiB"),
        (status(USERINFO, 401), STATUS),
        (status(USERINFO, 500), STATUS),
        (moved(USERINFO, 307), STATUS),
    ];
    let house = refused("oidc", rows).await;
    assert_eq!(house.provider.requests("/elsewhere"), 0);
    // There need not be any.
    tolerated("oidc", [no_member(METADATA, "userinfo_endpoint")]).await;
}

#[tokio::test]
async fn id_09_what_the_signed_token_says_is_not_overwritten() {
    tolerated(
        "oidc",
        [
            member(USERINFO, "email", "grace@example.com"),
            member(USERINFO, "email_verified", false),
            member(USERINFO, "iss", "https://elsewhere.example"),
            // What the token leaves out, userinfo adds.
            no_claim("email"),
        ],
    )
    .await;
}
