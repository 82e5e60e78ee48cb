//! The endpoints that only clients call: `/token`, `/introspect` and `/revoke`.

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Map, Value, json};

use super::clients::Client;
use super::grants::{Grant, Protocol};
use super::server::State;
use super::wire::{self, Call, Params, Reply};
use crate::secret::digest::{constant_time_eq, sha256};
use crate::secret::encoding::base64url;

/// How long an ID token is good for, in seconds: it is read once, at sign-in.
const ID_TOKEN_LIFETIME: u64 = 600;

/// An error of RFC 6749 section 5.2: the code, and what to tell the developer.
struct Refusal(&'static str, &'static str);

/// `POST /token` (RFC 6749 section 3.2).
pub(super) fn token(state: &State, call: &Call) -> Reply {
    answer(call, |form| {
        let client = authenticate(state, call, form)?;
        match form.get("grant_type") {
            Some("authorization_code") => redeem_code(state, client, form),
            Some("refresh_token") => refresh(state, client, form),
            Some(_) => Err(Refusal("unsupported_grant_type", "unknown grant_type")),
            None => Err(Refusal("invalid_request", "grant_type is missing")),
        }
    })
}

/// `POST /introspect` (RFC 7662).
pub(super) fn introspect(state: &State, call: &Call) -> Reply {
    answer(call, |form| {
        authenticate(state, call, form)?;
        let token = form
            .get("token")
            .ok_or(Refusal("invalid_request", "token is missing"))?;
        let grants = state.grants();
        let found = grants.access(token, Protocol::OpenIdConnect, state.clock.now());
        let Some((grant, expiry)) = found else {
            return Ok(json!({ "active": false }));
        };
        Ok(json!({
            "active": true,
            "iss": state.issuer,
            "sub": state.user(&grant.username).map(super::User::subject),
            "username": grant.username,
            "aud": grant.audience,
            "client_id": grant.client_id,
            "scope": grant.scope,
            "exp": expiry.map(crate::clock::Timestamp::as_unix),
            "token_type": "Bearer",
        }))
    })
}

/// `POST /revoke` (RFC 7009).
pub(super) fn revoke(state: &State, call: &Call) -> Reply {
    answer(call, |form| {
        let client = authenticate(state, call, form)?;
        let token = form
            .get("token")
            .ok_or(Refusal("invalid_request", "token is missing"))?;
        if state.grants().revoke(token, client.id()) {
            Ok(json!({}))
        } else {
            Err(Refusal("invalid_grant", "the token is another client's"))
        }
    })
}

/// Whether `verifier` fits the `S256` challenge (RFC 7636 section 4.6); without a challenge there must be none.
pub(super) fn pkce_fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) => {
            let well_formed = (43..=128).contains(&verifier.len())
                && verifier
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            let actual = base64url(&sha256(verifier.as_bytes()));
            well_formed && constant_time_eq(actual.as_bytes(), challenge.as_bytes())
        }
        (None, None) => true,
        // RFC 9700 section 4.8.2: a verifier without a challenge is a downgrade.
        _ => false,
    }
}

fn answer(call: &Call, work: impl FnOnce(&Params) -> Result<Value, Refusal>) -> Reply {
    let form = call
        .form
        .as_ref()
        .ok_or(Refusal("invalid_request", "the body must be a form"));
    match form.and_then(work) {
        Ok(value) => wire::json(StatusCode::OK, &value),
        Err(Refusal(code, description)) => {
            let status = match code {
                "invalid_client" => StatusCode::UNAUTHORIZED,
                "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            };
            let body = json!({ "error": code, "error_description": description });
            let reply = wire::json(status, &body);
            if status == StatusCode::UNAUTHORIZED {
                wire::with_header(reply, WWW_AUTHENTICATE, "Basic realm=\"testing\"")
            } else {
                reply
            }
        }
    }
}

/// The client, by exactly one of `client_secret_basic` and `client_secret_post` (RFC 6749 section 2.3).
fn authenticate<'a>(state: &'a State, call: &Call, form: &Params) -> Result<&'a Client, Refusal> {
    const REFUSED: Refusal = Refusal("invalid_client", "unknown client or wrong secret");
    let in_header = call.headers.contains_key(http::header::AUTHORIZATION);
    let basic = call.basic();
    let (id, secret) = match (&basic, form.get("client_secret")) {
        (Some((id, secret)), None) => {
            if form.get("client_id").is_some_and(|other| other != id) {
                return Err(Refusal("invalid_request", "two different clients"));
            }
            (id.as_str(), secret.as_str())
        }
        (None, Some(secret)) if !in_header => (form.get("client_id").ok_or(REFUSED)?, secret),
        (Some(_), Some(_)) => {
            return Err(Refusal("invalid_request", "the secret was sent twice"));
        }
        _ => return Err(REFUSED),
    };
    state
        .client(id)
        .filter(|client| client.secret().matches(secret.as_bytes()))
        .ok_or(REFUSED)
}

fn redeem_code(state: &State, client: &Client, form: &Params) -> Result<Value, Refusal> {
    let (Some(text), Some(redirect_uri)) = (form.get("code"), form.get("redirect_uri")) else {
        return Err(Refusal(
            "invalid_request",
            "code or redirect_uri is missing",
        ));
    };
    let protocol = Protocol::OpenIdConnect;
    let taken = state
        .grants()
        .take_code(text, client.id(), protocol, state.clock.now());
    let code = taken.ok_or(Refusal(
        "invalid_grant",
        "the code is unknown, used, expired or another client's",
    ))?;
    if code.redirect_uri != redirect_uri {
        return Err(Refusal(
            "invalid_grant",
            "the code is for another redirect_uri",
        ));
    }
    if !pkce_fits(code.challenge.as_deref(), form.get("code_verifier")) {
        return Err(Refusal("invalid_grant", "the code_verifier does not fit"));
    }
    respond(state, code.grant, code.nonce.as_deref())
}

fn refresh(state: &State, client: &Client, form: &Params) -> Result<Value, Refusal> {
    let text = form
        .get("refresh_token")
        .ok_or(Refusal("invalid_request", "refresh_token is missing"))?;
    let mut grants = state.grants();
    // A scope that is refused must not cost the token.
    if let (Some(grant), Some(scope)) = (grants.refresh(text, client.id()), form.get("scope"))
        && !scope.split(' ').all(|wanted| grant.has_scope(wanted))
    {
        return Err(Refusal("invalid_scope", "more than was granted"));
    }
    let taken = grants.take_refresh(text, client.id());
    drop(grants);
    let mut grant = taken.ok_or(Refusal(
        "invalid_grant",
        "the refresh token is unknown, used, revoked or another client's",
    ))?;
    if let Some(scope) = form.get("scope") {
        scope.clone_into(&mut grant.scope);
    }
    // OpenID Connect Core section 12.2: no nonce, there was no request to tie it to.
    respond(state, grant, None)
}

/// The tokens of a grant (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
fn respond(state: &State, grant: Grant, nonce: Option<&str>) -> Result<Value, Refusal> {
    const FAILED: Refusal = Refusal("server_error", "the token could not be signed");
    const GONE: Refusal = Refusal("invalid_grant", "the user is gone");
    let user = state.user(&grant.username).ok_or(GONE)?;
    let lifetime = state.access_token_lifetime;
    let access_token = state
        .mint()
        .with_subject(user.subject())
        .with_audience(grant.audience.as_str())
        .with_claim("client_id", grant.client_id.as_str())
        .with_claim("scope", grant.scope.as_str())
        .try_sign()
        .map_err(|_| FAILED)?;
    let mut answer = Map::new();
    answer.insert("access_token".into(), json!(access_token));
    answer.insert("token_type".into(), json!("Bearer"));
    answer.insert("expires_in".into(), json!(lifetime.as_secs()));
    answer.insert("scope".into(), json!(grant.scope));
    if grant.has_scope("openid") {
        let mut claims = user.claims(&grant.scope, &state.issuer);
        claims.insert("aud".into(), json!(grant.client_id));
        claims.insert("auth_time".into(), json!(grant.auth_time.as_unix()));
        claims.insert("sid".into(), json!(grant.session));
        claims.insert("at_hash".into(), json!(at_hash(&access_token)));
        if let Some(nonce) = nonce {
            claims.insert("nonce".into(), json!(nonce));
        }
        let id_token = state
            .mint()
            .with_header("typ", "JWT")
            .without_claim("jti")
            .with_claims(claims)
            .with_lifetime(std::time::Duration::from_secs(ID_TOKEN_LIFETIME));
        let id_token = state.lies.sign(&id_token).map_err(|_| FAILED)?;
        answer.insert("id_token".into(), json!(id_token));
    }
    let mut grants = state.grants();
    // Between the taking and now the session may have ended: by a second use, or by a logout.
    if grants.session_client(&grant.session).is_none() {
        return Err(Refusal("invalid_grant", "the session has ended"));
    }
    if state.refresh_tokens {
        let refresh_token = grants.issue_refresh(grant.clone());
        answer.insert("refresh_token".into(), json!(refresh_token));
    }
    let expiry = state.clock.now().plus(lifetime);
    grants.add_access(&access_token, grant, Some(expiry));
    Ok(Value::Object(answer))
}

/// The left half of the digest (OpenID Connect Core section 3.1.3.6); both algorithms use SHA-256.
fn at_hash(access_token: &str) -> String {
    base64url(&sha256(access_token.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pkce_example_of_rfc_7636_appendix_b_fits() {
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(pkce_fits(challenge, Some(verifier)));
        assert!(pkce_fits(None, None));
        for bad in [None, Some(""), Some("short"), challenge] {
            assert!(!pkce_fits(challenge, bad), "{bad:?}");
        }
        assert!(!pkce_fits(None, Some(verifier)));
    }
}
