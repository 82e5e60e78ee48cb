//! `discovery.endpoints`: where plugins are that are somewhere else (spec section 9.2).

use super::{Section, Value};
use crate::http_client::check_url;

/// The endpoints in their order: a target, and the plugins that are there.
#[derive(Clone, Default)]
pub(super) struct Discovery {
    pub(super) internal: Vec<Endpoint>,
    pub(super) external: Vec<Endpoint>,
}

pub(super) type Endpoint = (Box<str>, Vec<Box<str>>);

/// `[{target: url | {internal, external}, plugins: [ids]}]`.
pub(super) fn read(discovery: Section<'_>) -> Discovery {
    let mut read = Discovery::default();
    for endpoint in discovery.list("endpoints") {
        let (internal, external) = targets(&endpoint);
        endpoint.require("plugins", "a list of plugin ids");
        let plugins = endpoint.strings("plugins").unwrap_or_default();
        let plugins: Vec<Box<str>> = plugins.into_iter().map(Into::into).collect();
        endpoint.finish();
        read.internal
            .extend(internal.map(|url| (url, plugins.clone())));
        read.external.extend(external.map(|url| (url, plugins)));
    }
    discovery.finish();
    read
}

/// One URL for both, or one for each.
fn targets(endpoint: &Section<'_>) -> (Option<Box<str>>, Option<Box<str>>) {
    endpoint.require("target", "a URL");
    match endpoint.node("target").map(|node| &node.value) {
        Some(Value::Map(_)) => {
            let Some(both) = endpoint.section("target") else {
                return (None, None);
            };
            let found = (target(&both, "internal"), target(&both, "external"));
            both.finish();
            found
        }
        _ => {
            let both = target(endpoint, "target");
            (both.clone(), both)
        }
    }
}

/// `{{pluginId}}` in it stands for the id.
fn target(section: &Section<'_>, key: &str) -> Option<Box<str>> {
    section.parsed(key, "a URL", |text| {
        let text = text.replace("{{ pluginId }}", "{{pluginId}}");
        if text.starts_with("http+srv://") || text.starts_with("https+srv://") {
            return Err("SRV records are not looked up here: expected an http or https URL".into());
        }
        let uri = text.replace("{{pluginId}}", "x").parse();
        check_url(&uri.map_err(|_| "expected an http or https URL".to_owned())?)?;
        Ok::<Box<str>, String>(text.into())
    })
}
