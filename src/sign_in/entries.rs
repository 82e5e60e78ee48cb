//! From providers as they are configured to providers at work.

use std::collections::HashMap;
use std::time::Duration;

use url::Url;

use super::origins::page_url;
use super::{Entry, GuestEntry, ProxyEntry, Resolver};
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::http_client::Outward;
use crate::provider::{Built, Context, Guest, Kind, ProviderConfig};

/// A person stays signed in for at most this long unless told, however often the session is renewed.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Backstage's id for it, and so the only one.
const GUEST: &str = "guest";

/// Providers by id, and each by environment.
pub(super) type Entries = HashMap<Box<str>, HashMap<Box<str>, Entry>>;

/// Proxies by id.
pub(super) type Proxies = HashMap<Box<str>, ProxyEntry>;

/// All there are, and their ids in the order in which they were added.
#[derive(Default)]
pub(super) struct Everybody {
    pub(super) providers: Entries,
    pub(super) proxies: Proxies,
    pub(super) guest: Option<GuestEntry>,
    pub(super) order: Vec<Box<str>>,
}

/// One provider in one environment, as it is configured.
#[derive(Clone)]
pub(crate) struct NewProvider {
    pub(crate) id: String,
    pub(crate) environment: Option<String>,
    pub(crate) config: ProviderConfig,
    pub(crate) resolvers: Vec<Resolver>,
    pub(crate) additional_scopes: Vec<String>,
    pub(crate) longest: Option<Duration>,
}

/// Where the providers are to work.
pub(super) struct Place<'a> {
    pub(super) base_url: &'a str,
    /// Whether only browsers on this machine see it.
    pub(super) local: bool,
    pub(super) environment: &'a str,
    pub(super) client: &'a Outward,
    pub(super) clock: &'a Clock,
}

/// The ids of providers, each judged beside those before it.
#[derive(Default)]
pub(crate) struct Ids {
    /// By their lower case: paths ignore case.
    seen: HashMap<String, String>,
}

impl Ids {
    /// The same id may come again, for another environment.
    pub(crate) fn add(&mut self, id: &str, is_guest: bool) -> Result<(), String> {
        if is_guest != (id == GUEST) {
            return Err(match is_guest {
                true => "the guest's id is \"guest\"".into(),
                false => "this id is the guest's".into(),
            });
        }
        if !is_segment(id) {
            return Err("expected an id of letters, digits, '-' and '_'".into());
        }
        let first = self.seen.entry(id.to_ascii_lowercase());
        let first = first.or_insert_with(|| id.to_owned());
        if first != id {
            return Err(format!("only its case tells it from {first:?}"));
        }
        Ok(())
    }
}

/// Where a provider sends people back to, as it is configured: over https, or on this machine (RFC 9700 section 2.6).
pub(crate) fn callback_url(text: &str) -> Result<Url, String> {
    let url = page_url(text)?;
    if url.fragment().is_some() {
        return Err("expected a URL without a fragment".into());
    }
    Ok(url)
}

/// Builds every provider. What is wrong with one is no reason to be silent about the next.
pub(super) fn build(
    configured: &[NewProvider],
    place: &Place<'_>,
    mistakes: &mut Vec<ConfigMistake>,
) -> Everybody {
    let mut everybody = Everybody::default();
    let mut ids = Ids::default();
    for new in configured {
        let kind = new.config.configured().kind();
        if let Err(reason) = ids.add(&new.id, matches!(kind, Kind::Guest(_))) {
            mistakes.push(new.mistake(reason));
            continue;
        }
        if !everybody.order.iter().any(|id| **id == *new.id) {
            everybody.order.push(new.id.as_str().into());
        }
        let twice = || Err(new.mistake("given twice"));
        let added = match kind {
            Kind::Guest(config) => match everybody.guest.replace(place.guest(config)) {
                Some(_) => twice(),
                None => Ok(()),
            },
            // One id is either a proxy's or that of a provider with pages.
            Kind::Proxy if everybody.providers.contains_key(&*new.id) => twice(),
            _ if everybody.proxies.contains_key(&*new.id) => twice(),
            _ => place.add(new, &mut everybody),
        };
        mistakes.extend(added.err());
    }
    everybody
}

impl Place<'_> {
    fn guest(&self, config: &Guest) -> GuestEntry {
        let local = self.environment == "development" && self.local;
        GuestEntry {
            allowed: local || config.anywhere,
            config: config.clone(),
        }
    }

    fn add(&self, new: &NewProvider, everybody: &mut Everybody) -> Result<(), ConfigMistake> {
        let default = format!("{}/{}/handler/frame", self.base_url, new.id);
        let config = new.config.configured();
        let redirect_uri = callback_url(config.callback_url().unwrap_or(&default))
            .map_err(|reason| new.mistake_at("callbackUrl", reason))?;
        let context = Context {
            redirect_uri,
            client: self.client.clone(),
            clock: self.clock.clone(),
        };
        let environment = new.environment.as_deref().unwrap_or(self.environment);
        let built = config.build(context).map_err(|mistake| {
            let key = match config.kind() {
                Kind::Page => format!("{environment}.{}", mistake.key()),
                Kind::Proxy | Kind::Guest(_) => mistake.key().to_owned(),
            };
            new.mistake_at(&key, mistake.message())
        })?;
        let provider = match built {
            Built::Page(provider) => provider,
            Built::Guest => return Ok(()),
            Built::Proxy(_) if new.resolvers.is_empty() => {
                let message = "expected a resolver: a proxy does nothing but sign people in";
                return Err(new.mistake_at("signIn.resolvers", message));
            }
            Built::Proxy(proxy) => {
                let resolvers = new.resolvers.clone();
                let entry = ProxyEntry { proxy, resolvers };
                everybody.proxies.insert(new.id.as_str().into(), entry);
                return Ok(());
            }
        };
        let entries = &mut everybody.providers;
        let entry = Entry {
            provider: provider.into(),
            resolvers: new.resolvers.clone(),
            additional_scopes: new.additional_scopes.clone(),
            longest: new.longest.unwrap_or(LONGEST),
        };
        let environments = entries.entry(new.id.as_str().into()).or_default();
        match environments.insert(environment.into(), entry) {
            Some(_) => Err(new.mistake_at(environment, "given twice")),
            None => Ok(()),
        }
    }
}

impl NewProvider {
    fn mistake(&self, message: impl Into<String>) -> ConfigMistake {
        ConfigMistake::new(format!("auth.providers.{}", self.id), message)
    }

    fn mistake_at(&self, key: &str, message: impl Into<String>) -> ConfigMistake {
        ConfigMistake::new(format!("auth.providers.{}.{key}", self.id), message)
    }
}

/// One segment of a path that needs no escape, and is not one of our own.
fn is_segment(id: &str) -> bool {
    !id.is_empty()
        && id != "v1"
        && id.len() <= 64
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_judged_beside_one_another() {
        let mut ids = Ids::default();
        for (id, is_guest, good) in [
            ("github", false, true),
            ("github", false, true),
            ("GitHub", false, false),
            ("guest", true, true),
            ("guest", false, false),
            ("visitor", true, false),
            ("a/b", false, false),
            ("v1", false, false),
            ("", false, false),
        ] {
            let verdict = ids.add(id, is_guest);
            assert_eq!(verdict.is_ok(), good, "{id}: {verdict:?}");
        }
    }

    #[test]
    fn people_are_sent_back_over_https() {
        for (url, good) in [
            ("https://portal.example.com/cb?x=1", true),
            ("http://localhost:7007/cb", true),
            ("http://evil.example/cb", false),
            ("https://a@portal.example.com/cb", false),
            ("https://portal.example.com/cb#x", false),
            ("portal", false),
        ] {
            assert_eq!(callback_url(url).is_ok(), good, "{url}");
        }
    }
}
