//! What a resolver is told of a person.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::provider::ProviderProfile;

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
