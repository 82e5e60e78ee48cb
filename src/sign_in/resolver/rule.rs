//! The rules of Backstage's own resolvers (spec section 7): what each of them looks for.

use futures::future::BoxFuture;
use std::sync::Arc;

use super::{ResolvedUser, ResolverContext, ResolverError, SignInInfo};
use crate::catalog::{CatalogError, UserQuery};
use crate::identity::EntityRef;

/// A resolver of your own, boxed: it runs once a sign-in.
pub(super) type Own = dyn Fn(SignInInfo, ResolverContext) -> BoxFuture<'static, Result<ResolvedUser, ResolverError>>
    + Send
    + Sync;

#[derive(Clone)]
pub(super) enum Rule {
    Username,
    PreferredUsername,
    Email,
    EmailLocalPart,
    UserId(Arc<str>),
    EmailAnnotation(Arc<str>),
    Own(Arc<str>, Arc<Own>),
}

/// What a rule looks for in the catalog, one after the other, and the name of somebody who is not there.
struct Search {
    queries: Vec<UserQuery>,
    name: String,
}

impl Rule {
    /// Where in the catalog it looks, if that is an annotation.
    pub(super) fn annotation(&self) -> Option<&str> {
        match self {
            Self::UserId(name) | Self::EmailAnnotation(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        use super::names;
        match self {
            Self::Username => names::USERNAME,
            Self::PreferredUsername => names::PREFERRED_USERNAME,
            Self::Email => names::EMAIL,
            Self::EmailLocalPart => names::EMAIL_LOCAL_PART,
            Self::UserId(_) => names::USER_ID_ANNOTATION,
            Self::EmailAnnotation(_) => names::EMAIL_ANNOTATION,
            Self::Own(name, _) => name,
        }
    }

    pub(super) async fn run(
        &self,
        info: &SignInInfo,
        context: &ResolverContext,
        without_catalog: bool,
    ) -> Result<ResolvedUser, ResolverError> {
        let search = match self {
            Self::Own(_, resolver) => return resolver(info.clone(), context.clone()).await,
            Self::Username => by_name(info.username(), "username"),
            Self::PreferredUsername => by_name(
                info.profile().preferred_username.as_deref(),
                "preferred username",
            ),
            Self::UserId(key) => Ok(Search {
                queries: vec![UserQuery::annotation(&**key, info.user_id())],
                name: info.user_id().to_owned(),
            }),
            Self::Email => email(info).map(|email| {
                let without_plus = without_plus(email);
                let mut queries = vec![UserQuery::Email(email.to_owned())];
                if without_plus != email {
                    queries.push(UserQuery::Email(without_plus.clone()));
                }
                let name = without_plus;
                Search { queries, name }
            }),
            Self::EmailLocalPart => {
                email(info).and_then(|email| by_name(email.split('@').next(), "e-mail"))
            }
            Self::EmailAnnotation(key) => email(info).map(|email| Search {
                queries: vec![UserQuery::annotation(&**key, email)],
                name: email.to_owned(),
            }),
        }?;
        for query in &search.queries {
            match context.find_user(query).await {
                Err(error) if error.is_not_found() => {}
                found => return found,
            }
        }
        let nobody = || CatalogError::NotFound.into();
        let invented = user_ref(&search.name).filter(|_| without_catalog);
        invented
            .map(ResolvedUser::outside_catalog)
            .ok_or_else(nobody)
    }
}

/// The one verified e-mail, well-formed (ID-03).
pub(super) fn email(info: &SignInInfo) -> Result<&str, ResolverError> {
    let email = info
        .email()
        .ok_or_else(|| ResolverError::no_email("the provider named no verified e-mail"))?;
    // What is not ASCII may look like a letter that is, or become one: such an address is nobody's here.
    let plain = email.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    let good = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
    });
    if plain && good {
        Ok(email)
    } else {
        Err(ResolverError::no_email("the e-mail is malformed"))
    }
}

/// `ada+lists@example.com` is `ada@example.com`; what is nothing without its `+` keeps it.
fn without_plus(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    match local.split('+').next() {
        Some(plain) if !plain.is_empty() => format!("{plain}@{domain}"),
        _ => email.to_owned(),
    }
}

fn by_name(name: Option<&str>, what: &str) -> Result<Search, ResolverError> {
    let name =
        name.ok_or_else(|| ResolverError::not_found(format!("the provider named no {what}")))?;
    let user = user_ref(name)
        .ok_or_else(|| ResolverError::not_found(format!("{name:?} is no entity's name")))?;
    Ok(Search {
        queries: vec![UserQuery::Ref(user)],
        name: name.to_owned(),
    })
}

/// A name is a name: what reads as a ref of another kind or namespace is nobody. Letters beyond ASCII are in no
/// entity's name, and some of them look like, or fold to, those that are.
fn user_ref(name: &str) -> Option<EntityRef> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b':' && b != b'/';
    if !name.bytes().all(plain) {
        return None;
    }
    EntityRef::parse(&format!("user:default/{name}")).ok()
}
