//! Which pages may start a sign-in, hear of its result, and be returned to.

use url::Url;

use super::SignInError;
use crate::error::ConfigMistake;

/// A longer URL is refused, not cut.
const MAX_URL: usize = 4096;

/// The origins that are allowed, the portal's own page first.
#[derive(Debug)]
pub(super) struct Origins {
    app: Url,
    allowed: Vec<String>,
    base_path: Box<str>,
}

impl Origins {
    pub(super) fn new(
        app_url: &str,
        more: &[String],
        base_path: &str,
    ) -> Result<Self, Vec<ConfigMistake>> {
        let mut mistakes = Vec::new();
        let mut parse = |key: &str, text: &str| match Url::parse(text) {
            Ok(url)
                if matches!(url.scheme(), "https" | "http")
                    && url.has_host()
                    && url.username().is_empty()
                    && url.password().is_none() =>
            {
                Some(url)
            }
            _ => {
                let message = "expected an http or https URL without user information";
                mistakes.push(ConfigMistake::new(key, message));
                None
            }
        };
        let app = parse("app.baseUrl", app_url);
        let more = more.iter().filter_map(|text| parse("allowed origin", text));
        let more: Vec<_> = more.collect();
        let Some(app) = app.filter(|_| mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let allowed = std::iter::once(&app).chain(&more).map(origin_of).collect();
        Ok(Self {
            app,
            allowed,
            base_path: base_path.into(),
        })
    }

    /// The portal's page.
    pub(super) fn app(&self) -> &Url {
        &self.app
    }

    pub(super) fn app_origin(&self) -> String {
        origin_of(&self.app)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.allowed.iter().map(String::as_str)
    }

    pub(super) fn allows(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == origin)
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
        let slashes = url.path().starts_with("//");
        if !plain || slashes || !self.allows(&origin_of(&url)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins::new(
            "https://portal.example.com/x",
            &["http://localhost:3000".into()],
            "/api/auth",
        )
        .unwrap()
    }

    #[test]
    fn an_origin_is_compared_whole() {
        for good in [
            "https://portal.example.com",
            "https://portal.example.com/any/path",
            "http://localhost:3000",
            "HTTPS://PORTAL.example.com:443",
        ] {
            assert!(origins().check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://portal.example.com",
            "https://portal.example.com.evil.test",
            "https://evilportal.example.com",
            "https://portal.example.com:8443",
            "http://localhost",
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
            &long,
        ] {
            assert!(origins().return_to(bad).is_err(), "{bad:?}");
        }
        for (good, expected) in [
            ("/", "https://portal.example.com/"),
            ("/catalog?x=1#y", "https://portal.example.com/catalog?x=1#y"),
            ("/%2f/evil.test", "https://portal.example.com/%2f/evil.test"),
            (
                "https://portal.example.com/a",
                "https://portal.example.com/a",
            ),
            ("http://localhost:3000/b", "http://localhost:3000/b"),
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
        for bad in ["", "portal", "ftp://x", "/x", "https://"] {
            assert!(Origins::new(bad, &[], "/api/auth").is_err(), "{bad}");
        }
    }
}
