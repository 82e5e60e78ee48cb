//! Which catalog user a signed-in person is (spec section 7).

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt as _;

mod context;
mod error;
mod info;
mod rule;

pub use self::context::{ResolvedUser, ResolverContext};
pub use self::error::ResolverError;
pub use self::info::SignInInfo;
use self::rule::Rule;
use super::SignInError;
use crate::catalog::Catalog;

/// Their names in `app-config.yaml`.
pub(crate) mod names {
    pub(crate) const USERNAME: &str = "usernameMatchingUserEntityName";
    pub(crate) const PREFERRED_USERNAME: &str = "preferredUsernameMatchingUserEntityName";
    pub(crate) const EMAIL: &str = "emailMatchingUserEntityProfileEmail";
    pub(crate) const EMAIL_LOCAL_PART: &str = "emailLocalPartMatchingUserEntityName";
    pub(crate) const USER_ID_ANNOTATION: &str = "userIdMatchingUserEntityAnnotation";
    /// What proxies call the same.
    #[cfg(feature = "app-config")]
    pub(crate) const ID_ANNOTATION: &str = "idMatchingUserEntityAnnotation";
    /// And what oauth2-proxy calls the usernames.
    #[cfg(feature = "app-config")]
    pub(crate) const FORWARDED_USER: &str = "forwardedUserMatchingUserEntityName";
    #[cfg(feature = "app-config")]
    pub(crate) const FORWARDED_PREFERRED_USERNAME: &str =
        "forwardedPreferredUsernameMatchingUserEntityName";
    pub(crate) const EMAIL_ANNOTATION: &str = "emailMatchingUserEntityAnnotation";
}

/// A rule that finds the catalog user for what a provider says of a person.
///
/// Several are asked in order. One that knows nobody hands on to the next; any other failure ends the sign-in: the
/// person reads a sentence, and the operator what each resolver looked for and what it found.
///
/// One of your own is an async function:
///
/// ```
/// use tower_identity::catalog::UserQuery;
/// use tower_identity::sign_in::{Resolver, ResolverError};
///
/// let by_badge = Resolver::from_fn("badgeMatchingUserEntityAnnotation", async |person, catalog| {
///     let badge = person.claim("badge").and_then(|badge| badge.as_str());
///     let badge = badge.ok_or_else(|| ResolverError::not_found("no badge"))?;
///     catalog.find_user(&UserQuery::annotation("example.com/badge", badge)).await
/// });
/// ```
#[derive(Clone)]
#[must_use]
pub struct Resolver {
    rule: Rule,
    allowed_domains: Option<Vec<String>>,
    without_catalog: bool,
}

impl Resolver {
    /// `usernameMatchingUserEntityName`: the provider's username is the entity's name.
    pub fn username() -> Self {
        Self::of(Rule::Username)
    }

    /// `preferredUsernameMatchingUserEntityName`: the claim `preferred_username` is the entity's name.
    pub fn preferred_username() -> Self {
        Self::of(Rule::PreferredUsername)
    }

    /// `emailMatchingUserEntityProfileEmail`: the verified e-mail is that of the entity's profile;
    /// if none has it, it is looked for again without its `+part`.
    pub fn email() -> Self {
        Self::of(Rule::Email)
    }

    /// `emailLocalPartMatchingUserEntityName`: what stands before the `@` is the entity's name.
    pub fn email_local_part() -> Self {
        Self::of(Rule::EmailLocalPart)
    }

    /// `userIdMatchingUserEntityAnnotation`: the [id](SignInInfo::user_id) is the value of the entity's annotation
    /// `key`, such as `github.com/user-id`, to the letter. No other resolver survives a change of name.
    pub fn user_id_annotation(key: impl Into<String>) -> Self {
        Self::of(Rule::UserId(key.into().into()))
    }

    /// `emailMatchingUserEntityAnnotation`: the verified e-mail is the value of the entity's annotation `key`, such as
    /// `google.com/email`, to the letter.
    pub fn email_annotation(key: impl Into<String>) -> Self {
        Self::of(Rule::EmailAnnotation(key.into().into()))
    }

    /// A resolver of your own. `name` is what the operator knows it by, and what it is called in `app-config.yaml`,
    /// if it is [added](crate::config::Sources::add_resolver) there.
    ///
    /// # Cancel safety
    ///
    /// It is dropped when the browser goes away. It has no deadline but its own.
    pub fn from_fn<F, Fut>(name: impl Into<String>, resolver: F) -> Self
    where
        F: Fn(SignInInfo, ResolverContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ResolvedUser, ResolverError>> + Send + 'static,
    {
        let name: String = name.into();
        let own = Arc::new(move |info, context| resolver(info, context).boxed());
        Self::of(Rule::Own(name.into(), own))
    }

    /// What it is called in `app-config.yaml`, and by the operator.
    #[must_use]
    pub fn name(&self) -> &str {
        self.rule.name()
    }

    /// Accepts people with a verified e-mail of these domains only, compared whole and in any case.
    /// Nobody else signs in, whatever other resolvers know.
    pub fn with_allowed_domains<D: Into<String>>(
        mut self,
        domains: impl IntoIterator<Item = D>,
    ) -> Self {
        self.allowed_domains = Some(
            domains
                .into_iter()
                .map(|d| d.into().to_ascii_lowercase())
                .collect(),
        );
        self
    }

    /// Signs in people whom the catalog does not know, under a name made of what the provider says.
    /// Has no effect on a resolver of your own, which can say so itself: [`ResolvedUser::outside_catalog`].
    ///
    /// # Security
    ///
    /// Whoever can choose that name at the provider can be anybody the catalog does not know.
    pub fn dangerously_allow_sign_in_without_user_in_catalog(mut self) -> Self {
        self.without_catalog = true;
        self
    }

    fn of(rule: Rule) -> Self {
        Self {
            rule,
            allowed_domains: None,
            without_catalog: false,
        }
    }

    async fn run(
        &self,
        info: &SignInInfo,
        context: &ResolverContext,
    ) -> Result<ResolvedUser, ResolverError> {
        self.check_domain(info, context)?;
        self.rule.run(info, context, self.without_catalog).await
    }

    fn check_domain(
        &self,
        info: &SignInInfo,
        context: &ResolverContext,
    ) -> Result<(), ResolverError> {
        let Some(allowed) = &self.allowed_domains else {
            return Ok(());
        };
        let (_, domain) = rule::email(info)?.split_once('@').unwrap_or_default();
        if allowed.contains(&domain.to_ascii_lowercase()) {
            return Ok(());
        }
        context.note(format!("e-mail domain {domain:?}"));
        Err(ResolverError::denied(
            "Sign-in user email is not from an allowed domain",
        ))
    }
}

/// Asks the resolvers in order. The operator learns which of them ran, what each looked for and what it found.
pub(super) async fn resolve(
    resolvers: &[Resolver],
    info: &SignInInfo,
    catalog: Option<&Arc<dyn Catalog>>,
) -> Result<ResolvedUser, SignInError> {
    let context = ResolverContext::new(catalog.cloned());
    let mut report = Vec::new();
    let mut last = ResolverError::not_found("there is no resolver");
    for resolver in resolvers {
        let error = match resolver.run(info, &context).await {
            Ok(user) => return Ok(user),
            Err(error) => error,
        };
        let asked = context.take_notes();
        let error_text = error.to_string();
        report.push(match (resolver.name(), asked) {
            (name, asked) if asked.is_empty() => format!("{name}: {error_text}"),
            (name, asked) if asked.ends_with(&error_text) => format!("{name}: {asked}"),
            (name, asked) => format!("{name}: {asked}, {error_text}"),
        });
        last = error;
        if !last.is_not_found() {
            break;
        }
    }
    Err(last.ends().because(report.join("; ")))
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("name", &self.name())
            .field("annotation", &self.rule.annotation())
            .field("allowed_domains", &self.allowed_domains)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::{BoxFuture, ready};

    use serde_json::json;

    use super::*;
    use crate::catalog::{CatalogError, CatalogUser, UserQuery};
    use crate::identity::EntityRef;
    use crate::provider::ProviderProfile;

    /// Knows these users by name, and whoever has the e-mail `shared@example.com` twice.
    struct Known(&'static [&'static str]);

    impl Catalog for Known {
        fn find_user<'a>(
            &'a self,
            query: &'a UserQuery,
        ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
            let wanted = match query {
                UserQuery::Ref(wanted) => wanted.as_str().to_owned(),
                UserQuery::Email(email) if email == "shared@example.com" => {
                    return ready(Err(CatalogError::Conflict)).boxed();
                }
                UserQuery::Email(email) if email == "lost@example.com" => {
                    let error = CatalogError::Unavailable("away".into());
                    return ready(Err(error)).boxed();
                }
                UserQuery::Annotation { key, value } => match (key.as_str(), value.as_str()) {
                    ("github.com/user-id", "MDQ6VXNlcjE=") => "user:default/ada".to_owned(),
                    ("okta.com/email", "ada@example.com") => "user:other/ada".to_owned(),
                    ("github.com/user-id", "twice") => {
                        return ready(Err(CatalogError::Conflict)).boxed();
                    }
                    _ => return ready(Err(CatalogError::NotFound)).boxed(),
                },
                UserQuery::Email(email) => format!("user:default/{}", email.replace('@', "-at-")),
            };
            let found = self.0.iter().find(|name| **name == wanted);
            let user = found.map(|name| CatalogUser::new(EntityRef::parse(name).unwrap()));
            ready(user.ok_or(CatalogError::NotFound)).boxed()
        }
    }

    const KNOWN: Known = Known(&[
        "user:default/ada",
        "user:default/shared",
        "user:default/lost",
        "user:default/ada-at-example.com",
        "user:other/ada",
    ]);

    /// Who is found: an entity ref, or the message.
    fn found(resolvers: &[Resolver], username: Option<&str>, email: Option<&str>) -> String {
        let profile = ProviderProfile {
            username: username.map(str::to_owned),
            email: email.map(str::to_owned),
            ..ProviderProfile::default()
        };
        match outcome(resolvers, profile) {
            Ok(user) => user.entity_ref().as_str().to_owned(),
            Err(error) => error.message().to_owned(),
        }
    }

    fn outcome(
        resolvers: &[Resolver],
        profile: ProviderProfile,
    ) -> Result<ResolvedUser, SignInError> {
        let catalog: Arc<dyn Catalog> = Arc::new(KNOWN);
        let info = SignInInfo::new("idp", profile);
        let outcome = resolve(resolvers, &info, Some(&catalog)).now_or_never();
        outcome.unwrap()
    }

    const NOBODY: &str = "Failed to sign-in, unable to resolve user identity. Please verify that your catalog contains the expected User entities that would match your configured sign-in resolver.";
    const FORBIDDEN: &str = "Sign-in user email is not from an allowed domain";
    const NO_EMAIL: &str = "Login failed, user profile does not contain an email";

    #[test]
    fn id_03_an_allowed_domain_is_compared_whole_and_in_any_case() {
        for rule in [Resolver::email(), Resolver::email_local_part()] {
            let resolvers = [rule.with_allowed_domains(["Example.com", "example.org"])];
            let expected = found(&[resolvers[0].clone()], None, Some("ada@example.com"));
            assert!(expected.starts_with("user:default/ada"), "{expected}");
            assert_ne!(found(&resolvers, None, Some("ada@EXAMPLE.com")), FORBIDDEN);
            for email in [
                "ada@evil.example",
                "ada@sub.example.com",
                "ada@notexample.com",
                "ada@example.com.evil.example",
                "ada@example.co",
                "ada@com",
            ] {
                assert_eq!(found(&resolvers, None, Some(email)), FORBIDDEN, "{email}");
            }
            for email in [
                "ada@example.com.",
                "ada@evil@example.com",
                "@example.com",
                "ada",
            ] {
                assert_eq!(found(&resolvers, None, Some(email)), NO_EMAIL, "{email}");
            }
        }
        // None is none: an empty list is no wildcard.
        let nobody = [Resolver::email().with_allowed_domains(Vec::<String>::new())];
        assert_eq!(found(&nobody, None, Some("ada@example.com")), FORBIDDEN);
    }

    #[test]
    fn id_03_a_domain_that_is_not_allowed_ends_it_for_the_resolvers_behind_as_well() {
        let resolvers = [
            Resolver::email().with_allowed_domains(["example.org"]),
            Resolver::username(),
        ];
        let found = found(&resolvers, Some("ada"), Some("ada@example.com"));
        assert_eq!(found, FORBIDDEN);
    }

    #[test]
    fn id_07_a_username_is_a_name_and_never_a_ref() {
        let strict = [Resolver::username()];
        let lenient = [Resolver::username().dangerously_allow_sign_in_without_user_in_catalog()];
        assert_eq!(found(&strict, Some("ada"), None), "user:default/ada");
        assert_eq!(found(&lenient, Some("eve"), None), "user:default/eve");
        for name in [
            "user:default/ada",
            "user:other/ada",
            "default/ada",
            "other/ada",
            "user:ada",
            "group:default/admins",
            "/ada",
            ":ada",
            "ada/",
            "",
            " ada",
            "ada ",
            "a\u{212a}da",
            "\u{430}da",
            "ada\n",
            "ada\0",
        ] {
            assert_eq!(found(&strict, Some(name), None), NOBODY, "{name:?}");
            assert_eq!(found(&lenient, Some(name), None), NOBODY, "{name:?}");
        }
        // The same for what stands before the `@`.
        let strict = [Resolver::email_local_part()];
        let lenient =
            [Resolver::email_local_part().dangerously_allow_sign_in_without_user_in_catalog()];
        for email in [
            "user:other/ada@example.com",
            "other/ada@example.com",
            "user:ada@x.y",
        ] {
            assert_eq!(found(&strict, None, Some(email)), NOBODY, "{email}");
            assert_eq!(found(&lenient, None, Some(email)), NOBODY, "{email}");
        }
        let email = Some("ada@example.com");
        assert_eq!(found(&strict, None, email), "user:default/ada");
    }

    #[test]
    fn id_01_two_users_of_one_email_are_nobody_and_no_other_resolver_is_asked() {
        let resolvers = [
            Resolver::email().dangerously_allow_sign_in_without_user_in_catalog(),
            Resolver::username(),
            Resolver::email_local_part(),
        ];
        assert_eq!(
            found(&resolvers, Some("ada"), Some("shared@example.com")),
            "User lookup resulted in multiple matches"
        );
        // Nor if its second spelling is shared, or if the catalog has no answer.
        assert_eq!(
            found(&resolvers, Some("ada"), Some("shared+x@example.com")),
            "User lookup resulted in multiple matches"
        );
        assert_eq!(
            found(&resolvers, Some("ada"), Some("lost@example.com")),
            "The catalog can't be asked right now"
        );
        // Only what is not found goes on to the next.
        let strict = [Resolver::email(), Resolver::username()];
        let next = found(&strict, Some("ada"), Some("eve@example.com"));
        assert_eq!(next, "user:default/ada");
    }

    #[test]
    fn an_annotation_is_compared_to_the_letter_and_two_of_it_are_nobody() {
        let by_id = Resolver::user_id_annotation("github.com/user-id");
        let lenient = by_id
            .clone()
            .dangerously_allow_sign_in_without_user_in_catalog();
        for (id, strict, invented) in [
            (Some("MDQ6VXNlcjE="), "user:default/ada", "user:default/ada"),
            (Some("mdq6vxnlcje="), NOBODY, "user:default/mdq6vxnlcje="),
            (Some("group:x"), NOBODY, NOBODY),
            (Some(""), NOBODY, NOBODY),
            // Without an id of its own it is the subject.
            (None, NOBODY, "user:default/42"),
        ] {
            for (resolver, expected) in [(&by_id, strict), (&lenient, invented)] {
                let profile = ProviderProfile {
                    subject: "42".into(),
                    user_id: id.map(str::to_owned),
                    ..ProviderProfile::default()
                };
                let found = match outcome(std::slice::from_ref(resolver), profile) {
                    Ok(user) => user.entity_ref().to_string(),
                    Err(error) => error.message().to_owned(),
                };
                assert_eq!(found, expected, "{id:?}");
            }
        }
        let twice = ProviderProfile {
            user_id: Some("twice".into()),
            username: Some("ada".into()),
            ..ProviderProfile::default()
        };
        let error = outcome(&[lenient, Resolver::username()], twice).unwrap_err();
        assert_eq!(error.name(), "ConflictError");

        let by_email = [Resolver::email_annotation("okta.com/email")];
        assert_eq!(
            found(&by_email, None, Some("ada@example.com")),
            "user:other/ada"
        );
        assert_eq!(found(&by_email, None, Some("Ada@example.com")), NOBODY);
        assert_eq!(found(&by_email, None, None), NO_EMAIL);
    }

    #[test]
    fn id_03_domains_hold_for_every_resolver_and_not_for_those_of_email_only() {
        let own = Resolver::from_fn("own", async |_, _| {
            Ok(ResolvedUser::outside_catalog("user:x".parse().unwrap()))
        });
        for resolver in [
            Resolver::username(),
            Resolver::user_id_annotation("github.com/user-id"),
            own,
        ] {
            let resolver = [resolver.with_allowed_domains(["example.com"])];
            let domain = found(&resolver, Some("ada"), Some("ada@example.org"));
            assert_eq!(domain, FORBIDDEN, "{resolver:?}");
            let none = found(&resolver, Some("ada"), None);
            assert_eq!(none, NO_EMAIL, "{resolver:?}");
        }
    }

    #[test]
    fn a_resolver_of_ones_own_asks_the_catalog_and_says_how_it_goes_on() {
        let own = |name: &'static str| {
            Resolver::from_fn(name, async move |person: SignInInfo, catalog| {
                let badge = person.claim("badge").and_then(|badge| badge.as_str());
                match badge.ok_or_else(|| ResolverError::not_found("no badge"))? {
                    "stolen" => Err(ResolverError::denied("This badge is blocked")),
                    "later" => Err(ResolverError::unavailable("the badge office is closed")),
                    "guest" => {
                        let user =
                            ResolvedUser::outside_catalog("user:visitors/x".parse().unwrap());
                        Ok(user.with_ownership(["group:visitors".parse().unwrap()]))
                    }
                    name => {
                        let user = EntityRef::parse(&format!("user:other/{name}")).unwrap();
                        catalog.find_user(&UserQuery::Ref(user)).await
                    }
                }
            })
        };
        let resolvers = [own("first"), Resolver::username()];
        for (badge, expected) in [
            (json!("ada"), Ok("user:other/ada")),
            (json!("guest"), Ok("user:visitors/x")),
            (json!("eve"), Ok("user:default/ada")),
            (json!(null), Ok("user:default/ada")),
            (json!("stolen"), Err("This badge is blocked")),
            (json!("later"), Err("The catalog can't be asked right now")),
        ] {
            let mut profile = ProviderProfile {
                username: Some("ada".into()),
                ..ProviderProfile::default()
            };
            profile.claims.insert("badge".into(), badge.clone());
            let outcome = outcome(&resolvers, profile);
            let found = match &outcome {
                Ok(user) => Ok(user.entity_ref().as_str()),
                Err(error) => Err(error.message()),
            };
            assert_eq!(found, expected, "{badge}");
        }
    }

    #[test]
    fn the_operator_reads_what_each_resolver_looked_for_and_what_it_found() {
        let silent = Resolver::from_fn("silent", async |_, _| {
            Err(ResolverError::not_found("never looks"))
        });
        let resolvers = [
            Resolver::username(),
            silent,
            Resolver::user_id_annotation("github.com/user-id"),
            Resolver::email(),
        ];
        let profile = |email: &str| ProviderProfile {
            subject: "7".into(),
            username: Some("eve".into()),
            email: Some(email.into()),
            ..ProviderProfile::default()
        };
        let trials = "usernameMatchingUserEntityName: user:default/eve: User not found; \
            silent: never looks; \
            userIdMatchingUserEntityAnnotation: annotation github.com/user-id \"7\": User not found; \
            emailMatchingUserEntityProfileEmail: spec.profile.email ";
        for (email, rest) in [
            (
                "eve+a@x.y",
                "\"eve+a@x.y\": User not found, spec.profile.email \"eve@x.y\": User not found",
            ),
            (
                "shared@example.com",
                "\"shared@example.com\": User lookup resulted in multiple matches",
            ),
            (
                "lost@example.com",
                "\"lost@example.com\": catalog unavailable: away",
            ),
        ] {
            let error = outcome(&resolvers, profile(email)).unwrap_err();
            assert_eq!(error.detail(), format!("{trials}{rest}"));
            assert!(!error.message().contains("eve"), "not for the person");
        }
        // What a provider says can't write lines of its own.
        let odd = ProviderProfile {
            username: Some("eve\nuser:default/root: found".into()),
            ..ProviderProfile::default()
        };
        let error = outcome(&resolvers[..1], odd).unwrap_err();
        assert_eq!(
            error.detail(),
            "usernameMatchingUserEntityName: \"eve\\nuser:default/root: found\" is no entity's name"
        );
        let domains = [Resolver::username().with_allowed_domains(["example.com"])];
        let error = outcome(&domains, profile("eve@x.y")).unwrap_err();
        assert_eq!(
            error.detail(),
            "usernameMatchingUserEntityName: e-mail domain \"x.y\", Sign-in user email is not from an allowed domain"
        );
    }

    #[test]
    fn what_is_empty_is_not_even_asked_for() {
        struct Anybody;
        impl Catalog for Anybody {
            fn find_user<'a>(
                &'a self,
                _: &'a UserQuery,
            ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
                ready(Ok(CatalogUser::new("user:default/root".parse().unwrap()))).boxed()
            }
        }
        let catalog: Arc<dyn Catalog> = Arc::new(Anybody);
        let info = SignInInfo::new("idp", ProviderProfile::default());
        for key in ["github.com/user-id", ""] {
            let resolver = [Resolver::user_id_annotation(key)];
            let found = resolve(&resolver, &info, Some(&catalog)).now_or_never();
            assert_eq!(found.unwrap().unwrap_err().message(), NOBODY);
        }
    }
}
