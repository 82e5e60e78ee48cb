//! From providers as they are configured to providers at work.

use std::collections::HashMap;
use std::time::Duration;

use url::Url;

use super::{Entry, GuestEntry, Resolver};
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::http_client::Outward;
use crate::provider::{Context, Guest, ProviderConfig};

/// A person stays signed in for at most this long unless told, however often the session is renewed.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Backstage's id for it, and so the only one.
const GUEST: &str = "guest";

/// Providers by id, and each by environment.
pub(super) type Entries = HashMap<Box<str>, HashMap<Box<str>, Entry>>;

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

/// Builds every provider. What is wrong with one is no reason to be silent about the next.
pub(super) fn build(
    configured: &[NewProvider],
    place: &Place<'_>,
    mistakes: &mut Vec<ConfigMistake>,
) -> (Entries, Option<GuestEntry>) {
    let (mut entries, mut guest) = (Entries::new(), None);
    for new in configured {
        let added = match &new.config {
            ProviderConfig::Guest(config) => place.guest(new, config).and_then(|entry| {
                let twice = guest.replace(entry).map(|_| new.mistake("given twice"));
                twice.map_or(Ok(()), Err)
            }),
            _ => place.add(new, &mut entries),
        };
        mistakes.extend(added.err());
    }
    (entries, guest)
}

impl Place<'_> {
    fn guest(&self, new: &NewProvider, config: &Guest) -> Result<GuestEntry, ConfigMistake> {
        if new.id != GUEST {
            return Err(new.mistake("the guest's id is \"guest\""));
        }
        let local = self.environment == "development" && self.local;
        Ok(GuestEntry {
            allowed: local || config.anywhere,
            config: config.clone(),
        })
    }

    fn add(&self, new: &NewProvider, entries: &mut Entries) -> Result<(), ConfigMistake> {
        if !is_segment(&new.id) {
            return Err(new.mistake("expected an id of letters, digits, '-' and '_'"));
        }
        if new.id == GUEST {
            return Err(new.mistake("this id is the guest's"));
        }
        let mut others = entries.keys().filter(|other| ***other != *new.id);
        if let Some(other) = others.find(|other| other.eq_ignore_ascii_case(&new.id)) {
            return Err(new.mistake(format!("only its case tells it from {other:?}")));
        }
        let default = format!("{}/{}/handler/frame", self.base_url, new.id);
        let redirect_uri = Url::parse(new.config.callback_url().unwrap_or(&default))
            .map_err(|_| new.mistake_at("callbackUrl", "expected a URL"))?;
        let context = Context {
            redirect_uri,
            client: self.client.clone(),
            clock: self.clock.clone(),
        };
        let environment = new.environment.as_deref().unwrap_or(self.environment);
        let built = new.config.build(context).map_err(|mistake| {
            let key = format!("{environment}.{}", mistake.key());
            new.mistake_at(&key, mistake.message())
        })?;
        let Some(provider) = built else {
            return Ok(());
        };
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
pub(crate) fn is_segment(id: &str) -> bool {
    !id.is_empty()
        && id != "v1"
        && id.len() <= 64
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
