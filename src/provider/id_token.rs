//! The ID token (OpenID Connect Core section 3.1.3.7), checked rule by rule.

use std::time::Duration;

use serde_json::{Map, Value};

use super::ProviderError;
use super::asked::Asked;
use super::discovery::Discovered;
use crate::clock::Timestamp;
use crate::secret::digest::{constant_time_eq, sha256};
use crate::secret::encoding::base64url;
use crate::verify::jwks::{Lookup, RemoteKeys};
use crate::verify::jwt::Algorithm;
use crate::verify::jwt::claims::{audiences, numeric_date, subject, time_verdict};
use crate::verify::jwt::jws::{Jws, JwsError};

/// An attempt is over after this long, so that no ID token of one can be older; give or take a minute.
const MAX_AGE: Duration = Duration::from_secs(660);

/// What an ID token is held against.
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    /// `None` on a refresh, whose ID token tells of a sign-in long ago.
    pub(super) fresh: Option<Fresh<'a>>,
    pub(super) access_token: &'a str,
    /// The one algorithm that the client is registered for.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) now: Timestamp,
}

/// What only the ID token of a sign-in that has just been is held against.
pub(super) struct Fresh<'a> {
    pub(super) nonce: &'a str,
    pub(super) code: &'a str,
    pub(super) asked: &'a Asked,
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
    if !provider.is_issuer(&claims) {
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

pub(super) fn accepts(
    algorithm: Algorithm,
    registered: Option<Algorithm>,
    published: &[String],
) -> bool {
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
    if let Some(fresh) = &expected.fresh {
        let given = claims.get("nonce").and_then(Value::as_str);
        if !constant_time_eq(given.unwrap_or_default().as_bytes(), fresh.nonce.as_bytes()) {
            return Err("its nonce is not this attempt's");
        }
        if claims
            .get("iat")
            .and_then(numeric_date)
            .is_some_and(|issued| expected.now.since(issued) > MAX_AGE)
        {
            return Err("issued too long ago for a sign-in that has just been (iat)");
        }
        if !is_hash_of(claims.get("c_hash"), algorithm, fresh.code) {
            return Err("its c_hash is not that of the code");
        }
        fresh.asked.check(claims, expected.now)?;
    }
    if !is_hash_of(claims.get("at_hash"), algorithm, expected.access_token) {
        return Err("its at_hash is not that of the access token");
    }
    Ok(())
}

/// Whether a hash that need not be there is this text's.
fn is_hash_of(hash: Option<&Value>, algorithm: Algorithm, text: &str) -> bool {
    let Some(hash) = hash else { return true };
    let digest = half_hash(algorithm, text);
    hash.as_str()
        .is_some_and(|hash| constant_time_eq(hash.as_bytes(), digest.as_bytes()))
}

/// The left half of a digest, by the hash of the signature's algorithm (sections 3.1.3.6, 3.3.2.11).
fn half_hash(algorithm: Algorithm, text: &str) -> String {
    use aws_lc_rs::digest::{SHA384, SHA512, digest};
    let data = text.as_bytes();
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
