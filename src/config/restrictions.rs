//! `accessRestrictions`: where a service may be used (spec section 8.3).

use std::collections::HashSet;

use super::Section;
use crate::identity::{Action, Restriction};

/// The restrictions beside a key or an issuer; `None` if there are none, and it may be used everywhere.
pub(super) fn read(section: &Section<'_>) -> Option<Vec<Restriction>> {
    if !section.has("accessRestrictions") {
        return None;
    }
    let mut seen = HashSet::new();
    let read = section.list("accessRestrictions").into_iter();
    Some(read.filter_map(|one| restriction(one, &mut seen)).collect())
}

fn restriction(section: Section<'_>, seen: &mut HashSet<String>) -> Option<Restriction> {
    let plugin = section.required_string("plugin");
    if let Some(plugin) = &plugin
        && !seen.insert(plugin.clone())
    {
        section.mistake(
            "plugin",
            "the same plugin twice: expected one entry for each",
        );
    }
    let permissions = section.words("permission");
    let actions = section.section("permissionAttribute").map(|attribute| {
        let words = attribute.words("action");
        let named = words.as_deref().unwrap_or_default();
        let known = |(i, word): (usize, &String)| {
            let found = Action::ALL
                .into_iter()
                .find(|action| action.as_str() == word);
            if found.is_none() {
                let wanted = "expected one of \"create\", \"read\", \"update\", \"delete\"";
                attribute.mistake_in("action", i, wanted);
            }
            found
        };
        let actions: Vec<Action> = named.iter().enumerate().filter_map(known).collect();
        attribute.finish();
        words.map(|_| actions)
    });
    section.finish();
    let mut only = Restriction::to_plugin(plugin?);
    if let Some(permissions) = permissions {
        only = only.with_permissions(permissions);
    }
    if let Some(actions) = actions.flatten() {
        only = only.with_actions(actions);
    }
    Some(only)
}
