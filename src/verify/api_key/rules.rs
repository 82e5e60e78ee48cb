//! What a key that somebody chose must be like: judged when it is configured, so that none is accepted that
//! cannot be sent, or can be guessed.

use super::format::{Form, form_of};
use super::legacy::{MIN_KEY, decode_like_node, significant};
use crate::credential::BearerToken;

/// Shorter secrets can be guessed or are placeholders.
pub(super) const MIN_SECRET: usize = 16;

/// The shortest token of `type: static`, which is Backstage's.
#[cfg(feature = "app-config")]
pub(crate) const MIN_TOKEN: usize = 8;

/// A key of fewer different bytes is a pattern.
const MIN_DISTINCT: usize = 8;

/// Whether `text` can be a key: what a client can send as a bearer token, and long enough.
pub(crate) fn check_key(text: &str, least: usize) -> Result<(), String> {
    if BearerToken::parse(text.as_bytes()).is_err() {
        return Err("expected what a bearer token may be (RFC 6750): letters, digits and -._~+/ without spaces, \
                    and `=` at the end only"
            .into());
    }
    if text.len() < least {
        let length = text.len();
        return Err(format!(
            "expected a secret of at least {least} characters, found {length}"
        ));
    }
    if form_of(text) == Form::Broken {
        return Err(
            "has the form of a generated key, and its checksum is wrong: is it mistyped?".into(),
        );
    }
    Ok(())
}

/// Whether `text` can be a shared secret: a key, and strong as the HMAC keys that it stands for.
pub(crate) fn check_legacy_secret(text: &str) -> Result<(), String> {
    check_key(text, MIN_SECRET)?;
    let decoded = decode_like_node(text);
    let usable = decoded.len() >= MIN_KEY;
    // HMAC pads keys with zeros (RFC 2104): those at the end add nothing.
    let counts = significant(&decoded).len();
    if usable && counts < MIN_KEY {
        return Err(format!(
            "decodes to a key that ends in zeros: expected at least {MIN_KEY} bytes before them, found {counts}"
        ));
    }
    if distinct(text.as_bytes()) < MIN_DISTINCT || usable && distinct(&decoded) < MIN_DISTINCT {
        return Err(format!(
            "repeats itself: expected a key of at least {MIN_DISTINCT} different bytes"
        ));
    }
    Ok(())
}

/// Whether `text` can be an id or a subject: it stands in logs and headers.
pub(crate) fn check_name(text: &str) -> Result<(), &'static str> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err("expected visible ASCII characters without spaces")
    }
}

fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    bytes
        .iter()
        .for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count()
}

#[cfg(test)]
mod tests {
    use super::super::ApiKey;
    use super::*;

    #[test]
    fn what_cannot_be_sent_is_no_key() {
        let own = ApiKey::generate("tid");
        let mut mistyped = own.expose().to_owned();
        let last = mistyped.pop().unwrap();
        mistyped.push(if last == 'a' { 'b' } else { 'a' });
        for (text, good) in [
            ("a-static-token", true),
            ("aGVsbG8gd29ybGQ=", true),
            (own.expose(), true),
            (&mistyped, false),
            ("p@ssw0rd!secret", false),
            ("aaaa=aaaa", false),
            ("with a space", false),
            ("é-is-no-ascii", false),
            ("short", false),
            ("", false),
        ] {
            let verdict = check_key(text, 8);
            assert_eq!(verdict.is_ok(), good, "{text}: {verdict:?}");
            let repeated = verdict.is_err_and(|e| !text.is_empty() && e.contains(text));
            assert!(!repeated, "{text} is repeated");
        }
        assert_eq!(
            check_key("fifteen-charact", MIN_SECRET),
            Err("expected a secret of at least 16 characters, found 15".into())
        );
    }

    #[test]
    fn zeros_and_patterns_are_weaker_than_they_look() {
        for (text, good) in [
            // 24 bytes of text.
            ("bm90LXNvLXNlY3JldC1idXQtbG9uZy1lbm91Z2gh", true),
            // Decodes to 12 bytes, which are not used: the text is.
            ("0123456789abcdef", true),
            ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false),
            // Nine bytes, then zeros.
            ("bm90LXNvLXNlAAAAAAAAAAAAAAAAAAAA", false),
            // Twenty bytes, then one zero, as one of 256 random keys has.
            ("bm90LXNvLXNlY3JldC1idXQtbAA=", true),
            ("abababababababababab", false),
        ] {
            let verdict = check_legacy_secret(text);
            assert_eq!(verdict.is_ok(), good, "{text}: {verdict:?}");
        }
    }
}
