//! A backend plugin of your own, on plain hyper: it accepts the portal's tokens and says whose they are.
//!
//! All it knows of the portal is its issuer URL. Keys are fetched when the first token arrives and kept
//! up to date, so it starts before the portal does and goes on answering while the portal is away.
//!
//! ```text
//! cargo run --example plugin -- --issuer http://127.0.0.1:7007/api/auth --listen 127.0.0.1:7008
//! ```

use std::{convert::Infallible, error::Error};

use http::{Method, Request, Response};
use http_body_util::Either;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::signal::unix::{SignalKind, signal};
use tokio::{net::TcpListener, sync::watch};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_identity::{Identity, IdentityLayer};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!(
            "plugin: {error}\nusage: plugin --issuer <the portal's issuer URL> [--listen <address:port>]"
        );
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init(); // why a token was refused
    let (mut issuer, mut listen) = (None, "127.0.0.1:7008".to_owned());
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or(format!("{flag} needs a value"));
        match flag.as_str() {
            "--issuer" => issuer = Some(value?),
            "--listen" => listen = value?,
            _ => return Err(format!("unknown argument {flag:?}").into()),
        }
    }
    let issuer = issuer.ok_or("--issuer is missing")?;

    // This line is the whole of the authentication.
    let layer = IdentityLayer::portal(&issuer).map_err(|e| format!("--issuer: {e}"))?;
    let guarded = ServiceBuilder::new().layer(layer).service_fn(api);
    let service = service_fn(move |request: Request<Incoming>| {
        let guarded = guarded.clone();
        async move {
            match request.uri().path() {
                "/healthz" => Ok(json(200, r#"{"status":"ok"}"#).map(Either::Left)),
                _ => guarded.oneshot(request).await.map(|r| r.map(Either::Right)),
            }
        }
    });

    let listener = TcpListener::bind(&listen).await;
    let listener = listener.map_err(|e| format!("--listen {listen}: {e}"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on http://{}", listener.local_addr()?);
    let (stop, _) = watch::channel(());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (service, mut stopped) = (service.clone(), stop.subscribe());
        tokio::spawn(async move {
            let (stream, service) = (TokioIo::new(stream), TowerToHyperService::new(service));
            let mut connection = Box::pin(http1::Builder::new().serve_connection(stream, service));
            tokio::select! {
                _ = &mut connection => return,
                _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    // Requests in flight are answered before the process ends: each connection holds a receiver.
    stop.send_replace(());
    stop.closed().await;
    Ok(())
}

async fn api(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(match (request.uri().path(), Identity::of(&request)) {
        ("/whoami" | "/api/whoami", Some(identity)) if request.method() == Method::GET => {
            json(200, &serde_json::to_string(identity).unwrap_or_default())
        }
        _ => json(404, r#"{"error":{"name":"NotFoundError"}}"#),
    })
}

fn json(status: u16, body: &str) -> Response<String> {
    let reply = Response::builder().header("content-type", "application/json");
    reply.status(status).body(body.into()).unwrap_or_default()
}
