//! The cookies of a request (RFC 6265bis), read by its rules only.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::MalformedCredential;
use crate::secret::SealingKeys;

/// A sealed value at most, in chunks: with this the whole stays below what servers accept as a header.
pub(super) const MAX_CHUNKS: usize = 4;
/// How many cookies of one name are tried: another site can plant junk, but not make us work for it.
const MAX_CANDIDATES: usize = 8;

/// Where cookies of ours may go: decided once, by the portal's public URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteRule {
    /// https: `Secure`, and a `__Host-` name where the path allows it.
    Secure,
    /// http, in development only: names without the prefix, so that the two never mix.
    Plain,
}

/// The exact name of a cookie of ours. Compared byte by byte, never decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieName(Box<str>);

/// The cookies of a request, borrowed from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookies<'a>(&'a HeaderMap);

// ===== impl CookieName =====

impl CookieName {
    /// A name for a cookie of the whole host.
    pub(crate) fn host(rule: SiteRule, base: &str) -> Self {
        match rule {
            SiteRule::Secure => Self(format!("__Host-{base}").into()),
            SiteRule::Plain => Self(base.into()),
        }
    }

    /// A name for a cookie of one path, which cannot have the prefix.
    #[cfg(feature = "sign-in")]
    pub(crate) fn path(base: &str) -> Self {
        Self(base.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The number of the chunk that `name` is of this cookie: `name.0`, `name.1`, …
    pub(super) fn chunk_of(&self, name: &str) -> Option<usize> {
        let index = name.strip_prefix(&*self.0)?.strip_prefix('.')?;
        let index = match index.as_bytes() {
            [digit @ b'0'..=b'9'] => usize::from(digit - b'0'),
            _ => return None,
        };
        (index < MAX_CHUNKS).then_some(index)
    }

    fn covers(&self, name: &str) -> bool {
        name == &*self.0 || self.chunk_of(name).is_some()
    }
}

// ===== impl Cookies =====

impl<'a> Cookies<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        Self(headers)
    }

    /// Every pair, in order. Names and values are taken as they stand: no decoding, no quotes.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .get_all(COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|b| *b == b';'))
            .filter_map(|pair| {
                let pair = std::str::from_utf8(pair.trim_ascii()).ok()?;
                pair.split_once('=')
            })
    }

    /// Whether the request carries this cookie in any form, a broken one too.
    pub(crate) fn contains(self, name: &CookieName) -> bool {
        let lines = self.0.get_all(COOKIE).iter();
        let mut pairs = lines.flat_map(|line| line.as_bytes().split(|b| *b == b';'));
        pairs.any(|pair| {
            let pair = pair.trim_ascii();
            let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            std::str::from_utf8(&pair[..end]).is_ok_and(|n| name.covers(n))
        })
    }

    /// Opens a sealed cookie.
    ///
    /// Each candidate of the name is tried, so that a planted one cannot hide the real one;
    /// if two of them open to different values, neither counts.
    #[cfg(feature = "sign-in")]
    pub(crate) fn open(self, keys: &SealingKeys, name: &CookieName) -> Option<Zeroizing<Vec<u8>>> {
        self.open_one(keys, name).ok().flatten()
    }

    /// The same, and two that differ are told from none.
    pub(crate) fn open_one(
        self,
        keys: &SealingKeys,
        name: &CookieName,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, MalformedCredential> {
        let whole = self
            .iter()
            .filter(|(n, _)| *n == name.as_str())
            .map(|(_, value)| value.into());
        let mut opened: Option<Zeroizing<Vec<u8>>> = None;
        for text in whole.chain(self.join_chunks(name)).take(MAX_CANDIDATES) {
            let text: std::borrow::Cow<'_, str> = text;
            let Ok(value) = keys.open(name.as_str(), &text) else {
                continue;
            };
            if opened.as_ref().is_some_and(|other| *other != value) {
                return Err(MalformedCredential::Repeated);
            }
            opened = Some(value);
        }
        Ok(opened)
    }

    fn join_chunks(self, name: &CookieName) -> Option<std::borrow::Cow<'a, str>> {
        let mut chunks: [Option<&str>; MAX_CHUNKS] = [None; MAX_CHUNKS];
        for (n, value) in self.iter() {
            if let Some(index) = name.chunk_of(n) {
                // A chunk that stands twice was planted: the whole cannot be told any more.
                if chunks[index].replace(value).is_some() {
                    return None;
                }
            }
        }
        chunks[0]?;
        Some(
            chunks
                .iter()
                .map_while(|chunk| *chunk)
                .collect::<String>()
                .into(),
        )
    }
}

/// Removes from a request every cookie whose name begins like this, and leaves the others as they are.
pub(crate) fn strip_cookies(headers: &mut HeaderMap, prefix: &str) {
    if !Cookies::of(headers)
        .iter()
        .any(|(n, _)| n.starts_with(prefix))
    {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for line in lines {
        let kept: Vec<&[u8]> = line
            .as_bytes()
            .split(|b| *b == b';')
            .map(<[u8]>::trim_ascii)
            .filter(|pair| {
                let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
                !pair[..end].starts_with(prefix.as_bytes())
            })
            .collect();
        if kept.iter().all(|pair| pair.is_empty()) {
            continue;
        }
        // The pieces come out of a valid value, so they make one again.
        if let Ok(mut line) = HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
            line.set_sensitive(true);
            headers.append(COOKIE, line);
        }
    }
}
