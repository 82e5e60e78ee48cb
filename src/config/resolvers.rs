//! `signIn.resolvers`: by their names, each with its options (spec section 7).

use url::Url;

use super::{Section, Value};
use crate::sign_in::{Resolver, names};

/// The option that says which annotation is meant. It is ours, for providers that Backstage knows no annotation of.
const ANNOTATION: &str = "annotation";

/// The resolvers that a kind of provider has.
pub(super) struct Known<'a> {
    kind: &'static str,
    /// Those that the program brings.
    own: &'a [Resolver],
}

impl<'a> Known<'a> {
    pub(super) fn to(kind: &'static str, own: &'a [Resolver]) -> Self {
        Self { kind, own }
    }

    /// `signIn.resolvers` of a block, and whether all of them exist.
    pub(super) fn read(&self, block: &Section<'_>) -> (Vec<Resolver>, bool) {
        let Some(sign_in) = block.section("signIn") else {
            return (Vec::new(), true);
        };
        let list = sign_in.list("resolvers");
        let wanted = list.len();
        let read: Vec<_> = list
            .into_iter()
            .filter_map(|section| self.resolver(section, block))
            .collect();
        sign_in.finish();
        let complete = read.len() == wanted;
        (read, complete)
    }

    fn resolver(&self, section: Section<'_>, block: &Section<'_>) -> Option<Resolver> {
        let names = self.names();
        if !section.has("resolver") {
            let message = format!("expected one of \"{}\"", names.join("\", \""));
            section.mistake("resolver", message);
        }
        let found = section.one_of("resolver", &names).and_then(|name| {
            let own = self.own.iter().find(|own| own.name() == name);
            match own {
                Some(own) => Some(own.clone()),
                None => self.by_name(name, &section, block),
            }
        });
        let domains = section.strings("allowedDomains");
        const ANYBODY: &str = "dangerouslyAllowSignInWithoutUserInCatalog";
        let anybody = section.boolean(ANYBODY) == Some(true);
        let mut resolver = found?;
        if anybody && self.own.iter().any(|own| own.name() == resolver.name()) {
            let message = "has no effect on a resolver that the program brings";
            section.mistake(ANYBODY, message);
        }
        section.finish();
        if let Some(domains) = domains {
            resolver = resolver.with_allowed_domains(domains);
        }
        if anybody {
            resolver = resolver.dangerously_allow_sign_in_without_user_in_catalog();
        }
        Some(resolver)
    }

    fn by_name(&self, name: &str, section: &Section<'_>, block: &Section<'_>) -> Option<Resolver> {
        let (user_id, email) = annotations(self.kind, block);
        Some(match name {
            names::USERNAME | names::FORWARDED_USER => Resolver::username(),
            names::PREFERRED_USERNAME | names::FORWARDED_PREFERRED_USERNAME => {
                Resolver::preferred_username()
            }
            names::EMAIL => Resolver::email(),
            names::EMAIL_LOCAL_PART => Resolver::email_local_part(),
            names::USER_ID_ANNOTATION | names::ID_ANNOTATION => {
                Resolver::user_id_annotation(annotation(section, user_id.as_deref())?)
            }
            _ => Resolver::email_annotation(annotation(section, email)?),
        })
    }

    fn names(&self) -> Vec<&str> {
        let built_in = match self.kind {
            "github" => &[
                names::USERNAME,
                names::USER_ID_ANNOTATION,
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
                names::EMAIL_ANNOTATION,
            ][..],
            "google" | "microsoft" => &[
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
                names::EMAIL_ANNOTATION,
                names::USER_ID_ANNOTATION,
            ],
            "azureEasyAuth" => &[
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
                names::ID_ANNOTATION,
                names::EMAIL_ANNOTATION,
            ],
            "gitlab" => &[
                names::USERNAME,
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
                names::USER_ID_ANNOTATION,
                names::EMAIL_ANNOTATION,
            ],
            "gcpIap" => &[
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
                names::EMAIL_ANNOTATION,
                names::ID_ANNOTATION,
            ],
            "oauth2Proxy" => &[
                names::FORWARDED_USER,
                names::FORWARDED_PREFERRED_USERNAME,
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
            ],
            "cfaccess" | "awsalb" => &[
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
                names::EMAIL_ANNOTATION,
            ],
            _ => &[
                names::EMAIL,
                names::EMAIL_LOCAL_PART,
                names::USERNAME,
                names::PREFERRED_USERNAME,
                names::USER_ID_ANNOTATION,
                names::EMAIL_ANNOTATION,
            ],
        };
        let own = self.own.iter().map(Resolver::name);
        built_in.iter().copied().chain(own).collect()
    }
}

/// The annotations that Backstage keeps a person's id and e-mail at this kind of provider in.
fn annotations(kind: &str, block: &Section<'_>) -> (Option<String>, Option<&'static str>) {
    let (user_id, email) = match kind {
        "github" => (Some("github.com/user-id"), None),
        "gcpIap" | "google" => (Some("google.com/user-id"), Some("google.com/email")),
        "microsoft" | "azureEasyAuth" => (
            Some("graph.microsoft.com/user-id"),
            Some("microsoft.com/email"),
        ),
        "okta" => (None, Some("okta.com/email")),
        // The one of GitLab is named after its host.
        "gitlab" => return (Some(format!("{}/user-id", gitlab_host(block))), None),
        _ => (None, None),
    };
    (user_id.map(str::to_owned), email)
}

fn gitlab_host(block: &Section<'_>) -> String {
    let entries = block.entries().iter();
    let mut urls = entries.filter_map(|(key, node)| match &node.value {
        Value::String(url) if key.name == "audience" => Url::parse(url).ok(),
        _ => None,
    });
    let host = urls.find_map(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "gitlab.com".to_owned())
}

fn annotation(section: &Section<'_>, default: Option<&str>) -> Option<String> {
    match default {
        Some(default) => Some(
            section
                .string(ANNOTATION)
                .unwrap_or_else(|| default.to_owned()),
        ),
        None => section.required_string(ANNOTATION),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Reader, parse};

    /// The resolver of this name, of this kind of provider, as `Debug` shows it; or what is wrong.
    fn shown(kind: &'static str, name: &str, block: &str) -> String {
        let text = format!("{{ signIn: {{ resolvers: [{{ resolver: {name} }}] }}, {block} }}");
        let root = parse(Path::new("f"), &text, &|_| None).unwrap();
        let reader = Reader::default();
        let (resolvers, _) = Known::to(kind, &[]).read(&reader.root(&root));
        match reader.finish() {
            Ok(()) => format!("{:?}", resolvers[0]),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_provider_has_the_annotations_that_backstage_knows() {
        const ID: &str = "userIdMatchingUserEntityAnnotation";
        const OTHER_ID: &str = "idMatchingUserEntityAnnotation";
        const EMAIL: &str = "emailMatchingUserEntityAnnotation";
        for (kind, name, block, annotation) in [
            ("github", ID, "", "github.com/user-id"),
            ("google", ID, "", "google.com/user-id"),
            ("google", EMAIL, "", "google.com/email"),
            ("microsoft", ID, "", "graph.microsoft.com/user-id"),
            ("microsoft", EMAIL, "", "microsoft.com/email"),
            ("okta", EMAIL, "", "okta.com/email"),
            ("gitlab", ID, "", "gitlab.com/user-id"),
            (
                "gitlab",
                ID,
                "audience: 'https://git.example.com:8443/x'",
                "git.example.com/user-id",
            ),
            ("gcpIap", OTHER_ID, "", "google.com/user-id"),
            ("gcpIap", EMAIL, "", "google.com/email"),
            ("azureEasyAuth", OTHER_ID, "", "graph.microsoft.com/user-id"),
        ] {
            let shown = shown(kind, name, block);
            assert!(
                shown.contains(&format!("Some(\"{annotation}\")")),
                "{kind} {name}: {shown}"
            );
        }
        for (kind, name) in [
            ("okta", ID),
            ("oidc", ID),
            ("auth0", EMAIL),
            ("github", EMAIL),
        ] {
            let shown = shown(kind, name, "");
            assert!(
                shown.contains("annotation: expected a string"),
                "{kind} {name}: {shown}"
            );
        }
        for (kind, name) in [
            ("google", "usernameMatchingUserEntityName"),
            ("gitlab", OTHER_ID),
            ("cfaccess", OTHER_ID),
        ] {
            let shown = shown(kind, name, "");
            assert!(
                shown.contains("resolver: expected one of"),
                "{kind} {name}: {shown}"
            );
        }
    }
}
