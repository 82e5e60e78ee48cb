//! Who is known: the users and groups that a sign-in is matched against.
//!
//! With the `app-config` feature, [`FileCatalog`] reads them from Backstage's own YAML files, and [`WatchedCatalog`]
//! again whenever these change. [`RemoteCatalog`] asks a Backstage backend, and [`CachedCatalog`] asks any of them less
//! often. A catalog of another kind is your own type that implements [`Catalog`].

use std::fmt;

use futures::future::{BoxFuture, FutureExt};

use crate::identity::EntityRef;

mod cached;
#[cfg(feature = "app-config")]
mod entity;
#[cfg(feature = "app-config")]
mod files;
#[cfg(feature = "app-config")]
mod loader;
mod remote;
mod user;
#[cfg(feature = "app-config")]
mod watched;

pub use self::cached::CachedCatalog;
#[cfg(feature = "app-config")]
pub use self::files::FileCatalog;
pub use self::remote::RemoteCatalog;
pub use self::user::CatalogUser;
#[cfg(feature = "app-config")]
pub(crate) use self::watched::CatalogFile;
#[cfg(feature = "app-config")]
pub use self::watched::WatchedCatalog;

/// Finds users, and lists entities.
///
/// One of your own, of people who are in a database, say:
///
/// ```
/// use futures::FutureExt as _;
/// use futures::future::BoxFuture;
/// use tower_identity::catalog::{Catalog, CatalogError, CatalogUser, UserQuery};
///
/// struct Directory;
///
/// impl Catalog for Directory {
///     fn find_user<'a>(
///         &'a self,
///         query: &'a UserQuery,
///     ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
///         async move {
///             let name = match query {
///                 UserQuery::Email(email) => email.strip_suffix("@example.com"),
///                 UserQuery::Ref(user) => Some(user.name()),
///                 _ => None,
///             };
///             // A database that can't be asked is `CatalogError::Unavailable`: nobody is taken for unknown.
///             let name = name.filter(|name| *name == "ada").ok_or(CatalogError::NotFound)?;
///             let user = format!("user:default/{name}").parse().map_err(|_| CatalogError::NotFound)?;
///             let groups = ["group:default/analysts".parse().expect("a ref")];
///             Ok(CatalogUser::new(user).with_ownership(groups))
///         }
///         .boxed()
///     }
/// }
///
/// # tokio_test::block_on(async {
/// let ada = UserQuery::Email("ada@example.com".to_owned());
/// assert_eq!(Directory.find_user(&ada).await?.ownership().len(), 2);
/// # Ok::<_, CatalogError>(())
/// # }).unwrap();
/// ```
///
/// # Cancel safety
///
/// Whoever asks may go away: a question that was begun may be dropped.
pub trait Catalog: Send + Sync + 'static {
    /// Finds the one user that the query describes.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`] and [`CatalogError::Conflict`] are answers: no user fits, or more
    /// than one. [`CatalogError::Unavailable`] means that there is no answer now, and must never be
    /// taken for "not found".
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>>;

    /// Every entity, in the JSON of Backstage's catalog API (for `GET /api/catalog/entities`).
    ///
    /// The default is a catalog that lists none.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Unavailable`], if the entities cannot be had now.
    fn entities(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, CatalogError>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }
}

/// Which user is wanted.
///
/// An empty e-mail address or annotation fits nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserQuery {
    /// The user of this name.
    Ref(EntityRef),
    /// The user whose `spec.profile.email` this is. Upper and lower case are the same, for ASCII
    /// letters: folding others would make different addresses alike.
    Email(String),
    /// The user with an annotation, whose value must be exactly this.
    Annotation {
        /// The name of the annotation, such as `github.com/user-id`.
        key: String,
        /// Its value.
        value: String,
    },
}

/// Why a catalog does not give what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogError {
    /// No user fits.
    NotFound,
    /// More than one user fits, so nobody knows which one it is.
    Conflict,
    /// The catalog cannot answer now, for this reason.
    Unavailable(String),
}

impl UserQuery {
    /// Asks for the user with an annotation.
    pub fn annotation(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Annotation {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// The first two say what Backstage says.
impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("User not found"),
            Self::Conflict => f.write_str("User lookup resulted in multiple matches"),
            Self::Unavailable(reason) => write!(f, "catalog unavailable: {reason}"),
        }
    }
}

impl std::error::Error for CatalogError {}
