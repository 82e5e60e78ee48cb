//! `backend.baseUrl`, `backend.listen` and `catalog.locations`.

use std::path::PathBuf;

use super::app::Listen;
use super::{Section, Value};

#[derive(Default)]
pub(super) struct Server {
    pub(super) listen: Listen,
    pub(super) base_url: Option<String>,
}

pub(super) fn read(backend: &Section<'_>) -> Server {
    Server {
        listen: listen(backend).unwrap_or_default(),
        base_url: backend.secure_url("baseUrl").map(without_slash),
    }
}

/// `:7007`, `host:7007`, `7007`, or `{host, port}` (spec section 9.2).
fn listen(backend: &Section<'_>) -> Option<Listen> {
    let node = backend.node("listen")?;
    if let Value::Map(_) = node.value {
        let section = backend.section("listen")?;
        let host = section.string("host");
        let port = section
            .whole_number("port", 0..=65_535)
            .and_then(|port| u16::try_from(port).ok());
        section.finish();
        return Some(Listen {
            host,
            port: port.unwrap_or(7007),
        });
    }
    let text = match &node.value {
        Value::Number(number) => number.to_string(),
        _ => node.as_str().unwrap_or_default().to_owned(),
    };
    let (host, port) = text.rsplit_once(':').unwrap_or(("", &text));
    // An IPv6 address stands in brackets: without them its last part looks like a port.
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let port = port
        .parse()
        .ok()
        .filter(|_| bracketed || !host.contains(':'));
    let Some(port) = port else {
        backend.mistake("listen", "expected a port, or host:port");
        return None;
    };
    Some(Listen {
        host: (!host.is_empty()).then(|| host.trim_matches(['[', ']']).to_owned()),
        port,
    })
}

/// `https://portal.example.com`: the URL as other URLs are made of it.
pub(super) fn without_slash(url: url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// The files among `catalog.locations`; they are relative to where the process runs, as Backstage's are.
pub(super) fn catalog_files(catalog: Section<'_>) -> Vec<PathBuf> {
    let files = catalog
        .list("locations")
        .into_iter()
        .filter(|location| match location.string("type").as_deref() {
            Some("file") => true,
            kind => {
                let (path, kind) = (location.path(), kind.unwrap_or("nothing"));
                tracing::warn!(target: "tower_identity", "{path}: only locations of type file are read yet, found {kind:?}");
                false
            }
        })
        .filter_map(|location| location.required_string("target"))
        .map(PathBuf::from)
        .collect();
    catalog.finish_among_others();
    files
}
