//! People and machines.

use super::EntityRef;

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

/// What a restricted key may be used for (Backstage's `accessRestrictions`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    plugin: Box<str>,
    permissions: Vec<Box<str>>,
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
            Some(only) => plugin.is_some_and(|id| only.iter().any(|r| &*r.plugin == id)),
        }
    }
}

// ===== impl Restriction =====

impl Restriction {
    /// To one plugin, such as `catalog`.
    #[must_use]
    pub fn to_plugin(plugin: impl Into<Box<str>>) -> Self {
        Self {
            plugin: plugin.into(),
            permissions: Vec::new(),
        }
    }

    /// And there to these permissions, such as `catalog.entity.read`.
    #[must_use]
    pub fn with_permissions<P: Into<Box<str>>>(
        mut self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.permissions = permissions.into_iter().map(Into::into).collect();
        self
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The permissions; empty means every one of the plugin's.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.permissions.iter().map(|p| &**p)
    }
}
