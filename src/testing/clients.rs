//! The apps that may send people to the provider, and where it may send them back.

use std::fmt;

use url::{Host, Url};

use crate::secret::Secret;

/// An app that is registered at a [`Provider`](super::Provider).
///
/// ```
/// use tower_identity::testing::Client;
///
/// let client = Client::new("portal", "portal-secret")
///     .add_redirect_uri("https://portal.example.com/api/auth/oidc/handler/frame");
/// assert_eq!(client.id(), "portal");
/// ```
#[derive(Clone)]
pub struct Client {
    id: String,
    secret: Secret<String>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
}

// ===== impl Client =====

impl Client {
    /// An app with these credentials that may use any loopback address (`localhost`, `127.0.0.0/8`, `[::1]`) as
    /// its redirect URI, on any port and path, until one is registered.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: Secret::new(secret.into()),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
        }
    }

    /// Registers a redirect URI; from the first one on, only those registered are allowed, byte for byte.
    #[must_use]
    pub fn add_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Registers where people may be sent after logout; from the first one on, only those registered are allowed.
    #[must_use]
    pub fn add_post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.post_logout_redirect_uris.push(uri.into());
        self
    }

    /// The `client_id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &Secret<String> {
        &self.secret
    }

    /// The one redirect URI that GitHub assumes when a request names none.
    pub(super) fn default_redirect_uri(&self) -> Option<&str> {
        self.redirect_uris.first().map(String::as_str)
    }

    /// `uri`, if people may be sent there with a code.
    pub(super) fn redirect(&self, uri: &str) -> Option<Url> {
        allowed(&self.redirect_uris, uri)
    }

    /// `uri`, if people may be sent there after logout.
    pub(super) fn post_logout_redirect(&self, uri: &str) -> Option<Url> {
        allowed(&self.post_logout_redirect_uris, uri)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
}

fn allowed(registered: &[String], uri: &str) -> Option<Url> {
    let url = Url::parse(uri).ok()?;
    let known = if registered.is_empty() {
        is_loopback(&url)
    } else {
        registered.iter().any(|known| known == uri)
    };
    // RFC 6749 section 3.1.2: a fragment would swallow the parameters of the response.
    (known && url.fragment().is_none()).then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    // With a user name the host is easily misread: `http://localhost@evil.example`.
    host && matches!(url.scheme(), "http" | "https") && url.username().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_registration_any_loopback_address_is_allowed_and_nothing_else() {
        let client = Client::new("app", "secret");
        for good in [
            "http://127.0.0.1:7007/api/auth/oidc/handler/frame",
            "http://localhost/callback?tenant=1",
            "https://[::1]:3000/",
        ] {
            assert!(client.redirect(good).is_some(), "{good}");
        }
        for bad in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://localhost@example.com/",
            "http://user@localhost/",
            "http://localhost/#fragment",
            "ftp://localhost/",
            "javascript:alert(1)",
            "/callback",
            "",
        ] {
            assert!(client.redirect(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_registered_uri_is_compared_byte_for_byte() {
        let client = Client::new("app", "secret").add_redirect_uri("https://app.example.com/cb");
        assert!(client.redirect("https://app.example.com/cb").is_some());
        for bad in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb?a=b",
            "https://APP.example.com/cb",
            "http://localhost/cb",
        ] {
            assert!(client.redirect(bad).is_none(), "{bad}");
        }
    }
}
