//! The registered claims (RFC 7519 section 4.1), checked for type before value.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// How far another machine's clock may be off, in either direction.
const LEEWAY: Duration = Duration::from_secs(60);
const MAX_SUBJECT: usize = 1024;

/// Checks `exp` (required), `nbf` and `iat`: when the token ends, or what is wrong.
///
/// `exp` has no leeway: a token is refused from the second it names. `nbf` and `iat` may lie
/// up to 60 seconds ahead.
pub(crate) fn time_verdict(
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Timestamp, &'static str> {
    let expires_at = match claims.get("exp") {
        None => return Err("exp is missing"),
        Some(value) => numeric_date(value).ok_or("exp is not a number")?,
    };
    if expires_at <= now {
        return Err("expired");
    }
    let soon = now.plus(LEEWAY);
    for (name, wrong, early) in [
        ("nbf", "nbf is not a number", "not valid yet (nbf)"),
        ("iat", "iat is not a number", "issued in the future (iat)"),
    ] {
        if let Some(value) = claims.get(name)
            && numeric_date(value).ok_or(wrong)? > soon
        {
            return Err(early);
        }
    }
    Ok(expires_at)
}

/// A `NumericDate`: a JSON number; fractions are cut, what is out of range saturates.
pub(crate) fn numeric_date(value: &Value) -> Option<Timestamp> {
    let number = value.as_number()?;
    let seconds = match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => seconds,
        // `as` saturates, and takes what is negative for zero.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (None, Some(seconds)) if !seconds.is_nan() => seconds as u64,
        _ => return None,
    };
    Some(Timestamp::from_unix(seconds))
}

/// Checks that `iss` is a string and exactly this one: no normalisation of any kind.
pub(crate) fn is_issuer(claims: &Map<String, Value>, issuer: &str) -> bool {
    claims.get("iss").and_then(Value::as_str) == Some(issuer)
}

/// The audiences: a string, or a list of nothing but strings.
pub(crate) fn audiences(claims: &Map<String, Value>) -> Option<Vec<&str>> {
    match claims.get("aud")? {
        Value::String(one) => Some(vec![one]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// `sub`: a string that is not blank, not long, and without control characters.
pub(crate) fn subject(claims: &Map<String, Value>) -> Result<&str, &'static str> {
    match claims.get("sub") {
        Some(Value::String(sub))
            if !sub.trim().is_empty()
                && sub.len() <= MAX_SUBJECT
                && !sub.chars().any(char::is_control) =>
        {
            Ok(sub)
        }
        _ => Err("sub is missing or not a subject"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    fn times(claims: Value) -> Result<Timestamp, &'static str> {
        time_verdict(claims.as_object().unwrap(), NOW)
    }

    #[test]
    fn cl_05_cl_06_exp_is_required_and_a_number() {
        for bad in [
            json!({}),
            json!({"exp": "9999999999"}),
            json!({"exp": true}),
            json!({"exp": null}),
            json!({"exp": []}),
        ] {
            assert!(times(bad.clone()).is_err(), "{bad}");
        }
        for (exp, good) in [
            (json!(0), false),
            (json!(-1), false),
            (json!(1e300), true),
            (json!(1_000_000.5), false),
            (json!(1_000_001.5), true),
        ] {
            assert_eq!(times(json!({"exp": exp})).is_ok(), good, "{exp}");
        }
    }

    #[test]
    fn cl_07_the_boundaries_are_exact() {
        for (claims, good) in [
            (json!({"exp": 1_000_000}), false),
            (json!({"exp": 1_000_001}), true),
            (json!({"exp": 1_000_001, "nbf": 1_000_060}), true),
            (json!({"exp": 1_000_001, "nbf": 1_000_061}), false),
            (json!({"exp": 1_000_001, "iat": 1_000_060}), true),
            (json!({"exp": 1_000_001, "iat": 1_003_600}), false),
            (json!({"exp": 1_000_001, "iat": "x"}), false),
            (json!({"exp": 1_000_001, "nbf": null}), false),
        ] {
            assert_eq!(times(claims.clone()).is_ok(), good, "{claims}");
        }
    }

    #[test]
    fn cl_01_cl_03_cl_10_issuer_audience_and_subject_are_type_checked() {
        let map = |v: Value| v.as_object().unwrap().clone();
        for other in [
            json!("https://a/"),
            json!("https://A"),
            json!(["https://a"]),
            json!(null),
            json!("https://a "),
        ] {
            assert!(
                !is_issuer(&map(json!({"iss": other})), "https://a"),
                "{other}"
            );
        }
        for bad in [
            json!({}),
            json!({"aud": ["a", 7]}),
            json!({"aud": {}}),
            json!({"aud": 1}),
            json!({"aud": null}),
        ] {
            assert_eq!(audiences(&map(bad.clone())), None, "{bad}");
        }
        assert_eq!(audiences(&map(json!({"aud": []}))), Some(vec![]));
        for bad in [
            json!({}),
            json!({"sub": ""}),
            json!({"sub": "  "}),
            json!({"sub": 1}),
            json!({"sub": "a\u{0}"}),
            json!({"sub": "x".repeat(10_000)}),
        ] {
            assert!(subject(&map(bad)).is_err());
        }
    }
}
