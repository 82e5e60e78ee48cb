//! A client that is a browser and an app.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey};
use serde_json::Value;
use tower_identity::testing::{Algorithm, Provider};
use url::form_urlencoded::Serializer;

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const REDIRECT: &str = "http://localhost:7007/handler/frame";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) struct Http(HttpClient<HttpConnector, Full<Bytes>>);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

impl Http {
    pub(crate) fn new() -> Self {
        Self(HttpClient::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn try_send(
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

    pub(crate) async fn get(&self, url: &str, headers: Pairs<'_>) -> Answer {
        let answer = self.try_send(Method::GET, url, headers, String::new());
        answer.await.expect("the provider should answer")
    }

    pub(crate) async fn post(&self, url: &str, headers: Pairs<'_>, form: Pairs<'_>) -> Answer {
        let headers = [headers, &[("content-type", FORM)]].concat();
        let answer = self.try_send(Method::POST, url, &headers, encode(form));
        answer.await.expect("the provider should answer")
    }

    /// Signs in at `/authorize` and gives the parameters that came back.
    pub(crate) async fn authorize(
        &self,
        provider: &Provider,
        changes: Pairs<'_>,
    ) -> HashMap<String, String> {
        let url = authorize_url(provider, changes);
        self.get(&url, &[]).await.redirected()
    }

    pub(crate) async fn code(&self, provider: &Provider) -> String {
        self.authorize(provider, &[]).await["code"].clone()
    }

    /// `POST /token` with the client's credentials in the body.
    pub(crate) async fn token(&self, provider: &Provider, form: Pairs<'_>) -> Answer {
        let client = [
            ("client_id", provider.client_id()),
            ("client_secret", provider.client_secret()),
        ];
        let form = [&client, form].concat();
        let url = format!("{}/token", provider.issuer());
        self.post(&url, &[], &form).await
    }

    pub(crate) async fn redeem(&self, provider: &Provider, code: &str) -> Answer {
        self.token(provider, &redemption(code)).await
    }

    pub(crate) async fn tokens(&self, provider: &Provider) -> Value {
        let code = self.code(provider).await;
        let answer = self.redeem(provider, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    pub(crate) async fn refresh(&self, provider: &Provider, token: &Value) -> Answer {
        let token = token.as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(provider, &form).await
    }

    pub(crate) async fn userinfo(&self, provider: &Provider, token: &str) -> Answer {
        let url = format!("{}/userinfo", provider.issuer());
        let bearer = format!("Bearer {token}");
        self.get(&url, &[("authorization", &bearer)]).await
    }

    pub(crate) async fn jwks(&self, provider: &Provider) -> Vec<Value> {
        let url = format!("{}/jwks", provider.issuer());
        let keys = self.get(&url, &[]).await.json()["keys"].clone();
        keys.as_array().unwrap().clone()
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        let error = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), error)
    }

    #[track_caller]
    pub(crate) fn redirected(&self) -> HashMap<String, String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let location = self.headers[header::LOCATION].to_str().unwrap();
        assert!(location.starts_with(REDIRECT), "{location}");
        let url = url::Url::parse(location).unwrap();
        url.query_pairs().into_owned().collect()
    }
}

pub(crate) fn encode(pairs: Pairs<'_>) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A good authorization request with these parameters changed; one without a value is left out.
pub(crate) fn authorize_url(provider: &Provider, changes: Pairs<'_>) -> String {
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

pub(crate) fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

/// The header and claims of a JWT whose signature one of these keys verifies.
pub(crate) fn verify(token: &str, jwks: &[Value]) -> Option<(Value, Value)> {
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

pub(crate) async fn signed_in_as(username: &str) -> Provider {
    let builder = Provider::builder().with_algorithm(Algorithm::Es256);
    builder.sign_in_as(username).start().await.unwrap()
}
