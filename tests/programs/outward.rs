//! How the portal gets out: through the proxy of its environment, and never past TLS.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::portal::Folder;
use super::{Browser, Program};

// Made by openssl, for this test only: the key of the authority is nowhere.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\nMIIBozCCAUmgAwIBAgIUPBXLT9Q1gpSuxK9/LT326CyMjbcwCgYIKoZIzj0EAwIw\nJjEkMCIGA1UEAwwbdG93ZXItaWRlbnRpdHkgb3V0d2FyZCB0ZXN0MCAXDTI2MTEy\nNTE2MDcxMFoYDzIxMjYxMTAxMTYwNzEwWjAmMSQwIgYDVQQDDBt0b3dlci1pZGVu\ndGl0eSBvdXR3YXJkIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATIxpai\nC8e+qx7Ds2kEbVQssN9Jo6b7sZWfS5finZIOlM9DmQn+f5ntng51dVT6oRhRwsZi\n7vWMS8vBne/aPcpIo1MwUTAdBgNVHQ4EFgQUlBrTKKgfTKR2jwr9QC03i+Dn+T8w\nHwYDVR0jBBgwFoAUlBrTKKgfTKR2jwr9QC03i+Dn+T8wDwYDVR0TAQH/BAUwAwEB\n/zAKBggqhkjOPQQDAgNIADBFAiANuLUlJcP515j9RaxZaE1kTD76p2E5KVAdwpnk\ngy9TRAIhAMK9vHOR0PJ4nbr8JT7Nfo4ZvDPz17DbGgJTdDb5lwBW\n-----END CERTIFICATE-----\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIByDCCAW2gAwIBAgIUbrbAzyTn9OUjdZETeRA7LwKMhZowCgYIKoZIzj0EAwIw\nJjEkMCIGA1UEAwwbdG93ZXItaWRlbnRpdHkgb3V0d2FyZCB0ZXN0MCAXDTI2MTEy\nNTE2MDcxMFoYDzIxMjYxMTAxMTYwNzEwWjAcMRowGAYDVQQDDBFsb2dpbi5leGFt\ncGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAKzuoVjyZQAEK4Dp8lw\nPz2ksXtbBXW6+py3UvnzDdidARB1moPIUn9jygFEnOov8LKoknQZrDXXwu0bMF/j\nHFejgYAwfjAcBgNVHREEFTATghFsb2dpbi5leGFtcGxlLmNvbTAJBgNVHRMEAjAA\nMBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBRKlbTVbZDTxiN1Ru653Dyn\ngTkkvDAfBgNVHSMEGDAWgBSUGtMoqB9MpHaPCv1ALTeL4Of5PzAKBggqhkjOPQQD\nAgNJADBGAiEA4ATrbaihP11H+lQWqY2Cnxkai5qiu2GnbsuX0cF5ieYCIQCcI6WO\nP8tgd26FdBr04m88GlXdz2sLFjjmE8IpAdTEWA==\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwF9zWkCbXnsV0075\nnm84iDb4vcufOcSC5exoaNNZGM6hRANCAAQCs7qFY8mUABCuA6fJcD89pLF7WwV1\nuvqct1L58w3YnQEQdZqDyFJ/Y8oBRJzqL/CyqJJ0Gaw118LtGzBf4xxX\n-----END PRIVATE KEY-----\n";

/// A proxy that leads everybody to the provider of this test, and remembers what it was told.
struct Proxy {
    at: String,
    told: Arc<Mutex<Vec<String>>>,
}

async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, told) = (
            listener.local_addr().unwrap(),
            Arc::new(Mutex::new(Vec::new())),
        );
        let provider = tls();
        let heard = told.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (provider, heard) = (provider.clone(), heard.clone());
                tokio::spawn(async move {
                    let asked = head(&mut stream).await;
                    heard.lock().unwrap().push(asked);
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    serve(provider, stream).await;
                });
            }
        });
        let at = at.to_string();
        Self { at, told }
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

fn tls() -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// `login.example.com`, which has a description and nothing else.
async fn serve(provider: TlsAcceptor, stream: TcpStream) {
    // Whoever does not trust it goes away.
    let Ok(mut stream) = provider.accept(stream).await else {
        return;
    };
    head(&mut stream).await;
    let at = |path: &str| format!("https://login.example.com/{path}");
    let document = serde_json::json!({
        "issuer": "https://login.example.com", "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
        "jwks_uri": at("jwks"),
    });
    let document = document.to_string();
    let length = document.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let _ = stream.shutdown().await;
}

/// A portal with this environment: the status of a sign-in that begins there, and where it leads.
async fn start(variables: &[(&str, &str)]) -> (u16, String) {
    let folder = Folder::new("outward");
    let config = folder.file(
        "app-config.yaml",
        "auth:\n  providers:\n    oidc:\n      development: {metadataUrl: 'https://login.example.com', clientId: a, clientSecret: b}\n",
    );
    let portal = Program::start_with(
        "portal",
        &["--config", &config, "--listen", "127.0.0.1:0"],
        variables,
    );
    let start = format!("{}/api/auth/oidc/start?env=development", portal.url());
    let answer = Browser::default().get(&start).await;
    let location = answer.headers.get("location");
    let location = location.map(|to| to.to_str().unwrap().to_owned());
    (answer.status.as_u16(), location.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_reached_through_the_proxy_of_the_environment_and_tls_is_verified_in_the_tunnel()
 {
    let proxy = Proxy::start().await;
    let folder = Folder::new("authority");
    let authority = folder.file("ca.pem", AUTHORITY);
    let url = format!("http://user:p%40ss@{}", proxy.at);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let (status, location) = start(&[(name, &url), ("SSL_CERT_FILE", &authority)]).await;
        assert_eq!(status, 302, "{name}");
        assert!(
            location.starts_with("https://login.example.com/authorize?"),
            "{location}"
        );
        let told = proxy.told();
        assert!(!told.is_empty(), "{name}");
        for asked in told {
            assert!(
                asked.starts_with("CONNECT login.example.com:443 HTTP/1.1\r\n"),
                "{asked}"
            );
            let asked = asked.to_ascii_lowercase();
            // user:p@ss
            assert!(
                asked.contains("proxy-authorization: basic dxnlcjpwqhnz"),
                "{asked}"
            );
            assert!(!asked.contains("\r\nauthorization:"), "{asked}");
        }
    }
    // Whoever is at the end of the tunnel has to be who they say.
    let other = folder.file("other.pem", super::server::AUTHORITY);
    let (status, _) = start(&[("HTTPS_PROXY", &url), ("SSL_CERT_FILE", &other)]).await;
    assert_eq!(status, 503);
    assert!(!proxy.told().is_empty());
    // Plain http is not what it is for, and some hosts are not either.
    for variables in [
        [("HTTP_PROXY", &*url), ("SSL_CERT_FILE", &authority)].as_slice(),
        &[
            ("HTTPS_PROXY", &url),
            ("NO_PROXY", ".example.com"),
            ("SSL_CERT_FILE", &authority),
        ],
        &[
            ("HTTPS_PROXY", &url),
            ("no_proxy", "*"),
            ("SSL_CERT_FILE", &authority),
        ],
    ] {
        assert_eq!(start(variables).await.0, 503, "{variables:?}");
        assert!(proxy.told().is_empty(), "{variables:?}");
    }
    // Nor is this machine: the sample's own provider is here.
    let variables = [
        ("HTTP_PROXY", &*url),
        ("http_proxy", &url),
        ("ALL_PROXY", &url),
    ];
    let sample = Program::start_with("portal", &["--listen", "127.0.0.1:0"], &variables);
    super::sign_in(&Browser::default(), &sample.url(), "github").await;
    assert!(proxy.told().is_empty());
    // A proxy of another kind is not passed by.
    let socks = url.replace("http://", "socks5://");
    assert_eq!(
        start(&[("HTTPS_PROXY", &socks), ("SSL_CERT_FILE", &authority)])
            .await
            .0,
        503
    );
    assert!(proxy.told().is_empty());
}
