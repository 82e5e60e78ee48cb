//! The people who can sign in, as OpenID Connect and as GitHub describe them.

use serde_json::{Map, Value, json};

use crate::secret::digest;

/// Someone who can sign in at a [`Provider`](super::Provider).
///
/// ```
/// use tower_identity::testing::User;
///
/// let user = User::new("ada")
///     .with_name("Ada Lovelace")
///     .with_email("ada@example.com", true)
///     .with_claim("groups", ["mathematicians"].as_slice());
/// assert_eq!(user.subject(), "user-ada");
/// ```
#[derive(Clone, Debug)]
pub struct User {
    username: String,
    subject: String,
    name: String,
    email: Option<Email>,
    picture: Option<String>,
    claims: Map<String, Value>,
}

#[derive(Clone, Debug)]
struct Email {
    address: String,
    verified: bool,
    private: bool,
}

// ===== impl User =====

impl User {
    /// A user with this username, also their login on GitHub, and the subject `user-<username>`.
    ///
    /// The name is the username and there is no email until they are given.
    pub fn new(username: impl Into<String>) -> Self {
        let username = username.into();
        Self {
            subject: format!("user-{username}"),
            name: username.clone(),
            username,
            email: None,
            picture: None,
            claims: Map::new(),
        }
    }

    /// Sets the full name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the email, and whether the provider says that it has been verified.
    #[must_use]
    pub fn with_email(mut self, address: impl Into<String>, verified: bool) -> Self {
        self.email = Some(Email {
            address: address.into(),
            verified,
            private: false,
        });
        self
    }

    /// Keeps the email off the profile on GitHub: `/user` has `null`, `/user/emails` still lists it.
    ///
    /// Changes nothing for OpenID Connect, nor for a user without an email.
    #[must_use]
    pub fn with_private_email(mut self) -> Self {
        if let Some(email) = &mut self.email {
            email.private = true;
        }
        self
    }

    /// Sets the subject, which is otherwise `user-<username>`.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Sets the URL of the picture; the provider otherwise serves one with the initials.
    #[must_use]
    pub fn with_picture(mut self, url: impl Into<String>) -> Self {
        self.picture = Some(url.into());
        self
    }

    /// Adds a claim to ID tokens and userinfo, such as `groups`; whatever the scope.
    ///
    /// A claim of the protocol itself (`iss`, `sub`, `aud` and so on) cannot be replaced here.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// What the user is called where they sign in.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The `sub` of their tokens.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The `id` on GitHub: derived from the username, so it is the same in every run.
    #[must_use]
    pub fn github_id(&self) -> u64 {
        let digest = digest::sha256(self.username.as_bytes());
        // 24 bits: the size of a real one, and exact in every JSON reader.
        1 + digest[..3]
            .iter()
            .fold(0, |id, byte| id << 8 | u64::from(*byte))
    }

    /// The three users of a provider that was not told otherwise.
    pub(super) fn defaults() -> Vec<Self> {
        vec![
            Self::new("ada")
                .with_name("Ada Lovelace")
                .with_email("ada@example.com", true),
            Self::new("grace")
                .with_name("Grace Hopper")
                .with_email("grace@example.com", true)
                .with_private_email(),
            Self::new("mallory")
                .with_name("Mallory")
                .with_email("mallory@example.com", false),
        ]
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The email and whether it is verified.
    pub(super) fn email(&self) -> Option<(&str, bool)> {
        self.email
            .as_ref()
            .map(|email| (email.address.as_str(), email.verified))
    }

    /// The claims that `scope` gives access to (OpenID Connect Core section 5.4), and the user's own.
    pub(super) fn claims(&self, scope: &str, origin: &str) -> Map<String, Value> {
        let has = |wanted| scope.split(' ').any(|scope| scope == wanted);
        let mut claims = self.claims.clone();
        if has("profile") {
            claims.insert("name".into(), json!(self.name));
            claims.insert("preferred_username".into(), json!(self.username));
            claims.insert("picture".into(), json!(self.picture(origin)));
        }
        if let Some(email) = self.email.as_ref().filter(|_| has("email")) {
            claims.insert("email".into(), json!(email.address));
            claims.insert("email_verified".into(), json!(email.verified));
        }
        claims.insert("sub".into(), json!(self.subject));
        claims
    }

    /// GitHub's answer to `GET /user`.
    pub(super) fn github_profile(&self, origin: &str) -> Value {
        let id = self.github_id();
        let email = self.email.as_ref().filter(|email| !email.private);
        json!({
            "login": self.username,
            "id": id,
            "node_id": format!("U_{id}"),
            "avatar_url": self.picture(origin),
            "html_url": format!("{origin}/{}", self.username),
            "type": "User",
            "name": self.name,
            "email": email.map(|email| &email.address),
        })
    }

    /// GitHub's answer to `GET /user/emails`.
    pub(super) fn github_emails(&self) -> Value {
        self.email
            .iter()
            .map(|email| {
                json!({
                    "email": email.address,
                    "primary": true,
                    "verified": email.verified,
                    "visibility": if email.private { "private" } else { "public" },
                })
            })
            .collect()
    }

    fn picture(&self, origin: &str) -> String {
        self.picture
            .clone()
            .unwrap_or_else(|| format!("{origin}/avatars/{}.svg", self.github_id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_gives_its_claims_and_no_more() {
        let user = User::new("ada").with_email("ada@example.com", true);
        let names = |scope| {
            let claims = user.claims(scope, "http://127.0.0.1:1");
            claims.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("openid"), "sub");
        assert_eq!(names("openid email"), "email email_verified sub");
        assert_eq!(
            names("openid profile"),
            "name preferred_username picture sub"
        );
        assert_eq!(names("openid emails"), "sub");
    }

    #[test]
    fn a_claim_of_the_user_never_replaces_the_subject() {
        let user = User::new("mallory").with_claim("sub", "user-ada");
        assert_eq!(user.claims("openid", "")["sub"], "user-mallory");
    }

    #[test]
    fn a_private_email_is_listed_but_not_shown_on_github() {
        let user = User::new("grace")
            .with_email("grace@example.com", true)
            .with_private_email();
        assert_eq!(user.github_profile("")["email"], Value::Null);
        assert_eq!(user.github_emails()[0]["visibility"], "private");
    }
}
