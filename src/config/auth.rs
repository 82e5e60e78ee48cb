//! `auth`: environment, session, providers (spec section 9.3).

use std::sync::Arc;
use std::time::Duration;

use super::app::Auth;
use super::{Node, Reader, Section, Value, key_store, providers, proxies, resolvers};
use crate::identity::EntityRef;
use crate::provider::Guest;
use crate::secret::{SealingKey, Secret};
use crate::sign_in::{Ids, NewProvider, Resolver, extra_origin};
use crate::yaml::Key;

const ORIGINS: &str = "experimentalExtraAllowedOrigins";
const DEVELOPMENT: &str = "development";

/// Keys of Backstage's that change nothing here.
const IGNORED: [&str; 4] = [
    "identityTokenAlgorithm",
    "clientIdMetadataDocuments",
    "experimentalDynamicClientRegistration",
    "experimentalRefreshToken",
];
const GUEST: &str = "guest";

/// Kinds of Backstage's that are no typing mistakes.
const NOT_YET: [&str; 5] = [
    "atlassian",
    "bitbucket",
    "bitbucketServer",
    "onelogin",
    "vmwareCloud",
];

/// One provider of the configuration, and the environments that it has a block for; the guest needs none.
#[derive(Clone)]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) environments: Vec<String>,
    /// Whether nothing of it is of use here.
    pub(super) left_out: bool,
}

/// What has been seen of the providers so far, be it good or not.
#[derive(Default)]
struct Seen<'a> {
    own: &'a [Resolver],
    ids: Ids,
    /// Whether one has a block for some environment, and for the current one.
    a_block: bool,
    a_current_block: bool,
}

/// `own` are the resolvers that the program brings.
pub(super) fn read(auth: Section<'_>, own: &[Resolver]) -> Auth {
    let environment = auth.string("environment");
    let session_secret = auth.section("session").and_then(|session| {
        let secret = session.parsed("secret", "a string", |text| {
            let key = SealingKey::from_secret(text.as_bytes());
            key.map(|_| Secret::from(text)).map_err(|e| e.to_string())
        });
        session.finish();
        secret
    });
    let origins = auth.strings(ORIGINS).unwrap_or_default();
    for (i, origin) in origins.iter().enumerate() {
        if let Err(reason) = extra_origin(origin) {
            auth.mistake_in(ORIGINS, i, reason);
        }
    }
    let current = environment.as_deref().unwrap_or(DEVELOPMENT);
    let mut seen = Seen {
        own,
        ..Seen::default()
    };
    let mut read = Auth {
        session_secret,
        token_life: auth.duration("backstageTokenExpiration"),
        omits_ownership: auth.boolean("omitIdentityTokenOwnershipClaim") == Some(true),
        signing_keys: key_store::of_portal(&auth),
        origins,
        ..Auth::default()
    };
    if let Some(providers) = auth.section("providers") {
        // What is one of these is its own kind; the others have names.
        providers.has_names(&kinds());
    }
    let sections = auth.sections("providers");
    for (id, section) in sections {
        let found = provider(id, section, current, &mut seen);
        let environments = found.iter().filter_map(|new| new.environment.clone());
        read.listed.push(Provider {
            id: id.to_owned(),
            environments: environments.collect(),
            left_out: found.is_empty(),
        });
        read.providers.extend(found.into_iter().map(Arc::new));
    }
    if seen.a_block && !seen.a_current_block && auth.reader().is_complete() {
        let message = format!("none has a block for the current environment, \"{current}\"");
        auth.warn("providers", message);
    }
    for key in IGNORED.iter().filter(|key| auth.has(key)) {
        auth.warn(key, "is not supported yet, and has no effect");
    }
    auth.ignore(&IGNORED);
    auth.finish();
    read.environment = environment;
    read
}

/// One provider, in each of its environments.
fn provider(
    id: &str,
    section: Section<'_>,
    current: &str,
    seen: &mut Seen<'_>,
) -> Vec<NewProvider> {
    let Some(kind) = kind_of(id, &section) else {
        return Vec::new();
    };
    if let Err(reason) = seen.ids.add(id, kind == GUEST) {
        section.mistake_here(reason);
    }
    if kind == GUEST {
        let guest = guest(&section);
        section.finish();
        return vec![NewProvider {
            id: id.to_owned(),
            environment: None,
            config: guest.into(),
            resolvers: Vec::new(),
            additional_scopes: Vec::new(),
            longest: None,
        }];
    }
    let there =
        |(key, node): &&(Key, Node)| key.name != "type" && !matches!(node.value, Value::Null);
    let resolvers = resolvers::Known::to(kind, seen.own);
    if proxies::KINDS.contains(&kind) {
        return proxy(kind, id, section, seen.own).into_iter().collect();
    }
    section.has_names(&["type"]);
    let mut blocks = section.entries().iter().filter(there).peekable();
    if blocks.peek().is_none() && section.reader().is_complete() {
        section.mistake_here(format!("expected an environment such as \"{current}\""));
    }
    let read = blocks.filter_map(|(key, node)| {
        let environment = key.name.as_str();
        let path = section.path_of(environment);
        if !matches!(node.value, Value::Map(_) | Value::Unresolved(_)) {
            let wanted = format!(
                "an environment such as \"{current}\", which is an object and has the provider's keys in it"
            );
            section.reader().expected(path, node, &wanted);
            return None;
        }
        seen.a_block = true;
        if environment == current {
            seen.a_current_block = true;
            let block = section.reader().open(path, &key.location, node)?;
            return in_environment(kind, (id, environment), true, block, &resolvers);
        }
        // Another environment's variables are seldom set here: it is left out, and said so.
        let apart = Reader::default();
        let read = apart
            .open(path, &key.location, node)
            .and_then(|block| in_environment(kind, (id, environment), false, block, &resolvers));
        match apart.finish() {
            Ok(()) => read,
            Err(error) => {
                let mistakes = error.to_string();
                tracing::warn!(target: "tower_identity", provider = id, environment, mistakes, "environment left out");
                None
            }
        }
    });
    read.collect()
}

/// All kinds that there are.
fn kinds() -> Vec<&'static str> {
    let (pages, proxies) = (providers::KINDS, proxies::KINDS);
    pages.into_iter().chain([GUEST]).chain(proxies).collect()
}

/// What kind of provider it is: its id says, or its `type`, which is ours.
fn kind_of(id: &str, section: &Section<'_>) -> Option<&'static str> {
    let kinds = kinds();
    let all = kinds.join("\", \"");
    if section.has("type") {
        let declared = section.string("type")?;
        if NOT_YET.contains(&declared.as_str()) {
            let message = format!("\"{declared}\" is not supported yet; expected one of \"{all}\"");
            section.mistake("type", message);
            return None;
        }
        return section.one_of("type", &kinds);
    }
    let kind = kinds.into_iter().find(|kind| *kind == id);
    if kind.is_none() && section.reader().is_complete() {
        section.mistake_here(format!(
            "not a provider that is supported by name yet; declare its kind as `type`, one of \"{all}\""
        ));
    }
    kind
}

/// A proxy, which needs a resolver: it does nothing but sign people in.
fn proxy(
    kind: &'static str,
    id: &str,
    section: Section<'_>,
    own: &[Resolver],
) -> Option<NewProvider> {
    let (resolvers, found) = resolvers::Known::to(kind, own).read(&section);
    if found && resolvers.is_empty() && section.reader().is_complete() {
        let message =
            "expected at least one of signIn.resolvers: a proxy does nothing but sign people in";
        section.mistake("signIn", message);
    }
    let config = proxies::read(kind, &section);
    section.finish();
    Some(NewProvider {
        id: id.to_owned(),
        environment: None,
        config: config.filter(|_| found && !resolvers.is_empty())?,
        resolvers,
        additional_scopes: Vec::new(),
        longest: None,
    })
}

fn in_environment(
    kind: &str,
    (id, environment): (&str, &str),
    is_current: bool,
    block: Section<'_>,
    resolvers: &resolvers::Known<'_>,
) -> Option<NewProvider> {
    let (resolvers, found) = resolvers.read(&block);
    if is_current && found && resolvers.is_empty() {
        block.warn("signIn", "names no resolver: nobody can sign in this way");
    }
    let additional_scopes = block.string_list("additionalScopes").unwrap_or_default();
    let longest: Option<Duration> = block.duration("sessionDuration");
    let config = providers::read(kind, &block);
    block.finish();
    Some(NewProvider {
        id: id.to_owned(),
        environment: Some(environment.to_owned()),
        config: config.filter(|_| found)?,
        resolvers,
        additional_scopes,
        longest,
    })
}

fn guest(section: &Section<'_>) -> Guest {
    let entity = |text: &str| {
        EntityRef::parse(text).map_err(|_| "expected an entity ref such as user:default/guest")
    };
    let mut guest = Guest::new();
    if let Some(user) = section.parsed("userEntityRef", "an entity ref", entity) {
        guest = guest.with_user(user);
    }
    if let Some(refs) = section.strings("ownershipEntityRefs") {
        let refs = refs.iter().enumerate().filter_map(|(i, text)| {
            entity(text)
                .map_err(|reason| section.mistake_in("ownershipEntityRefs", i, reason))
                .ok()
        });
        guest = guest.with_ownership(refs);
    }
    if section.boolean("dangerouslyAllowOutsideDevelopment") == Some(true) {
        guest = guest.dangerously_allow_outside_development();
    }
    guest
}
