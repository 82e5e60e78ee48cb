//! gRPC with tonic: the same layer in front, and `Identity::from_extensions` in the method.
//! The service is written by hand, with texts for messages, so that nothing has to be generated.
//!
//! ```text
//! cargo run --example grpc
//! ```

use axum::{Router, routing::post};
use bytes::{Buf as _, BufMut as _};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Response, Status, server::Grpc, service::Routes};
use tower_identity::verify::api_key::{ApiKey, ApiKeys, KeyRecord};
use tower_identity::{BearerKeyLayer, Identity};

/// `service Who { rpc Ask(Text) returns (Text); }`
async fn ask(request: Request<String>) -> Result<Response<String>, Status> {
    let caller = Identity::from_extensions(request.extensions());
    let caller = caller.ok_or_else(|| Status::unauthenticated("BearerKeyLayer is missing"))?;
    Ok(Response::new(format!("hello, {}\n", caller.subject())))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = ApiKey::generate("demo");
    let keys = ApiKeys::new([KeyRecord::new(key.digest(), key.id(), "ci")])?;
    let who = |request| async { Grpc::new(Text).unary(tower::service_fn(ask), request).await };
    let app = Routes::from(Router::new().route("/demo.Who/Ask", post(who)));
    let app = app.into_axum_router().layer(BearerKeyLayer::new(keys));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:7014").await?;
    println!("The demo key, for you:\n\n{CURL}{}'\n", key.expose());
    println!("listening on http://127.0.0.1:7014");
    axum::serve(listener, app).await?;
    Ok(())
}

const CURL: &str = r"  printf '\0\0\0\0\0' | curl --http2-prior-knowledge -o- --data-binary @- \
    http://127.0.0.1:7014/demo.Who/Ask -H 'Content-Type: application/grpc' -H 'Authorization: Bearer ";

/// Messages as they are; `tonic-prost` has a codec for Protocol Buffers.
struct Text;

#[rustfmt::skip]
impl Codec for Text {
    type Encode = String; type Decode = String; type Encoder = Self; type Decoder = Self;
    fn encoder(&mut self) -> Self { Self } fn decoder(&mut self) -> Self { Self }
}
#[rustfmt::skip]
impl Encoder for Text {
    type Item = String; type Error = Status;
    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> { to.put_slice(text.as_bytes()); Ok(()) }
}
#[rustfmt::skip]
impl Decoder for Text {
    type Item = String; type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        String::from_utf8(from.copy_to_bytes(from.remaining()).into()).map(Some).map_err(|_| Status::invalid_argument("not UTF-8"))
    }
}
