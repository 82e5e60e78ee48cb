//! Many people at once, and very many one after another.

use std::process::Command;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_identity::testing::Provider;

use super::Program;
use super::portal::Folder;

const CATALOG: &str = "apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: ada}
spec: {profile: {email: ada@example.com}, memberOf: [analysts]}
";

/// A portal in a process of its own, whose provider is somewhere else: its memory is the portal's alone.
struct Site {
    portal: Program,
    _provider: Provider,
    _folder: Folder,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Site {
    async fn start(name: &str) -> Self {
        let provider = Provider::start().await.unwrap();
        let folder = Folder::new(name);
        let config = format!(
            "auth:
  providers:
    oidc:
      development:
        metadataUrl: {}
        clientId: {}
        clientSecret: {}
        prompt: auto
        signIn: {{resolvers: [{{resolver: emailMatchingUserEntityProfileEmail}}]}}
",
            provider.issuer(),
            provider.client_id(),
            provider.client_secret(),
        );
        let (config, catalog) = (
            folder.file("app-config.yaml", &config),
            folder.file("org.yaml", CATALOG),
        );
        let at = [
            "--config",
            &config,
            "--catalog",
            &catalog,
            "--listen",
            "127.0.0.1:0",
        ];
        Self {
            portal: Program::start("portal", &at),
            _provider: provider,
            _folder: folder,
            // Connections are kept: a new one each time would use up this machine's ports.
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, HeaderMap, String) {
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status,
            head.headers,
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    /// A popup of a browser of its own, from the start to the message for the page: whether it tells of a session.
    async fn sign_in(&self) -> Result<(), String> {
        let start = format!(
            "{}/api/auth/oidc/start?env=development&flow=popup",
            self.portal.url()
        );
        let (status, headers, body) = self
            .send(Request::get(start).body(Full::default()).unwrap())
            .await;
        if status != StatusCode::FOUND {
            return Err(format!("start: {status} {body}"));
        }
        let cookies = headers.get_all(SET_COOKIE).iter();
        let cookies: Vec<_> = cookies
            .map(|line| line.to_str().unwrap().split(';').next().unwrap())
            .collect();
        let page = headers[LOCATION].to_str().unwrap();
        let (page, query) = page.split_once('?').unwrap();
        let chosen = Request::post(page)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(format!("{query}&user=ada")));
        let (_, headers, _) = self.send(chosen.unwrap()).await;
        let back =
            Request::get(headers[LOCATION].to_str().unwrap()).header(COOKIE, cookies.join("; "));
        let (status, headers, body) = self.send(back.body(Full::default()).unwrap()).await;
        let session = headers
            .get_all(SET_COOKIE)
            .iter()
            .any(|line| line.as_bytes().starts_with(b"tid-session="));
        // What the frame holds is percent-encoded.
        if status == StatusCode::OK && session && body.contains("backstageIdentity") {
            Ok(())
        } else {
            Err(format!("callback: {status} {body}"))
        }
    }

    /// Signs so many people in, a few at a time.
    async fn sign_in_many(&self, count: usize) {
        let people = stream::iter(0..count).map(|_| self.sign_in());
        let failed = people
            .buffer_unordered(32)
            .filter_map(async |done| done.err());
        let failed: Vec<String> = failed.collect().await;
        assert!(
            failed.is_empty(),
            "{} failed, such as: {}",
            failed.len(),
            failed[0]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_popups_at_once_all_sign_in() {
    let site = Site::start("at-once").await;
    let done = join_all((0..200).map(|_| site.sign_in())).await;
    let failed: Vec<_> = done.into_iter().filter_map(Result::err).collect();
    assert!(
        failed.is_empty(),
        "{} failed, such as: {}",
        failed.len(),
        failed[0]
    );
}

/// In KiB. What `/proc` tells on Linux, `ps` tells elsewhere.
fn memory_of(program: &Program) -> u64 {
    let pid = program.child.id().to_string();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let text = match &status {
        Ok(status) => status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.strip_suffix("kB"))
            .map(str::to_owned),
        Err(_) => {
            let ps = Command::new("ps").args(["-o", "rss=", "-p", &pid]).output();
            String::from_utf8(ps.unwrap().stdout).ok()
        }
    };
    text.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_over_twenty_thousand_sign_ins() {
    let site = Site::start("memory").await;
    // Until the allocator and the connection pools have what they need.
    site.sign_in_many(5_000).await;
    let before = memory_of(&site.portal);
    site.sign_in_many(15_000).await;
    let after = memory_of(&site.portal);
    // One KiB kept of each would be 15 MiB. Of each a state is kept that was used, for ten minutes: some 100 bytes.
    let grown = after.saturating_sub(before);
    assert!(grown < 6 * 1024, "from {before} KiB to {after} KiB");
}
