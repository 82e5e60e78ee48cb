//! Outages, mistakes in the setup, and malformed requests.

use http::{Method, StatusCode, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_identity::testing::{Client, Provider, User};

use crate::client::{FORM, Http, signed_in_as};

#[tokio::test]
async fn an_outage_is_a_503_or_a_refused_connection_and_ends() {
    let provider = signed_in_as("ada").await;
    let http = Http::new();
    let url = format!("{}/jwks", provider.issuer());
    let tokens = http.tokens(&provider).await;

    provider.pause();
    let answer = http.get(&url, &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    assert_eq!(provider.requests("/jwks"), 1);
    provider.resume();
    assert_eq!(http.get(&url, &[]).await.status, StatusCode::OK);

    provider.stop().await;
    provider.stop().await;
    let refused = http.try_send(Method::GET, &url, &[], String::new()).await;
    assert!(refused.is_none());
    assert_eq!(provider.requests("/jwks"), 2);

    provider.restart().await.unwrap();
    provider.restart().await.unwrap();
    let answer = http.refresh(&provider, &tokens["refresh_token"]).await;
    assert_eq!(answer.status, StatusCode::OK);

    let address = provider.issuer().trim_start_matches("http://").to_owned();
    let mut open = TcpStream::connect(&address).await.unwrap();
    // Answered once, so that the connection has been taken.
    open.write_all(b"GET /jwks HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    open.read_u8().await.unwrap();
    drop(provider);
    // The port is closed first, then every connection.
    open.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn a_mistake_in_the_setup_is_an_error_at_the_start() {
    let mistakes = [
        Provider::builder().sign_in_as("nobody"),
        Provider::builder().add_user(User::new("ada")),
        Provider::builder().add_client(Client::new("tower-identity", "secret")),
        Provider::builder().with_address(([0, 0, 0, 0], 0).into()),
    ];
    for mistake in mistakes {
        let error = mistake.clone().start().await.unwrap_err();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::InvalidInput,
            "{mistake:?}"
        );
    }
}

#[tokio::test]
async fn malformed_requests_get_an_answer_and_the_next_one_too() {
    let provider = Provider::start().await.unwrap();
    let http = Http::new();
    let endpoint = |path| format!("{}{path}", provider.issuer());
    let big = "a".repeat(64 * 1024 + 1);
    for (method, path, kind, body, status) in [
        (Method::POST, "/token", "application/json", "{}", 400),
        (
            Method::POST,
            "/token",
            FORM,
            "grant_type=a&grant_type=b",
            400,
        ),
        (Method::POST, "/token", FORM, "%%%=%ff&\0", 401),
        (Method::POST, "/token", FORM, big.as_str(), 413),
        (Method::GET, "/token", FORM, "", 405),
        (Method::GET, "/authorize?%ff=%00&&&=", FORM, "", 400),
        (Method::POST, "/authorize", FORM, "\u{0}", 400),
        (
            Method::POST,
            "/login/oauth/access_token",
            "text/plain",
            "a",
            200,
        ),
        (Method::GET, "/logout?id_token_hint=..", FORM, "", 200),
        (Method::GET, "/logout?id_token_hint=a.W10.c", FORM, "", 200),
        (Method::GET, "/avatars/../user", FORM, "", 404),
        (Method::GET, "/nowhere", FORM, "", 404),
        (Method::GET, "/jwks", FORM, "", 200),
    ] {
        let headers = [("content-type", kind), ("user-agent", "test")];
        let url = endpoint(path);
        let answer = http.try_send(method, &url, &headers, body.to_owned()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status.as_u16(), status, "{path} {}", answer.body);
    }
}

#[tokio::test]
async fn what_is_printed_has_no_secrets_in_it() {
    let builder = Provider::builder();
    let client = Client::new("app", "canary-secret");
    let printed = format!(
        "{client:?} {:?}",
        builder.clone().with_client(client.clone())
    );
    assert!(!printed.contains("canary"), "{printed}");
    let provider = builder.with_client(client).start().await.unwrap();
    let token = provider.token().with_subject("canary-subject");
    let printed = format!("{provider:?} {token:?}");
    assert!(!printed.contains("canary"), "{printed}");
    assert!(printed.contains(provider.issuer()));
}
