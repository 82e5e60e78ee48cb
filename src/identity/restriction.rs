//! What a restricted key may be used for (Backstage's `accessRestrictions`, spec section 8.3).

/// One plugin that a restricted service may use, and there perhaps some permissions only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    plugin: Box<str>,
    permissions: Option<Vec<Box<str>>>,
    actions: Option<Vec<Action>>,
}

/// A permission that a plugin asks for before it does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    name: Box<str>,
    action: Option<Action>,
}

/// What a permission is about: its `action` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// `create`
    Create,
    /// `read`
    Read,
    /// `update`
    Update,
    /// `delete`
    Delete,
}

// ===== impl Restriction =====

impl Restriction {
    /// To one plugin, such as `catalog`.
    #[must_use]
    pub fn to_plugin(plugin: impl Into<Box<str>>) -> Self {
        Self {
            plugin: plugin.into(),
            permissions: None,
            actions: None,
        }
    }

    /// And there to these permissions, such as `catalog.entity.read`. An empty list allows none.
    #[must_use]
    pub fn with_permissions<P: Into<Box<str>>>(
        mut self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        self.permissions = Some(permissions.into_iter().map(Into::into).collect());
        self
    }

    /// And there to permissions of these actions. An empty list allows none.
    #[must_use]
    pub fn with_actions(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions = Some(actions.into_iter().collect());
        self
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The permissions; `None` means every one of the plugin's.
    #[must_use]
    pub fn permissions(&self) -> Option<&[Box<str>]> {
        self.permissions.as_deref()
    }

    /// The actions; `None` means every one.
    #[must_use]
    pub fn actions(&self) -> Option<&[Action]> {
        self.actions.as_deref()
    }

    /// Whether it leaves this permission of its plugin. What names no action is not among named actions.
    #[must_use]
    pub fn permits(&self, permission: &Permission) -> bool {
        let name = self
            .permissions()
            .is_none_or(|names| names.contains(&permission.name));
        let action = self.actions().is_none_or(|actions| {
            permission
                .action
                .is_some_and(|action| actions.contains(&action))
        });
        name && action
    }
}

// ===== impl Permission =====

impl Permission {
    /// A permission of this name, without an action.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            action: None,
        }
    }

    /// Says what it is about.
    #[must_use]
    pub fn with_action(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }
}

// ===== impl Action =====

impl Action {
    /// Every one there is.
    pub const ALL: [Self; 4] = [Self::Create, Self::Read, Self::Update, Self::Delete];

    /// `create`, `read`, `update` or `delete`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restriction_leaves_what_it_names_and_nothing_else() {
        let read = Permission::new("catalog.entity.read").with_action(Action::Read);
        let create = Permission::new("catalog.entity.create").with_action(Action::Create);
        let bare = Permission::new("catalog.entity.read");
        let plain = Restriction::to_plugin("catalog");
        let named = plain.clone().with_permissions(["catalog.entity.read"]);
        let acting = plain.clone().with_actions([Action::Read]);
        let both = named.clone().with_actions([Action::Read]);
        let nothing = plain.clone().with_permissions([""; 0]);
        for (restriction, expected) in [
            (&plain, [true, true, true]),
            (&named, [true, false, true]),
            (&acting, [true, false, false]),
            (&both, [true, false, false]),
            (&nothing, [false, false, false]),
            (&plain.clone().with_actions([]), [false, false, false]),
        ] {
            let found = [&read, &create, &bare].map(|p| restriction.permits(p));
            assert_eq!(found, expected, "{restriction:?}");
        }
    }
}
