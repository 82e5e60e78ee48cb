//! A catalog of files that are read again when they change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::{BoxFuture, FutureExt, Shared};

use super::loader::{Loader, Stamp};
use super::{Catalog, CatalogError, CatalogUser, FileCatalog, UserQuery};
use crate::clock::{Clock, Timestamp};
use crate::error::ConfigError;
use crate::yaml::Location;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// What was changed this short a time ago may still be being written.
const SETTLED: Duration = Duration::from_secs(1);
/// Whoever asks waits for the files this long at the most.
const PATIENCE: Duration = Duration::from_secs(2);

/// Users and groups from Backstage's catalog files, which are read again when they change.
///
/// Whoever asks after 5 seconds has the files looked at first: no answer is older than that, however long nobody asked.
/// Between two looks nobody waits. If the files can't be read, or have a mistake, what was read before stays, and every
/// mistake is logged once, with file, line and column.
///
/// ```
/// use tower_identity::catalog::WatchedCatalog;
///
/// let catalog = WatchedCatalog::load(["examples/portal/catalog.yaml"])?;
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
///
/// Cloning shares it.
#[derive(Clone)]
pub struct WatchedCatalog(Arc<Inner>);

struct Inner {
    files: Vec<CatalogFile>,
    clock: Clock,
    current: ArcSwap<FileCatalog>,
    watch: Mutex<Watch>,
}

/// A file of the catalog, and where a configuration names it: the place and the key.
#[derive(Clone)]
pub(crate) struct CatalogFile {
    pub(crate) path: PathBuf,
    pub(crate) named: Option<(Location, String)>,
}

struct Watch {
    looked: Duration,
    /// What the files were like when they were last read, with or without success.
    read: Vec<Stamp>,
    /// What they were like when they were last found to be changed, and too young.
    seen: Option<Vec<Stamp>>,
    /// The look that is under way, and since when.
    looking: Option<(Duration, Looking)>,
}

type Looking = Shared<BoxFuture<'static, ()>>;

impl WatchedCatalog {
    /// Reads the files, as [`FileCatalog::load`] does.
    ///
    /// # Errors
    ///
    /// As there. Later on nothing is an error.
    pub fn load<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Result<Self, ConfigError> {
        let files = paths.into_iter().map(|path| CatalogFile {
            path: path.into(),
            named: None,
        });
        Self::of(files.collect(), Clock::system())
    }

    /// Reads time from this clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        let (current, read) = (self.0.current.load_full(), self.0.watch().read.clone());
        Self(Arc::new(Inner {
            files: self.0.files.clone(),
            current: ArcSwap::from(current),
            watch: Mutex::new(Watch::new(&clock, read)),
            clock,
        }))
    }

    pub(crate) fn of(files: Vec<CatalogFile>, clock: Clock) -> Result<Self, ConfigError> {
        let (stamps, catalog) = read(&files);
        Ok(Self(Arc::new(Inner {
            files,
            current: ArcSwap::from_pointee(catalog?),
            watch: Mutex::new(Watch::new(&clock, stamps)),
            clock,
        })))
    }

    /// How many users there are, and how many entities in all.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.0.current.load().counts()
    }

    /// What is in the files now.
    async fn current(&self) -> Arc<FileCatalog> {
        if let Some(looking) = self.look_if_due() {
            // A disk that is away must not keep people waiting.
            drop(tokio::time::timeout(PATIENCE, looking).await);
        }
        self.0.current.load_full()
    }

    /// The look to wait for, if there is one: one at a time, in a task of its own.
    fn look_if_due(&self) -> Option<Looking> {
        let now = self.0.clock.monotonic();
        let mut watch = self.0.watch();
        if let Some((begun, looking)) = &watch.looking {
            return (now < *begun + PATIENCE).then(|| looking.clone());
        }
        if now < watch.looked + EVERY {
            return None;
        }
        let (read_last, seen) = (watch.read.clone(), watch.seen.take());
        let inner = self.0.clone();
        let look = move || look(&inner.files, &read_last, seen.as_deref(), inner.clock.now());
        // Outside of a runtime nobody else waits for this thread.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(watch);
            self.0.take(look());
            return None;
        };
        let (task, inner) = (runtime.spawn_blocking(look), self.0.clone());
        let looking = runtime.spawn(async move { inner.take(task.await.unwrap_or(Look::Same)) });
        let looking = looking.map(drop).boxed().shared();
        watch.looking = Some((now, looking.clone()));
        Some(looking)
    }
}

impl Watch {
    fn new(clock: &Clock, read: Vec<Stamp>) -> Self {
        Self {
            looked: clock.monotonic(),
            read,
            seen: None,
            looking: None,
        }
    }
}

impl Inner {
    fn take(&self, found: Look) {
        let mut watch = self.watch();
        let now = self.clock.monotonic();
        (watch.looked, watch.looking) = (now, None);
        match found {
            Look::Same => {}
            Look::Young(stamps) => {
                watch.seen = Some(stamps);
                // It is looked at again as soon as it can have settled.
                watch.looked = (now + SETTLED).saturating_sub(EVERY);
            }
            Look::Read(stamps, catalog) => {
                watch.read = stamps;
                self.replace(*catalog);
            }
        }
    }

    fn replace(&self, catalog: Result<FileCatalog, ConfigError>) {
        match catalog {
            Ok(catalog) => {
                let (users, entities) = catalog.counts();
                tracing::info!(target: "tower_identity", users, entities, "the catalog's files were read again");
                self.current.store(Arc::new(catalog));
            }
            Err(error) => {
                let mistakes = error.to_string();
                tracing::error!(target: "tower_identity", mistakes, "the catalog's files can't be used; what was read before stays");
            }
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Look {
    Same,
    /// Changed a moment ago: perhaps still being written.
    Young(Vec<Stamp>),
    Read(Vec<Stamp>, Box<Result<FileCatalog, ConfigError>>),
}

fn look(
    files: &[CatalogFile],
    read_last: &[Stamp],
    seen: Option<&[Stamp]>,
    now: Timestamp,
) -> Look {
    let stamps: Vec<Stamp> = read_last.iter().map(|s| Stamp::of(&s.path)).collect();
    if stamps == read_last {
        return Look::Same;
    }
    let young = stamps.iter().any(|stamp| {
        stamp
            .state
            .is_some_and(|(modified, _)| Timestamp::from(modified).plus(SETTLED) >= now)
    });
    // A clock that is ahead must not keep it young for ever.
    if young && seen != Some(&stamps) {
        return Look::Young(stamps);
    }
    let (stamps, catalog) = read(files);
    Look::Read(stamps, Box::new(catalog))
}

fn read(files: &[CatalogFile]) -> (Vec<Stamp>, Result<FileCatalog, ConfigError>) {
    let mut loader = Loader::default();
    for file in files {
        let named = file.named.as_ref();
        loader.file(&file.path, named.map(|(place, key)| (place, key.as_str())));
    }
    let stamps = loader.stamps().to_vec();
    (stamps, FileCatalog::of_loader(loader))
}

impl Catalog for WatchedCatalog {
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
        async move { self.current().await.find(query) }.boxed()
    }

    fn entities(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, CatalogError>> {
        async move { self.current().await.entities().await }.boxed()
    }
}

impl fmt::Debug for WatchedCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.0.files.iter().map(|file| file.path.as_path());
        f.debug_struct("WatchedCatalog")
            .field("files", &files.collect::<Vec<&Path>>())
            .field("current", &self.0.current.load())
            .finish()
    }
}
