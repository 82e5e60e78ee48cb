//! The testing provider over real sockets, as an app and a browser use it.
#![cfg(feature = "testing")]

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey};
use serde_json::{Value, json};
use tower_identity::clock::{Clock, Timestamp};
use tower_identity::testing::{Algorithm, Client, Provider, User};
use url::form_urlencoded::Serializer;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://localhost:7007/handler/frame";
const FORM: &str = "application/x-www-form-urlencoded";

// ===== a client that is a browser and an app =====

struct Http(HttpClient<HttpConnector, Full<Bytes>>);

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

impl Http {
    fn new() -> Self {
        Self(HttpClient::builder(TokioExecutor::new()).build_http())
    }

    async fn try_send(
        &self,
        method: Method,
        url: &str,
        headers: Pairs<'_>,
        body: String,
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).unwrap();
        let (parts, body) = self.0.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        })
    }

    async fn get(&self, url: &str, headers: Pairs<'_>) -> Answer {
        let answer = self.try_send(Method::GET, url, headers, String::new());
        answer.await.expect("the provider should answer")
    }

    async fn post(&self, url: &str, headers: Pairs<'_>, form: Pairs<'_>) -> Answer {
        let headers = [headers, &[("content-type", FORM)]].concat();
        let answer = self.try_send(Method::POST, url, &headers, encode(form));
        answer.await.expect("the provider should answer")
    }

    /// Signs in at `/authorize` and gives the parameters that came back.
    async fn authorize(&self, provider: &Provider, changes: Pairs<'_>) -> HashMap<String, String> {
        let url = authorize_url(provider, changes);
        self.get(&url, &[]).await.redirected()
    }

    async fn code(&self, provider: &Provider) -> String {
        self.authorize(provider, &[]).await["code"].clone()
    }

    /// `POST /token` with the client's credentials in the body.
    async fn token(&self, provider: &Provider, form: Pairs<'_>) -> Answer {
        let client = [
            ("client_id", provider.client_id()),
            ("client_secret", provider.client_secret()),
        ];
        let form = [&client, form].concat();
        let url = format!("{}/token", provider.issuer());
        self.post(&url, &[], &form).await
    }

    async fn redeem(&self, provider: &Provider, code: &str) -> Answer {
        self.token(provider, &redemption(code)).await
    }

    async fn tokens(&self, provider: &Provider) -> Value {
        let code = self.code(provider).await;
        let answer = self.redeem(provider, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    async fn refresh(&self, provider: &Provider, token: &Value) -> Answer {
        let token = token.as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(provider, &form).await
    }

    async fn userinfo(&self, provider: &Provider, token: &str) -> Answer {
        let url = format!("{}/userinfo", provider.issuer());
        let bearer = format!("Bearer {token}");
        self.get(&url, &[("authorization", &bearer)]).await
    }

    async fn jwks(&self, provider: &Provider) -> Vec<Value> {
        let url = format!("{}/jwks", provider.issuer());
        let keys = self.get(&url, &[]).await.json()["keys"].clone();
        keys.as_array().unwrap().clone()
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    #[track_caller]
    fn error(&self) -> (u16, String) {
        let error = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), error)
    }

    #[track_caller]
    fn redirected(&self) -> HashMap<String, String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let location = self.headers[header::LOCATION].to_str().unwrap();
        assert!(location.starts_with(REDIRECT), "{location}");
        let url = url::Url::parse(location).unwrap();
        url.query_pairs().into_owned().collect()
    }
}

fn encode(pairs: Pairs<'_>) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A good authorization request with these parameters changed; one without a value is left out.
fn authorize_url(provider: &Provider, changes: Pairs<'_>) -> String {
    let mut params = vec![
        ("response_type", "code"),
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("scope", "openid profile email"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    params.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    params.extend(changes);
    format!("{}/authorize?{}", provider.issuer(), encode(&params))
}

fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

/// The header and claims of a JWT whose signature one of these keys verifies.
fn verify(token: &str, jwks: &[Value]) -> Option<(Value, Value)> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)?).ok();
    let (header, claims) = (json(header)?, json(claims)?);
    let key = jwks.iter().find(|key| key["kid"] == header["kid"])?;
    let text = |name: &str| key[name].as_str();
    let (algorithm, key) = match key["kty"].as_str()? {
        "RSA" => {
            let key = DecodingKey::from_rsa_components(text("n")?, text("e")?);
            (JwtAlgorithm::RS256, key.ok()?)
        }
        _ => {
            let key = DecodingKey::from_ec_components(text("x")?, text("y")?);
            (JwtAlgorithm::ES256, key.ok()?)
        }
    };
    let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &key).ok()?;
    verifier
        .verify(message.as_bytes(), &decode(signature)?)
        .ok()?;
    Some((header, claims))
}

async fn signed_in_as(username: &str) -> Provider {
    let builder = Provider::builder().with_algorithm(Algorithm::Es256);
    builder.sign_in_as(username).start().await.unwrap()
}

// ===== discovery and the page =====

#[tokio::test]
async fn the_metadata_names_endpoints_that_exist() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let metadata = http.get(&provider.metadata_url(), &[]).await.json();
    assert_eq!(metadata["issuer"], provider.issuer());
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    for (name, url) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let answer = http.get(url.as_str().unwrap(), &[]).await;
            assert_ne!(answer.status, StatusCode::NOT_FOUND, "{name}");
        }
    }
    assert_eq!(provider.requests("/.well-known/openid-configuration"), 1);
    assert_eq!(provider.requests("/jwks"), 1);
    assert_eq!(provider.requests("/elsewhere"), 0);
}

#[tokio::test]
async fn without_sign_in_as_people_choose_on_a_page() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let url = authorize_url(&provider, &[("login_hint", "grace"), ("user", "ada")]);
    let page = http.get(&url, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let style = page.body.split_once("<style>").unwrap().1;
    let style = style.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")));
    for expected in [
        "Ada Lovelace",
        "value=\"grace\" autofocus",
        "mallory@example.com (not verified)",
    ] {
        assert!(page.body.contains(expected), "{expected}");
    }

    // The buttons: the form has everything the link had.
    let query = url.split_once('?').unwrap().1;
    let press = async |button: (&str, &str)| {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .filter(|(name, _)| name != "user")
            .collect();
        let mut form: Vec<_> = fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        form.push(button);
        let endpoint = format!("{}/authorize", provider.issuer());
        http.post(&endpoint, &[], &form).await
    };
    let back = press(("user", "grace")).await.redirected();
    let tokens = http.redeem(&provider, &back["code"]).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    let profile = http.userinfo(&provider, token).await.json();
    assert_eq!(profile["sub"], "user-grace");

    let back = press(("deny", "1")).await.redirected();
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["state"], "the state");
    assert_eq!(back["iss"], provider.issuer());

    let nobody = press(("user", "nobody")).await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_bad_authorization_request_goes_back_to_the_app_with_its_error() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (changes, error) in [
        (&[("code_challenge", "")][..], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "")], "unsupported_response_type"),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("scope", "\"quoted\"")], "invalid_scope"),
        (&[("request", "e30.e30.")], "request_not_supported"),
    ] {
        let back = http.authorize(&provider, changes).await;
        assert_eq!(back["error"], error, "{changes:?}");
        assert_eq!(back["state"], "the state");
        assert_eq!(back["iss"], provider.issuer());
        assert!(!back.contains_key("code"));
    }
}

#[tokio::test]
async fn without_a_page_to_show_prompt_none_says_login_required() {
    let provider = Provider::start().await.unwrap();
    let back = Http::new()
        .authorize(&provider, &[("prompt", "none")])
        .await;
    assert_eq!(back["error"], "login_required");
}

#[tokio::test]
async fn the_browser_is_never_sent_to_an_address_nobody_registered() {
    let builder = Provider::builder().sign_in_as("ada");
    let client = Client::new("strict", "secret").add_redirect_uri(REDIRECT);
    let provider = builder.add_client(client).start().await.unwrap();
    let http = Http::new();
    for changes in [
        &[("client_id", "unknown")][..],
        &[("client_id", "")],
        &[("redirect_uri", "")],
        &[("redirect_uri", "https://evil.example/")],
        &[("redirect_uri", "http://localhost@evil.example/")],
        &[("redirect_uri", "javascript:alert(1)")],
        &[
            ("client_id", "strict"),
            ("redirect_uri", "http://localhost:7007/other"),
        ],
        // A repeated parameter: which of the two would it be?
        &[("scope", "openid"), ("scope", "email")],
    ] {
        for path in ["/authorize", "/login/oauth/authorize"] {
            // GitHub's own default, tested below.
            if path != "/authorize" && changes == [("redirect_uri", "")] {
                continue;
            }
            let url = authorize_url(&provider, changes).replacen("/authorize", path, 1);
            let answer = http.get(&url, &[]).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {changes:?}");
            assert!(!answer.headers.contains_key(header::LOCATION));
        }
    }
}

#[tokio::test]
async fn a_form_post_response_submits_itself_under_its_policy() {
    let provider = signed_in_as("ada").await;
    let url = authorize_url(&provider, &[("response_mode", "form_post")]);
    let page = Http::new().get(&url, &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(&format!("action=\"{REDIRECT}\"")));
    for field in ["code", "state", "iss"] {
        assert!(page.body.contains(&format!("name=\"{field}\"")), "{field}");
    }
    let script = page.body.split_once("<script>").unwrap().1;
    let script = script.split_once("</script>").unwrap().0;
    let hash = STANDARD.encode(digest(&SHA256, script.as_bytes()));
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.contains(&format!("script-src 'sha256-{hash}'")));
}

// ===== tokens =====

#[tokio::test]
async fn a_sign_in_ends_with_tokens_that_the_key_set_verifies() {
    let http = Http::new();
    for (algorithm, name) in [(Algorithm::Rs256, "RS256"), (Algorithm::Es256, "ES256")] {
        let builder = Provider::builder().sign_in_as("ada");
        let provider = builder.with_algorithm(algorithm).start().await.unwrap();
        let back = http.authorize(&provider, &[]).await;
        assert_eq!(back["state"], "the state");
        assert_eq!(back["iss"], provider.issuer());
        let answer = http.redeem(&provider, &back["code"]).await;
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        let tokens = answer.json();
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 3600);

        let jwks = http.jwks(&provider).await;
        let access_token = tokens["access_token"].as_str().unwrap();
        let (head, claims) = verify(access_token, &jwks).unwrap();
        assert_eq!(head["typ"], "at+jwt");
        assert_eq!(head["alg"], name);
        assert_eq!(head["kid"], provider.key_id());
        assert_eq!(claims["iss"], provider.issuer());
        assert_eq!(claims["sub"], "user-ada");
        assert_eq!(claims["client_id"], provider.client_id());
        assert_eq!(claims["scope"], "openid profile email");
        assert!(claims["jti"].is_string());

        let (head, claims) = verify(tokens["id_token"].as_str().unwrap(), &jwks).unwrap();
        assert_eq!(head["typ"], "JWT");
        assert_eq!(claims["iss"], provider.issuer());
        assert_eq!(claims["aud"], provider.client_id());
        assert_eq!(claims["nonce"], "the nonce");
        assert_eq!(claims["email"], "ada@example.com");
        assert_eq!(claims["email_verified"], true);
        assert_eq!(claims["preferred_username"], "ada");
        assert!(claims["sid"].is_string() && claims["auth_time"].is_u64());
        assert_eq!(
            claims["exp"].as_u64(),
            claims["iat"].as_u64().map(|t| t + 600)
        );
        let half = &digest(&SHA256, access_token.as_bytes()).as_ref()[..16].to_vec();
        assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(half));
    }
}

#[tokio::test]
async fn a_code_is_redeemed_only_as_it_was_asked_for() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (field, value) in [
        (
            "code_verifier",
            "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong",
        ),
        ("code_verifier", ""),
        ("redirect_uri", "http://localhost:7007/other"),
        ("code", "unknown"),
    ] {
        let code = http.code(&provider).await;
        let mut form = redemption(&code);
        form.iter_mut().find(|(name, _)| *name == field).unwrap().1 = value;
        let answer = http.token(&provider, &form).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_grant".into()),
            "{field}={value}"
        );
    }
    for field in ["code", "redirect_uri", "grant_type"] {
        let code = http.code(&provider).await;
        let mut form = redemption(&code).to_vec();
        form.retain(|(name, _)| *name != field);
        let answer = http.token(&provider, &form).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{field}");
    }
}

#[tokio::test]
async fn of_fifty_who_redeem_one_code_at_most_one_gets_tokens() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let code = http.code(&provider).await;
    let form = redemption(&code);
    let answers = futures::future::join_all((0..50).map(|_| http.token(&provider, &form))).await;
    let winners: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .collect();
    assert!(winners.len() <= 1);
    // And what it got is worth nothing, now that the code is known to have been stolen.
    for winner in winners {
        let token = winner.json()["access_token"].as_str().unwrap().to_owned();
        let answer = http.userinfo(&provider, &token).await;
        assert_eq!(answer.error(), (401, "invalid_token".into()));
    }
}

#[tokio::test]
async fn a_code_expires_after_a_minute() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let builder = Provider::builder().sign_in_as("ada").with_clock(clock);
    let provider = builder.start().await.unwrap();
    let http = Http::new();
    let code = http.code(&provider).await;
    hand.advance(Duration::from_secs(60));
    let answer = http.redeem(&provider, &code).await;
    assert_eq!(answer.error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_client_proves_itself_in_exactly_one_way() {
    let client = Client::new("an app", "s:e=c&r+t%");
    let builder = Provider::builder().with_client(client).sign_in_as("ada");
    let provider = builder.start().await.unwrap();
    let http = Http::new();
    let basic = |id: &str, secret: &str| {
        let encode = |text: &str| encode(&[("", text)])[1..].to_owned();
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))
        )
    };
    let good = basic("an app", "s:e=c&r+t%");
    let unencoded = format!("Basic {}", STANDARD.encode("an app:s:e=c&r+t%"));
    let wrong = basic("an app", "wrong");
    let body = [("client_id", "an app"), ("client_secret", "s:e=c&r+t%")];
    let wrong_body = [("client_id", "an app"), ("client_secret", "wrong")];
    let url = format!("{}/token", provider.issuer());
    for (header, body, expected) in [
        (Some(good.as_str()), &[][..], (200, "")),
        (Some(&good), &body[..1], (200, "")),
        (None, &body[..], (200, "")),
        (Some(&good), &body[..], (400, "invalid_request")),
        (
            Some(&good),
            &[("client_id", "other")],
            (400, "invalid_request"),
        ),
        (Some(&wrong), &[], (401, "invalid_client")),
        (Some(&unencoded), &[], (401, "invalid_client")),
        (Some("Basic ***"), &[], (401, "invalid_client")),
        (Some("Bearer token"), &body[..], (401, "invalid_client")),
        (None, &wrong_body[..], (401, "invalid_client")),
        (None, &body[..1], (401, "invalid_client")),
        (None, &body[1..], (401, "invalid_client")),
        (None, &[], (401, "invalid_client")),
    ] {
        let code = http.code(&provider).await;
        let headers: Vec<_> = header.iter().map(|line| ("authorization", *line)).collect();
        let form = [body, &redemption(&code)].concat();
        let answer = http.post(&url, &headers, &form).await;
        assert_eq!(
            answer.error(),
            (expected.0, expected.1.to_owned()),
            "{header:?} {body:?}"
        );
        let challenged = answer.headers.contains_key(header::WWW_AUTHENTICATE);
        assert_eq!(challenged, answer.status == StatusCode::UNAUTHORIZED);
        if answer.status == StatusCode::UNAUTHORIZED {
            // Whoever has no secret cannot use up a code either.
            let form = [&body_of(&provider)[..], &redemption(&code)].concat();
            let answer = http.post(&url, &[], &form).await;
            assert_eq!(answer.status, StatusCode::OK);
        }
    }

    fn body_of(provider: &Provider) -> [(&str, &str); 2] {
        [
            ("client_id", provider.client_id()),
            ("client_secret", provider.client_secret()),
        ]
    }
}

#[tokio::test]
async fn a_code_is_no_use_to_another_client() {
    let builder = Provider::builder().sign_in_as("ada");
    let other = Client::new("other", "other-secret");
    let provider = builder.add_client(other).start().await.unwrap();
    let http = Http::new();
    let code = http.code(&provider).await;
    let client = [("client_id", "other"), ("client_secret", "other-secret")];
    let form = [&client[..], &redemption(&code)].concat();
    let url = format!("{}/token", provider.issuer());
    let answer = http.post(&url, &[], &form).await;
    assert_eq!(answer.error(), (400, "invalid_grant".into()));
    assert_eq!(http.redeem(&provider, &code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_rotates_and_its_second_use_ends_the_session() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let first = http.tokens(&provider).await;
    let second = http
        .refresh(&provider, &first["refresh_token"])
        .await
        .json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let jwks = http.jwks(&provider).await;
    let claims = |tokens: &Value| {
        verify(tokens["id_token"].as_str().unwrap(), &jwks)
            .unwrap()
            .1
    };
    assert_eq!(claims(&second)["sid"], claims(&first)["sid"]);
    assert_eq!(claims(&second)["auth_time"], claims(&first)["auth_time"]);
    assert_eq!(claims(&second)["nonce"], Value::Null);

    for token in [&first, &second] {
        let answer = http.refresh(&provider, &token["refresh_token"]).await;
        assert_eq!(answer.error(), (400, "invalid_grant".into()));
    }
    let token = second["access_token"].as_str().unwrap();
    let answer = http.userinfo(&provider, token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_but_not_for_more() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let tokens = http.tokens(&provider).await;
    let refresh = |scope: &'static str| {
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        let (http, provider) = (&http, &provider);
        async move { http.token(provider, &form).await }
    };
    let answer = refresh("openid admin").await;
    assert_eq!(answer.error(), (400, "invalid_scope".into()));
    let answer = refresh("openid").await;
    assert_eq!(answer.json()["scope"], "openid");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let profile = http.userinfo(&provider, &token).await.json();
    assert_eq!(profile, json!({ "sub": "user-ada" }));
}

#[tokio::test]
async fn refresh_tokens_and_id_tokens_are_given_when_they_should_be() {
    let builder = Provider::builder().sign_in_as("ada");
    let provider = builder.with_refresh_tokens(false).start().await.unwrap();
    let http = Http::new();
    let changes = [
        ("scope", "profile"),
        ("resource", "https://api.example.com"),
    ];
    let code = http.authorize(&provider, &changes).await["code"].clone();
    let tokens = http.redeem(&provider, &code).await.json();
    assert_eq!(tokens["refresh_token"], Value::Null);
    assert_eq!(tokens["id_token"], Value::Null);
    let token = tokens["access_token"].as_str().unwrap();
    let (_, claims) = verify(token, &http.jwks(&provider).await).unwrap();
    assert_eq!(claims["aud"], "https://api.example.com");
    let answer = http.userinfo(&provider, token).await;
    assert_eq!(answer.error(), (403, "insufficient_scope".into()));
}

#[tokio::test]
async fn userinfo_tells_what_the_scope_gives_while_the_token_lasts() {
    let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
    let user = User::new("linus")
        .with_email("linus@example.com", false)
        .with_claim("groups", vec!["kernel"]);
    let provider = Provider::builder()
        .with_users([user])
        .sign_in_as("linus")
        .with_clock(clock)
        .with_access_token_lifetime(Duration::from_secs(90))
        .start()
        .await
        .unwrap();
    let http = Http::new();
    let tokens = http.tokens(&provider).await;
    assert_eq!(tokens["expires_in"], 90);
    let token = tokens["access_token"].as_str().unwrap();
    let profile = http.userinfo(&provider, token).await.json();
    assert_eq!(profile["email_verified"], false);
    assert_eq!(profile["groups"], json!(["kernel"]));
    let picture = http.get(profile["picture"].as_str().unwrap(), &[]).await;
    assert_eq!(picture.headers[header::CONTENT_TYPE], "image/svg+xml");

    hand.advance(Duration::from_secs(90));
    let late = http.userinfo(&provider, token).await;
    assert_eq!(late.error(), (401, "invalid_token".into()));
    let url = format!("{}/userinfo", provider.issuer());
    let bare = http.get(&url, &[]).await;
    assert_eq!(bare.headers[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn introspection_revocation_and_logout_agree_about_a_token() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let call = |path: &'static str, token: String| {
        let (http, provider) = (&http, &provider);
        async move {
            let form = [
                ("client_id", provider.client_id()),
                ("client_secret", provider.client_secret()),
                ("token", token.as_str()),
            ];
            let url = format!("{}{path}", provider.issuer());
            http.post(&url, &[], &form).await
        }
    };
    let text = |tokens: &Value, name| tokens[name].as_str().unwrap().to_owned();

    let tokens = http.tokens(&provider).await;
    let access_token = text(&tokens, "access_token");
    let answer = call("/introspect", access_token.clone()).await.json();
    assert_eq!(answer["active"], true);
    assert_eq!(answer["sub"], "user-ada");
    assert_eq!(answer["scope"], "openid profile email");
    let revoked = call("/revoke", access_token.clone()).await;
    assert_eq!(revoked.status, StatusCode::OK);
    let answer = call("/introspect", access_token).await.json();
    assert_eq!(answer, json!({ "active": false }));
    let refreshed = http.refresh(&provider, &tokens["refresh_token"]).await;
    assert_eq!(refreshed.status, StatusCode::OK);

    let tokens = http.tokens(&provider).await;
    call("/revoke", text(&tokens, "refresh_token")).await;
    let answer = call("/introspect", text(&tokens, "access_token")).await;
    assert_eq!(answer.json()["active"], false);

    let tokens = http.tokens(&provider).await;
    let query = encode(&[
        ("id_token_hint", &text(&tokens, "id_token")),
        ("post_logout_redirect_uri", REDIRECT),
        ("state", "bye"),
    ]);
    let url = format!("{}/logout?{query}", provider.issuer());
    assert_eq!(http.get(&url, &[]).await.redirected()["state"], "bye");
    let answer = http.refresh(&provider, &tokens["refresh_token"]).await;
    assert_eq!(answer.error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_logout_goes_nowhere_that_is_not_allowed() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let id = provider.client_id();
    for (query, status) in [
        (&[][..], 200),
        (
            &[("client_id", id), ("post_logout_redirect_uri", REDIRECT)],
            303,
        ),
        (&[("post_logout_redirect_uri", REDIRECT)], 400),
        (
            &[
                ("id_token_hint", "a.b.c"),
                ("post_logout_redirect_uri", REDIRECT),
            ],
            400,
        ),
        (
            &[
                ("client_id", id),
                ("post_logout_redirect_uri", "https://evil.example/"),
            ],
            400,
        ),
    ] {
        let url = format!("{}/logout?{}", provider.issuer(), encode(query));
        assert_eq!(
            http.get(&url, &[]).await.status.as_u16(),
            status,
            "{query:?}"
        );
    }
}

// ===== keys and tokens made to order =====

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

// ===== GitHub =====

async fn github_code(http: &Http, provider: &Provider, changes: Pairs<'_>) -> String {
    let mut params = vec![
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("scope", "read:user user:email"),
        ("state", "the state"),
    ];
    params.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    params.extend(changes);
    let url = format!(
        "{}/login/oauth/authorize?{}",
        provider.github_url(),
        encode(&params)
    );
    let back = http.get(&url, &[]).await.redirected();
    assert_eq!(back["state"], "the state");
    assert!(!back.contains_key("iss"));
    back["code"].clone()
}

async fn github_token(http: &Http, provider: &Provider, form: Pairs<'_>) -> Value {
    let client = [
        ("client_id", provider.client_id()),
        ("client_secret", provider.client_secret()),
    ];
    let mut all = client.to_vec();
    all.retain(|(name, _)| form.iter().all(|(changed, _)| changed != name));
    all.extend(form);
    let url = format!("{}/login/oauth/access_token", provider.github_url());
    let answer = http
        .post(&url, &[("accept", "application/json")], &all)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

#[tokio::test]
async fn github_signs_people_in_and_its_api_knows_them() {
    let http = Http::new();
    for (username, email, visibility) in [
        ("ada", json!("ada@example.com"), "public"),
        ("grace", Value::Null, "private"),
    ] {
        let provider = signed_in_as(username).await;
        let code = github_code(&http, &provider, &[]).await;
        let tokens = github_token(&http, &provider, &[("code", &code)]).await;
        assert_eq!(tokens["scope"], "read:user,user:email");
        assert_eq!(tokens["token_type"], "bearer");
        assert_eq!(tokens.as_object().unwrap().len(), 3);
        let token = tokens["access_token"].as_str().unwrap();
        assert!(token.starts_with("gho_"));

        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("user-agent", "test")];
        for base in ["", "/api/v3"] {
            let url = format!("{}{base}/user", provider.github_url());
            let answer = http.get(&url, &headers).await;
            assert_eq!(answer.headers["x-oauth-scopes"], "read:user, user:email");
            let profile = answer.json();
            assert_eq!(profile["login"], username);
            assert_eq!(profile["id"], User::new(username).github_id());
            assert_eq!(profile["email"], email);
            let emails = http.get(&format!("{url}/emails"), &headers).await.json();
            assert_eq!(emails[0]["email"], format!("{username}@example.com"));
            assert_eq!(emails[0]["primary"], true);
            assert_eq!(emails[0]["visibility"], visibility);
        }
        // One protocol's token says nothing to the other.
        let answer = http.userinfo(&provider, token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn github_reports_errors_with_status_200() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (form, error) in [
        (&[("code", "unknown")][..], "bad_verification_code"),
        (&[], "bad_verification_code"),
        (
            &[("client_secret", "wrong")],
            "incorrect_client_credentials",
        ),
        (&[("client_id", "wrong")], "incorrect_client_credentials"),
    ] {
        let answer = github_token(&http, &provider, form).await;
        assert_eq!(answer["error"], error, "{form:?}");
        assert!(answer["error_description"].is_string() && answer["error_uri"].is_string());
    }
    let code = github_code(&http, &provider, &[]).await;
    let form = [
        ("code", code.as_str()),
        ("redirect_uri", "http://localhost/other"),
    ];
    let answer = github_token(&http, &provider, &form).await;
    assert_eq!(answer["error"], "redirect_uri_mismatch");

    let code = github_code(&http, &provider, &[]).await;
    let form = [("code", code.as_str())];
    assert!(github_token(&http, &provider, &form).await["error"].is_null());
    let again = github_token(&http, &provider, &form).await;
    assert_eq!(again["error"], "bad_verification_code");

    // Without `Accept: application/json` it is all a form.
    let url = format!("{}/login/oauth/access_token", provider.github_url());
    let answer = http.post(&url, &[], &form).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer
            .body
            .starts_with("error=incorrect_client_credentials&")
    );
}

#[tokio::test]
async fn github_checks_pkce_if_there_was_a_challenge() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let challenge = [
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (challenge, verifier, good) in [
        (&challenge[..], VERIFIER, true),
        (&challenge, CHALLENGE, false),
        (&challenge, "", false),
        (&[], "", true),
        (&[], VERIFIER, false),
    ] {
        let code = github_code(&http, &provider, challenge).await;
        let form = [("code", code.as_str()), ("code_verifier", verifier)];
        let answer = github_token(&http, &provider, &form).await;
        assert_eq!(answer["error"].is_null(), good, "{challenge:?} {verifier}");
    }
}

#[tokio::test]
async fn github_hides_emails_without_the_scope_and_wants_a_user_agent() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    for (scope, status) in [
        ("read:user", 404),
        ("", 404),
        ("user", 200),
        ("repo,user:email", 200),
    ] {
        let code = github_code(&http, &provider, &[("scope", scope)]).await;
        let tokens = github_token(&http, &provider, &[("code", &code)]).await;
        let bearer = format!("token {}", tokens["access_token"].as_str().unwrap());
        let headers = [("authorization", bearer.as_str()), ("user-agent", "test")];
        let url = format!("{}/user/emails", provider.github_url());
        let answer = http.get(&url, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{scope}");
        if status == 404 {
            assert_eq!(answer.json()["message"], "Not Found");
        }
        let rude = http.get(&url, &headers[..1]).await;
        assert_eq!(rude.status, StatusCode::FORBIDDEN);
    }
    let url = format!("{}/user", provider.github_url());
    let headers = [
        ("authorization", "Bearer gho_unknown"),
        ("user-agent", "test"),
    ];
    let answer = http.get(&url, &headers).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["message"], "Bad credentials");
}

#[tokio::test]
async fn github_shows_its_page_and_takes_a_refusal() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let url = format!("{}/login/oauth/authorize", provider.github_url());
    let form = [
        ("client_id", provider.client_id()),
        ("redirect_uri", REDIRECT),
        ("state", "the state"),
    ];
    let page = http.get(&format!("{url}?{}", encode(&form)), &[]).await;
    assert!(page.body.contains("Grace Hopper"));
    let refusal = [&form[..], &[("deny", "1")]].concat();
    let back = http.post(&url, &[], &refusal).await.redirected();
    assert_eq!(back["error"], "access_denied");
    assert_eq!(back["state"], "the state");
}

// ===== bad days and bad input =====

#[tokio::test]
async fn an_outage_is_a_503_or_a_refused_connection_and_ends() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let url = format!("{}/jwks", provider.issuer());
    let tokens = http.tokens(&provider).await;

    provider.pause();
    let answer = http.get(&url, &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    assert_eq!(provider.requests("/jwks"), 1);
    provider.resume();
    assert_eq!(http.get(&url, &[]).await.status, StatusCode::OK);

    provider.stop().await;
    provider.stop().await;
    let refused = http.try_send(Method::GET, &url, &[], String::new()).await;
    assert!(refused.is_none());
    assert_eq!(provider.requests("/jwks"), 2);

    provider.restart().await.unwrap();
    provider.restart().await.unwrap();
    let answer = http.refresh(&provider, &tokens["refresh_token"]).await;
    assert_eq!(answer.status, StatusCode::OK);

    let address = provider.issuer().trim_start_matches("http://").to_owned();
    drop(provider);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(&address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a dropped provider should close its port");
}

#[tokio::test]
async fn a_mistake_in_the_setup_is_an_error_at_the_start() {
    let mistakes = [
        Provider::builder().sign_in_as("nobody"),
        Provider::builder().add_user(User::new("ada")),
        Provider::builder().add_client(Client::new("tower-identity", "secret")),
        Provider::builder().with_address(([0, 0, 0, 0], 0).into()),
    ];
    for mistake in mistakes {
        let error = mistake.clone().start().await.unwrap_err();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::InvalidInput,
            "{mistake:?}"
        );
    }
}

#[tokio::test]
async fn malformed_requests_get_an_answer_and_the_next_one_too() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let endpoint = |path| format!("{}{path}", provider.issuer());
    let big = "a".repeat(64 * 1024 + 1);
    for (method, path, kind, body, status) in [
        (Method::POST, "/token", "application/json", "{}", 400),
        (
            Method::POST,
            "/token",
            FORM,
            "grant_type=a&grant_type=b",
            400,
        ),
        (Method::POST, "/token", FORM, "%%%=%ff&\0", 401),
        (Method::POST, "/token", FORM, big.as_str(), 413),
        (Method::GET, "/token", FORM, "", 405),
        (Method::GET, "/authorize?%ff=%00&&&=", FORM, "", 400),
        (Method::POST, "/authorize", FORM, "\u{0}", 400),
        (
            Method::POST,
            "/login/oauth/access_token",
            "text/plain",
            "a",
            200,
        ),
        (Method::GET, "/logout?id_token_hint=..", FORM, "", 200),
        (Method::GET, "/logout?id_token_hint=a.W10.c", FORM, "", 200),
        (Method::GET, "/avatars/../user", FORM, "", 404),
        (Method::GET, "/nowhere", FORM, "", 404),
        (Method::GET, "/jwks", FORM, "", 200),
    ] {
        let headers = [("content-type", kind), ("user-agent", "test")];
        let url = endpoint(path);
        let answer = http.try_send(method, &url, &headers, body.to_owned()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status.as_u16(), status, "{path} {}", answer.body);
    }
}

#[tokio::test]
async fn what_is_printed_has_no_secrets_in_it() {
    let builder = Provider::builder();
    let client = Client::new("app", "canary-secret");
    let printed = format!(
        "{client:?} {:?}",
        builder.clone().with_client(client.clone())
    );
    assert!(!printed.contains("canary"), "{printed}");
    let provider = builder.with_client(client).start().await.unwrap();
    let token = provider.token().with_subject("canary-subject");
    let printed = format!("{provider:?} {token:?}");
    assert!(!printed.contains("canary"), "{printed}");
    assert!(printed.contains(provider.issuer()));
}
