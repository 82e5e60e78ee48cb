//! The cookie that holds a limited user token (spec section 6.5).

use http::{HeaderMap, HeaderValue, Uri};

use crate::clock::Timestamp;
use crate::credential::Cookies;

/// How it is written, and whose pages may act with it.
#[derive(Clone, Debug)]
pub(crate) struct LimitedCookie {
    secure: bool,
    cross_site: bool,
    origins: Vec<Box<str>>,
}

impl LimitedCookie {
    /// Backstage's name for it: its own plugins on the same host read it too.
    pub(crate) const NAME: &str = "backstage-auth";

    pub(super) fn new(backend: &Uri, app: &Uri) -> Self {
        let host = |uri: &Uri| uri.host().unwrap_or_default().to_ascii_lowercase();
        let secure = backend.scheme_str() == Some("https") || host(backend) == "localhost";
        let origin = |uri: &Uri| {
            let (scheme, authority) = (uri.scheme_str(), uri.authority());
            format!(
                "{}://{}",
                scheme.unwrap_or_default(),
                authority.map(|a| a.as_str()).unwrap_or_default()
            )
            .into()
        };
        Self {
            secure,
            cross_site: secure && host(backend) != host(app),
            origins: vec![origin(backend), origin(app)],
        }
    }

    pub(crate) fn allows_origin(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|o| o.as_bytes() == origin)
    }

    /// The value that a request carries; `None` if there is none, or two that differ: one of them was planted.
    pub(crate) fn of(headers: &HeaderMap) -> Option<&str> {
        let mut values = Cookies::of(headers)
            .iter()
            .filter(|(name, _)| *name == Self::NAME)
            .map(|(_, value)| value);
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    /// Whether a request carries it in any form.
    pub(crate) fn is_in(headers: &HeaderMap) -> bool {
        Cookies::of(headers)
            .iter()
            .any(|(name, _)| name == Self::NAME)
    }

    pub(super) fn line(&self, token: &str, until: Timestamp) -> HeaderValue {
        self.write(token, &http_date(until))
    }

    pub(super) fn clear(&self) -> HeaderValue {
        self.write("", &http_date(Timestamp::from_unix(0)))
    }

    /// For this host alone: Backstage adds `Domain`, which would hand it to every host below as well.
    fn write(&self, value: &str, expires: &str) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let site = if self.cross_site { "None" } else { "Lax" };
        let text = format!(
            "{}={value}; Path=/; Expires={expires}; HttpOnly{secure}; Priority=High; SameSite={site}",
            Self::NAME
        );
        // The token is base64url with dots, and the rest is ours.
        let mut line = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        line.set_sensitive(true);
        line
    }
}

impl Default for LimitedCookie {
    fn default() -> Self {
        Self {
            secure: true,
            cross_site: false,
            origins: Vec::new(),
        }
    }
}

/// IMF-fixdate (RFC 9110 section 5.6.7).
fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT")
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn a_cookie_is_as_secure_as_its_place_allows() {
        let text = |backend: &str, app: &str| {
            let cookie = LimitedCookie::new(&backend.parse().unwrap(), &app.parse().unwrap());
            let line = cookie.line("a.b.c", Timestamp::from_unix(784_111_777));
            line.to_str().unwrap().to_owned()
        };
        let begin = "backstage-auth=a.b.c; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT; HttpOnly";
        for (backend, app, end) in [
            (
                "https://a.test",
                "https://a.test",
                "; Secure; Priority=High; SameSite=Lax",
            ),
            (
                "https://a.test",
                "https://b.test",
                "; Secure; Priority=High; SameSite=None",
            ),
            (
                "http://localhost:7007",
                "http://localhost:3000",
                "; Secure; Priority=High; SameSite=Lax",
            ),
            (
                "http://127.0.0.1:7007",
                "http://127.0.0.1:3000",
                "; Priority=High; SameSite=Lax",
            ),
        ] {
            assert_eq!(text(backend, app), format!("{begin}{end}"));
        }
    }

    #[test]
    fn two_cookies_that_differ_are_none() {
        let jar = |line: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(line));
            headers
        };
        for (line, value) in [
            ("backstage-auth=a.b.c", Some("a.b.c")),
            ("x=1; backstage-auth=a; backstage-auth=a", Some("a")),
            ("backstage-auth=a; backstage-auth=b", None),
            ("Backstage-Auth=a", None),
            ("", None),
        ] {
            assert_eq!(LimitedCookie::of(&jar(line)), value, "{line}");
        }
    }
}
