//! A portal: people sign in, machines bring keys, and both are known to its API.
//!
//! `cargo run --example portal` starts it with an identity provider of its own, so it works offline.
//! `cargo run --example portal -- --config app-config.yaml` starts it with yours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use tower_http::trace::TraceLayer;
use tower_identity::catalog::{Catalog, FileCatalog};
use tower_identity::config::{Cors, Layers, Sources};
use tower_identity::sign_in::SignIn;
use tower_identity::testing::Provider;
use tower_identity::{ApiKey, Config, ConfigError, Identity};

use self::tls::Tls;

#[path = "portal/peer.rs"]
mod peer;
#[path = "portal/tls.rs"]
mod tls;

const PAGE: &str = include_str!("portal/page.html");
const STYLE: &str = include_str!("portal/portal.css");
const SCRIPT: &str = include_str!("portal/portal.js");
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/portal");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Some(flags) = Flags::parse()? else {
        println!("{USAGE}");
        return Ok(());
    };
    if flags.schema {
        println!("{:#}", Config::json_schema());
        return Ok(());
    }
    if flags.config.is_empty() {
        embedded(flags).await
    } else {
        configured(flags).await
    }
}

/// The portal of your own `app-config.yaml`.
async fn configured(flags: Flags) -> Result<(), Failure> {
    let sources = Config::sources(&flags.config);
    // Config and catalog are read together, so that the mistakes of both are told together.
    let mut config = flags
        .catalog
        .iter()
        .fold(sources, Sources::add_catalog_file)
        .load()?;
    if !config.has_catalog() {
        println!("no catalog is named, so this is the sample: name yours with --catalog FILE");
        config = config.with_catalog(sample_catalog()?);
    }
    if let Some(listen) = flags.listen {
        config = config.with_port(listen.port());
    }
    if flags.check {
        return checked(&config);
    }
    let (host, port) = match flags.listen {
        Some(listen) => (listen.ip().to_string(), listen.port()),
        None => address(&config),
    };
    let listener = bind(&host, port).await?;
    let config = config.with_port(listener.local_addr()?.port());
    println!("portal   {}", config.base_url());
    serve(listener, &config).await
}

/// The portal with everything it needs in the same process.
async fn embedded(flags: Flags) -> Result<(), Failure> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 7007));
    let listen = flags.listen.unwrap_or(default);
    if !listen.ip().is_loopback() && !listen.ip().is_unspecified() {
        let wanted = "expected a loopback address or 0.0.0.0: the sample speaks plain http, and people sign in on this machine only";
        return Err(format!("--listen: {wanted}; with --config it is yours").into());
    }
    // With --check nothing may be in the way of another portal that runs.
    let port = if flags.check { 0 } else { listen.port() };
    let listener = bind(&listen.ip().to_string(), port).await?;
    let at = listener.local_addr()?;
    let open = at.ip().is_unspecified();
    let host = if open {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        at.ip()
    };
    let url = format!("http://{}", SocketAddr::new(host, at.port()));
    let provider = Provider::start().await?;
    let key = ApiKey::generate("tid");
    let variables = |name: &str| {
        Some(match name {
            "PORTAL_URL" => url.clone(),
            "PROVIDER_URL" => provider.url().to_owned(),
            "PROVIDER_CLIENT_ID" => provider.client_id().to_owned(),
            "PROVIDER_CLIENT_SECRET" => provider.client_secret().to_owned(),
            "BACKSTAGE_SERVICE_KEY" => key.expose().to_owned(),
            _ => return None,
        })
    };
    let mut files = vec![format!("{SAMPLE}/app-config.yaml")];
    if open {
        // The guest signs in whoever asks, and now others can.
        files.push(format!("{SAMPLE}/app-config.no-guest.yaml"));
    }
    let mut sources = Config::sources(files).with_variables(variables);
    if flags.catalog.is_empty() {
        sources = sources.add_catalog_file(format!("{SAMPLE}/catalog.yaml"));
    }
    let config = flags
        .catalog
        .iter()
        .fold(sources, Sources::add_catalog_file)
        .load()?
        .with_port(at.port());
    if flags.check {
        println!("no --config is given, so this is the built-in sample");
        return checked(&config);
    }
    println!("portal   {url}");
    if open {
        println!("guest    not offered: others can reach {at}");
    }
    println!("provider {} (OpenID Connect and GitHub)", provider.url());
    println!(
        "plugin   cargo run --example plugin -- --issuer {url}/api/auth --listen 127.0.0.1:7008"
    );
    println!(
        "try      curl -H 'Authorization: Bearer {}' {url}/api/catalog/entities",
        key.expose()
    );
    serve(listener, &config).await
}

/// What `--check` says if nothing is wrong. What is merely odd has been logged by now.
fn checked(config: &Config) -> Result<(), Failure> {
    config.layers()?;
    println!("{}\neverything is in order", config.summary());
    Ok(())
}

/// Names are resolved here.
async fn bind(host: &str, port: u16) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind((host, port)).await;
    let shown = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    Ok(listener.map_err(|e| {
        format!("can't listen on {shown}: {e}; choose another address with --listen")
    })?)
}

async fn serve(listener: TcpListener, config: &Config) -> Result<(), Failure> {
    let (app, at) = (app(config)?, listener.local_addr()?);
    match config.https() {
        Some(https) => {
            let listener = Tls::new(listener, https)?;
            println!("listening on https://{at}");
            let served = axum::serve(listener, peer::told(app));
            served.with_graceful_shutdown(stopped()).await?;
        }
        None => {
            println!("listening on http://{at}");
            let served = axum::serve(listener, peer::told(app));
            served.with_graceful_shutdown(stopped()).await?;
        }
    }
    Ok(())
}

fn app(config: &Config) -> Result<Router, ConfigError> {
    let Layers {
        oauth_callback,
        bearer_key,
        identity,
        sign_in,
        ..
    } = config.layers()?;
    // Keys that are restricted to the plugin `catalog` are good here, and nowhere else.
    let catalog = Router::new()
        .route("/api/catalog/entities", get(entities))
        .with_state(config.catalog()?)
        .layer(identity.clone().for_plugin("catalog"))
        .layer(bearer_key.clone().for_plugin("catalog"));
    let api = Router::new()
        .route("/api/whoami", get(whoami))
        .layer(identity)
        .layer(bearer_key)
        .merge(catalog);
    let pages = Router::new()
        .route("/", get(page))
        .route("/portal.json", get(portal_json))
        .with_state(Arc::new(Portal {
            sign_in,
            url: config.base_url(),
        }))
        .route("/portal.css", get(|| asset("text/css", STYLE)))
        .route("/portal.js", get(|| asset("text/javascript", SCRIPT)))
        .route("/healthz", get(|| async { "ok" }));
    // The default span has the whole URI: on a callback that is the code and the state.
    let trace = TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
        tracing::info_span!("request", method = %request.method(), path = request.uri().path())
    });
    // Pages of other origins read what the sign-in's paths answer, too: a refresh, above all.
    let cors = tower::util::option_layer(config.cors().map(cors));
    let app = api.merge(pages).layer(oauth_callback);
    Ok(app.layer(cors).layer(trace))
}

/// Pages of other origins that may read the answers.
fn cors(cors: &Cors) -> CorsLayer {
    let rule = cors.clone();
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| rule.allows(origin)))
        .allow_methods(cors.methods().to_vec())
        .allow_headers(match cors.allowed_headers() {
            Some(headers) => AllowHeaders::list(headers.to_vec()),
            None => AllowHeaders::mirror_request(),
        })
        .expose_headers(cors.exposed_headers().to_vec())
        .allow_credentials(cors.credentials());
    match cors.max_age() {
        Some(age) => layer.max_age(age),
        None => layer,
    }
}

async fn entities(
    State(catalog): State<Arc<dyn Catalog>>,
    _: Identity,
) -> Result<Json<Vec<Value>>, StatusCode> {
    let entities = catalog.entities().await;
    entities.map(Json).map_err(|error| {
        tracing::error!(%error, "the entities can't be listed");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

async fn whoami(identity: Identity) -> Json<Identity> {
    Json(identity)
}

struct Portal {
    sign_in: SignIn,
    url: String,
}

impl Portal {
    fn title(id: &str) -> String {
        match id {
            "github" => "GitHub".into(),
            "guest" => "Guest".into(),
            id => id
                .chars()
                .next()
                .map(|c| c.to_uppercase().chain(id.chars().skip(1)).collect())
                .unwrap_or_default(),
        }
    }
}

async fn page(State(portal): State<Arc<Portal>>, headers: HeaderMap) -> Response {
    // Cookies belong to one host: whoever comes by another name of this machine goes to the portal's own.
    let own = portal.url.split("://").nth(1).unwrap_or_default();
    let asked = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or(own);
    if asked != own
        && ["localhost:", "127.0.0.1:", "[::1]:"]
            .iter()
            .any(|local| asked.starts_with(local))
    {
        return Redirect::temporary(&format!("{}/", portal.url)).into_response();
    }
    let first = portal
        .sign_in
        .providers()
        .into_iter()
        .find(|provider| !provider.is_proxy);
    let id = first.map(|provider| provider.id).unwrap_or_default();
    let start = portal.sign_in.start_url(&id, &format!("{}/", portal.url));
    let html = PAGE
        .replace("{{title}}", "Sample portal")
        .replace("{{provider}}", &escape(&Portal::title(&id)))
        .replace("{{sign_in}}", &escape(&start));
    asset("text/html", html).await.into_response()
}

async fn portal_json(State(portal): State<Arc<Portal>>) -> Json<Value> {
    let providers = portal.sign_in.providers().into_iter().map(|provider| {
        let kind = if provider.is_proxy { "proxy" } else { "oauth" };
        json!({ "id": provider.id, "title": Portal::title(&provider.id), "kind": kind })
    });
    Json(json!({
        "environment": portal.sign_in.environment(),
        "base": portal.sign_in.base_path(),
        "providers": providers.collect::<Vec<_>>(),
    }))
}

async fn asset(kind: &str, text: impl IntoResponse) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, text)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn sample_catalog() -> Result<FileCatalog, ConfigError> {
    FileCatalog::load([format!("{SAMPLE}/catalog.yaml")])
}

/// `backend.listen`; where it names no host, this machine only, unless the portal's URL is public.
fn address(config: &Config) -> (String, u16) {
    let listen = config.listen();
    let local = ["http://localhost", "http://127."]
        .iter()
        .any(|start| config.base_url().starts_with(start));
    let host = match listen.host.as_deref() {
        Some(host) => host,
        None if local => "127.0.0.1",
        None => "0.0.0.0",
    };
    (host.to_owned(), listen.port)
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "warn,tower_identity=info".into())
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return drop(interrupt.await),
        };
    tokio::select! {
        _ = interrupt => {}
        _ = terminate.recv() => {}
    }
}

const USAGE: &str = "cargo run --example portal -- [flags]

  --config FILE    app-config.yaml of your own; repeatable, later files win
  --catalog FILE   a catalog file of your own; repeatable
  --listen ADDR    where to listen, such as 127.0.0.1:7007
  --check          read everything, list every mistake, and exit
  --schema         print a JSON Schema of app-config.yaml, and exit

A value may also follow its flag after `=`.";

#[derive(Default)]
struct Flags {
    config: Vec<PathBuf>,
    catalog: Vec<PathBuf>,
    listen: Option<SocketAddr>,
    check: bool,
    schema: bool,
}

impl Flags {
    fn parse() -> Result<Option<Self>, String> {
        let mut flags = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            // `--config FILE` and `--config=FILE` alike.
            let (flag, mut given) = match argument.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || {
                given
                    .take()
                    .or_else(|| arguments.next())
                    .filter(|value| !value.is_empty())
                    .ok_or_else(|| format!("{flag} needs a value\n\n{USAGE}"))
            };
            match flag.as_str() {
                "--config" => flags.config.push(value()?.into()),
                "--catalog" => flags.catalog.push(value()?.into()),
                "--listen" => {
                    let text = value()?;
                    let address = text.replace("localhost", "127.0.0.1").parse();
                    flags.listen = Some(address.map_err(|_| {
                        format!(
                            "--listen: expected an address such as 127.0.0.1:7007, found {text:?}"
                        )
                    })?);
                }
                "--check" => flags.check = true,
                "--schema" => flags.schema = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown flag {other}\n\n{USAGE}")),
            }
            if given.is_some() {
                return Err(format!("{flag} takes no value\n\n{USAGE}"));
            }
        }
        Ok(Some(flags))
    }
}
