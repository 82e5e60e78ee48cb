//! Which pages may start a sign-in, hear of its result, and be returned to.

use percent_encoding::percent_decode_str;
use url::Url;

use super::SignInError;
use crate::http_client::is_loopback;
use crate::session::OriginPattern;

/// A longer URL is refused, not cut.
const MAX_URL: usize = 4096;

/// The origins that are allowed, the portal's own page first.
#[derive(Debug)]
pub(super) struct Origins {
    app: Url,
    allowed: Vec<OriginPattern>,
    base_path: Box<str>,
}

/// The URL of a page: https, or http on this machine. It never repeats the text, which may hold a password.
pub(crate) fn page_url(text: &str) -> Result<Url, &'static str> {
    const WANTED: &str = "expected an http or https URL";
    let clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).ok().filter(|url| clean && url.has_host());
    let url = url.ok_or(WANTED)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected a URL without user information");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if url.host_str().is_some_and(is_loopback) => Ok(url),
        "http" => Err("expected an https URL: plain http is accepted on loopback hosts only"),
        _ => Err(WANTED),
    }
}

/// An origin that is allowed besides, by the URL of one of its pages; or a pattern of origins.
pub(crate) fn extra_origin(text: &str) -> Result<OriginPattern, &'static str> {
    if OriginPattern::is_pattern(text) {
        return OriginPattern::parse(text);
    }
    Ok(OriginPattern::exact(origin_of(&page_url(text)?)))
}

impl Origins {
    /// The page, the portal's own URL, and other origins that have been judged.
    pub(super) fn new(app: Url, public: &Url, more: Vec<OriginPattern>, base_path: &str) -> Self {
        let own = [&app, public].map(|url| OriginPattern::exact(origin_of(url)));
        let allowed = own.into_iter().chain(more).collect();
        Self {
            app,
            allowed,
            base_path: base_path.into(),
        }
    }

    /// The portal's page.
    pub(super) fn app(&self) -> &Url {
        &self.app
    }

    pub(super) fn app_origin(&self) -> String {
        origin_of(&self.app)
    }

    pub(super) fn all(&self) -> &[OriginPattern] {
        &self.allowed
    }

    pub(super) fn allows(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.matches(origin))
    }

    /// The origin of `text`, if it is allowed (spec section 2.2).
    pub(super) fn check(&self, text: &str) -> Result<String, SignInError> {
        let url = Url::parse(text)
            .map_err(|_| SignInError::input("App origin is invalid, failed to parse"))?;
        let origin = origin_of(&url);
        if self.allows(&origin) {
            Ok(origin)
        } else {
            Err(SignInError::not_allowed("Origin is not allowed").because(origin))
        }
    }

    /// Where to return to: a path of the portal's page, or a URL on an allowed origin.
    /// The raw text and what a browser makes of it are both judged (RD-02).
    pub(super) fn return_to(&self, text: &str) -> Result<Url, SignInError> {
        let refused = || SignInError::not_allowed("The page to return to is not allowed");
        if text.len() > MAX_URL
            || text
                .chars()
                .any(|c| c.is_control() || c == '\\' || c.is_whitespace())
        {
            return Err(refused());
        }
        let relative = text.starts_with('/') && !text.starts_with("//");
        let absolute = ["http://", "https://"].iter().any(|s| text.starts_with(s));
        if !relative && !absolute {
            return Err(refused());
        }
        let url = self.app.join(text).map_err(|_| refused())?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || leads_astray(&url) || !self.allows(&origin_of(&url)) {
            return Err(refused());
        }
        // Back into the sign-in itself would be a loop, or a forced sign-out (RD-07).
        let path = url.path().to_ascii_lowercase();
        let base = self.base_path.to_ascii_lowercase();
        let own = path
            .strip_prefix(&*base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        Ok(if own { self.app.clone() } else { url })
    }
}

fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether the path is one that leads to another host, for whoever reads it once more: a server that undoes `%2f` and
/// sends the browser on.
fn leads_astray(url: &Url) -> bool {
    let path = percent_decode_str(url.path()).decode_utf8_lossy();
    let again = url.join(&path);
    path.contains(|c: char| c == '\\' || c.is_control())
        || url.path().starts_with("//")
        || !again
            .is_ok_and(|again| again.origin() == url.origin() && !again.path().starts_with("//"))
}

// The same list as in the test over sockets.
#[cfg(test)]
#[path = "../../tests/support/off_site.rs"]
mod off_site;

#[cfg(test)]
mod tests {
    use super::off_site::off_site;
    use super::*;

    fn origins() -> Origins {
        Origins::new(
            page_url("https://portal.example.com/x").unwrap(),
            &page_url("https://portal.example.com").unwrap(),
            vec![
                extra_origin("http://localhost:3000").unwrap(),
                extra_origin("https://*.previews.example.com").unwrap(),
            ],
            "/api/auth",
        )
    }

    #[test]
    fn an_origin_is_compared_whole() {
        for good in [
            "https://portal.example.com",
            "https://portal.example.com/any/path",
            "http://localhost:3000",
            "HTTPS://PORTAL.example.com:443",
            "https://pr-1.previews.example.com",
            "https://PR-1.previews.example.com/any",
        ] {
            assert!(origins().check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://portal.example.com",
            "https://portal.example.com.evil.test",
            "https://evilportal.example.com",
            "https://portal.example.com:8443",
            "http://localhost",
            "https://previews.example.com",
            "https://pr-1.previews.example.com:8443",
            "https://user@pr-1.previews.example.com.evil.test",
            "null",
            "",
            "data:text/html,x",
            "file:///",
            "javascript:1",
        ] {
            assert!(origins().check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rd_02_rd_03_rd_04_rd_05_rd_06_every_off_site_form_is_refused() {
        let long = format!("/{}", "a".repeat(8192));
        for bad in [
            "//evil.test",
            "///evil.test",
            "/%2f/evil.test",
            "/%2F%2Fevil.test",
            "/%5cevil.test",
            "/%09/evil.test",
            "/.%2f/evil.test",
            "/a/%2e%2e%2f%2fevil.test",
            "https://portal.example.com/%2f/evil.test",
            "////evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "\t//evil.test",
            "/.//evil.test",
            "/..//evil.test",
            "/a/../..//evil.test",
            "https:evil.test",
            "https:/evil.test",
            "https:\\\\evil.test",
            "http:evil.test",
            "https://evil.test",
            "https://portal.example.com.evil.test",
            "https://portal.example.com@evil.test",
            "https://user@portal.example.com/",
            "https://user:pw@portal.example.com/",
            "https://portal.example.com:444/",
            "http://portal.example.com/",
            "javascript:alert(1)",
            "data:text/html,x",
            "evil.test",
            "",
            " /x",
            "/x y",
            "/x\r\nSet-Cookie: a=b",
            "/\u{0}",
            "ftp://portal.example.com/",
            "HTTPS://evil.test",
            "https://portal.example.com\\@evil.test",
            "https://[::1]/",
            "//portal.example.com",
            "/\u{a0}/evil",
            "https://evil.test?x=.previews.example.com",
            "https://evil.test#a.previews.example.com",
            "https://evil.test\\a.previews.example.com",
            "https://evil.test/.previews.example.com",
            "https://evil.test%2f.previews.example.com/",
            "https://evil.test\u{ff0f}.previews.example.com/",
            "https://a:b@c.previews.example.com/",
            &long,
        ] {
            assert!(origins().return_to(bad).is_err(), "{bad:?}");
        }
        for (good, expected) in [
            ("/", "https://portal.example.com/"),
            ("/catalog?x=1#y", "https://portal.example.com/catalog?x=1#y"),
            (
                "/docs/default%2Fportal?x=%2f%2f",
                "https://portal.example.com/docs/default%2Fportal?x=%2f%2f",
            ),
            (
                "https://portal.example.com/a",
                "https://portal.example.com/a",
            ),
            ("http://localhost:3000/b", "http://localhost:3000/b"),
            (
                "https://pr-1.previews.example.com/b?c",
                "https://pr-1.previews.example.com/b?c",
            ),
            ("/api/authors", "https://portal.example.com/api/authors"),
        ] {
            assert_eq!(
                origins().return_to(good).unwrap().as_str(),
                expected,
                "{good}"
            );
        }
    }

    #[test]
    fn rd_01_whatever_is_let_through_is_of_an_allowed_origin() {
        let origins = origins();
        let mut stayed = 0;
        for form in off_site() {
            let Ok(url) = origins.return_to(&form) else {
                continue;
            };
            stayed += 1;
            let read = origins.app.join(&form).unwrap();
            for url in [&url, &read] {
                assert_eq!(origin_of(url), "https://portal.example.com", "{form:?}");
                assert!(!url.path().starts_with("//"), "{form:?}");
            }
        }
        assert!(
            (1..5_000).contains(&stayed),
            "{stayed}: some are paths of ours"
        );
    }

    #[test]
    fn rd_07_the_sign_in_is_never_returned_to() {
        for own in [
            "/api/auth/github/start?env=x",
            "/api/auth",
            "/api/auth/",
            "/x/../api/auth/github/logout",
            "/API/Auth/github/start",
            "/api/./auth/x",
        ] {
            assert_eq!(
                origins().return_to(own).unwrap().as_str(),
                "https://portal.example.com/x",
                "{own}"
            );
        }
    }

    #[test]
    fn a_page_url_that_is_none_is_a_mistake() {
        for bad in [
            "",
            "portal",
            "ftp://x",
            "/x",
            "https://",
            " https://x",
            "http://portal.example.com",
            "https://canary@portal.example.com",
            "https://:canary@portal.example.com",
        ] {
            let reason = page_url(bad).expect_err(bad);
            assert!(!reason.contains("canary"), "{reason}");
        }
        for good in ["https://x", "http://localhost:3000/y", "http://[::1]:1"] {
            assert!(
                page_url(good).is_ok() && extra_origin(good).is_ok(),
                "{good}"
            );
        }
        for pattern in ["https://*", "https://[ab].test", "http://*.example.com"] {
            assert!(extra_origin(pattern).is_err(), "{pattern}");
        }
    }
}
