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
use tokio::net::{TcpListener, ToSocketAddrs};
use tower_http::trace::TraceLayer;
use tower_identity::catalog::{Catalog, FileCatalog};
use tower_identity::config::Layers;
use tower_identity::sign_in::SignIn;
use tower_identity::testing::Provider;
use tower_identity::{ApiKey, Config, ConfigError, Identity};

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
    let catalog = flags.catalog()?;
    if flags.config.is_empty() {
        embedded(flags, catalog).await
    } else {
        configured(flags, catalog).await
    }
}

/// The portal of your own `app-config.yaml`.
async fn configured(flags: Flags, sample: Option<FileCatalog>) -> Result<(), Failure> {
    let mut config = Config::load(&flags.config)?;
    if let Some(catalog) = sample {
        config = config.with_catalog(catalog);
    } else if !config.has_catalog() {
        println!("no catalog is named, so this is the sample: name yours with --catalog FILE");
        config = config.with_catalog(sample_catalog()?);
    }
    if let Some(listen) = flags.listen {
        config = config.with_port(listen.port());
    }
    if flags.check {
        let files: Vec<_> = flags
            .config
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        return checked(&config, &files.join(", ")).await;
    }
    let listener = match flags.listen {
        Some(listen) => bind(listen).await?,
        None => bind(address(&config)).await?,
    };
    let config = config.with_port(listener.local_addr()?.port());
    println!("portal   {}", config.base_url());
    serve(listener, &config).await
}

/// The portal with everything it needs in the same process.
async fn embedded(flags: Flags, catalog: Option<FileCatalog>) -> Result<(), Failure> {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 7007));
    let listen = flags.listen.unwrap_or(default);
    // With --check nothing may be in the way of another portal that runs.
    let listener = bind(if flags.check {
        SocketAddr::new(listen.ip(), 0)
    } else {
        listen
    })
    .await?;
    let at = listener.local_addr()?;
    let host = if at.ip().is_unspecified() {
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
    if !at.ip().is_loopback() {
        // The guest is whoever asks: fine on this machine, and nowhere else.
        files.push(format!("{SAMPLE}/app-config.network.yaml"));
        println!("guest    left out, since others can reach {at}");
    }
    let config = Config::load_with(files, variables)?;
    let catalog = match catalog {
        Some(catalog) => catalog,
        None => sample_catalog()?,
    };
    let config = config.with_catalog(catalog).with_port(at.port());
    if flags.check {
        return checked(&config, "the sample; name yours with --config FILE").await;
    }
    println!("portal   {url}");
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

/// Builds everything, and says what that was.
async fn checked(config: &Config, what: &str) -> Result<(), Failure> {
    let layers = config.layers()?;
    let providers = layers.sign_in.providers();
    let providers: Vec<_> = providers
        .iter()
        .map(|provider| provider.id.as_str())
        .collect();
    println!("checked   {what}");
    println!("portal    {}", config.base_url());
    println!(
        "providers {} ({})",
        providers.join(", "),
        layers.sign_in.environment()
    );
    println!("keys      {}", config.api_keys().len());
    println!(
        "catalog   {} entities",
        config.catalog()?.entities().await?.len()
    );
    println!("everything is in order");
    Ok(())
}

async fn bind(to: impl ToSocketAddrs + std::fmt::Debug) -> Result<TcpListener, Failure> {
    let at = format!("{to:?}");
    let bound = TcpListener::bind(to).await;
    Ok(bound
        .map_err(|e| format!("can't listen on {at}: {e}; choose another address with --listen"))?)
}

async fn serve(listener: TcpListener, config: &Config) -> Result<(), Failure> {
    let app = app(config)?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped())
        .await?;
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
    let api = Router::new()
        .route("/api/catalog/entities", get(entities))
        .route("/api/whoami", get(whoami))
        .with_state(config.catalog()?)
        // This is the plugin `catalog`: keys that are restricted to it may be used here.
        .layer(identity.for_plugin("catalog"))
        .layer(bearer_key.for_plugin("catalog"));
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
    Ok(api.merge(pages).layer(oauth_callback).layer(trace))
}

async fn entities(
    State(catalog): State<Arc<dyn Catalog>>,
    _: Identity,
) -> Result<Json<Vec<Value>>, StatusCode> {
    catalog
        .entities()
        .await
        .map(Json)
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
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
    let host = match &listen.host {
        // Browsers and curl may try either of its addresses; one is enough.
        Some(host) if host == "localhost" => "127.0.0.1",
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
  --check          read everything, list every mistake, and exit";

#[derive(Default)]
struct Flags {
    config: Vec<PathBuf>,
    catalog: Vec<PathBuf>,
    listen: Option<SocketAddr>,
    check: bool,
}

impl Flags {
    fn parse() -> Result<Option<Self>, String> {
        let mut flags = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let value = || {
                inline
                    .or_else(|| arguments.next())
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
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown flag {other}\n\n{USAGE}")),
            }
        }
        Ok(Some(flags))
    }

    fn catalog(&self) -> Result<Option<FileCatalog>, ConfigError> {
        if self.catalog.is_empty() {
            return Ok(None);
        }
        FileCatalog::load(&self.catalog).map(Some)
    }
}
