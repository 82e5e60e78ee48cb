//! Which origins are meant: one, or all that fit a pattern (spec section 2.2).

use crate::http_client::is_loopback;

/// An origin as browsers send it (RFC 6454 section 6.2), or a pattern of origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginPattern {
    Exact(Box<str>),
    /// The host is one of these. `*` and `?` stand for what a host's name is made of, and never reach into the port.
    Pattern {
        scheme: &'static str,
        hosts: Vec<Box<str>>,
        port: Port,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// That of the scheme.
    Default,
    One(u16),
    Any,
}

/// So many alternatives one pattern may have.
const MAX_HOSTS: usize = 64;

impl OriginPattern {
    /// Whether a text means more than one origin. What opens an IPv6 address is no pattern.
    pub(crate) fn is_pattern(text: &str) -> bool {
        let text = text.replacen("://[", "", 1);
        text.contains(['*', '?', '{', '}', '!', '[', '('])
    }

    /// One origin, as browsers write it.
    pub(crate) fn exact(origin: impl Into<Box<str>>) -> Self {
        Self::Exact(origin.into())
    }

    /// Reads a pattern such as `https://*.example.com`, `https://{docs,wiki}.example.com` or `http://localhost:*`.
    ///
    /// # Errors
    ///
    /// If it is none, or would let in the world: the last two labels of a name have to be written out.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let lower = text.to_ascii_lowercase();
        let (scheme, rest) = match lower.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            _ => return Err("expected a pattern that begins with https:// or http://"),
        };
        if rest.contains(['!', '(', '[', ']', '+', '@', '\\']) {
            return Err("of patterns only *, ? and {a,b} are supported");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            None => (rest, Port::Default),
            Some((host, "*")) => (host, Port::Any),
            Some((host, digits)) => {
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let port = digits.parse().ok().filter(|_| plain);
                (
                    host,
                    Port::One(port.ok_or("expected a port, or * for any")?),
                )
            }
        };
        let port = match (scheme, port) {
            ("https", Port::One(443)) | ("http", Port::One(80)) => Port::Default,
            (_, port) => port,
        };
        let hosts = alternatives(host)?;
        for host in &hosts {
            check(scheme, host)?;
        }
        let hosts = hosts.into_iter().map(Into::into).collect();
        Ok(Self::Pattern {
            scheme,
            hosts,
            port,
        })
    }

    /// Whether all that is meant is of one site with this host. Where names are registered under three labels, as under
    /// `co.uk`, more is taken for one site than browsers do.
    #[cfg(feature = "sign-in")]
    pub(crate) fn is_of_one_site_with(&self, host: &str) -> bool {
        let same = |other: &str| site_of(other) == site_of(host);
        match self {
            Self::Pattern { hosts, .. } => hosts.iter().all(|other| same(other)),
            Self::Exact(origin) => {
                let rest = origin.split_once("://").map_or("", |(_, rest)| rest);
                // What stands behind the last colon is a port, unless it ends an IPv6 address.
                let port = rest
                    .rsplit_once(':')
                    .filter(|(_, port)| !port.ends_with(']'));
                same(port.map_or(rest, |(host, _)| host))
            }
        }
    }

    /// Whether an origin, as a browser sends it, is meant.
    pub(crate) fn matches(&self, origin: &str) -> bool {
        let Self::Pattern {
            scheme,
            hosts,
            port,
        } = self
        else {
            return matches!(self, Self::Exact(exact) if **exact == *origin);
        };
        let Some((given, rest)) = origin.split_once("://") else {
            return false;
        };
        // A pattern means names, and what is in brackets is none.
        let (host, given_port) = match rest.split_once(':') {
            None => (rest, None),
            Some((host, digits)) => match canonical_port(digits) {
                Some(given_port) => (host, Some(given_port)),
                None => return false,
            },
        };
        let port_fits = match port {
            Port::Any => true,
            Port::Default => given_port.is_none(),
            Port::One(port) => given_port == Some(*port),
        };
        let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        given == *scheme
            && port_fits
            && !host.is_empty()
            && host.bytes().all(name)
            && hosts
                .iter()
                .any(|pattern| fits(pattern.as_bytes(), host.as_bytes()))
    }
}

/// The last two labels of a name; an address, or a name of one label, is a site of its own.
#[cfg(feature = "sign-in")]
fn site_of(host: &str) -> &str {
    let address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    let dots: Vec<usize> = host.rmatch_indices('.').map(|(at, _)| at).collect();
    match dots.get(1) {
        Some(at) if !address => &host[at + 1..],
        _ => host,
    }
}

/// A port as an origin has it: no zero before it, and not the scheme's own, which is left out.
fn canonical_port(digits: &str) -> Option<u16> {
    let port: u16 = digits.parse().ok()?;
    (port.to_string() == digits).then_some(port)
}

/// `{a,b}.x` is `a.x` and `b.x`.
fn alternatives(text: &str) -> Result<Vec<String>, &'static str> {
    const UNBALANCED: &str = "expected every { to have its }, and no { within another";
    let Some((before, rest)) = text.split_once('{') else {
        return match text.contains(['}', ',']) {
            true => Err(UNBALANCED),
            false => Ok(vec![text.to_owned()]),
        };
    };
    let (inside, after) = rest.split_once('}').ok_or(UNBALANCED)?;
    if inside.contains('{') || before.contains(['}', ',']) {
        return Err(UNBALANCED);
    }
    let mut found = Vec::new();
    for tail in alternatives(after)? {
        for one in inside.split(',') {
            found.push(format!("{before}{one}{tail}"));
        }
        if found.len() > MAX_HOSTS {
            return Err("expected at most 64 alternatives");
        }
    }
    Ok(found)
}

/// One alternative: a name whose last two labels are written out, or one of this machine's.
fn check(scheme: &str, host: &str) -> Result<(), &'static str> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._*?".contains(&b);
    if host.is_empty() || !host.bytes().all(good) || host.split('.').any(str::is_empty) {
        return Err("expected a host name, with * and ? in it");
    }
    let local = is_loopback(host) || host.ends_with(".localhost");
    if scheme == "http" && !local {
        return Err("expected an https pattern: plain http is accepted on loopback hosts only");
    }
    let mut labels = host.rsplit('.');
    let fixed = |label: Option<&str>| label.is_some_and(|label| !label.contains(['*', '?']));
    let last_two = [labels.next(), labels.next()];
    let literal = !host.contains(['*', '?']);
    if literal || local || last_two.into_iter().all(fixed) {
        Ok(())
    } else {
        Err("expected the last two labels of the host to be written out, as in *.example.com")
    }
}

/// `*` stands for any number of characters, `?` for one. It takes time in proportion to both lengths.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on if the star has to take one character more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    (p, t) = (after, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_its_author_sees_and_nothing_else() {
        for (pattern, good, bad) in [
            (
                "https://*.example.com",
                &[
                    "https://a.example.com",
                    "https://a.b.example.com",
                    "https://a-1.example.com",
                ][..],
                &[
                    "https://example.com",
                    "https://.example.com.evil.test",
                    "https://a.example.com.evil.test",
                    "https://a.example.com:8443",
                    "https://evil.test?x=.example.com",
                    "https://evil.test#.example.com",
                    "https://evil.test/.example.com",
                    "https://evil.test\\.example.com",
                    "https://a@b.example.com",
                    "https://evil.test:1.example.com",
                    "https://[::1].example.com",
                    "https://aexample.com",
                    "http://a.example.com",
                    "HTTPS://a.example.com",
                    "https://A.example.com",
                    "https://a.example.com/",
                    "https://a.example.com:443",
                    "https://a.example.com:",
                    "https:// .example.com",
                    "https://\u{e9}.example.com",
                    "null",
                    "",
                    "https://",
                ][..],
            ),
            (
                "http://localhost:*",
                &[
                    "http://localhost",
                    "http://localhost:3000",
                    "http://localhost:65535",
                ],
                &[
                    "http://localhost:0x1",
                    "http://localhost:03000",
                    "http://localhost:65536",
                    "http://localhost:-1",
                    "http://localhost:1:2",
                    "http://localhost.evil.test:3000",
                    "http://notlocalhost:3000",
                    "https://localhost:3000",
                ],
            ),
            (
                "https://{docs,wiki}.example.{com,org}:8443",
                &[
                    "https://docs.example.com:8443",
                    "https://wiki.example.org:8443",
                ],
                &[
                    "https://docs.example.com",
                    "https://docs.example.net:8443",
                    "https://docs,wiki.example.com:8443",
                ],
            ),
            (
                "https://pr-?*-app.example.com:443/",
                &[
                    "https://pr-1-app.example.com",
                    "https://pr-12-x-app.example.com",
                ],
                &[
                    "https://pr--app.example.com",
                    "https://pr-1-app.example.com:444",
                ],
            ),
            (
                "HTTPS://*.Example.COM",
                &["https://a.example.com"],
                &["https://a.example.org"],
            ),
            (
                "http://*.localhost:3000",
                &["http://a.localhost:3000"],
                &["http://localhost:3000"],
            ),
        ] {
            let parsed = OriginPattern::parse(pattern).unwrap();
            assert!(OriginPattern::is_pattern(pattern) || pattern.contains('{'));
            for origin in good {
                assert!(parsed.matches(origin), "{pattern} {origin}");
            }
            for origin in bad {
                assert!(!parsed.matches(origin), "{pattern} {origin}");
            }
        }
        let exact = OriginPattern::exact("https://a.example.com");
        assert!(exact.matches("https://a.example.com") && !exact.matches("https://a.example.co"));
    }

    #[test]
    fn what_would_let_in_the_world_is_no_pattern() {
        for bad in [
            "*",
            "**",
            "https://*",
            "http://*",
            "*://*",
            "*://localhost",
            "http*://a.example.com",
            "https://**",
            "https://*.com",
            "https://*com",
            "https://*.*",
            "https://example.*",
            "https://*.example.*",
            "https://*example.com",
            "https://a*.com",
            "https://?.com",
            "https://{a,*}.com",
            "https://{*.example.com,*}",
            "http://*.example.com",
            "http://*:3000",
            "https://portal-*",
            "http://127.0.0.*",
            "https://10.0.0.*",
            "https://*.example.com/x",
            "https://*.example.com?x",
            "https://*.example.com#x",
            "https://a@*.example.com",
            "https://*.example.com:",
            "https://*.example.com:30*",
            "https://*.example.com:+1",
            "https://*.example.com:99999",
            "!https://a.example.com",
            "https://!(a).example.com",
            "https://+(a|b).example.com",
            "https://[ab].example.com",
            "https://{a.example.com",
            "https://a}.example.com",
            "https://{a,{b,c}}.example.com",
            "https://a,b.example.com",
            "https://*..example.com",
            "https://.*.example.com",
            "https://*.example.com.",
            "https:// *.example.com",
            "https://*.ex\u{e4}mple.com",
            "https://",
            "",
        ] {
            assert!(OriginPattern::parse(bad).is_err(), "{bad}");
        }
        let bomb = format!("https://{}.example.com", "{a,b}".repeat(20));
        assert!(OriginPattern::parse(&bomb).is_err());
    }

    #[cfg(feature = "sign-in")]
    #[test]
    fn a_site_is_the_last_two_labels_of_a_name() {
        for (origin, host, same) in [
            ("https://app.example.com", "api.example.com", true),
            ("https://example.com:8443", "api.example.com", true),
            ("https://example.org", "example.com", false),
            ("https://badexample.com", "example.com", false),
            ("https://app.example.com.evil.test", "example.com", false),
            ("http://localhost:3000", "localhost", true),
            ("http://127.0.0.1:3000", "127.0.0.1", true),
            ("http://1.0.0.1", "127.0.0.1", false),
            ("http://[::1]:3000", "[::1]", true),
            ("http://[::2]", "[::1]", false),
        ] {
            let exact = OriginPattern::exact(origin);
            assert_eq!(exact.is_of_one_site_with(host), same, "{origin} {host}");
        }
        let pattern = OriginPattern::parse("https://{a.example.com,*.b.example.com}").unwrap();
        assert!(pattern.is_of_one_site_with("api.example.com"));
        let pattern = OriginPattern::parse("https://{a.example.com,a.example.org}").unwrap();
        assert!(!pattern.is_of_one_site_with("api.example.com"));
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern =
            OriginPattern::parse(&format!("https://{}b.example.com", "a*".repeat(1000))).unwrap();
        assert!(!pattern.matches(&format!("https://{}.example.com", "a".repeat(60_000))));
    }
}
