//! A user of the catalog.

use crate::identity::EntityRef;

/// A user as the catalog knows them, and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogUser {
    entity_ref: EntityRef,
    ownership: Vec<EntityRef>,
    display_name: Option<String>,
    email: Option<String>,
    picture: Option<String>,
}

impl CatalogUser {
    /// A user who is a member of no group.
    #[must_use]
    pub fn new(entity_ref: EntityRef) -> Self {
        Self {
            ownership: vec![entity_ref.clone()],
            entity_ref,
            display_name: None,
            email: None,
            picture: None,
        }
    }

    /// Sets what the user owns as: the groups, mostly. The user's own ref always comes first, and
    /// nothing comes twice.
    #[must_use]
    pub fn with_ownership(mut self, refs: impl IntoIterator<Item = EntityRef>) -> Self {
        self.ownership = vec![self.entity_ref.clone()];
        for entity_ref in refs {
            if !self.ownership.contains(&entity_ref) {
                self.ownership.push(entity_ref);
            }
        }
        self
    }

    /// Sets the name to show.
    #[must_use]
    pub fn with_display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the URL of the picture.
    #[must_use]
    pub fn with_picture(mut self, url: impl Into<String>) -> Self {
        self.picture = Some(url.into());
        self
    }

    /// Which user it is, such as `user:default/jane`.
    #[must_use]
    pub fn entity_ref(&self) -> &EntityRef {
        &self.entity_ref
    }

    /// What the user owns as: their own ref, then those of their groups, without parents.
    #[must_use]
    pub fn ownership(&self) -> &[EntityRef] {
        &self.ownership
    }

    /// The name to show.
    #[must_use]
    pub fn display_name(&self) -> Option<&str> {
        self.display_name.as_deref()
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The URL of the picture.
    #[must_use]
    pub fn picture(&self) -> Option<&str> {
        self.picture.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ownership_begins_with_the_user_and_repeats_nothing() {
        let refs = |texts: &[&str]| -> Vec<EntityRef> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let user = CatalogUser::new("user:jane".parse().unwrap());
        assert_eq!(user.ownership(), refs(&["user:jane"]));
        let groups = refs(&["group:b", "user:Jane", "group:a", "group:default/B"]);
        let user = user.with_ownership(groups);
        assert_eq!(user.ownership(), refs(&["user:jane", "group:b", "group:a"]));
    }
}
