//! Limited user tokens, rebuilt from full ones byte for byte (spec section 6.2).
//!
//! A user token carries, as `uip`, the signature of a smaller token of the same person. Whoever has the
//! first can make the second: what is passed on to another plugin, or put into a cookie, is then no
//! longer the token that everything believes.

use serde_json::{Map, Value, json};

use super::jws::Jws;
use super::kind;
use crate::secret::Secret;
use crate::secret::encoding::base64url;

/// What the signature of a limited token is over.
pub(crate) fn message(
    algorithm: &str,
    key_id: &str,
    sub: &str,
    iat: &Value,
    exp: &Value,
) -> String {
    let header = json!({ "typ": kind::LIMITED_USER, "alg": algorithm, "kid": key_id });
    let payload = json!({ "sub": sub, "iat": iat, "exp": exp });
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}", part(&header), part(&payload))
}

/// The limited token of a full one; `None` if it carries no proof for one.
pub(crate) fn of_user(jws: &Jws<'_>, claims: &Map<String, Value>) -> Option<Secret<String>> {
    let proof = claims.get("uip")?.as_str()?;
    let message = message(
        jws.header.algorithm.name(),
        jws.header.key_id.as_deref()?,
        claims.get("sub")?.as_str()?,
        claims.get("iat")?,
        claims.get("exp")?,
    );
    Some(Secret::new(format!("{message}.{proof}")))
}
