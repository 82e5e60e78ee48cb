//! `externalAccess` of type `jwks`: services that prove themselves with tokens of a key set (spec section 8.2).

use super::restrictions;
use super::{Section, Value};
use crate::verify::Issuer;
use crate::verify::api_key::check_name;
use crate::verify::jwt::Algorithm;

/// What such an entry may name: the asymmetric ones. A key set is public, so no secret can be in it.
const ALGORITHMS: &str = "ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA";

/// `{url, issuer?, audience?, algorithm?, subjectPrefix?}`, and ours: `claims`. Restrictions stand beside the options.
pub(super) fn read(section: Section<'_>, options: Section<'_>) -> Option<Issuer> {
    let url = options.required_url("url");
    let issuers = options.has("issuer").then(|| options.words("issuer"));
    let audiences = options.has("audience").then(|| options.words("audience"));
    let algorithms = options.has("algorithm").then(|| algorithms(&options));
    let prefix = options.has("subjectPrefix").then(|| {
        options.parsed("subjectPrefix", "a string", |text| {
            check_name(text).map(|()| text.to_owned())
        })
    });
    let claims = claims(&options);
    let only = restrictions::read(&section);
    if audiences.is_none() {
        options.warn_here(
            "no audience is named: tokens that the same keys sign for other services are accepted too",
        );
    }
    options.finish();
    section.finish();

    let mut audiences = audiences.map_or(Some(Vec::new()), |read| read)?.into_iter();
    let url: String = url?.into();
    let mut issuer = match audiences.next() {
        Some(audience) => Issuer::key_set(url, audience),
        None => Issuer::key_set(url, "").dangerously_accept_any_audience(),
    };
    issuer = audiences.fold(issuer, Issuer::add_audience);
    if let Some(issuers) = issuers {
        issuer = issuers?.into_iter().fold(issuer, Issuer::add_issuer);
    }
    if let Some(algorithms) = algorithms {
        issuer = issuer.with_algorithms(algorithms?);
    }
    issuer = issuer.with_service_subjects(match prefix {
        Some(prefix) => format!("external:{}:", prefix?),
        None => "external:".to_owned(),
    });
    for (name, values) in claims? {
        issuer = issuer.add_required_claim(name, values);
    }
    if let Some(only) = only {
        issuer = issuer.with_restrictions(only);
    }
    Some(issuer)
}

fn algorithms(options: &Section<'_>) -> Option<Vec<Algorithm>> {
    let names = options.words("algorithm")?;
    let read = names.iter().enumerate().filter_map(|(i, name)| {
        let found = Algorithm::parse(name).filter(|found| Algorithm::ASYMMETRIC.contains(found));
        if found.is_none() {
            options.mistake_in("algorithm", i, format!("expected one of {ALGORITHMS}"));
        }
        found
    });
    let read: Vec<_> = read.collect();
    (read.len() == names.len()).then_some(read)
}

/// `{name: value or list}`: a token must have each of these claims, with one of the values.
fn claims(options: &Section<'_>) -> Option<Vec<(String, Vec<String>)>> {
    const WANTED: &str = "a string, a number or a boolean, or a list of them";
    let Some(section) = options.section("claims") else {
        return (!options.has("claims")).then(Vec::new);
    };
    section.has_names(&[]);
    let mut claims = Vec::new();
    let mut complete = true;
    for (key, node) in section.entries() {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let text = |item: &super::Node| match &item.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(value) => Some(value.to_string()),
            Value::String(text) if !text.is_empty() => Some(text.to_string()),
            _ => {
                let path = section.path_of(&key.name);
                section.reader().expected(path, item, WANTED);
                None
            }
        };
        let values: Vec<String> = items.iter().filter_map(text).collect();
        complete &= values.len() == items.len();
        if items.is_empty() {
            section.mistake(&key.name, "expected at least one value, found none");
            complete = false;
        }
        claims.push((key.name.clone(), values));
    }
    complete.then_some(claims)
}
