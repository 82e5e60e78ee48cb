//! People and machines.

use super::{EntityRef, Permission, Restriction};

/// A person or a machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Principal {
    /// A person.
    User(User),
    /// A machine: a service, a CI job, a script.
    Service(Service),
}

/// A person, as the portal's catalog or a token's issuer knows them.
#[derive(Clone, Debug)]
pub struct User {
    subject: Box<str>,
    entity_ref: Option<EntityRef>,
    ownership: Vec<EntityRef>,
    profile: Profile,
    actor: Option<Box<Service>>,
}

/// How to show a person. Never a key to anything: names and addresses change hands.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Profile {
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// An address the provider says it has verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A picture's URL: never fetched by this crate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Service {
    subject: Box<str>,
    key_id: Option<Box<str>>,
    restrictions: Option<Vec<Restriction>>,
}

// ===== impl Principal =====

impl From<User> for Principal {
    fn from(user: User) -> Self {
        Self::User(user)
    }
}

impl From<Service> for Principal {
    fn from(service: Service) -> Self {
        Self::Service(service)
    }
}

// ===== impl User =====

impl User {
    /// A catalog user, who owns what it owns itself until told otherwise.
    #[must_use]
    pub fn new(entity_ref: EntityRef) -> Self {
        Self {
            subject: entity_ref.as_str().into(),
            ownership: vec![entity_ref.clone()],
            entity_ref: Some(entity_ref),
            profile: Profile::default(),
            actor: None,
        }
    }

    /// A person known only by what a foreign issuer calls them: not a catalog user, owner of nothing.
    #[must_use]
    pub fn foreign(subject: impl Into<Box<str>>) -> Self {
        Self {
            subject: subject.into(),
            entity_ref: None,
            ownership: Vec::new(),
            profile: Profile::default(),
            actor: None,
        }
    }

    /// Replaces the entities whose property is theirs: their own ref and their groups'.
    #[must_use]
    pub fn with_ownership(mut self, ownership: impl IntoIterator<Item = EntityRef>) -> Self {
        self.ownership = ownership.into_iter().collect();
        self
    }

    /// Replaces how to show them.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Names the service that acts on their behalf.
    #[must_use]
    pub fn with_actor(mut self, actor: Service) -> Self {
        self.actor = Some(Box::new(actor));
        self
    }

    /// What the issuer calls them; for a catalog user the entity ref.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The catalog user, such as `user:default/ada`.
    #[must_use]
    pub fn entity_ref(&self) -> Option<&EntityRef> {
        self.entity_ref.as_ref()
    }

    /// The entities whose property is theirs.
    #[must_use]
    pub fn ownership(&self) -> &[EntityRef] {
        &self.ownership
    }

    /// Whether something owned by `owner` is theirs.
    #[must_use]
    pub fn owns(&self, owner: &EntityRef) -> bool {
        self.ownership.contains(owner)
    }

    /// How to show them.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The service that acts on their behalf, if they do not call themselves: a plugin that passes a
    /// request of theirs on. It is the user's rights that count.
    #[must_use]
    pub fn actor(&self) -> Option<&Service> {
        self.actor.as_deref()
    }
}

// ===== impl Service =====

impl Service {
    /// A service of this subject, unrestricted.
    #[must_use]
    pub fn new(subject: impl Into<Box<str>>) -> Self {
        Self {
            subject: subject.into(),
            key_id: None,
            restrictions: None,
        }
    }

    /// Names the key that proved it.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<Box<str>>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Restricts it. An empty list allows nothing.
    #[must_use]
    pub fn with_restrictions(mut self, only: impl IntoIterator<Item = Restriction>) -> Self {
        self.restrictions = Some(only.into_iter().collect());
        self
    }

    /// What the operator calls it, such as `external:ci`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The key that proved it: tells two live keys of one subject apart.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What it is restricted to; `None` if it is not.
    #[must_use]
    pub fn restrictions(&self) -> Option<&[Restriction]> {
        self.restrictions.as_deref()
    }

    /// Whether it may be used on `plugin`. One that is restricted may not be used where no plugin is named.
    #[must_use]
    pub fn may_use(&self, plugin: Option<&str>) -> bool {
        match &self.restrictions {
            None => true,
            Some(only) => plugin.is_some_and(|id| only.iter().any(|r| r.plugin() == id)),
        }
    }

    /// Whether its restrictions leave it this permission on `plugin`. A service that is not restricted has every one.
    ///
    /// ```
    /// use tower_identity::identity::{Action, Permission, Restriction, Service};
    ///
    /// let reader = Service::new("external:ci").with_restrictions([
    ///     Restriction::to_plugin("catalog").with_actions([Action::Read]),
    /// ]);
    /// assert!(reader.permits("catalog", &Permission::new("catalog.entity.read").with_action(Action::Read)));
    /// assert!(!reader.permits("catalog", &Permission::new("catalog.entity.delete").with_action(Action::Delete)));
    /// assert!(!reader.permits("catalog", &Permission::new("catalog.entity.read")), "an action is asked for");
    /// assert!(!reader.permits("search", &Permission::new("search.read").with_action(Action::Read)));
    /// ```
    #[must_use]
    pub fn permits(&self, plugin: &str, permission: &Permission) -> bool {
        match &self.restrictions {
            None => true,
            Some(only) => only
                .iter()
                .any(|r| r.plugin() == plugin && r.permits(permission)),
        }
    }
}
