//! The `WWW-Authenticate` challenge (RFC 9110 section 11.6.1, RFC 6750 section 3).

use http::HeaderValue;

use super::RejectionKind;
use crate::error::ConfigMistake;

/// What a challenge says about us, whatever the refusal.
#[derive(Clone, Debug)]
pub struct Challenge {
    realm: Box<str>,
    scope: Option<Box<str>>,
}

impl Challenge {
    /// A challenge for this realm.
    ///
    /// # Errors
    ///
    /// If the realm holds anything that cannot stand in a quoted string: only printable ASCII
    /// without `"` and `\` can (RFC 6750 section 3).
    pub fn new(realm: impl Into<Box<str>>) -> Result<Self, ConfigMistake> {
        let realm = realm.into();
        let fits = |b: u8| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\';
        if realm.bytes().all(fits) {
            Ok(Self { realm, scope: None })
        } else {
            Err(ConfigMistake::new(
                "realm",
                "expected printable ASCII without quotes",
            ))
        }
    }

    /// Names what was lacking, where that is what a refusal is about. What is no list of scopes is left out.
    pub(crate) fn with_scope(mut self, scope: &str) -> Self {
        let fits = |b: u8| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\';
        self.scope = scope.bytes().all(fits).then(|| scope.into());
        self
    }

    pub(crate) fn header(&self, kind: RejectionKind) -> HeaderValue {
        let mut text = format!("Bearer realm=\"{}\"", self.realm);
        if let Some(code) = kind.error_code() {
            text.push_str(", error=\"");
            text.push_str(code);
            text.push('"');
        }
        if let Some(scope) = &self.scope
            && kind == RejectionKind::InsufficientScope
        {
            text.push_str(", scope=\"");
            text.push_str(scope);
            text.push('"');
        }
        // The realm was checked when it was made, and the rest is ours.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

impl Default for Challenge {
    fn default() -> Self {
        Self {
            realm: "tower-identity".into(),
            scope: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ex_12_a_missing_credential_has_no_error_code() {
        let challenge = Challenge::default();
        assert_eq!(
            challenge.header(RejectionKind::MissingCredentials),
            "Bearer realm=\"tower-identity\""
        );
        assert_eq!(
            challenge.header(RejectionKind::InvalidToken),
            "Bearer realm=\"tower-identity\", error=\"invalid_token\""
        );
    }

    #[test]
    fn st_01_a_realm_that_would_break_the_header_is_refused() {
        for bad in ["a\"b", "a\\b", "a\r\nb", "é"] {
            assert!(Challenge::new(bad).is_err(), "{bad:?}");
        }
        assert!(Challenge::new("the portal").is_ok());
    }
}
