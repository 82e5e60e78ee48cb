//! `auth`: environment, session, providers (spec section 9.3).

use std::sync::Arc;
use std::time::Duration;

use super::app::Auth;
use super::{Node, Reader, Section, Value};
use crate::identity::EntityRef;
use crate::provider::{ClientAuthentication, GitHub, Guest, Oidc, Prompt, ProviderConfig};
use crate::secret::{SealingKey, Secret};
use crate::sign_in::{NewProvider, Resolver, is_segment};
use crate::verify::jwt::Algorithm;

/// Keys of Backstage's that change nothing here.
const IGNORED: [&str; 6] = [
    "keyStore",
    "identityTokenAlgorithm",
    "omitIdentityTokenOwnershipClaim",
    "clientIdMetadataDocuments",
    "experimentalDynamicClientRegistration",
    "experimentalRefreshToken",
];
const KINDS: [&str; 3] = ["github", "oidc", "guest"];

pub(super) fn read(auth: Section<'_>) -> Auth {
    let environment = auth.string("environment");
    let session_secret = auth.section("session").and_then(|session| {
        let secret = session.secret("secret");
        let short =
            |secret: &Secret<String>| SealingKey::from_secret(secret.expose().as_bytes()).is_err();
        if secret.as_ref().is_some_and(short) {
            session.mistake("secret", "expected at least 32 bytes");
        }
        session.finish();
        secret
    });
    let origins = auth
        .strings("experimentalExtraAllowedOrigins")
        .unwrap_or_default();
    let bad = |origin: &String| {
        let url = url::Url::parse(origin).ok();
        !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    if origins.iter().any(bad) {
        auth.mistake(
            "experimentalExtraAllowedOrigins",
            "expected origins such as https://docs.example.com",
        );
    }
    if origins
        .iter()
        .any(|origin| origin.contains(['*', '?', '{', '!', '[']))
    {
        auth.mistake(
            "experimentalExtraAllowedOrigins",
            "patterns are not supported yet: expected whole origins",
        );
    }
    let current = environment.as_deref().unwrap_or("development");
    let providers = auth.sections("providers");
    let providers = providers
        .into_iter()
        .flat_map(|(id, section)| provider(id, section, current));
    let read = Auth {
        session_secret,
        token_life: auth.duration("backstageTokenExpiration"),
        origins,
        providers: providers.map(Arc::new).collect(),
        environment: environment.clone(),
    };
    for key in IGNORED.iter().filter(|key| auth.has(key)) {
        tracing::warn!(target: "tower_identity", "auth.{key} is not supported yet, and has no effect");
    }
    auth.ignore(&IGNORED);
    auth.finish();
    read
}

/// One provider, in each of its environments.
fn provider(id: &str, section: Section<'_>, current: &str) -> Vec<NewProvider> {
    if !is_segment(id) {
        section.mistake_here("expected an id of letters, digits, '-' and '_'");
    }
    let declared = section.has("type").then(|| section.one_of("type", &KINDS));
    let kind = match declared {
        Some(None) => return Vec::new(),
        Some(Some(kind)) => kind,
        None => match KINDS.iter().find(|kind| **kind == id) {
            Some(kind) => kind,
            None => {
                section.mistake_here(format!(
                    "not a provider that is supported by name yet; declare its kind as `type`, one of \"{}\"",
                    KINDS.join("\", \"")
                ));
                return Vec::new();
            }
        },
    };
    if (kind == "guest") != (id == "guest") {
        section.mistake_here("the guest's id is \"guest\", and no other provider's");
    }
    if kind == "guest" {
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
    let environments = section.keys_except("type");
    if environments.is_empty() {
        section.mistake_here(format!("expected an environment such as \"{current}\""));
    }
    if !environments.is_empty() && !environments.contains(&current) {
        tracing::warn!(target: "tower_identity", provider = id, "not set up in the environment {current:?}");
    }
    let read = environments.into_iter().filter_map(|environment| {
        let is_block = section
            .node(environment)
            .is_some_and(|node| matches!(node.value, Value::Map(_)));
        // What is no block is no environment of any: a key of one that stands a level too high.
        if environment == current || !is_block {
            return in_environment(kind, id, environment, section.section(environment)?);
        }
        // Another environment's variables are seldom set here: it is left out, and said so.
        let apart = Reader::default();
        let node: &Node = section.node(environment)?;
        let read = in_environment(kind, id, environment, apart.root(node));
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

fn in_environment(
    kind: &str,
    id: &str,
    environment: &str,
    block: Section<'_>,
) -> Option<NewProvider> {
    let (resolvers, found) = resolvers(&block);
    let additional_scopes = block.string_list("additionalScopes").unwrap_or_default();
    let longest: Option<Duration> = block.duration("sessionDuration");
    let config = match kind {
        "github" => github(&block),
        _ => oidc(&block),
    };
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
    let entity = |key: &str, text: &str| {
        let parsed = EntityRef::parse(text);
        if parsed.is_err() {
            section.mistake(key, "expected an entity ref such as user:default/guest");
        }
        parsed.ok()
    };
    let mut guest = Guest::new();
    if let Some(user) = section
        .string("userEntityRef")
        .and_then(|text| entity("userEntityRef", &text))
    {
        guest = guest.with_user(user);
    }
    if let Some(refs) = section.strings("ownershipEntityRefs") {
        guest = guest.with_ownership(
            refs.iter()
                .filter_map(|text| entity("ownershipEntityRefs", text)),
        );
    }
    if section.boolean("dangerouslyAllowOutsideDevelopment") == Some(true) {
        guest = guest.dangerously_allow_outside_development();
    }
    guest
}

fn github(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, secret) = (
        block.required_string("clientId"),
        block.required_secret("clientSecret"),
    );
    let callback = block.secure_url("callbackUrl");
    let enterprise = block.secure_url("enterpriseInstanceUrl").map(String::from);
    let mut github = GitHub::new(id?, secret?);
    if let Some(url) = enterprise {
        github = github.with_enterprise_instance_url(url);
    }
    if let Some(url) = callback {
        github = github.with_callback_url(url);
    }
    Some(github.into())
}

fn oidc(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, secret) = (
        block.required_string("clientId"),
        block.required_secret("clientSecret"),
    );
    let metadata = block.required_url("metadataUrl").map(String::from);
    let extra = block.string_map("startUrlSearchParams").unwrap_or_default();
    let callback = block.secure_url("callbackUrl");
    let methods = ["client_secret_basic", "client_secret_post"];
    let method = block.one_of("tokenEndpointAuthMethod", &methods);
    // Backstage's default is `none`; `auto` leaves it to the provider.
    let prompts = ["auto", "none", "login", "consent", "select_account"];
    let prompt = match block
        .has("prompt")
        .then(|| block.one_of("prompt", &prompts))
    {
        None | Some(Some("none")) => Some(Prompt::None),
        Some(Some("login")) => Some(Prompt::Login),
        Some(Some("consent")) => Some(Prompt::Consent),
        Some(Some("select_account")) => Some(Prompt::SelectAccount),
        Some(_) => None,
    };
    let algorithms = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ];
    let algorithm = block.one_of("tokenSignedResponseAlg", &algorithms);
    // Outward calls have a deadline of their own.
    block.ignore(&["timeout"]);
    let mut oidc = Oidc::new(metadata?, id?, secret?);
    if method == Some("client_secret_post") {
        oidc = oidc.with_authentication(ClientAuthentication::Post);
    }
    if let Some(prompt) = prompt {
        oidc = oidc.with_prompt(prompt);
    }
    if let Some(algorithm) = algorithm.and_then(Algorithm::parse) {
        oidc = oidc.with_id_token_algorithm(algorithm);
    }
    if let Some(url) = callback {
        oidc = oidc.with_callback_url(url);
    }
    for (name, value) in extra {
        oidc = match oidc.add_start_parameter(name, value) {
            Ok(oidc) => oidc,
            Err(mistake) => {
                block.mistake("startUrlSearchParams", mistake.message());
                return None;
            }
        };
    }
    Some(oidc.into())
}

/// `signIn.resolvers`, and whether all of them exist.
fn resolvers(block: &Section<'_>) -> (Vec<Resolver>, bool) {
    let Some(sign_in) = block.section("signIn") else {
        return (Vec::new(), true);
    };
    let list = sign_in.list("resolvers");
    let wanted = list.len();
    let read: Vec<Resolver> = list.into_iter().filter_map(resolver).collect();
    sign_in.finish();
    let complete = read.len() == wanted;
    (read, complete)
}

fn resolver(section: Section<'_>) -> Option<Resolver> {
    if !section.has("resolver") {
        section.mistake(
            "resolver",
            format!("expected one of \"{}\"", Resolver::NAMES.join("\", \"")),
        );
    }
    let name = section.one_of("resolver", &Resolver::NAMES);
    let domains = section.strings("allowedDomains");
    let anybody = section.boolean("dangerouslyAllowSignInWithoutUserInCatalog");
    section.finish();
    let mut resolver = Resolver::by_name(name?)?;
    if let Some(domains) = domains {
        resolver = resolver.with_allowed_domains(domains);
    }
    if anybody == Some(true) {
        resolver = resolver.dangerously_allow_sign_in_without_user_in_catalog();
    }
    Some(resolver)
}
