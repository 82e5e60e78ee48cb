//! The only place that draws randomness, from the operating system through aws-lc-rs.

use super::encoding;

/// `N` bytes from the system's generator.
///
/// # Panics
///
/// If the operating system cannot give randomness: no answer could be trusted after that.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).expect("the operating system must give randomness");
    out
}

/// 256 random bits as 43 base64url characters: a state, a nonce, a PKCE verifier (RFC 7636 section 4.1).
#[cfg(any(feature = "sign-in", feature = "testing"))]
pub(crate) fn token() -> String {
    encoding::base64url(&bytes::<32>())
}

/// For signatures, which draw for themselves.
#[cfg(feature = "sign-in")]
pub(crate) fn source() -> aws_lc_rs::rand::SystemRandom {
    aws_lc_rs::rand::SystemRandom::new()
}

/// A random UUID (version 4), the form Backstage gives its key ids.
pub(crate) fn uuid() -> String {
    let mut b = bytes::<16>();
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let h = encoding::hex(&b);
    format!(
        "{}-{}-{}-{}-{}",
        &h[..8],
        &h[8..12],
        &h[12..16],
        &h[16..20],
        &h[20..]
    )
}
