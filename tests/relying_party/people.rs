//! E-mails that a provider does not vouch for, and those that only look like somebody's.

use serde_json::{Value, json};

use super::lies::{Telling, both, claim, member, no_claim, no_member};
use super::{refused, tolerated};

const NO_EMAIL: &str = "user profile does not contain an email";
const USERINFO: &str = "/userinfo";

/// The ID token says nothing of an e-mail; what userinfo says stands alone.
fn silent_token() -> Telling {
    both(no_claim("email"), no_claim("email_verified"))
}

#[tokio::test]
async fn id_02_only_true_itself_verifies_an_email() {
    let values = || {
        [
            json!("false"),
            json!("true"),
            json!(0),
            json!(1),
            json!(null),
            json!([true]),
            json!(false),
        ]
    };
    let rows = values().map(|value| (claim("email_verified", value), NO_EMAIL));
    refused("oidc", rows).await;
    let in_userinfo =
        |value: Value| both(silent_token(), member(USERINFO, "email_verified", value));
    let rows = values().map(|value| (in_userinfo(value), NO_EMAIL));
    refused("oidc", rows).await;
    let rows = [
        (no_claim("email_verified"), NO_EMAIL),
        (
            both(silent_token(), no_member(USERINFO, "email_verified")),
            NO_EMAIL,
        ),
    ];
    refused("oidc", rows).await;
    tolerated("oidc", [silent_token()]).await;
}

#[tokio::test]
async fn id_02_whether_an_email_is_verified_is_said_of_the_one_beside_it() {
    let rows = [
        // The token verifies an address that it does not name, userinfo names one that it does not verify.
        (
            both(no_claim("email"), member(USERINFO, "email_verified", false)),
            NO_EMAIL,
        ),
        (
            both(no_claim("email"), no_member(USERINFO, "email_verified")),
            NO_EMAIL,
        ),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn id_03_an_email_that_only_looks_like_somebodys_is_nobodys() {
    let malformed = "the e-mail is malformed";
    let unknown = "unable to resolve user identity";
    let rows = [
        ("mallory@evil.example@example.com", malformed),
        ("ada@example.com@evil.example", malformed),
        ("ada\u{ff20}example.com", malformed),
        ("\"ada@example.com\"@evil.example", malformed),
        ("\"ada\"@example.com", malformed),
        ("ada@example.com.", malformed),
        ("ada@.example.com", malformed),
        ("@example.com", malformed),
        ("ada@", malformed),
        ("ada", malformed),
        ("\u{430}da@example.com", malformed),
        ("ada@ex\u{430}mple.com", malformed),
        ("ada @example.com", malformed),
        ("ada@example.com\n", malformed),
        ("ada@example.com\u{0}", malformed),
        ("", malformed),
        ("ada@example.com.evil.example", unknown),
        ("ada@xn--exmple-cua.com", unknown),
        ("ada,mallory@example.com", unknown),
    ];
    let rows = rows.map(|(email, because)| (claim("email", email), because));
    refused("oidc", rows).await;
    tolerated("oidc", [claim("email", "ada+portal@example.com")]).await;
}

#[tokio::test]
async fn id_03_an_email_of_another_type_is_none() {
    let rows = [
        json!(null),
        json!(["ada@example.com"]),
        json!({"email": "ada@example.com"}),
        json!(7),
    ];
    let rows = rows.map(|value| (claim("email", value), NO_EMAIL));
    refused("oidc", rows).await;
}
