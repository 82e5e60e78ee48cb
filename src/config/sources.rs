//! What a configuration is read from, and reading it: every mistake of every file, in one list.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::app::{Config, Known};
use super::merge::merge;
use super::source::{Loaded, load};
use super::{Env, Reader, catalog, whole};
use crate::catalog::{Catalog, WatchedCatalog};
use crate::error::{ConfigError, ConfigMistake};
use crate::sign_in::Resolver;

/// The files of a [`Config`], and what stands in for a part of them.
///
/// ```no_run
/// use tower_identity::Config;
///
/// let config = Config::sources(["app-config.yaml", "app-config.production.yaml"])
///     .add_catalog_file("org.yaml")
///     .load()?;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
#[must_use]
pub struct Sources<'a> {
    files: Vec<PathBuf>,
    env: Box<Env<'a>>,
    /// Those among which the `APP_CONFIG_*` are.
    variables: Vec<(String, String)>,
    people: People,
    resolvers: Vec<Resolver>,
}

/// Where the catalog is.
enum People {
    /// In the files of `catalog.locations`.
    Named,
    /// In these files.
    Files(Vec<PathBuf>),
    Given(Arc<dyn Catalog>),
}

impl<'a> Sources<'a> {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            env: Box::new(|name| std::env::var(name).ok()),
            // The others may be secrets, and are nothing to us.
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    let name = name.into_string().ok();
                    let ours = name.filter(|name| name.starts_with(super::environment::PREFIX));
                    Some((ours?, value.into_string().ok()?))
                })
                .collect(),
            people: People::Named,
            resolvers: Vec::new(),
        }
    }

    /// Takes `${VAR}` from here, and not from the process's environment, whose `APP_CONFIG_*` variables do not count
    /// either.
    pub fn with_variables(mut self, env: impl Fn(&str) -> Option<String> + 'a) -> Self {
        self.env = Box::new(env);
        self.variables = Vec::new();
        self
    }

    /// Lays `APP_CONFIG_a_b=value` on top of the files, as the value of `a.b`: JSON, or else a plain string. Other
    /// variables are left alone. Without this they are those of the process.
    ///
    /// ```
    /// use tower_identity::Config;
    ///
    /// let config = Config::sources(["examples/portal/app-config.no-guest.yaml"])
    ///     .with_app_config_variables([("APP_CONFIG_backend_listen", ":8080")])
    ///     .load()?;
    /// assert_eq!(config.listen().port, 8080);
    /// # Ok::<(), tower_identity::ConfigError>(())
    /// ```
    pub fn with_app_config_variables<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter();
        self.variables = variables
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self
    }

    /// Knows people by this file, and others that are added, whatever `catalog.locations` says: those files are not
    /// read.
    pub fn add_catalog_file(mut self, file: impl Into<PathBuf>) -> Self {
        match &mut self.people {
            People::Files(files) => files.push(file.into()),
            _ => self.people = People::Files(vec![file.into()]),
        }
        self
    }

    /// Knows people by this catalog, whatever `catalog.locations` says: those files are not read.
    pub fn with_catalog(mut self, catalog: impl Catalog) -> Self {
        self.people = People::Given(Arc::new(catalog));
        self
    }

    /// A resolver of your own, by its name for `signIn.resolvers` of every provider. With the name of one of
    /// Backstage's it takes its place.
    ///
    /// ```no_run
    /// use tower_identity::catalog::UserQuery;
    /// use tower_identity::Config;
    /// use tower_identity::sign_in::Resolver;
    ///
    /// // signIn: { resolvers: [{ resolver: subjectMatchingUserEntityAnnotation }] }
    /// let by_subject = Resolver::from_fn("subjectMatchingUserEntityAnnotation", async |person, catalog| {
    ///     catalog.find_user(&UserQuery::annotation("example.com/id", person.subject())).await
    /// });
    /// let config = Config::sources(["app-config.yaml"]).add_resolver(by_subject).load()?;
    /// # Ok::<(), tower_identity::ConfigError>(())
    /// ```
    pub fn add_resolver(mut self, resolver: Resolver) -> Self {
        self.resolvers.push(resolver);
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// Every mistake at once, those in the catalog's files too: in the order of the files, then by line and column.
    pub fn load(self) -> Result<Config, ConfigError> {
        let Loaded {
            mut root,
            mut mistakes,
        } = load(&self.files, &*self.env);
        let (overlay, wrong) = super::environment::overlay(&self.variables);
        mistakes.extend(wrong);
        if let Some(overlay) = overlay {
            root = merge(root, overlay);
        }
        // What a broken file says is not known: what seems to be absent may stand there.
        let reader = if mistakes.is_empty() {
            Reader::default()
        } else {
            Reader::of_a_part()
        };
        mistakes.into_iter().for_each(|mistake| reader.add(mistake));
        let whole = whole::read(&reader, &root, &self.resolvers);
        let people = read_people(self.people, whole.catalog)
            .map_err(|error| {
                error
                    .into_mistakes()
                    .into_iter()
                    .for_each(|m| reader.add(m))
            })
            .unwrap_or_default();
        let files = self.files.iter().map(PathBuf::as_path);
        ConfigError::collect_in_order(reader.into_mistakes(), files)?;
        let services = whole.services;
        let services =
            services.ok_or_else(|| ConfigMistake::new("backend.auth", "can't be read"))?;
        Ok(Config {
            listen: whole.server.listen,
            base_url: whole.server.base_url,
            app_url: whole.app_url,
            auth: whole.auth,
            services,
            files: self.files,
            people,
            cors: whole.cors,
            https: whole.https,
            discovery: whole.discovery,
        })
    }
}

/// `None` if no catalog is named.
fn read_people(people: People, named: catalog::Named) -> Result<Option<Known>, ConfigError> {
    match people {
        People::Given(catalog) => Ok(Some(Known::given(catalog))),
        People::Files(files) => WatchedCatalog::load(files).map(|read| Some(Known::counted(read))),
        People::Named => named.load(),
    }
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
