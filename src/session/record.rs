//! What a session's cookie holds.

use serde::{Deserialize, Serialize};

use super::Family;
use crate::clock::Timestamp;
use crate::identity::{EntityRef, Method, Profile, User, VerifiedIdentity};

/// A format that this build does not know is no session, never a misread one (SE-14).
const VERSION: u8 = 2;

/// A session. It holds no credential of anybody else.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Session {
    #[serde(rename = "v")]
    version: u8,
    /// The sign-in it belongs to: a refresh never changes it.
    pub(crate) family: Family,
    #[serde(flatten)]
    pub(crate) person: Person,
    #[serde(default)]
    pub(crate) profile: Profile,
    pub(crate) provider: String,
    pub(crate) environment: String,
    /// What the provider granted: a refresh without the provider can only repeat it.
    #[serde(default)]
    pub(crate) scope: String,
    /// Whether the provider gave what renews it: then nothing else does.
    pub(crate) renewable: bool,
    pub(crate) expires_at: u64,
}

/// Whose session it is, in the catalog's words.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) ownership: Vec<String>,
    /// Whether the catalog knew them. Who was let in without it can't be missed there.
    pub(crate) in_catalog: bool,
}

impl Session {
    #[cfg(feature = "sign-in")]
    pub(crate) fn new(
        family: Family,
        person: Person,
        (provider, environment): (&str, &str),
        expires_at: Timestamp,
    ) -> Self {
        Self {
            version: VERSION,
            expires_at: expires_at.min(family.ends_at()).as_unix(),
            family,
            person,
            profile: Profile::default(),
            provider: provider.to_owned(),
            environment: environment.to_owned(),
            scope: String::new(),
            renewable: false,
        }
    }

    pub(crate) fn parse(plain: &[u8]) -> Option<Self> {
        let session: Self = serde_json::from_slice(plain).ok()?;
        (session.version == VERSION).then_some(session)
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        Timestamp::from_unix(self.expires_at)
    }

    /// Vouches for the person; `None` if the record names nobody a catalog could.
    pub(crate) fn identity(&self, issuer: &str) -> Option<VerifiedIdentity> {
        let user = EntityRef::parse(&self.person.user).ok()?;
        let ownership: Option<Vec<_>> = self
            .person
            .ownership
            .iter()
            .map(|e| EntityRef::parse(e).ok())
            .collect();
        let user = User::new(user)
            .with_ownership(ownership?)
            .with_profile(self.profile.clone());
        let identity = VerifiedIdentity::assertion(user, Method::Session)
            .with_issuer(issuer)
            .with_provider(self.provider.as_str())
            .with_expiry(self.expires_at());
        Some(identity)
    }
}

#[cfg(all(test, feature = "sign-in"))]
mod tests {
    use super::*;

    #[test]
    fn se_14_a_format_of_another_build_is_no_session() {
        let now = Timestamp::from_unix(1_800_000_000);
        let person = Person {
            user: "user:default/ada".into(),
            ownership: vec!["user:default/ada".into()],
            in_catalog: true,
        };
        let session = Session::new(Family::new(now), person, ("oidc", "development"), now);
        let plain = serde_json::to_value(&session).unwrap();
        assert_eq!(plain["v"], VERSION);
        assert!(Session::parse(plain.to_string().as_bytes()).is_some());
        for version in [0, VERSION - 1, VERSION + 1, u8::MAX] {
            let mut other = plain.clone();
            other["v"] = version.into();
            let parsed = Session::parse(other.to_string().as_bytes());
            assert!(parsed.is_none(), "{version}");
        }
        // Nor is one that says no version, or lacks anything it needs.
        for member in [
            "v",
            "family",
            "user",
            "ownership",
            "in_catalog",
            "expires_at",
        ] {
            let mut other = plain.clone();
            other.as_object_mut().unwrap().remove(member);
            let parsed = Session::parse(other.to_string().as_bytes());
            assert!(parsed.is_none(), "{member}");
        }
    }
}
