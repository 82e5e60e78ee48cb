//! A compact JWS (RFC 7515 section 7.1), parsed to the letter and not yet believed.

use serde_json::{Map, Value};

use super::json::parse_object;
use crate::secret::encoding::from_base64url;

/// A key id longer than this is none.
const MAX_KEY_ID: usize = 256;

/// A signed token whose form is right. Nothing in it is proven.
pub(crate) struct Jws<'a> {
    pub(crate) header: Header,
    /// What the signature is over: the text up to the second dot.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
    payload: Vec<u8>,
}

/// The members of a header that this crate heeds. `jku`, `jwk`, `x5u` and `x5c` are not among them:
/// a token never brings its own key.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) typ: Option<String>,
}

/// The signature algorithms that are understood (RFC 7518 section 3.1, RFC 8037, RFC 9864).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: for Backstage's legacy service tokens only.
    Hs256,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// Ed25519, by the name `EdDSA` or `Ed25519`.
    EdDsa,
}

/// Why a text is not a JWS that could be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JwsError {
    /// Not three segments of base64url: perhaps some other kind of token.
    NotJws,
    /// Five segments: an encrypted token.
    Encrypted,
    /// It looks like one, but its header is not acceptable.
    Header(&'static str),
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_with(token, from_base64url)
    }

    /// The same where each segment is decoded otherwise than RFC 7515 wants it.
    pub(crate) fn parse_with(
        token: &'a str,
        decode: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, JwsError> {
        match token.bytes().filter(|b| *b == b'.').count() {
            2 => {}
            4 => return Err(JwsError::Encrypted),
            _ => return Err(JwsError::NotJws),
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::NotJws)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::NotJws)?;
        let segment = |text: &str| decode(text).filter(|bytes| !bytes.is_empty());
        let header = segment(header).ok_or(JwsError::NotJws)?;
        let payload = segment(payload).ok_or(JwsError::NotJws)?;
        let signature = segment(signature).ok_or(JwsError::NotJws)?;
        Ok(Self {
            header: Header::parse(&header)?,
            signed,
            signature,
            payload,
        })
    }

    /// The claims: an object without duplicate members, still unproven.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, &'static str> {
        parse_object(&self.payload)
            .ok_or("the payload is not a JSON object, or a member stands twice")
    }
}

impl Header {
    fn parse(text: &[u8]) -> Result<Self, JwsError> {
        let members = parse_object(text).ok_or(JwsError::Header(
            "the header is not a JSON object, or a member stands twice",
        ))?;
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(JwsError::Header("the header asks for an extension (crit)"));
        }
        let text = |name: &str, wrong| match members.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value.as_str())),
            Some(_) => Err(JwsError::Header(wrong)),
        };
        let algorithm = text("alg", "alg is not a string")?
            .and_then(Algorithm::parse)
            .ok_or(JwsError::Header("alg is missing or not accepted"))?;
        let key_id = text("kid", "kid is not a string")?;
        if key_id.is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KEY_ID) {
            return Err(JwsError::Header("kid is empty or longer than 256 bytes"));
        }
        Ok(Self {
            algorithm,
            key_id: key_id.map(str::to_owned),
            typ: text("typ", "typ is not a string")?.map(str::to_owned),
        })
    }

    /// Whether `typ` is this media type: case-insensitive, `application/` may be left out (RFC 7515 section 4.1.9).
    pub(crate) fn is_typ(&self, expected: &str) -> bool {
        self.typ.as_deref().is_some_and(|typ| {
            let bare = match typ.split_at_checked(12) {
                Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
                _ => typ,
            };
            bare.eq_ignore_ascii_case(expected)
        })
    }
}

impl Algorithm {
    /// Its name (RFC 7518 section 3.1, RFC 8037 section 3.1).
    #[cfg(feature = "sign-in")]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Compared byte by byte: `none` in any spelling is not there to be found.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    /// Its name in a header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithms that a foreign issuer may use: every asymmetric one.
    pub(crate) const ASYMMETRIC: [Self; 9] = [
        Self::Es256,
        Self::Es384,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::EdDsa,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::encoding::base64url;

    fn with_header(header: &str) -> Result<Header, JwsError> {
        let token = format!(
            "{}.{}.{}",
            base64url(header.as_bytes()),
            base64url(b"{}"),
            base64url(b"x")
        );
        Jws::parse(&token).map(|jws| jws.header)
    }

    #[test]
    fn jw_01_none_is_not_an_algorithm_in_any_spelling() {
        for alg in [
            "none", "None", "noNE", "nOnE", "rs256", "RS256 ", "HS384", "",
        ] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            assert!(
                matches!(with_header(&header), Err(JwsError::Header(_))),
                "{alg}"
            );
        }
        for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["RS256"]}"#] {
            assert!(
                matches!(with_header(header), Err(JwsError::Header(_))),
                "{header}"
            );
        }
    }

    #[test]
    fn jw_06_a_key_id_is_a_short_string() {
        let long = "k".repeat(257);
        for kid in [r#"[]"#, "1", r#""""#, "null", "{}", &format!("\"{long}\"")] {
            let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
            assert!(
                matches!(with_header(&header), Err(JwsError::Header(_))),
                "{kid:.20}"
            );
        }
        let odd = with_header(r#"{"alg":"RS256","kid":"../../dev/null"}"#).unwrap();
        assert_eq!(odd.key_id.as_deref(), Some("../../dev/null"));
    }

    #[test]
    fn jw_08_an_extension_is_refused() {
        for extra in [
            r#""crit":["bork"]"#,
            r#""crit":[]"#,
            r#""crit":1"#,
            r#""b64":false"#,
        ] {
            let header = format!(r#"{{"alg":"RS256",{extra}}}"#);
            assert!(
                matches!(with_header(&header), Err(JwsError::Header(_))),
                "{extra}"
            );
        }
    }

    #[test]
    fn jw_09_jw_10_jw_14_only_three_segments_of_base64url_are_a_jws() {
        let h = base64url(br#"{"alg":"RS256"}"#);
        for bad in [
            "",
            "..",
            "a.b",
            "a.b.c.d",
            &format!("{h}.e30."),
            &format!(".{h}.e30"),
            &format!("{h}..eA"),
            &format!("{h}.e30.eA="),
            &format!("{h}.e30.e+A"),
            &format!("{h}.e30.eB"),
            &format!("{h} .e30.eA"),
            "{\"payload\":\"e30\"}",
            &"a.b.c.d.e.f".repeat(3),
        ] {
            assert!(matches!(Jws::parse(bad), Err(JwsError::NotJws)), "{bad}");
        }
        assert!(matches!(Jws::parse("a.b.c.d.e"), Err(JwsError::Encrypted)));
        assert!(matches!(
            Jws::parse(&".".repeat(1 << 20)),
            Err(JwsError::NotJws)
        ));
    }

    #[test]
    fn cl_09_typ_is_a_media_type() {
        let typ = |typ: &str| with_header(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#)).unwrap();
        for same in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/AT+jwt",
        ] {
            assert!(typ(same).is_typ("at+jwt"), "{same}");
        }
        for other in [
            "jwt",
            "x/at+jwt",
            "at+jwt ",
            "application/application/at+jwt",
        ] {
            assert!(!typ(other).is_typ("at+jwt"), "{other}");
        }
    }
}
