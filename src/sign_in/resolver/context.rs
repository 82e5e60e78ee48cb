//! What a resolver works with, and what comes of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::{Catalog, CatalogError, CatalogUser, UserQuery};
use crate::identity::EntityRef;
use crate::session::Person;

use super::ResolverError;

/// The catalog, as a resolver asks it. Whatever is asked here is told to the operator if nobody is found.
#[derive(Clone)]
pub struct ResolverContext {
    catalog: Option<Arc<dyn Catalog>>,
    trials: Arc<Mutex<Vec<String>>>,
}

/// Who somebody is, and what is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedUser {
    user: EntityRef,
    ownership: Vec<EntityRef>,
    in_catalog: bool,
}

// ===== impl ResolverContext =====

impl ResolverContext {
    pub(super) fn new(catalog: Option<Arc<dyn Catalog>>) -> Self {
        let trials = Arc::default();
        Self { catalog, trials }
    }

    /// Finds the one catalog user that the query describes, with their ownership.
    ///
    /// # Errors
    ///
    /// If there is none, more than one, or no answer now. Handed on as it is, the first lets the next resolver try,
    /// and the others end the sign-in.
    pub async fn find_user(&self, query: &UserQuery) -> Result<ResolvedUser, ResolverError> {
        let asked = match &self.catalog {
            // What nobody has, everybody could be found by.
            _ if is_empty(query) => Err(CatalogError::NotFound),
            Some(catalog) => catalog.find_user(query).await,
            None => Err(CatalogError::NotFound),
        };
        let found = match &asked {
            Ok(user) => format!("found {}", user.entity_ref()),
            Err(_) if self.catalog.is_none() => "there is no catalog".to_owned(),
            Err(error) => error.to_string(),
        };
        self.note(format!("{}: {found}", Shown(query)));
        Ok(ResolvedUser::from(asked?))
    }

    /// Remembers for the operator what was tried.
    pub(super) fn note(&self, what: impl Into<String>) {
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.push(what.into());
    }

    /// What was tried so far, and forgets it.
    pub(super) fn take_notes(&self) -> String {
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *trials).join(", ")
    }
}

impl fmt::Debug for ResolverContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolverContext").finish_non_exhaustive()
    }
}

fn is_empty(query: &UserQuery) -> bool {
    match query {
        UserQuery::Ref(_) => false,
        UserQuery::Email(value) => value.is_empty(),
        UserQuery::Annotation { key, value } => key.is_empty() || value.is_empty(),
    }
}

/// A query for people who read logs: what was looked for may be anything.
struct Shown<'a>(&'a UserQuery);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            UserQuery::Ref(wanted) => write!(f, "{wanted}"),
            UserQuery::Email(email) => write!(f, "spec.profile.email {email:?}"),
            UserQuery::Annotation { key, value } => write!(f, "annotation {key} {value:?}"),
        }
    }
}

// ===== impl ResolvedUser =====

impl ResolvedUser {
    /// Somebody whom the catalog need not know: they own what they are.
    ///
    /// # Security
    ///
    /// Nothing but your resolver vouches for them. If the catalog comes to know a user of this name, they have to sign
    /// in again.
    #[must_use]
    pub fn outside_catalog(user: EntityRef) -> Self {
        Self {
            ownership: vec![user.clone()],
            user,
            in_catalog: false,
        }
    }

    /// Sets what somebody outside the catalog owns as; of a catalog user the catalog says that, at every refresh.
    #[must_use]
    pub fn with_ownership(mut self, refs: impl IntoIterator<Item = EntityRef>) -> Self {
        if !self.in_catalog {
            let user = CatalogUser::new(self.user).with_ownership(refs);
            self = Self {
                in_catalog: false,
                ..user.into()
            };
        }
        self
    }

    /// Which user it is, such as `user:default/jane`.
    #[must_use]
    pub fn entity_ref(&self) -> &EntityRef {
        &self.user
    }

    /// What they own as: their own ref, then those of their groups.
    #[must_use]
    pub fn ownership(&self) -> &[EntityRef] {
        &self.ownership
    }

    /// The same for a cookie.
    pub(in crate::sign_in) fn person(&self) -> Person {
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

impl From<CatalogUser> for ResolvedUser {
    fn from(user: CatalogUser) -> Self {
        Self {
            user: user.entity_ref().clone(),
            ownership: user.ownership().to_vec(),
            in_catalog: true,
        }
    }
}
