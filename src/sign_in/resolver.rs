//! Which catalog user a signed-in person is (spec section 7).

use crate::catalog::{Catalog, CatalogError, UserQuery};
use crate::identity::EntityRef;
use crate::provider::ProviderProfile;
use crate::session::Person;

use super::{SignInError, SignInErrorKind};

/// A rule that finds the catalog user for what a provider says of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Resolver {
    rule: Rule,
    allowed_domains: Option<Vec<String>>,
    without_catalog: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Username,
    Email,
    EmailLocalPart,
}

/// The catalog user, and what is theirs.
pub(super) struct Resolved {
    pub(super) user: EntityRef,
    pub(super) ownership: Vec<EntityRef>,
    pub(super) in_catalog: bool,
}

/// What became of one resolver.
enum Step {
    Found(Resolved),
    /// The next one may know.
    NotFound(String),
}

impl Resolver {
    /// `usernameMatchingUserEntityName`: the provider's username is the entity's name.
    pub fn username() -> Self {
        Self::of(Rule::Username)
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

    /// By the name it has in `app-config.yaml`; `None` for one that does not exist.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        [Rule::Username, Rule::Email, Rule::EmailLocalPart]
            .into_iter()
            .find(|r| r.name() == name)
            .map(Self::of)
    }

    /// Every name that [`by_name`](Self::by_name) knows.
    pub const NAMES: [&'static str; 3] = [
        "usernameMatchingUserEntityName",
        "emailMatchingUserEntityProfileEmail",
        "emailLocalPartMatchingUserEntityName",
    ];

    /// Accepts e-mails of these domains only, compared whole and in any case.
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

    async fn try_resolve(
        &self,
        profile: &ProviderProfile,
        catalog: Option<&dyn Catalog>,
    ) -> Result<Step, SignInError> {
        let (queries, fallback) = match self.rule {
            Rule::Username => {
                let Some(name) = &profile.username else {
                    return Ok(Step::NotFound("the provider named no username".into()));
                };
                (
                    user_ref(name).map(UserQuery::Ref).into_iter().collect(),
                    name.clone(),
                )
            }
            Rule::Email | Rule::EmailLocalPart => {
                let email = self.email_of(profile)?;
                let (local, domain) = email.split_once('@').unwrap_or((&email, ""));
                let plain = local
                    .split('+')
                    .next()
                    .filter(|p| !p.is_empty())
                    .unwrap_or(local);
                if self.rule == Rule::EmailLocalPart {
                    (
                        user_ref(local).map(UserQuery::Ref).into_iter().collect(),
                        local.to_owned(),
                    )
                } else {
                    let without_plus = format!("{plain}@{domain}");
                    let mut queries = vec![UserQuery::Email(email.clone())];
                    if without_plus != email {
                        queries.push(UserQuery::Email(without_plus.clone()));
                    }
                    (queries, without_plus)
                }
            }
        };
        let queries: Vec<UserQuery> = queries;
        for query in &queries {
            let Some(catalog) = catalog else { break };
            match catalog.find_user(query).await {
                Ok(user) => {
                    return Ok(Step::Found(Resolved {
                        user: user.entity_ref().clone(),
                        ownership: user.ownership().to_vec(),
                        in_catalog: true,
                    }));
                }
                Err(CatalogError::NotFound) => {}
                Err(CatalogError::Conflict) => {
                    let kind = SignInErrorKind::Authentication;
                    return Err(
                        SignInError::new(kind, "User lookup resulted in multiple matches")
                            .because(format!("{}: {query:?}", self.rule.name())),
                    );
                }
                Err(error) => {
                    let kind = SignInErrorKind::Unavailable;
                    return Err(
                        SignInError::new(kind, "The catalog can't be asked right now")
                            .because(format!("{error:?}")),
                    );
                }
            }
        }
        match user_ref(&fallback).filter(|_| self.without_catalog) {
            Some(user) => Ok(Step::Found(Resolved::alone(user))),
            None => Ok(Step::NotFound(format!("no user for {queries:?}"))),
        }
    }

    /// The one verified e-mail, well-formed and of an allowed domain (ID-03).
    fn email_of(&self, profile: &ProviderProfile) -> Result<String, SignInError> {
        let missing =
            || SignInError::authentication("Login failed, user profile does not contain an email");
        let email = profile.email.as_deref().ok_or_else(missing)?;
        // What is not ASCII may look like a letter that is, or become one: such an address is nobody's here.
        let plain = email.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        let parts = email.split_once('@').filter(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
        });
        let Some((_, domain)) = parts.filter(|_| plain) else {
            return Err(missing().because("the e-mail is malformed"));
        };
        let domain = domain.to_ascii_lowercase();
        if self
            .allowed_domains
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(&domain))
        {
            return Err(SignInError::not_allowed(
                "Sign-in user email is not from an allowed domain",
            )
            .because(domain));
        }
        Ok(email.to_owned())
    }
}

impl Resolved {
    /// Somebody whom the catalog does not know: they own what they are.
    pub(super) fn alone(user: EntityRef) -> Self {
        Self {
            ownership: vec![user.clone()],
            user,
            in_catalog: false,
        }
    }

    /// The same for a cookie.
    pub(super) fn person(&self) -> Person {
        Person {
            user: self.user.as_str().to_owned(),
            ownership: self
                .ownership
                .iter()
                .map(|e| e.as_str().to_owned())
                .collect(),
            in_catalog: self.in_catalog,
        }
    }
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Username => Resolver::NAMES[0],
            Self::Email => Resolver::NAMES[1],
            Self::EmailLocalPart => Resolver::NAMES[2],
        }
    }
}

/// Asks the resolvers in order. The operator learns which of them ran and what each looked for.
pub(super) async fn resolve(
    resolvers: &[Resolver],
    profile: &ProviderProfile,
    catalog: Option<&dyn Catalog>,
) -> Result<Resolved, SignInError> {
    let mut tried = Vec::new();
    for resolver in resolvers {
        match resolver.try_resolve(profile, catalog).await? {
            Step::Found(resolved) => return Ok(resolved),
            Step::NotFound(why) => tried.push(format!("{}: {why}", resolver.rule.name())),
        }
    }
    Err(SignInError::authentication(
        "Failed to sign-in, unable to resolve user identity. Please verify that your catalog contains the expected User entities that would match your configured sign-in resolver.",
    )
    .because(tried.join("; ")))
}

fn user_ref(name: &str) -> Option<EntityRef> {
    // A name is a name: what reads as a ref of another kind or namespace is nobody. Letters beyond ASCII are in no
    // entity's name, and some of them look like, or fold to, those that are.
    let plain = |b: u8| b.is_ascii_graphic() && b != b':' && b != b'/';
    if !name.bytes().all(plain) {
        return None;
    }
    EntityRef::parse(&format!("user:default/{name}")).ok()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::{BoxFuture, ready};

    use super::*;
    use crate::catalog::CatalogUser;

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
                UserQuery::Email(email) => format!("user:default/{}", email.replace('@', "-at-")),
                _ => return ready(Err(CatalogError::NotFound)).boxed(),
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
        let found = resolve(resolvers, &profile, Some(&KNOWN)).now_or_never();
        match found.unwrap() {
            Ok(resolved) => resolved.user.as_str().to_owned(),
            Err(error) => error.message().to_owned(),
        }
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
}
