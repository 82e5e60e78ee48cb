//! The way back from the provider: who answers (RFC 9207), and when.

use std::time::Duration;

use super::browser::{self, Browser};
use super::lies::{METADATA, both, iss_after, member, param};
use super::{ADA, House, refused, refused_by, tolerated};

const SUPPORTED: &str = "authorization_response_iss_parameter_supported";
const ANOTHER: &str = "the response is another issuer's (iss)";
const NONE: &str = "the response lacks iss";
const NO_CODE: &str = "only the honest response of each row has its code redeemed";
const ELSEWHERE: Option<&str> = Some("https://elsewhere.example");

#[tokio::test]
async fn lf_07_a_response_of_another_issuer_or_of_none_is_refused() {
    let silent = || member(METADATA, SUPPORTED, false);
    let rows = [
        (param("iss", ELSEWHERE), ANOTHER),
        (iss_after("/"), ANOTHER),
        (iss_after("0"), ANOTHER),
        (iss_after("/login/oauth"), ANOTHER),
        (param("iss", None), NONE),
        // What was not announced has to be right all the same.
        (both(silent(), param("iss", ELSEWHERE)), ANOTHER),
    ];
    let (count, house) = (rows.len(), refused("oidc", rows).await);
    assert_eq!(house.provider.requests("/token"), count, "{NO_CODE}");
    tolerated("oidc", [silent(), both(silent(), param("iss", None))]).await;
}

#[tokio::test]
async fn lf_07_github_sends_no_issuer_and_another_one_is_refused() {
    let rows = [
        (param("iss", ELSEWHERE), ANOTHER),
        // The beginning is the same, and the port is not.
        (iss_after("0"), ANOTHER),
        (iss_after(".elsewhere.example"), ANOTHER),
        (iss_after("@elsewhere.example"), ANOTHER),
    ];
    let (count, house) = (rows.len(), refused("github", rows).await);
    let exchanges = house.provider.requests("/login/oauth/access_token");
    assert_eq!(exchanges, count, "{NO_CODE}");
    tolerated("github", [iss_after(""), iss_after("/login/oauth")]).await;
}

#[tokio::test]
async fn lf_07_the_issuer_is_judged_before_the_error_it_reports() {
    let rows = [
        (param("iss", ELSEWHERE), ANOTHER),
        (param("iss", None), NONE),
    ];
    refused_by("oidc", "deny=1", rows).await;
    let rows = [(param("iss", ELSEWHERE), ANOTHER)];
    refused_by("github", "deny=1", rows).await;
    // Said by the right one it is heard.
    for provider in ["oidc", "github"] {
        let house = House::start().await;
        let heard = house.sign_in(&Browser::default(), provider, "deny=1").await;
        assert_eq!(heard, "Authentication rejected");
    }
}

#[tokio::test]
async fn lf_13_a_response_without_a_code_is_refused() {
    let rows = [
        (param("code", None), "the provider sent no code"),
        (param("code", Some("")), "the provider sent no code"),
        (
            param("code", Some("another")),
            "the token endpoint refused: invalid_grant",
        ),
        (
            param("error", Some("<script>alert(1)</script>")),
            "another error code",
        ),
    ];
    refused("oidc", rows).await;
}

#[tokio::test]
async fn lf_17_an_attempt_is_good_for_ten_minutes() {
    for (age, good) in [(599, true), (600, false), (86_400, false)] {
        let house = House::start().await;
        let browser = Browser::default();
        let base = format!("{}/api/auth/oidc", house.url);
        let start = format!(
            "{base}/start?env=development&flow=redirect&redirectUrl=/&origin={}",
            house.url
        );
        let page = browser.get(&start).await.location();
        house.hand.advance(Duration::from_secs(age));
        // The person takes their time at the provider, whose code is fresh.
        let back = browser::choose(&page, "user=ada").await;
        let done = browser.get(&back).await;
        if good {
            assert_eq!(done.status, 302, "{age} s: {}", done.body);
            assert_eq!(house.who(&browser).await, ADA, "{age} s");
        } else {
            assert_eq!(done.status, 400, "{age} s: {}", done.body);
            assert_eq!(house.provider.requests("/token"), 0, "{age} s");
            assert_eq!(house.who(&browser).await, "401", "{age} s");
        }
    }
}
