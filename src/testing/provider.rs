//! The provider as a test holds it: how it is set up, and what can be done to it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::clients::Client;
use super::grants::Grants;
use super::keys::{Algorithm, KeyPairs, KeyRing};
use super::lie::Lies;
use super::mint::TokenBuilder;
use super::server::{self, State, lock};
use super::users::User;
use crate::clock::Clock;

const CLIENT_ID: &str = "tower-identity";
const CLIENT_SECRET: &str = "testing-client-secret";

/// A running OpenID Connect provider, and a GitHub, on a loopback port; dropping it closes the port.
///
/// See the [module](super) for what it answers.
///
/// # Security
///
/// Everyone who can reach it may sign in as anyone. It listens on loopback addresses only, and its issuer
/// must be trusted by nothing but tests and demos.
#[must_use = "the provider stops when it is dropped"]
pub struct Provider {
    pub(super) state: Arc<State>,
    address: SocketAddr,
    server: Mutex<Option<Server>>,
}

/// Sets up a [`Provider`]; begun by [`Provider::builder`].
#[derive(Clone, Debug)]
#[must_use = "a provider is started by `start`"]
pub struct ProviderBuilder {
    users: Vec<User>,
    clients: Vec<Client>,
    sign_in_as: Option<String>,
    algorithm: Algorithm,
    refresh_tokens: bool,
    access_token_lifetime: Duration,
    address: SocketAddr,
    clock: Clock,
}

struct Server {
    /// Never sent anything: the server stops when this is dropped.
    stop: oneshot::Sender<Infallible>,
    task: JoinHandle<()>,
}

// ===== impl Provider =====

impl Provider {
    /// A provider with the default users and one client, on a free port.
    ///
    /// The client is `tower-identity` with the secret `testing-client-secret`, and may use any loopback address as
    /// its redirect URI.
    ///
    /// # Errors
    ///
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// A provider to be set up first.
    pub fn builder() -> ProviderBuilder {
        ProviderBuilder {
            users: User::defaults(),
            clients: vec![Client::new(CLIENT_ID, CLIENT_SECRET)],
            sign_in_as: None,
            algorithm: Algorithm::default(),
            refresh_tokens: true,
            access_token_lifetime: Duration::from_secs(3600),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Clock::system(),
        }
    }

    /// The issuer, such as `http://127.0.0.1:49152`: no slash at the end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// The origin that every endpoint is at; the issuer's.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.state.issuer
    }

    /// Where the metadata is: the issuer and `/.well-known/openid-configuration`.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.state.issuer)
    }

    /// What takes the place of both `https://github.com` and, with `/api/v3`, of `https://api.github.com`:
    /// the URL of a GitHub Enterprise server. It is the issuer's.
    #[must_use]
    pub fn github_url(&self) -> &str {
        &self.state.issuer
    }

    /// The `client_id` of the first client.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.state.clients[0].id()
    }

    /// The `client_secret` of the first client.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        self.state.clients[0].secret().expose()
    }

    /// An access token for `audience`, signed and good for the provider's access-token lifetime.
    ///
    /// The provider itself does not know it: `/userinfo` and `/introspect` answer only for what `/token` gave.
    ///
    /// # Panics
    ///
    /// As [`TokenBuilder::sign`].
    #[must_use]
    pub fn access_token(&self, subject: &str, audience: &str) -> String {
        let token = self.token().with_subject(subject);
        token.with_audience(audience).sign()
    }

    /// A token to be made to order: an access token until it is told otherwise.
    pub fn token(&self) -> TokenBuilder {
        self.state
            .mint()
            .with_subject(self.client_id())
            .with_claim("client_id", self.client_id())
    }

    /// The `kid` of the key that signs now.
    #[must_use]
    pub fn key_id(&self) -> String {
        let keys = lock(&self.state.keys).current();
        keys.id(self.state.algorithm).to_owned()
    }

    /// Signs with new keys from now on; the old ones stay published, as in a rotation that was planned.
    ///
    /// # Errors
    ///
    /// If no key can be generated.
    pub async fn rotate_keys(&self) -> io::Result<()> {
        let keys = KeyPairs::generate().await?;
        lock(&self.state.keys).rotate(keys);
        Ok(())
    }

    /// Signs with new keys from now on, and publishes no others, as after a key was stolen.
    ///
    /// # Errors
    ///
    /// If no key can be generated.
    pub async fn withdraw_keys(&self) -> io::Result<()> {
        let keys = KeyPairs::generate().await?;
        lock(&self.state.keys).replace(keys);
        Ok(())
    }

    /// How many requests have come for `path`, such as `/jwks`; whatever their method, query and answer.
    ///
    /// Requests during a [`pause`](Self::pause) count, those that a [stopped](Self::stop) provider never saw do not.
    #[must_use]
    pub fn requests(&self, path: &str) -> usize {
        lock(&self.state.requests).get(path).copied().unwrap_or(0)
    }

    /// Answers everything with 503 and `Retry-After: 1` until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.state.paused.store(true, Ordering::SeqCst);
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.state.paused.store(false, Ordering::SeqCst);
    }

    /// Closes every connection and the port: once this returns, connections are refused.
    ///
    /// Codes, tokens and keys are kept for a [`restart`](Self::restart). Stopping twice is stopping once.
    pub async fn stop(&self) {
        let server = lock(&self.server).take();
        if let Some(Server { stop, task }) = server {
            drop(stop);
            // It can only fail by a panic, and has closed the port then too.
            drop(task.await);
        }
    }

    /// Opens the port of a [stopped](Self::stop) provider again, with all that it knew. A running one is stopped first.
    ///
    /// # Errors
    ///
    /// If someone else has taken the port.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await?;
        *lock(&self.server) = Some(Server::spawn(&self.state, listener));
        Ok(())
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("issuer", &self.state.issuer)
            .finish_non_exhaustive()
    }
}

// ===== impl ProviderBuilder =====

impl ProviderBuilder {
    /// Replaces all users, the default ones too.
    pub fn with_users(mut self, users: impl IntoIterator<Item = User>) -> Self {
        self.users = users.into_iter().collect();
        self
    }

    /// Adds a user.
    pub fn add_user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Replaces all clients; this one is the first, of [`Provider::client_id`].
    pub fn with_client(mut self, client: Client) -> Self {
        self.clients = vec![client];
        self
    }

    /// Adds a client.
    pub fn add_client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Signs this user in without showing a page: an authorization request is redirected back at once.
    ///
    /// By default everyone is asked who they are.
    pub fn sign_in_as(mut self, username: impl Into<String>) -> Self {
        self.sign_in_as = Some(username.into());
        self
    }

    /// Sets what tokens are signed with; RS256 by default. The key set has a key for each, always.
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Sets whether `/token` gives refresh tokens; it does by default, whatever the scope.
    pub fn with_refresh_tokens(mut self, issued: bool) -> Self {
        self.refresh_tokens = issued;
        self
    }

    /// Sets how long access tokens are good for, in whole seconds; an hour by default.
    pub fn with_access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = lifetime;
        self
    }

    /// Sets the address to listen on, for a port that is known in advance; it must be a loopback address.
    ///
    /// `127.0.0.1` and a free port by default.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Sets the clock that codes and tokens go by; the system's by default.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the port, generates the keys and serves in a task of the current tokio runtime, until it is dropped.
    ///
    /// # Errors
    ///
    /// If the port cannot be bound. [`InvalidInput`](io::ErrorKind::InvalidInput) if the address is not a loopback
    /// one, two users or two clients have one name, or [`sign_in_as`](Self::sign_in_as) names nobody.
    pub async fn start(self) -> io::Result<Provider> {
        self.check()
            .map_err(|mistake| io::Error::new(io::ErrorKind::InvalidInput, mistake))?;
        let listener = TcpListener::bind(self.address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            issuer: format!("http://{address}"),
            users: self.users,
            clients: self.clients,
            sign_in_as: self.sign_in_as,
            algorithm: self.algorithm,
            refresh_tokens: self.refresh_tokens,
            access_token_lifetime: self.access_token_lifetime,
            clock: self.clock,
            keys: Mutex::new(KeyRing::new(KeyPairs::generate().await?)),
            grants: Mutex::new(Grants::default()),
            paused: AtomicBool::new(false),
            requests: Mutex::new(HashMap::new()),
            lies: Lies::default(),
        });
        let server = Server::spawn(&state, listener);
        Ok(Provider {
            state,
            address,
            server: Mutex::new(Some(server)),
        })
    }

    fn check(&self) -> Result<(), String> {
        if !self.address.ip().is_loopback() {
            let ip = self.address.ip();
            return Err(format!("expected a loopback address, found {ip}"));
        }
        for (i, user) in self.users.iter().enumerate() {
            let name = user.username();
            if self.users[..i].iter().any(|other| other.username() == name) {
                return Err(format!("two users are called {name}"));
            }
        }
        for (i, client) in self.clients.iter().enumerate() {
            let id = client.id();
            if self.clients[..i].iter().any(|other| other.id() == id) {
                return Err(format!("two clients are called {id}"));
            }
        }
        match &self.sign_in_as {
            Some(name) if !self.users.iter().any(|user| user.username() == name) => {
                Err(format!("sign_in_as: no user is called {name}"))
            }
            _ => Ok(()),
        }
    }
}

// ===== impl Server =====

impl Server {
    fn spawn(state: &Arc<State>, listener: TcpListener) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server::run(state.clone(), listener, stopped));
        Self { stop, task }
    }
}
