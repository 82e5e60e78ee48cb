//! Identities made to order, for tests of your own handlers.

use crate::clock::Timestamp;
use crate::identity::{
    EntityRef, Identity, Method, Principal, Profile, Restriction, Scopes, Service, User,
    VerifiedIdentity,
};

/// An identity in the making: see [`identity`] and [`service`].
#[derive(Debug)]
#[must_use]
pub struct IdentityBuilder {
    principal: Principal,
    method: Method,
    profile: Profile,
    scopes: Scopes,
    issuer: Option<String>,
    expires_at: Option<Timestamp>,
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
    IdentityBuilder::new(user.into(), Method::Session)
}

/// Begins the identity of a service, as an API key would prove it.
pub fn service(subject: &str) -> IdentityBuilder {
    IdentityBuilder::new(Service::new(subject).into(), Method::ApiKey)
}

impl IdentityBuilder {
    fn new(principal: Principal, method: Method) -> Self {
        Self {
            principal,
            method,
            profile: Profile::default(),
            scopes: Scopes::default(),
            issuer: None,
            expires_at: None,
        }
    }

    /// The name to show of a user.
    pub fn with_display_name(mut self, name: &str) -> Self {
        self.profile.display_name = Some(name.to_owned());
        self
    }

    /// The verified e-mail of a user.
    pub fn with_email(mut self, email: &str) -> Self {
        self.profile.email = Some(email.to_owned());
        self
    }

    /// The plugin that acts on behalf of a user.
    pub fn with_actor(mut self, subject: &str) -> Self {
        if let Principal::User(user) = self.principal {
            self.principal = user.with_actor(Service::new(subject)).into();
        }
        self
    }

    /// What a service is restricted to.
    pub fn with_restrictions(mut self, only: impl IntoIterator<Item = Restriction>) -> Self {
        if let Principal::Service(service) = self.principal {
            self.principal = service.with_restrictions(only).into();
        }
        self
    }

    /// How it was proven.
    pub fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// What it was granted, separated by spaces.
    pub fn with_scopes(mut self, scopes: &str) -> Self {
        self.scopes = Scopes::parse(scopes);
        self
    }

    /// Who vouches for it.
    pub fn with_issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// When it ends.
    pub fn with_expiry(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The identity, to be put into a request's extensions.
    #[must_use]
    pub fn build(self) -> Identity {
        let principal = match self.principal {
            Principal::User(user) => user.with_profile(self.profile).into(),
            service @ Principal::Service(_) => service,
        };
        let mut identity =
            VerifiedIdentity::assertion(principal, self.method).with_scopes(self.scopes);
        if let Some(issuer) = self.issuer {
            identity = identity.with_issuer(issuer);
        }
        if let Some(at) = self.expires_at {
            identity = identity.with_expiry(at);
        }
        identity.into_identity()
    }
}
