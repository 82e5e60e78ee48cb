//! Text for a part of a URL, or for a script.

/// `encodeURIComponent`, with the apostrophe encoded as well: what is left can end neither a query's value, nor a
/// quoted script literal, nor a script element, nor a line.
pub(super) fn encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'(' | b')' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                out.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_encode_uri_component_and_the_apostrophe() {
        let kept = "ABCXYZabcxyz0189-_.!~*()";
        assert_eq!(encode(kept), kept);
        for (text, encoded) in [
            ("'", "%27"),
            (
                "https://app.example.test:3000",
                "https%3A%2F%2Fapp.example.test%3A3000",
            ),
            (
                r#"{"a":"b c+d&e=f"}"#,
                "%7B%22a%22%3A%22b%20c%2Bd%26e%3Df%22%7D",
            ),
            ("é\u{2028}😀", "%C3%A9%E2%80%A8%F0%9F%98%80"),
            ("</script>\\\n\0", "%3C%2Fscript%3E%5C%0A%00"),
        ] {
            assert_eq!(encode(text), encoded, "{text}");
        }
    }
}
