//! The cookies of a response, written in one way only.

use std::time::Duration;

use http::HeaderValue;

use super::cookie::MAX_CHUNKS;
use super::{CookieName, Cookies, SiteRule};
use crate::secret::SealingKeys;

/// One cookie's value at most; name and attributes come on top, and browsers stop at 4096.
const CHUNK: usize = 3600;

/// A `Set-Cookie` in the making: always `HttpOnly`, without `Domain`, and `SameSite=Lax` unless told.
#[derive(Debug)]
pub(crate) struct SetCookie {
    rule: SiteRule,
    path: Box<str>,
    across_sites: bool,
}

/// A sealed value that would not fit into cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

// ===== impl SetCookie =====

impl SetCookie {
    /// For a cookie of the whole host.
    pub(crate) fn host(rule: SiteRule) -> Self {
        Self::path(rule, "/")
    }

    /// For a cookie of one path.
    pub(crate) fn path(rule: SiteRule, path: &str) -> Self {
        Self {
            rule,
            path: path.into(),
            across_sites: false,
        }
    }

    /// Sent with what a page of another site asks for as well, if it is `Secure`. Who reads such a cookie has to look at
    /// the request's origin.
    pub(crate) fn across_sites(mut self, wanted: bool) -> Self {
        self.across_sites = wanted;
        self
    }

    /// Seals `plain` into one or more cookies, and clears the form that `present` has left over.
    pub(crate) fn seal(
        &self,
        keys: &SealingKeys,
        name: &CookieName,
        plain: &[u8],
        max_age: Duration,
        present: Cookies<'_>,
    ) -> Result<Vec<HeaderValue>, TooLarge> {
        let text = keys.seal(name.as_str(), plain);
        if text.len() <= CHUNK {
            let mut lines = vec![self.line(name.as_str(), &text, max_age)];
            lines.extend(self.clear_chunks(name, present, 0));
            return Ok(lines);
        }
        if text.len() > CHUNK * MAX_CHUNKS {
            return Err(TooLarge);
        }
        // Base64url is ASCII: every cut falls between characters.
        let chunks = text
            .as_bytes()
            .chunks(CHUNK)
            .map(|c| std::str::from_utf8(c).unwrap_or(""));
        let mut lines: Vec<_> = chunks
            .enumerate()
            .map(|(i, chunk)| self.line(&format!("{}.{i}", name.as_str()), chunk, max_age))
            .collect();
        let written = lines.len();
        if present.iter().any(|(n, _)| n == name.as_str()) {
            lines.push(self.line(name.as_str(), "", Duration::ZERO));
        }
        lines.extend(self.clear_chunks(name, present, written));
        Ok(lines)
    }

    /// Clears every form of the cookie that `present` carries, with the attributes it was set with.
    pub(crate) fn clear(&self, name: &CookieName, present: Cookies<'_>) -> Vec<HeaderValue> {
        let mut lines = self.clear_chunks(name, present, 0);
        if present.iter().any(|(n, _)| n == name.as_str()) {
            lines.push(self.line(name.as_str(), "", Duration::ZERO));
        }
        lines
    }

    /// The line that clears a cookie of this very name.
    pub(crate) fn expire(&self, name: &str) -> HeaderValue {
        self.line(name, "", Duration::ZERO)
    }

    fn clear_chunks(
        &self,
        name: &CookieName,
        present: Cookies<'_>,
        from: usize,
    ) -> Vec<HeaderValue> {
        (from..MAX_CHUNKS)
            .filter(|i| present.iter().any(|(n, _)| name.chunk_of(n) == Some(*i)))
            .map(|i| self.line(&format!("{}.{i}", name.as_str()), "", Duration::ZERO))
            .collect()
    }

    fn line(&self, name: &str, value: &str, max_age: Duration) -> HeaderValue {
        let mut text = format!(
            "{name}={value}; Max-Age={}; Path={}; HttpOnly",
            max_age.as_secs(),
            self.path
        );
        let secure = self.rule == SiteRule::Secure;
        text.push_str(match secure {
            true if self.across_sites => "; Secure; SameSite=None",
            true => "; Secure; SameSite=Lax",
            false => "; SameSite=Lax",
        });
        // Names and paths were checked when they were configured, values are base64url.
        let mut line = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        line.set_sensitive(true);
        line
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::COOKIE;

    use super::*;
    use crate::credential::strip_cookies;
    use crate::secret::SealingKey;

    const HOUR: Duration = Duration::from_secs(3600);

    fn keys() -> SealingKeys {
        SealingKeys::new(SealingKey::from_secret(&[1; 32]).unwrap(), [])
    }

    fn jar(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    /// What a browser would send back.
    fn echo(lines: &[HeaderValue]) -> String {
        let pair =
            |line: &HeaderValue| line.to_str().unwrap().split(';').next().unwrap().to_owned();
        lines.iter().map(pair).collect::<Vec<_>>().join("; ")
    }

    fn seal(name: &CookieName, plain: &[u8], present: &HeaderMap) -> Vec<HeaderValue> {
        SetCookie::host(SiteRule::Secure)
            .seal(&keys(), name, plain, HOUR, Cookies::of(present))
            .unwrap()
    }

    #[test]
    fn se_01_a_cookie_is_set_and_cleared_with_the_same_attributes() {
        let name = CookieName::host(SiteRule::Secure, "s");
        let lines = seal(&name, b"x", &HeaderMap::new());
        let text = lines[0].to_str().unwrap();
        assert!(text.starts_with("__Host-s="), "{text}");
        assert!(
            text.ends_with("; Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=Lax"),
            "{text}"
        );
        let jar = jar(&[&echo(&lines)]);
        let cleared = SetCookie::host(SiteRule::Secure).clear(&name, Cookies::of(&jar));
        assert_eq!(
            cleared,
            ["__Host-s=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax"]
        );
    }

    #[test]
    fn se_02_planted_cookies_neither_hide_nor_replace_the_real_one() {
        let name = CookieName::host(SiteRule::Plain, "s");
        let real = echo(&seal(&name, b"real", &HeaderMap::new()));
        let other = echo(&seal(&name, b"other", &HeaderMap::new()));
        let open = |lines: &[&str]| {
            Cookies::of(&jar(lines))
                .open(&keys(), &name)
                .map(|v| v.to_vec())
        };
        assert_eq!(open(&[&format!("s=junk; {real}")]).unwrap(), b"real");
        assert_eq!(open(&[&real, "s=junk"]).unwrap(), b"real");
        assert_eq!(
            open(&[&format!("{real}; {real}")]).unwrap(),
            b"real",
            "the same twice is the same"
        );
        assert_eq!(
            open(&[&format!("{real}; {other}")]),
            None,
            "two that open are ambiguous"
        );
        let flood = vec!["s=junk"; 1000].join("; ");
        assert_eq!(open(&[&flood, &real]), None, "work is bounded");
    }

    #[test]
    fn se_03_se_04_names_and_values_are_taken_as_they_stand() {
        let name = CookieName::host(SiteRule::Secure, "s");
        let real = echo(&seal(&name, b"real", &HeaderMap::new()));
        let value = real.strip_prefix("__Host-s=").unwrap();
        for planted in [
            "__host-s",
            "__HOST-s",
            "%5f%5fHost-s",
            "\"__Host-s\"",
            "=__Host-s",
            "__Host-s%20",
            "$__Host-s",
        ] {
            let jar = jar(&[&format!("{planted}={value}")]);
            assert!(
                Cookies::of(&jar).open(&keys(), &name).is_none(),
                "{planted}"
            );
        }
        for changed in [
            format!("__Host-s=\"{value}\""),
            format!("$Version=1; x=\"; {real}x; y=\""),
        ] {
            assert!(
                Cookies::of(&jar(&[&changed]))
                    .open(&keys(), &name)
                    .is_none(),
                "{changed}"
            );
        }
    }

    #[test]
    fn se_07_large_values_are_chunked_and_stale_chunks_cleared() {
        let name = CookieName::host(SiteRule::Plain, "s");
        for size in [1, 2600, 2700, 5400, 8000, 10_000] {
            let plain = vec![b'x'; size];
            let lines = seal(&name, &plain, &HeaderMap::new());
            assert!(lines.iter().all(|line| line.len() < 4000));
            let mut jar = jar(&[&echo(&lines)]);
            assert_eq!(
                Cookies::of(&jar).open(&keys(), &name).unwrap().to_vec(),
                plain,
                "{size}"
            );
            // Shrinking it clears what is left over.
            let shrunk = seal(&name, b"small", &jar);
            let cleared = shrunk
                .iter()
                .filter(|l| l.to_str().unwrap().contains("Max-Age=0"))
                .count();
            assert_eq!(
                cleared,
                if lines.len() == 1 { 0 } else { lines.len() },
                "{size}"
            );
            strip_cookies(&mut jar, "s");
            assert!(jar.is_empty());
        }
        let set = SetCookie::host(SiteRule::Plain);
        let huge = set.seal(
            &keys(),
            &name,
            &[0; 20_000],
            HOUR,
            Cookies::of(&HeaderMap::new()),
        );
        assert_eq!(huge.unwrap_err(), TooLarge);
    }

    #[test]
    fn se_07_se_08_a_missing_mixed_or_planted_chunk_is_no_value() {
        let name = CookieName::host(SiteRule::Plain, "s");
        let first = echo(&seal(&name, &[b'x'; 6000], &HeaderMap::new()));
        let second = echo(&seal(&name, &[b'x'; 6000], &HeaderMap::new()));
        let [a0, a1, a2] = first.split("; ").collect::<Vec<_>>()[..] else {
            panic!("three chunks")
        };
        let [_, b1, _] = second.split("; ").collect::<Vec<_>>()[..] else {
            panic!("three chunks")
        };
        let many = (0..1000)
            .map(|i| format!("s.{i}=x"))
            .collect::<Vec<_>>()
            .join("; ");
        for bad in [
            format!("{a0}; {a2}"),
            format!("{a0}; {b1}; {a2}"),
            format!("{a1}; {a2}"),
            format!("{first}; s.1=planted"),
            format!("{first}; s.3=appended"),
            many,
        ] {
            assert!(
                Cookies::of(&jar(&[&bad])).open(&keys(), &name).is_none(),
                "{bad:.40}"
            );
        }
        let shuffled = format!("{a2}; {a0}; {a1}");
        assert!(
            Cookies::of(&jar(&[&shuffled]))
                .open(&keys(), &name)
                .is_some()
        );
    }

    #[test]
    fn only_our_cookies_are_stripped() {
        let mut jar = jar(&[
            "a=1; tid-session=x; b=2",
            "tid-session.1=y; tid-attempt-z=1",
            "tids=3; TID-x=4; =tid-",
        ]);
        strip_cookies(&mut jar, "tid-");
        let left: Vec<_> = jar
            .get_all(COOKIE)
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect();
        assert_eq!(left, ["a=1; b=2", "tids=3; TID-x=4; =tid-"]);
    }
}
