//! Backend plugins, as Backstage's know them: whom they believe, what they call one another with, and
//! which of their paths are open to what.

mod calls;
mod cookie;
#[path = "../support/echo.rs"]
mod echo;
mod keys;
mod paths;
#[path = "../support/mod.rs"]
mod support;

use futures::FutureExt as _;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tokio::net::TcpListener;
use tower::Service;
use tower_identity::clock::{Clock, ClockHand, Timestamp};
use tower_identity::http_client::HyperClient;
use tower_identity::identity::EntityRef;
use tower_identity::layer::Plugin;
use tower_identity::token::{MintedToken, PluginTokens, SigningKeys, TokenIssuer};
use tower_identity::verify::{Issuer, JwtVerifier, PluginDirectory};
use tower_identity::{Identity, IdentityLayer};

use self::echo::Echo;
use self::support::{Answer, request, send};

const PORTAL: &str = "https://portal.example/api/auth";
const ADA: &str = "user:default/ada";
const INVALID: &str = "Bearer realm=\"tower-identity\", error=\"invalid_token\"";
const HOUR: Duration = Duration::from_secs(3600);

/// A portal's keys, one other plugin on a real socket, and the clock that all of them share.
struct World {
    portal: TokenIssuer,
    search: PluginTokens,
    directory: PluginDirectory,
    clock: Clock,
    hand: ClockHand,
}

impl World {
    async fn new() -> Self {
        let (clock, hand) = Clock::manual(Timestamp::from_unix(1_800_000_000));
        let keys = SigningKeys::new(clock.clone(), HOUR);
        let search = PluginTokens::with_keys("search", keys, clock.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Self {
            portal: TokenIssuer::new(PORTAL, HOUR, clock.clone()),
            search: search.clone(),
            directory: PluginDirectory::new(url),
            clock,
            hand,
        };
        let layer = world
            .layer("search")
            .for_plugin(Plugin::new("search").with_tokens(search));
        let app = axum::Router::new()
            .fallback(|who: Identity| async move { axum::Json(who) })
            .layer(layer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        world
    }

    /// What the plugin `id` believes: the portal, and the others.
    fn layer(&self, id: &str) -> IdentityLayer {
        let issuers = [
            self.portal.as_issuer(),
            Issuer::plugins(id, self.directory.clone()),
        ];
        let client = HyperClient::new().unwrap();
        IdentityLayer::new(JwtVerifier::with_client(issuers, client, self.clock.clone()).unwrap())
    }

    /// The plugin `todo`, mounted where Backstage mounts it.
    fn todo(&self, plugin: Plugin) -> (impl Ask, Echo) {
        let echo = Echo::default();
        let service = tower::Layer::layer(&self.layer("todo").for_plugin(plugin), echo.clone());
        (service, echo)
    }

    fn ada(&self) -> MintedToken {
        let ada = EntityRef::parse(ADA).unwrap();
        let group = EntityRef::parse("group:default/analysts").unwrap();
        let owned = [ada.clone(), group];
        let minted = self.portal.mint_user(&ada, &owned).now_or_never();
        minted.unwrap().unwrap()
    }

    /// What a request with this token proves to the plugin `id`.
    async fn proven(&self, id: &str, token: &str) -> Result<Identity, Answer> {
        let found = std::sync::Arc::new(std::sync::Mutex::new(None));
        let seen = found.clone();
        let inner = tower::service_fn(move |request: http::Request<Full<Bytes>>| {
            *seen.lock().unwrap() = Identity::of(&request).cloned();
            async {
                Ok::<_, std::convert::Infallible>(http::Response::new(Full::<Bytes>::default()))
            }
        });
        let service = tower::Layer::layer(&self.layer(id).for_plugin(id), inner);
        let bearer = format!("Bearer {token}");
        let answer = send(&service, support::get(&[("authorization", &bearer)])).await;
        let identity = found.lock().unwrap().take();
        identity.ok_or(answer)
    }
}

/// A service that can be asked.
trait Ask:
    Service<
        http::Request<Full<Bytes>>,
        Response = http::Response<tower_identity::layer::ResponseBody<Full<Bytes>>>,
        Error = std::convert::Infallible,
    > + Clone
{
}

impl<S> Ask for S where
    S: Service<
            http::Request<Full<Bytes>>,
            Response = http::Response<tower_identity::layer::ResponseBody<Full<Bytes>>>,
            Error = std::convert::Infallible,
        > + Clone
{
}

async fn ask(service: &impl Ask, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(service, request(method, path, headers)).await
}

/// The limited token of a full one, rebuilt by hand from what the specification says of it.
fn limited(token: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let part = |i: usize| -> serde_json::Value {
        let text = token.split('.').nth(i).unwrap();
        serde_json::from_slice(&BASE64.decode(text).unwrap()).unwrap()
    };
    let (header, payload) = (part(0), part(1));
    let text = |value: &serde_json::Value| value.to_string();
    let header = format!(
        r#"{{"typ":"vnd.backstage.limited-user","alg":"ES256","kid":{}}}"#,
        text(&header["kid"])
    );
    let claims = format!(
        r#"{{"sub":{},"iat":{},"exp":{}}}"#,
        text(&payload["sub"]),
        text(&payload["iat"]),
        text(&payload["exp"])
    );
    let proof = payload["uip"].as_str().unwrap();
    format!(
        "{}.{}.{proof}",
        BASE64.encode(header),
        BASE64.encode(claims)
    )
}

/// The same token with one character of a part changed.
fn changed(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let old = parts[part].remove(10);
    parts[part].insert(10, if old == 'A' { 'B' } else { 'A' });
    parts.join(".")
}
