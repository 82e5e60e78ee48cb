//! The kinds of token that Backstage tells apart by `typ` (spec sections 6.1, 6.2, 6.4).
//!
//! They are compared letter by letter: a spelling that Backstage does not know is another kind.

/// A person's token, issued by the portal.
pub(crate) const USER: &str = "vnd.backstage.user";
/// The same person's, with less in it and good for less: what a cookie holds.
pub(crate) const LIMITED_USER: &str = "vnd.backstage.limited-user";
/// A plugin's, issued by itself for one other plugin.
pub(crate) const PLUGIN: &str = "vnd.backstage.plugin";

/// Who portal tokens are for, whichever plugin gets them.
pub(crate) const PORTAL_AUDIENCE: &str = "backstage";

/// Whether a text can be a plugin's id: what stands in a path and in a subject.
pub(crate) fn is_plugin_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
