//! What an active token proves, judged here as well (IN-02, IN-03).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::answers::Answer;
use crate::clock::Timestamp;
use crate::identity::{Method, Profile, Scopes, Service, User, VerifiedIdentity};
use crate::verify::jwt::claims::{audiences, is_issuer, numeric_date, subject, time_verdict};

/// The issuer's clock and ours may differ by this much.
const LEEWAY: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(super) struct Conditions {
    pub(super) issuer: Arc<str>,
    /// `None` for any.
    pub(super) audience: Option<Box<str>>,
    /// Of machines: what stands before their subject.
    pub(super) service_prefix: Option<Box<str>>,
}

impl Conditions {
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How long an answer can be good at all, if it says so.
    pub(super) fn life(&self, answer: &Answer, now: Timestamp) -> Option<Duration> {
        let Answer::Active(claims) = answer else {
            return None;
        };
        claims.get("exp").map(|exp| {
            let until = numeric_date(exp);
            until.map_or(Duration::ZERO, |until| until.since(now))
        })
    }

    pub(super) fn judge(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<VerifiedIdentity, &'static str> {
        if claims.contains_key("iss") && !is_issuer(claims, &self.issuer) {
            return Err("its iss is not the issuer's");
        }
        if let Some(ours) = &self.audience {
            let meant_for = audiences(claims).ok_or("its aud is missing or malformed")?;
            if !meant_for.contains(&&**ours) {
                return Err("it is meant for another audience");
            }
        }
        // A token bound to a key proves nothing without that key (RFC 9449 section 6.2, RFC 8705 section 3.2).
        if claims.contains_key("cnf") {
            return Err("it is sender-constrained, and was sent as a bearer token");
        }
        match claims.get("token_type") {
            None => {}
            Some(Value::String(kind))
                if kind.eq_ignore_ascii_case("bearer") || kind == "access_token" => {}
            Some(_) => return Err("it is a token of another kind (token_type)"),
        }
        let expires_at = match claims.contains_key("exp") {
            true => Some(time_verdict(claims, now)?),
            // Section 2.2: it need not be said.
            false => {
                let soon = now.plus(LEEWAY);
                for (name, wrong) in [
                    ("nbf", "not valid yet (nbf)"),
                    ("iat", "issued in the future (iat)"),
                ] {
                    let early = claims
                        .get(name)
                        .is_some_and(|value| numeric_date(value).is_none_or(|time| time > soon));
                    if early {
                        return Err(wrong);
                    }
                }
                None
            }
        };
        let scopes = match claims.get("scope") {
            None => Scopes::default(),
            Some(Value::String(scope)) => Scopes::parse(scope),
            Some(_) => return Err("its scope is not a string"),
        };
        let identity = match &self.service_prefix {
            Some(prefix) => {
                let service = Service::new(format!("{prefix}{}", client_or_subject(claims)?));
                VerifiedIdentity::assertion(service, Method::Token)
            }
            None => {
                let user = User::foreign(subject(claims)?).with_profile(profile(claims));
                VerifiedIdentity::assertion(user, Method::Token)
            }
        };
        let identity = identity
            .with_issuer(self.issuer.clone())
            .with_scopes(scopes);
        Ok(match expires_at {
            Some(expires_at) => identity.with_expiry(expires_at),
            None => identity,
        })
    }
}

/// A client that has a token of its own is named by its id, if there is no subject.
fn client_or_subject(claims: &Map<String, Value>) -> Result<&str, &'static str> {
    if claims.contains_key("sub") {
        return subject(claims);
    }
    let id = claims.get("client_id").and_then(Value::as_str);
    id.filter(|id| !id.trim().is_empty() && id.len() <= 1024 && !id.chars().any(char::is_control))
        .ok_or("it names nobody (sub, client_id)")
}

fn profile(claims: &Map<String, Value>) -> Profile {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Profile {
        display_name: text("name").or_else(|| text("username")),
        email: None,
        picture: None,
    }
}
