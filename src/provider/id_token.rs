//! The ID token (OpenID Connect Core section 3.1.3.7), checked rule by rule.

use serde_json::{Map, Value};

use super::ProviderError;
use super::discovery::Discovered;
use crate::clock::Timestamp;
use crate::secret::digest::{constant_time_eq, sha256};
use crate::secret::encoding::base64url;
use crate::verify::jwks::{Lookup, RemoteKeys};
use crate::verify::jwt::Algorithm;
use crate::verify::jwt::claims::{audiences, is_issuer, subject, time_verdict};
use crate::verify::jwt::jws::{Jws, JwsError};

/// What an ID token is held against.
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    /// `None` on a refresh, whose ID token need not repeat it.
    pub(super) nonce: Option<&'a str>,
    pub(super) access_token: &'a str,
    /// The one algorithm that the client is registered for.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) now: Timestamp,
}

/// Verifies an ID token that came from the token endpoint: its claims.
pub(super) async fn verify(
    token: &str,
    provider: &Discovered,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, ProviderError> {
    let invalid = |reason: &str| ProviderError::invalid(format!("ID token: {reason}"));
    let foreign = |reason: &str| ProviderError::foreign(format!("ID token: {reason}"));
    let jws = Jws::parse(token).map_err(|e| match e {
        JwsError::Header(reason) => invalid(reason),
        JwsError::NotJws | JwsError::Encrypted => invalid("not a signed token"),
    })?;
    let algorithm = jws.header.algorithm;
    if !accepts(algorithm, expected.algorithm, &provider.algorithms) {
        return Err(invalid("its algorithm is not one that was agreed on"));
    }
    if jws.header.typ.is_some() && !jws.header.is_typ("JWT") {
        return Err(invalid("its typ is that of another kind of token"));
    }
    let claims = jws.claims().map_err(invalid)?;
    if !is_issuer(&claims, &provider.issuer) {
        return Err(foreign("its iss is not the provider's"));
    }
    check_audience(&claims, expected.client_id).map_err(foreign)?;
    let (keys, key_id) = (&provider.keys, jws.header.key_id.as_deref());
    check_signature(&jws, keys, keys.look_up_now(algorithm, key_id), "ID token").await?;
    check_claims(&claims, algorithm, expected).map_err(invalid)?;
    Ok(claims)
}

/// Checks a signature by what was first found of its key, or by what a fetch brings. `what` is signed.
pub(super) async fn check_signature(
    jws: &Jws<'_>,
    keys: &RemoteKeys,
    found: Lookup,
    what: &str,
) -> Result<(), ProviderError> {
    let invalid = |reason: &str| ProviderError::invalid(format!("{what}: {reason}"));
    let found = match found {
        Lookup::Wait(fetch) => {
            fetch.await;
            keys.look_up(jws.header.algorithm, jws.header.key_id.as_deref())
        }
        found => found,
    };
    match found {
        Lookup::Found(key) if key.verifies(jws) => Ok(()),
        Lookup::Found(_) => Err(invalid("its signature is wrong")),
        Lookup::Unavailable => {
            let detail = "the provider's keys can't be fetched";
            Err(ProviderError::unavailable(detail))
        }
        Lookup::Unknown | Lookup::Wait(_) => Err(invalid("no published key fits")),
    }
}

fn accepts(algorithm: Algorithm, registered: Option<Algorithm>, published: &[String]) -> bool {
    // Ours, narrowed by the registration and the metadata and never widened by either: who publishes only what is
    // not accepted is left with nothing (KS-13).
    let mut names = published.iter().map(|name| Algorithm::parse(name));
    Algorithm::ASYMMETRIC.contains(&algorithm)
        && registered.is_none_or(|only| only == algorithm)
        && (published.is_empty() || names.any(|name| name == Some(algorithm)))
}

fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), &'static str> {
    let meant_for = audiences(claims).ok_or("its aud is missing or malformed")?;
    if meant_for != [client_id] {
        // Others beside us are not trusted (rule 3), so that azp has no case left but this one:
        return Err("its aud is not this client alone");
    }
    if claims
        .get("azp")
        .is_some_and(|azp| azp.as_str() != Some(client_id))
    {
        return Err("its azp is another client");
    }
    Ok(())
}

fn check_claims(
    claims: &Map<String, Value>,
    algorithm: Algorithm,
    expected: &Expected<'_>,
) -> Result<(), &'static str> {
    time_verdict(claims, expected.now)?;
    if !claims.contains_key("iat") {
        return Err("iat is missing");
    }
    subject(claims)?;
    if let Some(nonce) = expected.nonce {
        let given = claims
            .get("nonce")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !constant_time_eq(given.as_bytes(), nonce.as_bytes()) {
            return Err("its nonce is not this attempt's");
        }
    }
    if let Some(hash) = claims.get("at_hash") {
        let digest = at_hash(algorithm, expected.access_token);
        if !hash
            .as_str()
            .is_some_and(|h| constant_time_eq(h.as_bytes(), digest.as_bytes()))
        {
            return Err("its at_hash is not that of the access token");
        }
    }
    Ok(())
}

/// The left half of the access token's digest, by the hash of the signature's algorithm (section 3.1.3.6).
fn at_hash(algorithm: Algorithm, access_token: &str) -> String {
    use aws_lc_rs::digest::{SHA384, SHA512, digest};
    let data = access_token.as_bytes();
    match algorithm {
        Algorithm::Es384 | Algorithm::Rs384 | Algorithm::Ps384 => {
            base64url(&digest(&SHA384, data).as_ref()[..24])
        }
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => {
            base64url(&digest(&SHA512, data).as_ref()[..32])
        }
        _ => base64url(&sha256(data)[..16]),
    }
}
