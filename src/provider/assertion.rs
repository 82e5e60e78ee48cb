//! What an identity-aware proxy signs into a header of every request: who the person behind it is.

use http::{HeaderMap, HeaderName, Uri};
use serde_json::{Map, Value};

use super::id_token::check_signature;
use super::{Context, ProviderError};
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::verify::jwks::RemoteKeys;
use crate::verify::jwt::Algorithm;
use crate::verify::jwt::claims::{audiences, is_issuer, time_verdict};
use crate::verify::jwt::jws::{Jws, JwsError};

/// A longer header is refused before it is looked at.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// Checks the assertions of one proxy.
pub(super) struct Assertions {
    keys: RemoteKeys,
    issuer: String,
    audience: String,
    algorithms: &'static [Algorithm],
    clock: Clock,
}

impl Assertions {
    /// Those of `issuer` for `audience`, by the keys at `key_set`.
    pub(super) fn new(
        key_set: &str,
        issuer: impl Into<String>,
        audience: &str,
        algorithms: &'static [Algorithm],
        context: &Context,
    ) -> Result<Self, ConfigMistake> {
        if audience.is_empty() {
            let message = "expected the audience of the proxy, found an empty string";
            return Err(ConfigMistake::new("audience", message));
        }
        let uri: Uri = key_set
            .parse()
            .map_err(|_| ConfigMistake::new("", "its key set is at no URL"))?;
        let (client, clock) = (context.client.clone(), context.clock.clone());
        Ok(Self {
            keys: RemoteKeys::at(uri, client, clock.clone()),
            issuer: issuer.into(),
            audience: audience.to_owned(),
            algorithms,
            clock,
        })
    }

    /// The claims of an assertion. Whoever can reach us can send one: an unknown key is asked for no more often than
    /// others are.
    pub(super) async fn verify(
        &self,
        assertion: &str,
    ) -> Result<Map<String, Value>, ProviderError> {
        let invalid = |reason: &str| ProviderError::invalid(format!("assertion: {reason}"));
        if assertion.len() > MAX_LENGTH {
            return Err(invalid("it is too long"));
        }
        let jws = Jws::parse(assertion).map_err(|error| match error {
            JwsError::Header(reason) => invalid(reason),
            JwsError::NotJws | JwsError::Encrypted => invalid("not a signed token"),
        })?;
        let algorithm = jws.header.algorithm;
        if !self.algorithms.contains(&algorithm) {
            return Err(invalid("its algorithm is not the proxy's"));
        }
        if jws.header.typ.is_some() && !jws.header.is_typ("JWT") {
            return Err(invalid("its typ is that of another kind of token"));
        }
        let claims = jws.claims().map_err(invalid)?;
        if !is_issuer(&claims, &self.issuer) {
            return Err(invalid("its iss is not the proxy's"));
        }
        if audiences(&claims).as_deref() != Some(&[self.audience.as_str()]) {
            return Err(invalid("its aud is not ours"));
        }
        let found = self.keys.look_up(algorithm, jws.header.key_id.as_deref());
        check_signature(&jws, &self.keys, found, "assertion").await?;
        time_verdict(&claims, self.clock.now()).map_err(invalid)?;
        Ok(claims)
    }
}

/// The one value of a header.
pub(super) fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, ProviderError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(ProviderError::invalid("the proxy's header stands twice")),
        (Some(value), None) => {
            let text = value.to_str();
            text.map(Some)
                .map_err(|_| ProviderError::invalid("the proxy's header is no text"))
        }
    }
}

/// A claim that is a text, and not empty.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name).and_then(Value::as_str);
    text.filter(|text| !text.trim().is_empty())
        .map(str::to_owned)
}
