//! What a resolver is told of a person.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::ResolverError;
use crate::provider::ProviderProfile;

/// A longer list of groups is an error (CL-12).
const MAX_GROUPS: usize = 10_000;

/// A person as their provider describes them, for a [`Resolver`](super::Resolver) of your own.
///
/// Cloning shares it. `Debug` shows the provider and the subject, and nothing else of the person.
#[derive(Clone)]
pub struct SignInInfo(Arc<Inner>);

struct Inner {
    provider: Box<str>,
    profile: ProviderProfile,
}

impl SignInInfo {
    pub(in crate::sign_in) fn new(provider: &str, profile: ProviderProfile) -> Self {
        Self(Arc::new(Inner {
            provider: provider.into(),
            profile,
        }))
    }

    /// The id of the provider, such as `github`.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The provider's own, unchanging name for the person: the one thing about them that is nobody else's, ever.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.profile().subject
    }

    /// The id by which catalogs know the person in annotations: GitHub's `node_id`; elsewhere the subject.
    #[must_use]
    pub fn user_id(&self) -> &str {
        let profile = self.profile();
        profile.user_id.as_deref().unwrap_or(&profile.subject)
    }

    /// The name that the person goes by at the provider.
    ///
    /// # Security
    ///
    /// People can change it, and what one gave up another may take.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.profile().username.as_deref()
    }

    /// The e-mail address, if the provider says that it has verified it.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.profile().email.as_deref()
    }

    /// The name to show.
    #[must_use]
    pub fn display_name(&self) -> Option<&str> {
        self.profile().display_name.as_deref()
    }

    /// Whatever else the provider said of them: a claim of the ID token or of userinfo, or a member of GitHub's user.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.profile().claims.get(name)
    }

    /// The groups that the provider says the person is in (the claim `groups`), or `None` if it says nothing of groups.
    ///
    /// # Errors
    ///
    /// If it says that there are too many for a token and leaves them out, as Microsoft Entra does; if there are more than
    /// 10,000; or if the claim is no list of names. That ends the sign-in: it is never the same as being in none.
    pub fn groups(&self) -> Result<Option<Vec<&str>>, ResolverError> {
        let claims = &self.profile().claims;
        let elsewhere = claims.get("_claim_names").and_then(Value::as_object);
        let left_out = elsewhere.is_some_and(|names| names.contains_key("groups"))
            || claims
                .get("hasgroups")
                .is_some_and(|has| *has != Value::Bool(false));
        if left_out {
            let sentence = "This account is in more groups than the identity provider tells";
            return Err(ResolverError::denied(sentence));
        }
        let unreadable = || ResolverError::denied("This account's groups can't be read");
        match claims.get("groups") {
            None => Ok(None),
            Some(Value::Array(groups)) if groups.len() <= MAX_GROUPS => {
                let names: Option<Vec<_>> = groups.iter().map(Value::as_str).collect();
                names.map(Some).ok_or_else(unreadable)
            }
            Some(_) => Err(unreadable()),
        }
    }

    pub(in crate::sign_in) fn profile(&self) -> &ProviderProfile {
        &self.0.profile
    }
}

impl fmt::Debug for SignInInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInInfo")
            .field("provider", &self.provider())
            .field("subject", &self.subject())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cl_12_groups_that_are_left_out_are_never_none() {
        let groups = |claims: Value| {
            let claims = claims.as_object().cloned().unwrap();
            let profile = ProviderProfile {
                claims,
                ..ProviderProfile::default()
            };
            let info = SignInInfo::new("microsoft", profile);
            let groups = info.groups();
            groups.map(|groups| groups.map(|groups| groups.len()))
        };
        assert_eq!(groups(json!({})), Ok(None));
        assert_eq!(groups(json!({ "groups": [] })), Ok(Some(0)));
        assert_eq!(groups(json!({ "groups": ["a", "b"] })), Ok(Some(2)));
        assert_eq!(groups(json!({ "hasgroups": false })), Ok(None));
        let many: Vec<String> = (0..=MAX_GROUPS).map(|i| i.to_string()).collect();
        for claims in [
            json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": "https://x" } } }),
            json!({ "_claim_names": { "groups": "src1" }, "groups": [] }),
            json!({ "hasgroups": true }),
            json!({ "hasgroups": "true", "groups": ["a"] }),
            json!({ "groups": "a" }),
            json!({ "groups": ["a", 1] }),
            json!({ "groups": null }),
            json!({ "groups": many }),
        ] {
            assert!(groups(claims.clone()).is_err(), "{claims}");
        }
    }
}
