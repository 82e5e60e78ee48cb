//! The whole of a configuration, section by section.

use super::app::Auth;
use super::cors::Cors;
use super::discovery::Discovery;
use super::https::Https;
use super::server::Server;
use super::service_keys::Services;
use super::{Reader, auth, catalog, cors, discovery, https, server, service_keys};
use crate::sign_in::{Resolver, page_url};
use crate::yaml::Node;

/// What was read, be it whole or not: the reader knows the mistakes.
pub(super) struct Whole {
    pub(super) app_url: Option<String>,
    pub(super) server: Server,
    pub(super) cors: Option<Cors>,
    pub(super) https: Option<Https>,
    pub(super) services: Option<Services>,
    pub(super) auth: Auth,
    pub(super) discovery: Discovery,
    pub(super) catalog: catalog::Named,
}

pub(super) fn read(reader: &Reader, root: &Node, resolvers: &[Resolver]) -> Whole {
    let top = reader.root(root);
    let app_url = top.section("app").and_then(|app| {
        let url = app.parsed("baseUrl", "an http or https URL", page_url);
        app.finish_among_others();
        url.map(server::without_slash)
    });
    let mut whole = Whole {
        app_url,
        server: Server::default(),
        cors: None,
        https: None,
        services: service_keys::none(),
        auth: Auth::default(),
        discovery: Discovery::default(),
        catalog: catalog::Named::default(),
    };
    if let Some(backend) = top.section("backend") {
        whole.server = server::read(&backend);
        whole.cors = cors::read(&backend);
        whole.https = https::read(&backend);
        if let Some(auth) = backend.section("auth") {
            whole.services = service_keys::read(auth);
        }
        backend.finish_among_others();
    }
    if let Some(section) = top.section("auth") {
        whole.auth = auth::read(section, resolvers);
    }
    if let Some(section) = top.section("discovery") {
        whole.discovery = discovery::read(section);
    }
    if let Some(section) = top.section("catalog") {
        whole.catalog = catalog::read(section);
    }
    top.finish_among_others();
    whole
}
