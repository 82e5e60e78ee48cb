//! OpenID Connect with all that may be asked for: a key instead of a secret, pushed requests, forms, signed userinfo.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use tower_identity::Secret;
use tower_identity::provider::{ClientKey, Oidc, Prompt};
use tower_identity::sign_in::Resolver;
use tower_identity::verify::jwt::Algorithm;

use crate::emulation::{Emulation, Params, params};
use crate::log::Log;
use crate::{ADA, Sent, World, claims_of, in_header, metadata};

const ISSUER: &str = "https://login.example.com";
const TOKEN: &str = "POST login.example.com/token";
const SCOPE: &str = "openid profile email";

async fn world(
    more: Value,
    provider: impl Into<tower_identity::provider::ProviderConfig>,
) -> World {
    let emulation = Emulation::start().await;
    let at = |path: &str| format!("{ISSUER}/{path}");
    let mut document = json!({
        "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "jwks_uri": at("jwks"),
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    let place = "GET login.example.com/.well-known/openid-configuration";
    emulation.answer(place, 200, &metadata(ISSUER, document));
    emulation.publish_keys("GET login.example.com/jwks").await;
    World::with(emulation, provider, Resolver::email()).await
}

fn tell(world: &World, nonce: &str, more: Value) {
    let mut token = world
        .emulation
        .token(ISSUER, "the-client")
        .with_claim("nonce", nonce);
    let mut claims = json!({ "sub": "1815", "email": "ada@example.com", "email_verified": true });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    for (name, value) in claims.as_object().unwrap() {
        token = token.with_claim(name, value.clone());
    }
    let answer = json!({ "access_token": "at", "token_type": "Bearer", "refresh_token": "rt", "id_token": token.sign() });
    world.emulation.answer(TOKEN, 200, &answer);
}

async fn signs_in(world: &World, more: Value) -> Value {
    let sent = world.begin().await;
    tell(world, &sent.nonce, more);
    world.back(&sent).await
}

// ===== private_key_jwt =====

pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) name: &'static str,
    pub(crate) pem: String,
    public: Vec<u8>,
    verifies: &'static dyn VerificationAlgorithm,
}

fn pem(der: &[u8]) -> String {
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    )
}

pub(crate) fn keys() -> Vec<Key> {
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let rsa = RsaPair::generate(KeySize::Rsa2048).unwrap();
    let rsa_der = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
    let rsa_pem = pem(rsa_der.as_ref());
    let rsa_public = rsa.public_key().as_ref().to_vec();
    vec![
        Key {
            algorithm: Algorithm::Es256,
            name: "ES256",
            pem: pem(ec.to_pkcs8v1().unwrap().as_ref()),
            public: ec.public_key().as_ref().to_vec(),
            verifies: &ECDSA_P256_SHA256_FIXED,
        },
        Key {
            algorithm: Algorithm::EdDsa,
            name: "EdDSA",
            pem: pem(ed.to_pkcs8v1().unwrap().as_ref()),
            public: ed.public_key().as_ref().to_vec(),
            verifies: &ED25519,
        },
        Key {
            algorithm: Algorithm::Rs256,
            name: "RS256",
            pem: rsa_pem.clone(),
            public: rsa_public.clone(),
            verifies: &RSA_PKCS1_2048_8192_SHA256,
        },
        Key {
            algorithm: Algorithm::Ps256,
            name: "PS256",
            pem: rsa_pem,
            public: rsa_public,
            verifies: &RSA_PSS_2048_8192_SHA256,
        },
    ]
}

/// Checks the assertion in a form: its claims.
#[track_caller]
fn asserted(form: &mut Params, key: &Key) -> Value {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(form.remove("client_assertion_type").as_deref(), Some(kind));
    let assertion = form.remove("client_assertion").unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(key.verifies, &key.public)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    let header = URL_SAFE_NO_PAD
        .decode(signed.split('.').next().unwrap())
        .unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(
        header,
        json!({ "alg": key.name, "typ": "JWT", "kid": "2026" })
    );
    let claims = claims_of(&assertion);
    assert_eq!(claims["iss"], "the-client");
    assert_eq!(claims["sub"], "the-client");
    assert_eq!(claims["aud"], ISSUER);
    assert_eq!(
        claims["exp"].as_u64(),
        claims["iat"].as_u64().map(|iat| iat + 60)
    );
    assert_eq!(claims.as_object().unwrap().len(), 6);
    claims
}

#[tokio::test]
async fn a_key_proves_the_client_at_every_endpoint_and_each_proof_is_used_once() {
    for key in keys() {
        let private = Secret::from(key.pem.as_str());
        let client_key = ClientKey::from_pem(key.algorithm, &private)
            .unwrap()
            .with_key_id("2026");
        let endpoints = json!({
            "revocation_endpoint": format!("{ISSUER}/revoke"),
            "pushed_authorization_request_endpoint": format!("{ISSUER}/par"),
        });
        let world = world(endpoints, Oidc::new(ISSUER, "the-client", client_key)).await;
        let log = Log::record();
        let pushed = json!({ "request_uri": "urn:example:1", "expires_in": 60 });
        world
            .emulation
            .answer("POST login.example.com/par", 201, &pushed);
        world
            .emulation
            .answer("POST login.example.com/revoke", 200, &json!({}));

        let start = format!("{}/api/auth/it/start?env=development", world.url);
        let location = world.browser.get(&start).await.location();
        assert_eq!(
            location,
            format!("{ISSUER}/authorize?client_id=the-client&request_uri=urn%3Aexample%3A1")
        );
        let mut form = world.emulation.calls().remove(0).form;
        let mut quiet: Vec<String> = form.values().cloned().collect();
        let mut seen = vec![asserted(&mut form, &key)["jti"].clone()];
        let sent = Sent {
            to: String::new(),
            params: Params::new(),
            state: form.remove("state").unwrap(),
            nonce: form.remove("nonce").unwrap(),
        };
        form.remove("code_challenge");
        let expected = params([
            ("client_id", "the-client"),
            ("response_type", "code"),
            ("redirect_uri", &*world.callback()),
            ("scope", SCOPE),
            ("code_challenge_method", "S256"),
        ]);
        assert_eq!(form, expected);

        tell(&world, &sent.nonce, json!({}));
        assert!(world.back(&sent).await["response"]["backstageIdentity"].is_object());
        let answer = world.ajax(Method::GET, "refresh").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let calls = world.emulation.calls();
        for call in &calls {
            assert!(
                !call.headers.contains_key("authorization"),
                "{}: {}",
                key.name,
                call.to
            );
            assert!(
                !call.form.contains_key("client_secret"),
                "{}: {}",
                key.name,
                call.to
            );
            let mut form = call.form.clone();
            quiet.extend(form.values().cloned());
            assert_eq!(form.remove("client_id").as_deref(), Some("the-client"));
            seen.push(asserted(&mut form, &key)["jti"].clone());
        }
        assert!(calls.len() >= 2, "{calls:?}");
        // Nothing that long is anybody's business: assertions, verifiers, states and nonces.
        let log = log.lines("").join("\n");
        assert!(log.contains("signed in"), "{log}");
        for secret in quiet.iter().filter(|value| value.len() >= 43) {
            let address = secret.starts_with("http") || secret.starts_with("urn:");
            assert!(address || !log.contains(secret), "{secret}");
        }
        let mut once = seen.clone();
        once.dedup();
        assert_eq!(once, seen, "each is another");
    }
}

#[test]
fn a_key_that_is_not_one_for_its_algorithm_is_refused() {
    let keys = keys();
    for key in &keys {
        for other in &keys {
            let fits = |a: &str, b: &str| {
                a == b
                    || [a, b]
                        .iter()
                        .all(|name| name.ends_with("S256") && *name != "ES256")
            };
            let made = ClientKey::from_pem(other.algorithm, &Secret::from(key.pem.as_str()));
            assert_eq!(
                made.is_ok(),
                fits(key.name, other.name),
                "{} for {}",
                key.name,
                other.name
            );
            if let Err(error) = made {
                assert!(!error.to_string().contains("MI"), "{error}");
            }
        }
        assert!(ClientKey::from_pem(Algorithm::Hs256, &Secret::from(key.pem.as_str())).is_err());
        let public = key.pem.replace("PRIVATE", "PUBLIC");
        assert!(ClientKey::from_pem(key.algorithm, &Secret::from(public.as_str())).is_err());
    }
    for nonsense in [
        "",
        "canary",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
    ] {
        assert!(ClientKey::from_pem(Algorithm::Es256, &Secret::from(nonsense)).is_err());
    }
}

// ===== pushed requests =====

#[tokio::test]
async fn requests_are_pushed_where_that_is_offered_and_not_where_it_is_declined() {
    let endpoint = json!({ "pushed_authorization_request_endpoint": format!("{ISSUER}/par") });
    let oidc = || Oidc::new(ISSUER, "the-client", "the-secret");
    let world_of = |oidc: Oidc| world(endpoint.clone(), oidc);
    let declined = world_of(oidc().without_pushed_requests()).await;
    let sent = declined.begin().await;
    assert_eq!(
        sent.params,
        params([("client_id", "the-client"), ("scope", SCOPE)])
    );

    let world = world_of(oidc()).await;
    let start = format!(
        "{}/api/auth/it/start?env=development&login_hint=ada",
        world.url
    );
    let good = json!({ "request_uri": "urn:ietf:params:oauth:request_uri:x", "expires_in": 60 });
    world
        .emulation
        .answer("POST login.example.com/par", 201, &good);
    let location = world.browser.get(&start).await.location();
    let expected = "https://login.example.com/authorize?client_id=the-client&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Ax";
    assert_eq!(location, expected);
    let calls = world.emulation.calls();
    in_header(&calls[0]);
    assert_eq!(calls[0].form["client_id"], "the-client");
    assert_eq!(calls[0].form["login_hint"], "ada");

    // What the endpoint has of its own stays with it.
    let policy = json!({
        "pushed_authorization_request_endpoint": format!("{ISSUER}/par"),
        "authorization_endpoint": format!("{ISSUER}/authorize?p=policy&client_id_hint=x"),
    });
    let with_policy = crate::oidc::world(policy, oidc()).await;
    with_policy
        .emulation
        .answer("POST login.example.com/par", 201, &good);
    let begin = format!("{}/api/auth/it/start?env=development", with_policy.url);
    let location = with_policy.browser.get(&begin).await.location();
    let expected = "https://login.example.com/authorize?p=policy&client_id_hint=x&client_id=the-client&request_uri=urn";
    assert!(location.starts_with(expected), "{location}");
    let form = with_policy.emulation.calls().remove(0).form;
    assert!(
        !form.contains_key("p") && form.contains_key("code_challenge"),
        "{form:?}"
    );

    // A provider that can't be pushed to is no reason to tell everything to the browser.
    let log = Log::record();
    for (status, answer) in [
        (
            400,
            json!({ "error": "invalid_request", "error_description": "CANARY" }),
        ),
        (401, json!({ "error": "invalid_client" })),
        (400, json!({ "error": "x\r\nFORGED: a line\u{1b}[31m" })),
        (413, json!({})),
        (500, json!({})),
        (201, json!({})),
        (201, json!({ "request_uri": "" })),
        (201, json!({ "request_uri": 7 })),
        (201, json!({ "request_uri": "a b" })),
        (201, json!({ "request_uri": "x".repeat(2049) })),
        (201, json!([])),
        (302, json!({ "request_uri": "urn:x" })),
    ] {
        world
            .emulation
            .answer("POST login.example.com/par", status, &answer);
        let answer = world.browser.get(&start).await;
        assert!(
            answer.status.is_client_error() || answer.status.is_server_error(),
            "{status}: {}",
            answer.status
        );
        assert!(!answer.body.contains("CANARY"));
        let cookies = answer.headers.get_all("set-cookie").iter();
        assert!(
            cookies
                .into_iter()
                .all(|line| line.to_str().unwrap().contains("Max-Age=0"))
        );
    }
    let log = log.lines("").join("\n");
    assert!(log.contains("status 400: invalid_request"), "{log}");
    let forged = log.lines().any(|line| line.starts_with("FORGED"));
    assert!(!forged && !log.contains('\u{1b}'), "{log}");
    assert!(!log.contains("CANARY"), "{log}");
}

// ===== what is asked, and whether it was done =====

#[tokio::test]
async fn a_sign_in_that_is_too_old_or_too_weak_is_refused() {
    let oidc = Oidc::new(ISSUER, "the-client", "the-secret")
        .with_prompt(Prompt::Login)
        .with_max_age(std::time::Duration::from_secs(300))
        .with_acr_values(["phr", "mfa"]);
    let world = world(json!({}), oidc).await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for (claims, because) in [
        (json!({ "acr": "phr" }), "auth_time is missing"),
        (
            json!({ "acr": "phr", "auth_time": "1" }),
            "auth_time is not a number",
        ),
        (
            json!({ "acr": "phr", "auth_time": now - 400 }),
            "signed in too long ago (auth_time)",
        ),
        (
            json!({ "acr": "phr", "auth_time": now + 400 }),
            "signed in in the future (auth_time)",
        ),
        (json!({ "auth_time": now }), "as was asked for (acr)"),
        (
            json!({ "auth_time": now, "acr": "pwd" }),
            "as was asked for (acr)",
        ),
        (
            json!({ "auth_time": now, "acr": "phr mfa" }),
            "as was asked for (acr)",
        ),
        (
            json!({ "auth_time": now, "acr": ["phr"] }),
            "as was asked for (acr)",
        ),
    ] {
        let sent = world.begin().await;
        let asked = [
            ("prompt", "login"),
            ("max_age", "300"),
            ("acr_values", "phr mfa"),
        ];
        let mut expected = params([("client_id", "the-client"), ("scope", SCOPE)]);
        expected.extend(params(asked));
        assert_eq!(sent.params, expected);
        tell(&world, &sent.nonce, claims);
        world.fails(&sent, "", because).await;
    }
    for good in [
        json!({ "acr": "mfa", "auth_time": now - 299 }),
        json!({ "acr": "phr", "auth_time": now }),
    ] {
        assert!(signs_in(&world, good).await["response"].is_object());
    }
    // Nobody asks for it on a refresh: the person is not there.
    assert_eq!(world.who().await, ADA);
}

#[tokio::test]
async fn lf_10_a_code_hash_need_not_be_there_and_has_to_be_right() {
    let world = world(json!({}), Oidc::new(ISSUER, "the-client", "the-secret")).await;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"the-code");
    let right = URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]);
    let whole = URL_SAFE_NO_PAD.encode(digest.as_ref());
    for wrong in [
        json!(whole),
        json!(""),
        json!(null),
        json!([right.clone()]),
        json!(true),
    ] {
        let sent = world.begin().await;
        tell(&world, &sent.nonce, json!({ "c_hash": wrong }));
        world
            .fails(&sent, "", "its c_hash is not that of the code")
            .await;
    }
    assert!(signs_in(&world, json!({ "c_hash": right })).await["response"].is_object());
}

// ===== form_post =====

#[tokio::test]
async fn lf_21_an_answer_may_come_as_a_form_from_another_site() {
    let oidc = || Oidc::new(ISSUER, "the-client", "the-secret").with_form_post();
    let world = world(json!({}), oidc()).await;
    let sent = world.begin().await;
    assert_eq!(sent.params["response_mode"], "form_post");
    tell(&world, &sent.nonce, json!({}));
    let form = format!("code=the-code&state={}", sent.state);
    let answer = world.browser.post_form(&world.callback(), &form).await;
    let heard = crate::site::frame(&answer).0;
    assert!(
        heard["response"]["backstageIdentity"].is_object(),
        "{heard}"
    );
    assert_eq!(world.who().await, ADA);

    // On a public portal the one cookie that has to come along is sent across sites, and no other.
    let public = tower_identity::sign_in::SignIn::builder("https://portal.example.com")
        .with_client(world.emulation.clone())
        .with_provider("form", oidc(), [Resolver::email()])
        .with_provider(
            "query",
            Oidc::new(ISSUER, "the-client", "the-secret"),
            [Resolver::email()],
        )
        .build()
        .unwrap();
    let (listener, url) = crate::bind().await;
    crate::serve(listener, public);
    for (id, across) in [("form", true), ("query", false)] {
        let answer = world
            .browser
            .get(&format!("{url}/api/auth/{id}/start?env=development"))
            .await;
        let line = answer.headers["set-cookie"].to_str().unwrap();
        assert!(line.starts_with("__Host-tid-attempt-"), "{line}");
        assert_eq!(line.ends_with("; Secure; SameSite=None"), across, "{line}");
    }
}

#[tokio::test]
async fn lf_21_an_error_may_come_as_a_form_as_well() {
    let oidc = Oidc::new(ISSUER, "the-client", "the-secret").with_form_post();
    let world = world(json!({}), oidc).await;
    for (error, words) in [
        ("access_denied", "Authentication rejected"),
        ("login_required", "Authentication failed"),
        ("<script>CANARY</script>", "Authentication failed"),
    ] {
        let sent = world.begin().await;
        let form = params([
            ("error", error),
            ("error_description", "CANARY"),
            ("state", &*sent.state),
        ]);
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let answer = world.browser.post_form(&world.callback(), &form).await;
        assert!(!answer.body.contains("CANARY"), "{}", answer.body);
        let heard = crate::site::frame(&answer).0;
        assert_eq!(heard["error"]["message"], words);
        assert_eq!(world.who().await, "401");
    }
    assert!(
        world.emulation.calls().is_empty(),
        "nobody is asked about an error"
    );
}

// ===== userinfo =====

#[tokio::test]
async fn lf_12_signed_userinfo_is_that_providers_for_this_client() {
    let oidc = Oidc::new(ISSUER, "the-client", "the-secret").with_signed_userinfo();
    let endpoint = json!({ "userinfo_endpoint": format!("{ISSUER}/userinfo") });
    let world = world(endpoint, oidc).await;
    let plain = json!({ "sub": "1815", "email": "ada@example.com", "email_verified": true });
    world
        .emulation
        .answer("GET login.example.com/userinfo", 200, &plain);
    let sent = world.begin().await;
    tell(&world, &sent.nonce, json!({}));
    world
        .fails(&sent, "", "userinfo: the answer is not signed")
        .await;
    let calls = world.emulation.calls();
    assert_eq!(calls[1].headers["accept"], "application/jwt");

    let signed = |issuer: &str, audience: Value| {
        let token = world
            .emulation
            .token(issuer, "")
            .with_claim("aud", audience);
        let token = token
            .with_claim("email", "ada@example.com")
            .with_claim("email_verified", true);
        token
            .with_subject("1815")
            .without_claim("exp")
            .without_claim("client_id")
    };
    let good = || signed(ISSUER, json!("the-client"));
    let changed = {
        let good = good().sign();
        let other = signed(ISSUER, json!("the-client"))
            .with_claim("name", "Eve")
            .sign();
        let [head, tail] = [
            other.rsplit_once('.').unwrap().0,
            good.rsplit_once('.').unwrap().1,
        ];
        format!("{head}.{tail}")
    };
    for (what, token, because) in [
        (
            "another issuer",
            signed("https://evil.test", json!("the-client")).sign(),
            "userinfo: its iss",
        ),
        (
            "another client",
            signed(ISSUER, json!("another")).sign(),
            "userinfo: its aud",
        ),
        (
            "two clients",
            signed(ISSUER, json!(["the-client", "another"])).sign(),
            "userinfo: its aud",
        ),
        (
            "nobody",
            signed(ISSUER, json!(null)).sign(),
            "userinfo: its aud",
        ),
        (
            "somebody else",
            good().with_subject("another").sign(),
            "somebody else (sub)",
        ),
        (
            "an ID token",
            good().with_claim("nonce", "x").sign(),
            "it is an ID token",
        ),
        (
            "an access token",
            good().with_header("typ", "at+jwt").sign(),
            "userinfo: its typ",
        ),
        (
            "past",
            good().with_claim("exp", 1_000).sign(),
            "userinfo: expired",
        ),
        ("changed", changed, "userinfo: its signature is wrong"),
        ("no token", "{}".into(), "userinfo: not a signed token"),
    ] {
        println!("{what}");
        world.emulation.answer_with(
            "GET login.example.com/userinfo",
            200,
            "application/jwt",
            token,
        );
        let sent = world.begin().await;
        tell(&world, &sent.nonce, json!({ "email": "ada@example.com" }));
        world.fails(&sent, "", because).await;
    }
    let token = good().sign();
    world.emulation.answer_with(
        "GET login.example.com/userinfo",
        200,
        "application/jwt; charset=utf-8",
        token,
    );
    assert!(signs_in(&world, json!({})).await["response"]["backstageIdentity"].is_object());
}

// ===== begun elsewhere =====

#[tokio::test]
async fn a_sign_in_may_be_begun_by_the_provider_and_leads_nowhere_strange() {
    let world = world(json!({}), Oidc::new(ISSUER, "the-client", "the-secret")).await;
    let initiate = format!("{}/api/auth/it/initiate", world.url);
    let good = format!(
        "iss=https://login.example.com&login_hint=ada%40example.com&target_link_uri={}/deep?x=1",
        world.url
    );
    for as_form in [false, true] {
        let answer = match as_form {
            false => world.browser.get(&format!("{initiate}?{good}")).await,
            true => world.browser.post_form(&initiate, &good).await,
        };
        assert_eq!(
            answer.status,
            if as_form { 303 } else { 302 },
            "{}",
            answer.body
        );
        let location = url::Url::parse(&answer.location()).unwrap();
        let query = params(location.query_pairs());
        assert_eq!(query["login_hint"], "ada@example.com");
        tell(&world, &query["nonce"], json!({}));
        let way = format!(
            "{}?code=the-code&state={}",
            world.callback(),
            query["state"]
        );
        assert_eq!(
            world.browser.get(&way).await.location(),
            format!("{}/deep?x=1", world.url)
        );
        assert_eq!(world.who().await, ADA);
    }
    for bad in [
        "",
        "login_hint=ada",
        "iss=https://evil.test",
        "iss=https://login.example.com/",
        "iss=",
        "iss=https://login.example.com&iss=https://login.example.com",
        "iss=https://login.example.com&target_link_uri=https://evil.test/",
        "iss=https://login.example.com&target_link_uri=//evil.test/",
        "iss=https://login.example.com&target_link_uri=javascript:alert(1)",
        "iss=https://login.example.com&login_hint=a%0ab",
        "iss=https://login.example.com&login_hint=a&login_hint=b",
    ] {
        let answer = world.browser.get(&format!("{initiate}?{bad}")).await;
        assert!(answer.status.is_client_error(), "{bad}: {}", answer.status);
        assert!(!answer.headers.contains_key("set-cookie"), "{bad}");
        assert!(!answer.headers.contains_key("location"), "{bad}");
    }
    let frame = http::Request::get(format!("{initiate}?{good}")).header("sec-fetch-dest", "iframe");
    let answer = world
        .browser
        .send(frame.body(Default::default()).unwrap())
        .await;
    assert_eq!(answer.status, 403);
}
