//! The small examples, each started once and asked one question. Their ports are fixed: where one is
//! taken, the example must say so.

use bytes::Bytes;
use http::{Method, Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_identity::verify::ApiKeys;

use super::browser::{Browser, choose};
use super::portal::Folder;
use super::{Program, get, path};

/// The example, if its port is free.
fn start(example: &str) -> Option<Program> {
    match Program::try_start(example, &[]) {
        Ok(program) => Some(program),
        Err(said) => {
            assert!(said.contains("in use"), "{example}: {said}");
            eprintln!("NOT ASKED: the port of {example} is taken");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_greets_who_has_the_key() {
    let Some(program) = start("api_key") else {
        return;
    };
    let answer = get(&program.url(), Some(&program.bearer())).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (200, "hello, ci\n")
    );
    assert_eq!(get(&program.url(), Some("another")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn jwt_says_whom_a_token_proves() {
    let Some(program) = start("jwt") else { return };
    let answer = get(&program.url(), Some(&program.bearer())).await;
    assert_eq!(answer.json()["subject"], "user-ada");
    assert_eq!(get(&program.url(), None).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_sends_a_person_to_sign_in_and_knows_them_afterwards() {
    let Some(program) = start("sign_in") else {
        return;
    };
    let whoami = format!("{}/whoami", program.url());
    let browser = Browser::default();
    let navigate = Request::get(&whoami).header("accept", "text/html");
    let sent = browser.send(navigate.body(Full::default()).unwrap()).await;
    assert_eq!(
        (sent.status.as_u16(), &*sent.location()),
        (303, "/?return_to=%2Fwhoami")
    );
    let page = browser
        .get(&format!("{}{}", program.url(), sent.location()))
        .await
        .body;
    let link = page.split('"').nth(1).unwrap().replace("&amp;", "&");
    let link = link.strip_prefix(&program.url()).unwrap_or(&link);
    let started = browser.get(&format!("{}{link}", program.url())).await;
    let back = choose(&started.location(), "user=ada").await;
    assert_eq!(browser.get(&back).await.location(), whoami);
    let said = browser.get(&whoami).await.body;
    assert!(
        said.starts_with("You are user:default/ada, and own"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_answers_who_has_the_key_and_refuses_the_rest_in_trailers() {
    let Some(program) = start("grpc") else { return };
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let ask = async |key: &str| {
        let request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!("{}/demo.Who/Ask", program.url()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {key}"));
        // One message of no bytes, not compressed.
        let request = request
            .body(Full::new(Bytes::from_static(&[0; 5])))
            .unwrap();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let status = head
            .headers
            .get("grpc-status")
            .or(trailers.get("grpc-status"));
        (
            status.unwrap().to_str().unwrap().to_owned(),
            body.to_bytes(),
        )
    };
    let (status, body) = ask(&program.bearer()).await;
    assert_eq!((&*status, &body[5..]), ("0", &b"hello, ci\n"[..]));
    let (status, body) = ask("another").await;
    assert_eq!((&*status, body.len()), ("16", 0));
}

#[test]
fn keygen_makes_a_key_and_the_record_that_knows_it() {
    let output = std::process::Command::new(path("keygen"))
        .arg("robot")
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let key = lines.iter().find(|line| line.starts_with("tid_")).unwrap();
    let record = lines.iter().find(|line| line.starts_with('{')).unwrap();
    assert!(
        !record.contains(&key[key.len() - 20..]),
        "it holds no secret"
    );
    let digest = tower_identity::verify::api_key::KeyDigest::of(key).to_string();
    assert!(
        record.contains(&digest) && record.contains("robot"),
        "{record}"
    );
    let folder = Folder::new("keygen");
    let list = folder.file("keys.json", &format!("[{record}]"));
    assert_eq!(ApiKeys::from_file(list).unwrap().len(), 1);
}
