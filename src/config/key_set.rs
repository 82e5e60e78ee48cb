//! `backend.auth.externalAccess` of type `jwks` (spec section 8.2): tokens signed by the keys of a set.

use super::service_keys::restrictions;
use super::{Section, Value};
use crate::verify::Issuer;
use crate::verify::jwt::Algorithm;

/// `{url, issuer?, audience?, algorithm?, subjectPrefix?}`, and ours: `claims`, each with the values of which it
/// must have one.
pub(super) fn read(section: &Section<'_>, options: &Section<'_>) -> Option<Issuer> {
    let url = options.required_url("url");
    let (issuers, audiences) = (words(options, "issuer"), words(options, "audience"));
    let algorithms = algorithms(options);
    let prefix = options.string("subjectPrefix");
    let claims = claims(options);
    let only = restrictions(section);

    let mut audiences = audiences.into_iter();
    let mut issuer = match audiences.next() {
        Some(first) => Issuer::key_set(url?.as_str(), first),
        None => {
            let path = options.path();
            tracing::warn!(target: "tower_identity", "{path}: without an audience, tokens that were issued for others are accepted");
            Issuer::key_set(url?.as_str(), "any").dangerously_accept_any_audience()
        }
    };
    for audience in audiences {
        issuer = issuer.add_audience(audience);
    }
    for name in issuers {
        issuer = issuer.add_issuer(name);
    }
    if let Some(algorithms) = algorithms {
        issuer = issuer.with_algorithms(algorithms);
    }
    for (claim, values) in claims {
        issuer = issuer.add_required_claim(claim, values);
    }
    if let Some(only) = only {
        issuer = issuer.with_restrictions(only);
    }
    let prefix = prefix.map_or_else(String::new, |prefix| format!("{prefix}:"));
    Some(issuer.with_service_subjects(format!("external:{prefix}")))
}

fn words(options: &Section<'_>, key: &str) -> Vec<String> {
    let words = options.string_list(key);
    if words.as_ref().is_some_and(Vec::is_empty) {
        options.mistake(key, "expected at least one");
    }
    words.unwrap_or_default()
}

fn algorithms(options: &Section<'_>) -> Option<Vec<Algorithm>> {
    let words = words(options, "algorithm");
    let known: Vec<Algorithm> = words
        .iter()
        .filter_map(|word| Algorithm::parse(word))
        .collect();
    let asymmetric = known.iter().all(|one| Algorithm::ASYMMETRIC.contains(one));
    if known.len() < words.len() || !asymmetric {
        let message = "expected asymmetric algorithms such as RS256, ES256 or EdDSA";
        options.mistake("algorithm", message);
    }
    (!known.is_empty()).then_some(known)
}

fn claims(options: &Section<'_>) -> Vec<(String, Vec<String>)> {
    let Some(section) = options.section("claims") else {
        return Vec::new();
    };
    let names: Vec<String> = section
        .entries()
        .iter()
        .map(|(key, _)| key.name.clone())
        .collect();
    let read = names.into_iter().filter_map(|name| {
        let values = match &section.node(&name)?.value {
            Value::Number(number) => vec![number.to_string()],
            Value::Bool(truth) => vec![truth.to_string()],
            _ => section.strings(&name)?,
        };
        Some((name, values))
    });
    read.collect()
}
