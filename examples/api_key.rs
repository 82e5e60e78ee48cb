//! Machines by API key, on plain hyper: who has the key is let in as `ci`.
//!
//! ```text
//! cargo run --example api_key
//! ```

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_identity::verify::api_key::{ApiKey, ApiKeys, KeyRecord};
use tower_identity::{BearerKeyLayer, Identity};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A key is made once and shown once (see the example `keygen`); the server stores its digest only.
    let key = ApiKey::generate("demo");
    let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")])?;

    let service = ServiceBuilder::new()
        .layer(BearerKeyLayer::new(keys))
        .service_fn(greet);

    let listener = TcpListener::bind("127.0.0.1:7011").await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!(
        "The demo key, for you:\n\n  curl -H 'Authorization: Bearer {}' {url}\n",
        key.expose()
    );
    println!("listening on {url}");
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn greet(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let caller = Identity::of(&request).map_or("nobody", Identity::subject);
    Ok(Response::new(format!("hello, {caller}\n")))
}
