//! What `backend.https` and `backend.cors` make of the portal's server.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs::default_provider};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::portal::Folder;
use super::{Answer, Browser, Program};

// Made by openssl, for this test only: the key of the authority is nowhere.
pub(crate) const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\nMIIBlDCCATmgAwIBAgIUMO0Ycc/OlIlnBq+HteF+RbyTeLgwCgYIKoZIzj0EAwIw\nHjEcMBoGA1UEAwwTdG93ZXItaWRlbnRpdHkgdGVzdDAgFw0yNjExMjUwNzUxNDZa\nGA8yMTI2MTEwMTA3NTE0NlowHjEcMBoGA1UEAwwTdG93ZXItaWRlbnRpdHkgdGVz\ndDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKxpN5N1UGZYcCB8XdnZtUlCltde\nz4NINXy/SE6dspJvcyyhykBlOJW5ElU1bUmt4N61TGHJhBHZWJLIVlszY7CjUzBR\nMB0GA1UdDgQWBBRXTqn4Wbjokbzz3XkjqRLNsCiknDAfBgNVHSMEGDAWgBRXTqn4\nWbjokbzz3XkjqRLNsCiknDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kA\nMEYCIQCbaJpQuLAiSo7JM4q887Rlv5H/SZ4Ls49mzI+MIj+63wIhAJxb+X8iLfiq\nUWkZcDWx0Sa35ImFv9qFs5KMe5PUvb72\n-----END CERTIFICATE-----\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBtzCCAV6gAwIBAgIUZY/46fRrc9j9LVtbsM/0zYFU2X4wCgYIKoZIzj0EAwIw\nHjEcMBoGA1UEAwwTdG93ZXItaWRlbnRpdHkgdGVzdDAgFw0yNjExMjUwNzUxNDZa\nGA8yMTI2MTEwMTA3NTE0NlowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZI\nzj0CAQYIKoZIzj0DAQcDQgAEjT8IP8csEeYdjmRi7lXjTEVqCO2Imiuvm2PoSDSj\nDhhKKpr/nxCXAvpcALzXf5iLEyHzmzDGzCWCqhiPq/3SEqOBgTB/MAwGA1UdEwEB\n/wQCMAAwGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMBMGA1UdJQQMMAoGCCsG\nAQUFBwMBMB0GA1UdDgQWBBRMwJ56vAvUMzy50aBH063kBkGR1DAfBgNVHSMEGDAW\ngBRXTqn4Wbjokbzz3XkjqRLNsCiknDAKBggqhkjOPQQDAgNHADBEAiBrvlISnBTZ\n+jOp6keYl1/x5xfBoJSTtlv5IDRr6y1GwAIgB0waDpFL4EmzC15S1SjIFX6lRW9W\nlsURYJlNDhXRkpM=\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg71d31MMvCTwL+qHa\nlipUEZPRB6ArRJ8Yu0NtnDemXFihRANCAASNPwg/xywR5h2OZGLuVeNMRWoI7Yia\nK6+bY+hINKMOGEoqmv+fEJcC+lwAvNd/mIsTIfObMMbMJYKqGI+r/dIS\n-----END PRIVATE KEY-----\n";

fn start(folder: &Folder, more: &str) -> Result<Program, String> {
    let config = folder.file("app-config.yaml", &format!("auth: {{}}\nbackend:\n{more}"));
    Program::try_start("portal", &["--config", &config, "--listen", "127.0.0.1:0"])
}

async fn get_over_tls(portal: &Program, path: &str) -> (StatusCode, String) {
    let address = portal.url().replace("https://", "");
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(AUTHORITY.as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = TokioIo::new(stream.await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "localhost");
    let request = request.body(Full::<bytes::Bytes>::default()).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_tls_with_the_certificate_that_it_is_given() {
    let folder = Folder::new("tls");
    let (cert, key) = (
        folder.file("tls.crt", CERTIFICATE),
        folder.file("tls.key", KEY),
    );
    let https = format!("  https: {{certificate: {{cert: {{$file: '{cert}'}}, key: '{key}'}}}}\n");
    let mut portal = start(&folder, &https).unwrap();
    assert!(
        portal.url().starts_with("https://127.0.0.1:"),
        "{}",
        portal.url()
    );
    // Whoever never says a word keeps nobody waiting.
    let address = portal.url().replace("https://", "");
    let silent = TcpStream::connect(&address).await.unwrap();
    let (status, body) = get_over_tls(&portal, "/healthz").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
    let (_, metadata) = get_over_tls(&portal, "/api/auth/.well-known/openid-configuration").await;
    assert!(
        metadata.contains("\"issuer\":\"https://localhost:"),
        "{metadata}"
    );
    drop(silent);
    portal.stop();

    // The key of another certificate.
    let other = folder.file("other.crt", AUTHORITY);
    let wrong = format!("  https: {{certificate: {{cert: '{other}', key: '{key}'}}}}\n");
    let said = start(&folder, &wrong).err().unwrap();
    let expected = "backend.https.certificate: the certificate and the key can't be used";
    assert!(said.contains(expected) && !said.contains("MIG"), "{said}");
}

async fn ask(url: &str, method: Method, origin: &str) -> Answer {
    let request = Request::builder()
        .method(&method)
        .uri(url)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header(
            "access-control-request-headers",
            "authorization, x-requested-with",
        );
    Browser::default()
        .send(request.body(Full::default()).unwrap())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_read_the_apis_that_they_may() {
    let folder = Folder::new("cors");
    let cors = "  cors: {origin: ['http://localhost:3000', 'https://*.previews.example.com'], credentials: true}\n";
    let portal = start(&folder, cors).unwrap();
    let plain = start(&Folder::new("no-cors"), "  listen: 7007\n").unwrap();
    let header = |answer: &Answer, name: &str| {
        let values = answer.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        assert!(values.len() < 2, "{name}: {values:?}");
        values.first().cloned()
    };
    let allow = "access-control-allow-origin";
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("https://pr-7.previews.example.com", true),
        ("http://localhost:3001", false),
        ("https://previews.example.com.evil.test", false),
        ("null", false),
    ] {
        let expected = allowed.then(|| origin.to_owned());
        let url = format!("{}/api/whoami", portal.url());
        let preflight = ask(&url, Method::OPTIONS, origin).await;
        assert_eq!(preflight.status, 200, "{origin}");
        assert_eq!(header(&preflight, allow), expected);
        // Nobody is signed in: a page that may can read even that.
        let refused = ask(&url, Method::GET, origin).await;
        assert_eq!(refused.status, 401);
        assert_eq!(header(&refused, allow), expected);
        let credentials = header(&refused, "access-control-allow-credentials");
        assert_eq!(credentials.as_deref(), Some("true"));

        let nothing = ask(&format!("{}/api/whoami", plain.url()), Method::GET, origin).await;
        assert_eq!(header(&nothing, allow), None);
        // The sign-in's paths as well, those that anybody may read among them.
        for path in ["github/refresh?env=development", ".well-known/jwks.json"] {
            let url = format!("{}/api/auth/{path}", portal.url());
            let preflight = ask(&url, Method::OPTIONS, origin).await;
            assert_eq!(header(&preflight, allow), expected, "{path}");
            let answer = ask(&url, Method::GET, origin).await;
            let open = path.starts_with('.').then(|| "*".to_owned());
            assert_eq!(header(&answer, allow), expected.clone().or(open), "{path}");
        }
    }
}
