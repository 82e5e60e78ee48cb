//! `catalog`: where people are known.

use std::sync::Arc;
use std::time::Duration;

use super::Section;
use super::app::Known;
use crate::catalog::{CachedCatalog, CatalogFile, RemoteCatalog, WatchedCatalog};
use crate::clock::Clock;
use crate::error::ConfigError;

/// How long whoever a remote catalog found is known without asking again.
const CACHE_FOR: Duration = Duration::from_secs(5);
/// Whoever is taken out of it is known for as long.
const LONGEST: Duration = Duration::from_secs(300);

/// What the configuration says of it.
#[derive(Default)]
pub(super) struct Named {
    files: Vec<CatalogFile>,
    /// And where it is.
    remote: Option<(CachedCatalog, String)>,
}

/// `locations` of type `file`, or `remote`, which is ours.
pub(super) fn read(catalog: Section<'_>) -> Named {
    let named = Named {
        files: files(&catalog),
        remote: catalog.section("remote").and_then(remote),
    };
    if named.remote.is_some() && !named.files.is_empty() {
        let message = "expected either a remote catalog or locations of type \"file\", found both";
        catalog.mistake("remote", message);
    }
    catalog.finish_among_others();
    named
}

/// Files are relative to where the process runs, as Backstage's are.
fn files(catalog: &Section<'_>) -> Vec<CatalogFile> {
    let mut files = Vec::new();
    for location in catalog.list("locations") {
        match location.string("type").as_deref() {
            Some("file") => {
                let target = location.required_string("target");
                files.extend(target.map(|target| CatalogFile {
                    path: target.into(),
                    named: Some((
                        location.location_of("target").clone(),
                        location.path_of("target"),
                    )),
                }));
            }
            Some(_) => location.warn(
                "type",
                "is left out: only locations of type \"file\" are read here; `catalog.remote` asks a Backstage backend",
            ),
            None if location.has("type") => {}
            None => location.warn_here("is left out: it has no type"),
        }
    }
    files
}

/// `{url, token?, cacheFor?}`.
fn remote(section: Section<'_>) -> Option<(CachedCatalog, String)> {
    let url = section.required_url("url");
    let token = section.secret("token");
    let life = section.duration("cacheFor").unwrap_or(CACHE_FOR);
    if life > LONGEST {
        section.mistake("cacheFor", "expected at most 5 minutes");
    }
    let made = url.and_then(|url| {
        let url: String = url.into();
        let made = RemoteCatalog::new(&url);
        let made = made.map_err(|mistake| section.mistake("url", mistake.message()));
        Some((made.ok()?, url))
    });
    section.finish();
    let (catalog, url) = made?;
    let catalog = match token {
        Some(token) => catalog.with_token(token),
        None => catalog,
    };
    Some((CachedCatalog::new(catalog, life), url))
}

impl Named {
    /// `None` if no catalog is named.
    pub(super) fn load(self) -> Result<Option<Known>, ConfigError> {
        if let Some((remote, url)) = self.remote {
            return Ok(Some(Known {
                remote: Some(url),
                ..Known::given(Arc::new(remote))
            }));
        }
        if self.files.is_empty() {
            return Ok(None);
        }
        WatchedCatalog::of(self.files, Clock::system()).map(|read| Some(Known::counted(read)))
    }
}
