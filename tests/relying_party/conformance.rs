//! The OpenID Foundation's tests of clients (its conformance suite, release 5), by their names: what a provider does in each,
//! and what must become of it.

use std::path::Path;

use super::lies::{
    METADATA, Telling, body, both, claim, claim_in, header, member, no_claim, no_member, token,
};
use super::{refused, tolerated};
use serde_json::json;

/// What is done about one of them.
enum Row {
    /// The provider lies: nobody is signed in, and the log says why.
    Refused(Telling, &'static str),
    /// The provider takes a liberty: Ada is signed in.
    SignsIn(Telling),
    /// A test of this name shows it.
    Shown(&'static str),
    /// It does not apply, for this reason.
    Not(&'static str),
}

use Row::{Not, Refused, Shown, SignsIn};

const CODE_FLOW: &str = "of other flows than the code flow, which is the only one here";
const NO_REQUEST_OBJECTS: &str = "requests are pushed, and not signed";
const NO_JARM: &str = "responses are not signed: iss and PKCE bind them";
const NO_DPOP: &str = "access tokens are bearer tokens";
const OF_SERVERS: &str = "a test of authorization servers";
const NO_BACK_CHANNEL: &str = "there is no back-channel logout yet";
const NO_FRONT_CHANNEL: &str =
    "there is no front-channel logout: browsers keep its cookies from it";

const OTHER_ISSUER: &str = "ID token: its iss is not the provider's";
const OTHER_AUDIENCE: &str = "ID token: its aud is not this client alone";
const NO_AUDIENCE: &str = "ID token: its aud is missing or malformed";
const OTHER_NONCE: &str = "ID token: its nonce is not this attempt's";
const DESCRIPTION: &str = "the discovery document is another issuer's";

/// The ID token's signature has one wrong letter.
fn misspelt() -> Telling {
    Box::new(|provider| {
        vec![provider.bend_document("/token", |tokens| {
            let token = tokens["id_token"].as_str().unwrap().to_owned();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            tokens["id_token"] = format!("{signed}.{first}{}", &signature[1..]).into();
        })]
    })
}

/// As many as the suite has for clients, but for what stands in front of their names.
fn rows() -> Vec<(&'static str, Row)> {
    let oidcc: Vec<(&str, Row)> = vec![
        (
            "3rd-party-init-login",
            Shown("a_sign_in_may_be_begun_by_the_provider_and_leads_nowhere_strange"),
        ),
        ("", SignsIn(claim("extra", "claim"))),
        (
            "aggregated-claims",
            SignsIn(both(
                claim("_claim_names", json!({ "address": "src1" })),
                claim(
                    "_claim_sources",
                    json!({ "src1": { "JWT": "e30.e30.e30" } }),
                ),
            )),
        ),
        (
            "client-secret-basic",
            Shown("lf_24_a_client_secret_of_any_letters_arrives_as_it_is"),
        ),
        // They are not followed (CL-13).
        (
            "distributed-claims",
            SignsIn(both(
                claim("_claim_names", json!({ "credit_score": "src1" })),
                claim(
                    "_claim_sources",
                    json!({ "src1": { "endpoint": "http://169.254.169.254/", "access_token": "x" } }),
                ),
            )),
        ),
        (
            "form-post-error",
            Shown("lf_21_an_error_may_come_as_a_form_as_well"),
        ),
        (
            "idtoken-sig-none",
            Refused(
                header("alg", "none"),
                "ID token: alg is missing or not accepted",
            ),
        ),
        (
            "idtoken-sig-rs256",
            Shown("google_is_asked_for_offline_access_and_told_when_it_ends"),
        ),
        (
            "invalid-athash",
            Refused(
                claim("at_hash", "MTIzNDU2Nzg5MDEyMzQ1Ng"),
                "ID token: its at_hash is not",
            ),
        ),
        (
            "invalid-aud",
            Refused(claim("aud", "another-client"), OTHER_AUDIENCE),
        ),
        (
            "invalid-chash",
            Refused(
                claim("c_hash", "MTIzNDU2Nzg5MDEyMzQ1Ng"),
                "ID token: its c_hash is not",
            ),
        ),
        (
            "invalid-sig-es256",
            Shown("jw_01_an_id_token_that_the_providers_key_did_not_sign_is_refused"),
        ),
        (
            "invalid-sig-hs256",
            Refused(header("alg", "HS256"), "ID token: its algorithm is not"),
        ),
        (
            "invalid-sig-rs256",
            Refused(misspelt(), "ID token: its signature is wrong"),
        ),
        (
            "invalid-iss",
            Refused(claim("iss", "https://elsewhere.example"), OTHER_ISSUER),
        ),
        (
            "userinfo-invalid-sub",
            Refused(
                member("/userinfo", "sub", "another"),
                "userinfo is about somebody else (sub)",
            ),
        ),
        (
            "kid-absent-multiple-jwks",
            Shown("st_09_a_token_without_a_key_id_is_served_by_the_one_key_that_fits"),
        ),
        (
            "kid-absent-single-jwks",
            SignsIn(token(|header, _| drop(header.remove("kid")))),
        ),
        ("missing-athash", Not(CODE_FLOW)),
        ("missing-aud", Refused(no_claim("aud"), NO_AUDIENCE)),
        ("missing-chash", Not(CODE_FLOW)),
        (
            "missing-iat",
            Refused(no_claim("iat"), "ID token: iat is missing"),
        ),
        (
            "missing-sub",
            Refused(no_claim("sub"), "ID token: sub is missing or not a subject"),
        ),
        (
            "mtls-endpoint-aliases",
            Not("no client certificates are used"),
        ),
        ("nonce-unless-code-flow", Not(CODE_FLOW)),
        (
            "nonce-invalid",
            Refused(claim("nonce", "another"), OTHER_NONCE),
        ),
        (
            "refresh-token",
            Shown("google_is_asked_for_offline_access_and_told_when_it_ends"),
        ),
        (
            "refresh-token-invalid-issuer",
            Shown("rf_07_what_a_refresh_brings_is_checked_as_well"),
        ),
        (
            "refresh-token-invalid-sub",
            Shown("rf_07_a_refresh_that_names_somebody_else_is_refused_and_ends_the_session"),
        ),
        ("request-uri-signed-none", Not(NO_REQUEST_OBJECTS)),
        ("request-uri-signed-rs256", Not(NO_REQUEST_OBJECTS)),
        (
            "scope-userinfo-claims",
            SignsIn(both(no_claim("email"), no_claim("name"))),
        ),
        (
            "userinfo-signed",
            Shown("lf_12_signed_userinfo_is_that_providers_for_this_client"),
        ),
        (
            "userinfo-bearer-body",
            Not("a token in a header is not in a body as well"),
        ),
        (
            "userinfo-bearer-header",
            Shown("okta_is_asked_at_the_organisations_server_and_at_a_custom_one"),
        ),
        (
            "discovery-issuer-mismatch",
            Refused(
                member(METADATA, "issuer", "https://elsewhere.example"),
                DESCRIPTION,
            ),
        ),
        (
            "discovery-jwks-uri-keys",
            Refused(
                body("/jwks", r#"{"keys":[]}"#),
                "the provider's keys can't be fetched",
            ),
        ),
        (
            "discovery-openid-config",
            SignsIn(member(METADATA, "extra", "member")),
        ),
        (
            "discovery-webfinger-acct",
            Not("nobody but the operator says who the provider is"),
        ),
        (
            "discovery-webfinger-url",
            Not("nobody but the operator says who the provider is"),
        ),
        (
            "dynamic-registration",
            Not("the operator registers the client"),
        ),
        (
            "signing-key-rotation",
            Shown("ks_04_the_provider_rotates_its_keys_and_people_still_sign_in"),
        ),
        (
            "signing-key-rotation-just-before-signing",
            Shown("ks_04_the_provider_rotates_its_keys_and_people_still_sign_in"),
        ),
        ("rp-backchannel-rpinitlogout", Not(NO_BACK_CHANNEL)),
        ("rp-backchannel-rpinitlogout-alg-none", Not(NO_BACK_CHANNEL)),
        ("rp-backchannel-rpinitlogout-no-event", Not(NO_BACK_CHANNEL)),
        (
            "rp-backchannel-rpinitlogout-with-nonce",
            Not(NO_BACK_CHANNEL),
        ),
        (
            "rp-backchannel-rpinitlogout-wrong-alg",
            Not(NO_BACK_CHANNEL),
        ),
        (
            "rp-backchannel-rpinitlogout-wrong-aud",
            Not(NO_BACK_CHANNEL),
        ),
        (
            "rp-backchannel-rpinitlogout-wrong-event",
            Not(NO_BACK_CHANNEL),
        ),
        (
            "rp-backchannel-rpinitlogout-wrong-iss",
            Not(NO_BACK_CHANNEL),
        ),
        ("rp-frontchannel-opinitlogout", Not(NO_FRONT_CHANNEL)),
        ("rp-frontchannel-rpinitlogout", Not(NO_FRONT_CHANNEL)),
        (
            "rp-init-logout",
            Shown("microsoft_is_asked_for_an_id_token_and_nothing_else"),
        ),
        (
            "rp-init-logout-other-state",
            Not("no state is sent: where people come back to is one of our own pages"),
        ),
        (
            "rp-init-logout-no-state",
            Not("no state is sent: where people come back to is one of our own pages"),
        ),
        (
            "session-management",
            Not("browsers keep the frame's cookies from it"),
        ),
    ];
    let fapi: Vec<(&str, Row)> = vec![
        (
            "client-refresh-token-test",
            Shown("gitlab_is_asked_by_its_api_in_the_cloud_and_on_premises"),
        ),
        (
            "client-test-discovery-issuer-mismatch",
            Refused(
                member(METADATA, "issuer", "https://elsewhere.example/"),
                DESCRIPTION,
            ),
        ),
        (
            "client-test-ensure-authorization-response-with-invalid-missing-state-fails",
            Shown("lf_01_a_state_that_is_not_this_browsers_costs_no_call_and_makes_no_session"),
        ),
        (
            "client-test-ensure-authorization-response-with-invalid-state-fails",
            Shown("lf_01_a_state_that_is_not_this_browsers_costs_no_call_and_makes_no_session"),
        ),
        (
            "client-test-ensure-jarm-signature-is-not-none",
            Not(NO_JARM),
        ),
        (
            "client-test-ensure-jarm-with-expired-exp-fails",
            Not(NO_JARM),
        ),
        (
            "client-test-ensure-jarm-with-invalid-aud-fails",
            Not(NO_JARM),
        ),
        (
            "client-test-ensure-jarm-with-invalid-iss-fails",
            Not(NO_JARM),
        ),
        (
            "client-test-ensure-jarm-with-invalid-sig-fails",
            Not(NO_JARM),
        ),
        ("client-test-ensure-jarm-without-aud-fails", Not(NO_JARM)),
        ("client-test-ensure-jarm-without-exp-fails", Not(NO_JARM)),
        ("client-test-ensure-jarm-without-iss-fails", Not(NO_JARM)),
        (
            "client-test-happy-path",
            Shown("a_key_proves_the_client_at_every_endpoint_and_each_proof_is_used_once"),
        ),
        ("client-test-happy-path-no-dpop-nonce", Not(NO_DPOP)),
        (
            "client-test-invalid-alternate-alg",
            Shown("ks_13_a_client_that_is_registered_for_one_algorithm_takes_no_other"),
        ),
        (
            "client-test-invalid-aud",
            Refused(claim("aud", json!(["another-client"])), OTHER_AUDIENCE),
        ),
        (
            "client-test-invalid-authorization-response-iss",
            Shown("lf_07_a_response_of_another_issuer_or_of_none_is_refused"),
        ),
        (
            "client-test-invalid-expired-exp",
            Refused(claim_in("exp", -301), "ID token: expired"),
        ),
        (
            "client-test-invalid-iss",
            Refused(claim("iss", "https://elsewhere.example/"), OTHER_ISSUER),
        ),
        (
            "client-test-invalid-missing-aud",
            Refused(no_claim("aud"), NO_AUDIENCE),
        ),
        (
            "client-test-invalid-missing-exp",
            Refused(no_claim("exp"), "ID token: exp is missing"),
        ),
        (
            "client-test-invalid-missing-iss",
            Refused(no_claim("iss"), OTHER_ISSUER),
        ),
        (
            "client-test-invalid-missing-nonce",
            Refused(no_claim("nonce"), OTHER_NONCE),
        ),
        (
            "client-test-invalid-nonce",
            Refused(claim("nonce", "another"), OTHER_NONCE),
        ),
        (
            "client-test-invalid-null-alg",
            Refused(
                header("alg", "none"),
                "ID token: alg is missing or not accepted",
            ),
        ),
        ("client-test-invalid-openbanking-intent-id", Not("of banks")),
        (
            "client-test-invalid-secondary-aud",
            Refused(
                claim("aud", json!(["tower-identity", "another-client"])),
                OTHER_AUDIENCE,
            ),
        ),
        (
            "client-test-rs-dpop-auth-scheme-case-insensitivity",
            Not(NO_DPOP),
        ),
        (
            "client-test-remove-authorization-response-iss",
            Shown("lf_07_a_response_of_another_issuer_or_of_none_is_refused"),
        ),
        (
            "client-test-token-endpoint-response-without-expires_in",
            SignsIn(no_member("/token", "expires_in")),
        ),
        (
            "client-test-token-type-case-insensitivity",
            SignsIn(member("/token", "token_type", "bEaRER")),
        ),
        (
            "client-test-valid-aud-as-array",
            SignsIn(claim("aud", json!(["tower-identity"]))),
        ),
        ("ensure-client-assertion-in-token-endpoint", Not(OF_SERVERS)),
        (
            "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails",
            Not(OF_SERVERS),
        ),
        ("ensure-client-assertion-with-no-sub-fails", Not(OF_SERVERS)),
        (
            "ensure-client-assertion-with-wrong-aud-fails",
            Not(OF_SERVERS),
        ),
        ("ensure-client-id-in-token-endpoint", Not(OF_SERVERS)),
        (
            "ensure-signed-client-assertion-with-RS256-fails",
            Not(OF_SERVERS),
        ),
        (
            "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted",
            Not(OF_SERVERS),
        ),
        (
            "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails",
            Not(OF_SERVERS),
        ),
    ];
    oidcc.into_iter().chain(fapi).collect()
}

#[tokio::test]
async fn the_foundations_lies_are_refused() {
    let lies = rows().into_iter().filter_map(|(_, row)| match row {
        Refused(telling, because) => Some((telling, because)),
        _ => None,
    });
    refused("oidc", lies).await;
}

#[tokio::test]
async fn the_foundations_liberties_are_taken_as_such() {
    let liberties = rows().into_iter().filter_map(|(_, row)| match row {
        SignsIn(telling) => Some(telling),
        _ => None,
    });
    tolerated("oidc", liberties).await;
}

#[test]
fn every_one_of_the_foundations_tests_has_a_row_and_what_is_said_to_show_it_exists() {
    let mut names: Vec<_> = rows().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), 57 + 40, "as many as the suite has");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 97, "each once");
    let mut all = String::new();
    read_tests(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"),
        &mut all,
    );
    for (name, row) in rows() {
        match row {
            Shown(test) => assert!(
                all.contains(&format!("fn {test}(")),
                "{name}: no test {test}"
            ),
            Not(reason) => assert!(!reason.is_empty(), "{name}"),
            Refused(..) | SignsIn(_) => {}
        }
    }
}

fn read_tests(directory: &Path, all: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            read_tests(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
