//! Where plugins are, and the keys that each of them signs with.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Uri;

use super::kind;
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::http_client::{Outward, check_url};
use crate::verify::jwks::{KeySource, RemoteKeys};

/// Where a plugin publishes its keys, under its base URL (spec section 6.4).
const KEY_SET: &str = "/.backstage/auth/v1/jwks.json";
/// More plugins than this are not remembered.
const MAX_PLUGINS: usize = 256;
/// So many ids may be asked about at a time that have shown no keys so far: a stranger can invent ids.
const MAX_STRANGERS: usize = 16;
/// An id that has shown no keys makes room for another after this long.
const STRANGE_FOR: Duration = Duration::from_secs(5);

/// Where the plugins of a Backstage backend are: one base URL, and others for some of them
/// (`discovery.endpoints`).
///
/// ```
/// use tower_identity::verify::PluginDirectory;
///
/// let directory = PluginDirectory::new("https://portal.example.com")
///     .add_endpoint("https://{{pluginId}}.example.com/api/{{pluginId}}", ["todo", "search"]);
/// assert_eq!(directory.base_url("catalog"), "https://portal.example.com/api/catalog");
/// assert_eq!(directory.base_url("todo"), "https://todo.example.com/api/todo");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PluginDirectory {
    backend: Box<str>,
    endpoints: Vec<(Box<str>, Vec<Box<str>>)>,
}

/// The keys of every plugin that has sent a token.
pub(super) struct PluginKeys {
    directory: PluginDirectory,
    client: Outward,
    clock: Clock,
    known: Mutex<HashMap<Box<str>, Known>>,
}

struct Known {
    keys: RemoteKeys,
    since: Duration,
}

// ===== impl PluginDirectory =====

impl PluginDirectory {
    /// Every plugin is at `<backend>/api/<id>`.
    pub fn new(backend: impl Into<String>) -> Self {
        Self {
            backend: backend.into().trim_end_matches('/').into(),
            endpoints: Vec::new(),
        }
    }

    /// Except these, which are at `target`; `{{pluginId}}` in it stands for the id, and `*` among the plugins for
    /// every one that is not named. What is added later wins.
    pub fn add_endpoint<P: Into<Box<str>>>(
        mut self,
        target: impl Into<Box<str>>,
        plugins: impl IntoIterator<Item = P>,
    ) -> Self {
        let plugins = plugins.into_iter().map(Into::into).collect();
        self.endpoints.push((target.into(), plugins));
        self
    }

    /// The base URL of a plugin, without a slash at its end.
    #[must_use]
    pub fn base_url(&self, plugin: &str) -> String {
        let named = |name: &str| {
            let mut endpoints = self.endpoints.iter().rev();
            endpoints.find(|(_, plugins)| plugins.iter().any(|p| &**p == name))
        };
        match named(plugin).or_else(|| named("*")) {
            Some((target, _)) => target
                .replace("{{pluginId}}", plugin)
                .trim_end_matches('/')
                .to_owned(),
            None => format!("{}/api/{plugin}", self.backend),
        }
    }

    /// Checks every URL of it.
    pub(crate) fn check(&self) -> Result<(), ConfigMistake> {
        let targets = self.endpoints.iter().map(|(target, _)| target);
        for target in std::iter::once(&self.backend).chain(targets) {
            target
                .replace("{{pluginId}}", "x")
                .parse::<Uri>()
                .map_err(|_| "expected a URL".to_owned())
                .and_then(|uri| check_url(&uri))
                .map_err(|e| ConfigMistake::new(format!("plugins at {target}"), e))?;
        }
        Ok(())
    }
}

// ===== impl PluginKeys =====

impl PluginKeys {
    pub(super) fn new(directory: PluginDirectory, client: Outward, clock: &Clock) -> Self {
        Self {
            directory,
            client,
            clock: clock.clone(),
            known: Mutex::default(),
        }
    }

    /// The keys of a plugin; `None` if too many are asked about that nobody knows.
    pub(super) fn of(&self, id: &str) -> Option<KeySource> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = known.get(id) {
            return Some(KeySource::Remote(plugin.keys.clone()));
        }
        let now = self.clock.monotonic();
        make_room(&mut known, now)?;
        let uri = format!("{}{KEY_SET}", self.directory.base_url(id));
        let keys = RemoteKeys::at(uri.parse().ok()?, self.client.clone(), self.clock.clone());
        known.insert(
            id.into(),
            Known {
                keys: keys.clone(),
                since: now,
            },
        );
        Some(KeySource::Remote(keys))
    }
}

/// Forgets an id that has shown no keys, if there must be room for another.
fn make_room(known: &mut HashMap<Box<str>, Known>, now: Duration) -> Option<()> {
    let strangers = || known.iter().filter(|(_, plugin)| plugin.keys.is_empty());
    if strangers().count() < MAX_STRANGERS && known.len() < MAX_PLUGINS {
        return Some(());
    }
    let oldest = strangers()
        .filter(|(_, plugin)| now >= plugin.since + STRANGE_FOR)
        .min_by_key(|(_, plugin)| plugin.since);
    let oldest = oldest?.0.clone();
    known.remove(&oldest).map(|_| ())
}

impl fmt::Debug for PluginKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PluginKeys").field(&self.directory).finish()
    }
}

impl PluginDirectory {
    /// Whether `id` can be a plugin's.
    pub(crate) fn is_id(id: &str) -> bool {
        kind::is_plugin_id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::http_client::HyperClient;

    #[test]
    fn a_plugin_is_where_the_last_endpoint_that_names_it_says() {
        let directory = PluginDirectory::new("https://a.test/")
            .add_endpoint("https://any.test/{{pluginId}}/", ["*"])
            .add_endpoint("https://b.test/{{pluginId}}/v/{{pluginId}}", ["x", "y"])
            .add_endpoint("https://c.test", ["y"]);
        for (id, url) in [
            ("x", "https://b.test/x/v/x"),
            ("y", "https://c.test"),
            ("z", "https://any.test/z"),
        ] {
            assert_eq!(directory.base_url(id), url);
        }
        assert_eq!(
            PluginDirectory::new("https://a.test").base_url("x"),
            "https://a.test/api/x"
        );
    }

    #[test]
    fn a_directory_of_urls_that_may_not_be_called_is_a_mistake() {
        for bad in [
            "",
            "portal",
            "http://portal.example.com",
            "http+srv://x.test",
        ] {
            assert!(PluginDirectory::new(bad).check().is_err(), "{bad}");
            let directory = PluginDirectory::new("https://a.test").add_endpoint(bad, ["x"]);
            assert!(directory.check().is_err(), "{bad}");
        }
        assert!(
            PluginDirectory::new("http://localhost:7007")
                .check()
                .is_ok()
        );
    }

    #[test]
    fn invented_plugins_take_no_more_room_than_there_is() {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1000));
        let client = Outward::new(HyperClient::new().unwrap());
        let keys = PluginKeys::new(PluginDirectory::new("https://a.test"), client, &clock);
        let asked = |from: usize, to: usize| {
            (from..to)
                .filter(|i| keys.of(&format!("p{i}")).is_some())
                .count()
        };
        assert_eq!(asked(0, 1000), MAX_STRANGERS);
        assert_eq!(asked(0, MAX_STRANGERS), MAX_STRANGERS, "those are known");
        hand.advance(STRANGE_FOR);
        assert_eq!(asked(1000, 2000), MAX_STRANGERS);
        assert_eq!(keys.known.lock().unwrap().len(), MAX_STRANGERS);
    }
}
