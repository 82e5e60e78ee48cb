//! Base64url (RFC 4648 section 5, canonical and unpadded) and lower-case hexadecimal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes without padding.
pub(crate) fn base64url(data: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(data)
}

/// Encodes with padding, in the alphabet of section 4: for Basic credentials (RFC 7617).
pub(crate) fn base64(data: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(data)
}

/// Decodes canonical text only, with its padding: RFC 7515 has none, and Amazon's load balancers do.
#[cfg(feature = "sign-in")]
pub(crate) fn from_padded_base64url(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::URL_SAFE.decode(text).ok()
}

/// Decodes canonical text only: no padding, no other alphabet, no stray trailing bits.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(data: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    data.iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// Decodes hexadecimal of exactly `N` bytes, either case.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jw_11_only_canonical_base64url_is_decoded() {
        assert_eq!(from_base64url("AQI").as_deref(), Some(&[1, 2][..]));
        for bad in ["AQJ", "AQI=", "A+I", "A/I", "A", "AQ I", "AQI\n"] {
            assert_eq!(from_base64url(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hexadecimal_goes_there_and_back() {
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
        assert_eq!(from_hex::<3>("00ABff"), Some([0, 0xab, 0xff]));
        for bad in ["00ab", "00abfff", "00abfg", "é0abf"] {
            assert_eq!(from_hex::<3>(bad), None, "{bad:?}");
        }
    }
}
