//! Identities made to order, for tests of your own handlers.

use crate::clock::Timestamp;
use crate::identity::{EntityRef, Identity, Method, Scopes, Service, User, VerifiedIdentity};

/// An identity in the making: see [`identity`] and [`service`].
#[derive(Debug)]
#[must_use]
pub struct IdentityBuilder {
    identity: VerifiedIdentity,
}

/// Begins the identity of a catalog user, as a session of a portal would prove it.
///
/// ```
/// use tower_identity::Identity;
/// use tower_identity::testing;
///
/// fn handler(request: &http::Request<()>) -> String {
///     Identity::of(request).map(|who| who.subject().to_owned()).unwrap_or_default()
/// }
///
/// let ada = testing::identity("user:default/ada", ["group:default/analysts"]).build();
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(ada);
/// assert_eq!(handler(&request), "user:default/ada");
/// ```
///
/// # Panics
///
/// If one of the refs is none: a test should say what it means.
#[track_caller]
pub fn identity<'a>(user: &str, groups: impl IntoIterator<Item = &'a str>) -> IdentityBuilder {
    let parse = |text: &str| match EntityRef::parse(text) {
        Ok(entity) => entity,
        Err(error) => panic!("{text:?} is not an entity ref: {error}"),
    };
    let own = parse(user);
    let ownership = std::iter::once(own.clone()).chain(groups.into_iter().map(parse));
    let ownership: Vec<_> = ownership.collect();
    let user = User::new(own).with_ownership(ownership);
    IdentityBuilder {
        identity: VerifiedIdentity::assertion(user, Method::Session),
    }
}

/// Begins the identity of a service, as an API key would prove it.
pub fn service(subject: &str) -> IdentityBuilder {
    IdentityBuilder {
        identity: VerifiedIdentity::assertion(Service::new(subject), Method::ApiKey),
    }
}

impl IdentityBuilder {
    /// What it was granted, separated by spaces.
    pub fn with_scopes(mut self, scopes: &str) -> Self {
        self.identity = self.identity.with_scopes(Scopes::parse(scopes));
        self
    }

    /// Who vouches for it.
    pub fn with_issuer(mut self, issuer: &str) -> Self {
        self.identity = self.identity.with_issuer(issuer);
        self
    }

    /// When it ends.
    pub fn with_expiry(mut self, at: Timestamp) -> Self {
        self.identity = self.identity.with_expiry(at);
        self
    }

    /// The identity, to be put into a request's extensions.
    #[must_use]
    pub fn build(self) -> Identity {
        self.identity.into_identity()
    }
}
