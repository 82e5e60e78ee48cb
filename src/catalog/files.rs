//! A catalog that is read from files, once. [`WatchedCatalog`](super::WatchedCatalog) reads them again.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use futures::future::{BoxFuture, FutureExt, ready};

use super::entity::{Entity, Profile, Role};
use super::loader::Loader;
use super::{Catalog, CatalogError, CatalogUser, UserQuery};
use crate::error::ConfigError;
use crate::identity::EntityRef;

/// Users and groups from Backstage's catalog files: entities in YAML, several in a file.
///
/// A user owns as themselves and as their direct groups, both those in the user's `spec.memberOf`
/// and those whose `spec.members` names them. As in Backstage, a ref there that names no namespace
/// means the namespace of the entity it is written in.
///
/// ```
/// use tower_identity::catalog::{Catalog, FileCatalog, UserQuery};
///
/// # tokio_test::block_on(async {
/// let catalog = FileCatalog::from_yaml(
///     "org.yaml",
///     "
/// apiVersion: backstage.io/v1alpha1
/// kind: User
/// metadata: { name: jane }
/// spec: { profile: { email: jane@example.test }, memberOf: [admins] }
/// ",
/// )?;
/// let query = UserQuery::Email("Jane@example.test".to_owned());
/// let jane = catalog.find_user(&query).await?;
/// assert_eq!(jane.entity_ref().as_str(), "user:default/jane");
/// assert_eq!(jane.ownership()[1].as_str(), "group:default/admins");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct FileCatalog {
    users: Vec<User>,
    entities: Vec<serde_json::Value>,
}

struct User {
    user: CatalogUser,
    annotations: Vec<(String, String)>,
}

// ===== impl FileCatalog =====

impl FileCatalog {
    /// Reads the files, and those that their `Location` entities name: relative to the file that
    /// names them, 5 deep and 1000 in all. A `Location` of a URL is listed, but not followed.
    ///
    /// # Errors
    ///
    /// With every mistake in all files: what cannot be read, malformed YAML, entities without a
    /// kind or a name, two entities of one name, values of the wrong type.
    pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, ConfigError> {
        let mut loader = Loader::default();
        for path in paths {
            loader.file(path.as_ref(), None);
        }
        loader.finish().map(Self::of)
    }

    /// How many users there are, and how many entities in all.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.entities.len())
    }

    /// Reads a text as if it were the file `name`. The files that it names are not followed.
    ///
    /// # Errors
    ///
    /// As for [`load`](Self::load).
    pub fn from_yaml(name: &str, text: &str) -> Result<Self, ConfigError> {
        let mut loader = Loader::default();
        loader.text(Path::new(name), text);
        loader.finish().map(Self::of)
    }

    /// The users among what a loader has read.
    pub(super) fn of_loader(loader: Loader) -> Result<Self, ConfigError> {
        loader.finish().map(Self::of)
    }

    /// The users among checked entities, with their groups.
    fn of(entities: Vec<Entity>) -> Self {
        // Whose members name a user, in the order of the files.
        let mut groups: HashMap<EntityRef, Vec<EntityRef>> = HashMap::new();
        for entity in &entities {
            if let Role::Group { members } = &entity.role {
                for member in members {
                    let group = entity.entity_ref.clone();
                    groups.entry(member.clone()).or_default().push(group);
                }
            }
        }
        let mut catalog = Self {
            users: Vec::new(),
            entities: Vec::with_capacity(entities.len()),
        };
        for entity in entities {
            catalog.entities.push(entity.json);
            if let Role::User(profile) = entity.role {
                let groups = groups.remove(&entity.entity_ref).unwrap_or_default();
                catalog
                    .users
                    .push(User::new(entity.entity_ref, profile, groups));
            }
        }
        catalog
    }

    pub(super) fn find(&self, query: &UserQuery) -> Result<CatalogUser, CatalogError> {
        let fits = |user: &&User| match query {
            UserQuery::Ref(entity_ref) => user.user.entity_ref() == entity_ref,
            UserQuery::Email(email) => {
                let known = user.user.email();
                !email.is_empty() && known.is_some_and(|known| known.eq_ignore_ascii_case(email))
            }
            UserQuery::Annotation { key, value } => {
                let mut annotations = user.annotations.iter();
                !value.is_empty() && annotations.any(|known| (&known.0, &known.1) == (key, value))
            }
        };
        let mut found = self.users.iter().filter(fits);
        match (found.next(), found.next()) {
            (Some(user), None) => Ok(user.user.clone()),
            (None, _) => Err(CatalogError::NotFound),
            (Some(_), Some(_)) => Err(CatalogError::Conflict),
        }
    }
}

impl Catalog for FileCatalog {
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
        ready(self.find(query)).boxed()
    }

    fn entities(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, CatalogError>> {
        ready(Ok(self.entities.clone())).boxed()
    }
}

/// Numbers only: names and addresses of people have no place in a log.
impl fmt::Debug for FileCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCatalog")
            .field("users", &self.users.len())
            .field("entities", &self.entities.len())
            .finish()
    }
}

// ===== impl User =====

impl User {
    fn new(entity_ref: EntityRef, profile: Profile, groups: Vec<EntityRef>) -> Self {
        let ownership = profile.member_of.into_iter().chain(groups);
        let mut user = CatalogUser::new(entity_ref).with_ownership(ownership);
        if let Some(name) = profile.display_name {
            user = user.with_display_name(name);
        }
        if let Some(email) = profile.email {
            user = user.with_email(email);
        }
        if let Some(picture) = profile.picture {
            user = user.with_picture(picture);
        }
        Self {
            user,
            annotations: profile.annotations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: &str = "
apiVersion: backstage.io/v1alpha1
kind: User
metadata:
  name: Jane
  annotations: { github.com/user-id: AbC }
spec:
  profile: { displayName: Jane Doe, email: Jane@Example.Test, picture: https://img.test/j }
  memberOf: [admins, Group:Other/Ops, user:default/bob, admins]
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: bob, namespace: Other }
spec: { profile: { email: shared@example.test }, memberOf: [ops] }
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: { name: bob, namespace: null }
spec: { profile: { email: Shared@example.test } }
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: { name: readers }
spec: { type: team, members: [jane, user:other/bob], children: [] }
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: { name: shop }
spec: { members: 5 }
";

    fn find(query: &UserQuery) -> Result<Vec<String>, CatalogError> {
        let catalog = FileCatalog::from_yaml("org.yaml", ORG).unwrap();
        let user = catalog.find_user(query).now_or_never().unwrap()?;
        Ok(user.ownership().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_user_owns_as_themselves_and_as_their_direct_groups() {
        for (query, expected) in [
            (
                "user:jane",
                Ok(&[
                    "user:default/jane",
                    "group:default/admins",
                    "group:other/ops",
                    "group:default/readers",
                ][..]),
            ),
            // A ref without a namespace means that of the entity it is written in.
            (
                "user:other/bob",
                Ok(&["user:other/bob", "group:other/ops", "group:default/readers"]),
            ),
            ("user:bob", Ok(&["user:default/bob"])),
            ("user:nobody", Err(CatalogError::NotFound)),
            ("group:readers", Err(CatalogError::NotFound)),
        ] {
            let found = find(&UserQuery::Ref(query.parse().unwrap()));
            assert_eq!(
                found,
                expected.map(|refs| refs.iter().map(ToString::to_string).collect()),
                "{query}"
            );
        }
    }

    #[test]
    fn emails_fold_case_and_annotations_do_not() {
        let email = |text: &str| UserQuery::Email(text.to_owned());
        let annotation = |value| UserQuery::annotation("github.com/user-id", value);
        for (query, expected) in [
            (email("jane@example.test"), None),
            (email("JANE@EXAMPLE.TEST"), None),
            (email("jane@example.test "), Some(CatalogError::NotFound)),
            (email(""), Some(CatalogError::NotFound)),
            (email("shared@example.test"), Some(CatalogError::Conflict)),
            (annotation("AbC"), None),
            (annotation("abc"), Some(CatalogError::NotFound)),
            (annotation(""), Some(CatalogError::NotFound)),
            (
                UserQuery::annotation("okta.com/email", "AbC"),
                Some(CatalogError::NotFound),
            ),
        ] {
            assert_eq!(find(&query).err(), expected, "{query:?}");
        }
        // The Kelvin sign becomes a `k` in lower case; it must not become the `k` of another address.
        let text = ORG.replace("Jane@Example.Test", "karl@example.test");
        let catalog = FileCatalog::from_yaml("org.yaml", &text).unwrap();
        assert!(catalog.find(&email("KARL@example.test")).is_ok());
        assert!(catalog.find(&email("\u{212a}arl@example.test")).is_err());
    }

    #[test]
    fn every_kind_is_listed_with_its_namespace() {
        let catalog = FileCatalog::from_yaml("org.yaml", ORG).unwrap();
        let entities = catalog.entities().now_or_never().unwrap().unwrap();
        let names: Vec<_> = entities
            .iter()
            .map(|entity| {
                [
                    &entity["kind"],
                    &entity["metadata"]["namespace"],
                    &entity["metadata"]["name"],
                ]
            })
            .map(|parts| parts.map(|part| part.as_str().unwrap()).join(" "))
            .collect();
        assert_eq!(
            names,
            [
                "User default Jane",
                "User Other bob",
                "User default bob",
                "Group default readers",
                "Component default shop"
            ]
        );
        assert_eq!(
            format!("{catalog:?}"),
            "FileCatalog { users: 3, entities: 5 }"
        );
    }
}
