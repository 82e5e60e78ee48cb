//! The bearer token of a request (RFC 6750 section 2.1, RFC 9110 section 11.4).

use std::fmt;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

/// Longer credentials are refused before anything looks at them.
pub(crate) const MAX_LENGTH: usize = 16 * 1024;

/// A bearer token, borrowed from the request: syntactically a `b64token`, otherwise unproven.
#[derive(Clone, Copy)]
pub struct BearerToken<'a>(&'a str);

/// A credential that is there, but cannot be one. Never to be taken for an absent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MalformedCredential {
    /// The field stands twice: which one counts would be a guess.
    Repeated,
    /// The scheme is `Bearer`, but what follows is not one `b64token`.
    Grammar,
    /// More than 16 KiB.
    TooLong,
}

// ===== impl BearerToken =====

impl<'a> BearerToken<'a> {
    /// Reads the `Authorization` field. Another scheme, such as `Basic`, is no bearer token.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
    /// use tower_identity::credential::BearerToken;
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
    /// assert_eq!(BearerToken::from_headers(&headers).unwrap().unwrap().as_str(), "abc");
    /// headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer def"));
    /// assert!(BearerToken::from_headers(&headers).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// If the field stands twice, or its scheme is `Bearer` and the rest is not one token.
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Option<Self>, MalformedCredential> {
        let Some(value) = single(headers, &AUTHORIZATION)? else {
            return Ok(None);
        };
        let value = value.trim_ascii();
        let end = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at(end);
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            // What has no scheme at all is broken, and a bearer token behind another scheme is two credentials in
            // one line. An empty field is no credential.
            return if !value.is_empty() && !scheme.iter().all(is_tchar)
                || scheme.is_empty() && !value.is_empty()
            {
                Err(MalformedCredential::Grammar)
            } else if names_bearer(rest) {
                Err(MalformedCredential::Repeated)
            } else {
                Ok(None)
            };
        }
        Self::parse(rest.trim_ascii_start()).map(Some)
    }

    /// Reads a key from a field of its own, such as `x-api-key`: the whole value is the token.
    ///
    /// # Errors
    ///
    /// If the field stands twice or is not one token.
    pub fn from_named_header(
        headers: &'a HeaderMap,
        name: &HeaderName,
    ) -> Result<Option<Self>, MalformedCredential> {
        single(headers, name)?
            .map(|value| Self::parse(value.trim_ascii()))
            .transpose()
    }

    /// The token.
    ///
    /// # Security
    ///
    /// It is a secret: whatever receives it must neither log nor store it.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, MalformedCredential> {
        if value.len() > MAX_LENGTH {
            return Err(MalformedCredential::TooLong);
        }
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
        let body = value.iter().take_while(|b| allowed(b)).count();
        if body == 0 || value[body..].iter().any(|b| *b != b'=') {
            return Err(MalformedCredential::Grammar);
        }
        std::str::from_utf8(value)
            .map(Self)
            .map_err(|_| MalformedCredential::Grammar)
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken([redacted])")
    }
}

impl fmt::Display for MalformedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "the credential stands twice",
            Self::Grammar => "the credential is not one b64token",
            Self::TooLong => "the credential is longer than 16 KiB",
        })
    }
}

impl std::error::Error for MalformedCredential {}

/// A character of a scheme's name (RFC 9110 section 5.6.2).
fn is_tchar(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b)
}

/// Whether a list of credentials goes on with a bearer token.
fn names_bearer(rest: &[u8]) -> bool {
    rest.split(|b| *b == b',').skip(1).any(|item| {
        let item = item.trim_ascii_start();
        item.get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "))
    })
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a [u8]>, MalformedCredential> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value.as_bytes())),
        (Some(_), Some(_)) => Err(MalformedCredential::Repeated),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&[u8]]) -> Result<Option<String>, MalformedCredential> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        BearerToken::from_headers(&headers).map(|token| token.map(|t| t.as_str().to_owned()))
    }

    #[test]
    fn ex_03_the_scheme_is_case_insensitive() {
        for line in [
            "Bearer a.b-c_d~e+f/g==",
            "bearer a.b-c_d~e+f/g==",
            "BEARER   a.b-c_d~e+f/g==",
        ] {
            assert_eq!(
                read(&[line.as_bytes()]),
                Ok(Some("a.b-c_d~e+f/g==".into())),
                "{line}"
            );
        }
    }

    #[test]
    fn ex_04_ex_09_ex_10_what_is_not_one_b64token_is_malformed_not_absent() {
        for line in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer\ttok",
            b"Bearer tok extra",
            b"Bearer %",
            b"Bearer %zz",
            b"Bearer a,b",
            b"Bearer \"a\"",
            b"Bearer realm=\"x\"",
            b"Bearer a=b",
            b"Bearer ==",
            b"Bearer caf\xc3\xa9",
            b"Bearer \xff",
            b"Bearer:a",
            b"Bearer: a",
            b"Bearer a;x",
            b"Bearer a@b",
            b"Bearer a\\b",
            b"Bearer\xc2\xa0abc",
            b"\xff",
            b"\xa0Bearer abc",
            b"\"Bearer abc",
            b",Bearer abc",
        ] {
            assert_eq!(
                read(&[line]),
                Err(MalformedCredential::Grammar),
                "{:?}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn ex_07_ex_13_another_scheme_is_no_credential_of_ours() {
        for line in [
            &b"Basic YTpi"[..],
            b"Foo x",
            b"Bearerx abc",
            b"Beare abc",
            b"",
            b"abc",
            b"DPoP abc",
            b"Digest realm=\"bearer \", x=y",
        ] {
            assert_eq!(read(&[line]), Ok(None), "{:?}", line.escape_ascii());
        }
    }

    #[test]
    fn ex_01_two_lines_are_refused_in_either_order() {
        for lines in [
            [&b"Bearer a"[..], b"Bearer b"],
            [b"Basic YTpi", b"Bearer b"],
            [b"Bearer b", b"Basic YTpi"],
        ] {
            assert_eq!(read(&lines), Err(MalformedCredential::Repeated));
        }
        assert_eq!(
            read(&[b"Basic YTpi, bearer b"]),
            Err(MalformedCredential::Repeated)
        );
    }

    #[test]
    fn ex_08_length_is_bounded() {
        for length in [MAX_LENGTH + 1, 1 << 20, 8 << 20] {
            let line = [b"Bearer ".as_slice(), &vec![b'.'; length]].concat();
            assert_eq!(read(&[&line]), Err(MalformedCredential::TooLong));
        }
    }
}
