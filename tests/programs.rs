//! The two programs, as processes of their own: a portal that signs people in, a plugin that believes it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// An example that runs until it is dropped.
struct Program {
    child: Child,
    lines: Vec<String>,
}

fn path(example: &str) -> PathBuf {
    // target/<profile>/deps/<this test> beside target/<profile>/examples/<example>
    let own = std::env::current_exe().unwrap();
    own.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(example)
}

impl Program {
    #[track_caller]
    fn start(example: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(path(example))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|e| {
                panic!(
                    "{}: {e}; `cargo build --examples` builds it",
                    path(example).display()
                )
            });
        let (sender, receiver) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut program = Self {
            child,
            lines: Vec::new(),
        };
        loop {
            let line = receiver
                .recv_timeout(Duration::from_secs(60))
                .expect("a line, until it listens");
            let ready = line.starts_with("listening on ");
            program.lines.push(line);
            if ready {
                return program;
            }
        }
    }

    fn url(&self) -> String {
        self.lines
            .last()
            .unwrap()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned()
    }

    fn key(&self) -> String {
        let line = self
            .lines
            .iter()
            .find(|line| line.starts_with("try "))
            .unwrap();
        line.split("Bearer ")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned()
    }

    /// Ends it as an operator would, and waits.
    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(
            self.child.wait().unwrap().success(),
            "a stop is not a failure"
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{}: {e}", self.body))
    }

    fn location(&self) -> String {
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }
}

/// A browser of one host: it keeps cookies, whatever their paths.
#[derive(Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Answer {
        if !self.0.is_empty() {
            let jar: Vec<String> = self
                .0
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request
                .headers_mut()
                .insert(COOKIE, jar.join("; ").parse().unwrap());
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        for line in head.headers.get_all(SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.0.retain(|(other, _)| other != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&mut self, url: &str) -> Answer {
        self.send(Request::get(url).body(Full::default()).unwrap())
            .await
    }

    async fn ajax(&mut self, method: &str, url: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("x-requested-with", "XMLHttpRequest");
        self.send(request.body(Full::default()).unwrap()).await
    }
}

async fn get(url: &str, token: Option<&str>) -> Answer {
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    Browser::default()
        .send(request.body(Full::default()).unwrap())
        .await
}

/// Signs ada in by redirect; the provider's page is answered as its form would.
async fn sign_in(browser: &mut Browser, portal: &str, provider: &str) {
    let start =
        format!("{portal}/api/auth/{provider}/start?env=development&flow=redirect&redirectUrl=/");
    let asked = browser.get(&start).await;
    assert_eq!(asked.status, 302, "{}", asked.body);
    let (page, query) = asked
        .location()
        .split_once('?')
        .map(|(p, q)| (p.to_owned(), q.to_owned()))
        .unwrap();
    let chosen = Request::post(page)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(format!("{query}&user=ada")))
        .unwrap();
    let back = Browser::default().send(chosen).await;
    assert!(
        back.status.is_redirection(),
        "{}: {}",
        back.status,
        back.body
    );
    let done = browser.get(&back.location()).await;
    assert_eq!(done.status, 302, "{}", done.body);
    assert_eq!(done.location(), format!("{portal}/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_signs_people_in_and_a_plugin_believes_it() {
    let mut portal = Program::start("portal", &["--listen", "127.0.0.1:0"]);
    let at = portal.url();
    assert_eq!(get(&format!("{at}/healthz"), None).await.status, 200);

    // A machine, by key.
    let whoami = format!("{at}/api/whoami");
    let machine = get(&whoami, Some(&portal.key())).await.json();
    assert_eq!(
        (&machine["principal"], &machine["method"]),
        (&"service".into(), &"api-key".into())
    );
    let entities = get(&format!("{at}/api/catalog/entities"), Some(&portal.key())).await;
    assert!(entities.json().as_array().unwrap().len() > 3);
    for (wrong, code) in [
        (None, false),
        (Some("wrong"), true),
        (Some("tid_AAAAAAAAAAAA_x"), true),
    ] {
        let refused = get(&whoami, wrong).await;
        assert_eq!(refused.status, 401);
        assert_eq!(
            refused.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .contains("invalid_token"),
            code
        );
        assert_eq!(refused.json()["error"]["name"], "AuthenticationError");
    }

    let mut plugin = Program::start(
        "plugin",
        &[
            "--issuer",
            &format!("{at}/api/auth"),
            "--listen",
            "127.0.0.1:0",
        ],
    );
    let asked = format!("{}/whoami", plugin.url());
    assert_eq!(get(&asked, None).await.status, 401);

    let mut token = String::new();
    for provider in ["github", "corp"] {
        // A person, by either provider.
        let mut browser = Browser::default();
        assert_eq!(browser.get(&whoami).await.status, 401);
        sign_in(&mut browser, &at, provider).await;
        let me = browser.get(&whoami).await.json();
        assert_eq!(me["subject"], "user:default/ada", "{me}");
        assert_eq!(
            me["ownership"],
            serde_json::json!(["user:default/ada", "group:default/analysts"])
        );
        assert_eq!(
            (&me["method"], &me["provider"]),
            (&"session".into(), &provider.into())
        );
        assert_eq!(me["issuer"], format!("{at}/api/auth"));

        // The session gives a token, and the plugin, which has never heard of the person, believes it.
        let refresh = format!("{at}/api/auth/{provider}/refresh?optional&env=development");
        let session = browser.ajax("GET", &refresh).await;
        assert_eq!(session.status, 200, "{}", session.body);
        token = session.json()["backstageIdentity"]["token"]
            .as_str()
            .unwrap()
            .to_owned();
        let there = get(&asked, Some(&token)).await.json();
        assert_eq!(there["subject"], "user:default/ada", "{there}");
        assert_eq!(there["ownership"], me["ownership"]);
        assert_eq!(there["method"], "token");

        // Out: the cookie is gone, and a copy of it is dead.
        let copy = Browser(browser.0.clone());
        let out = browser
            .ajax(
                "POST",
                &format!("{at}/api/auth/{provider}/logout?env=development"),
            )
            .await;
        assert_eq!(out.status, 200, "{}", out.body);
        assert_eq!(browser.get(&whoami).await.status, 401);
        let mut copy = copy;
        assert_eq!(
            copy.get(&whoami).await.status,
            401,
            "a copied session ends with the original"
        );
    }

    // Keys are the portal's, not the plugin's.
    assert_eq!(get(&asked, Some(&portal.key())).await.status, 401);
    let forged = format!("{}x", token);
    assert_eq!(get(&asked, Some(&forged)).await.status, 401);

    // The portal goes away: what the plugin knows stays good.
    portal.stop();
    assert_eq!(
        get(&asked, Some(&token)).await.json()["subject"],
        "user:default/ada"
    );
    assert_eq!(get(&asked, Some(&forged)).await.status, 401);
    plugin.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_starts_before_its_portal_says_so_and_catches_up() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let plugin = Program::start(
        "plugin",
        &[
            "--issuer",
            &format!("http://{free}/api/auth"),
            "--listen",
            "127.0.0.1:0",
        ],
    );
    let asked = format!("{}/whoami", plugin.url());
    // A token that names the issuer, so that its keys are asked for.
    let head = "eyJ0eXAiOiJ2bmQuYmFja3N0YWdlLnVzZXIiLCJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ";
    let claims = base64url(format!(r#"{{"iss":"http://{free}/api/auth"}}"#).as_bytes());
    let refused = get(&asked, Some(&format!("{head}.{claims}.AAAA"))).await;
    assert_eq!(
        refused.status, 503,
        "an issuer that is away is never a 401 and never a pass"
    );
    assert!(refused.headers.contains_key("retry-after"));

    let portal = Program::start("portal", &["--listen", &free]);
    let mut browser = Browser::default();
    let guest = browser
        .ajax("POST", &format!("{}/api/auth/guest/refresh", portal.url()))
        .await
        .json();
    let token = guest["backstageIdentity"]["token"].as_str().unwrap();
    for attempt in 0.. {
        let answer = get(&asked, Some(token)).await;
        if answer.status == 200 {
            assert_eq!(answer.json()["subject"], "user:default/guest");
            break;
        }
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(attempt < 100, "it never caught up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[test]
fn the_portal_checks_its_files_and_lists_every_mistake() {
    let run = |arguments: &[&str]| -> Output {
        Command::new(path("portal"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let good = run(&["--check"]);
    assert!(good.status.success(), "{good:?}");
    let text = String::from_utf8(good.stdout).unwrap();
    for told in [
        "built-in sample",
        "providers    github (development), corp (development), guest",
        "services     1 key, 0 key sets",
        "entities",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    // Others could reach it: the guest, who signs in whoever asks, is not offered.
    let open = run(&["--check", "--listen=0.0.0.0:7007"]);
    let text = String::from_utf8(open.stdout).unwrap();
    assert!(open.status.success() && !text.contains("guest\n"), "{text}");
    let folder = std::env::temp_dir().join(format!("tid-programs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let bad = folder.join("app-config.yaml");
    std::fs::write(
        &bad,
        "auth:\n  enviroment: x\nbackend:\n  baseUrl: ftp://x\n",
    )
    .unwrap();
    let refused = run(&["--check", "--config", bad.to_str().unwrap()]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success());
    assert!(
        text.contains("app-config.yaml:2:3: auth.enviroment"),
        "{text}"
    );
    assert!(
        text.contains("app-config.yaml:4:12: backend.baseUrl"),
        "{text}"
    );
    // Mistakes of config and catalog are told together; the value may follow `=`.
    let org = folder.join("org.yaml");
    std::fs::write(&org, "kind: User\n").unwrap();
    let refused = run(&[
        "--check",
        &format!("--config={}", bad.display()),
        &format!("--catalog={}", org.display()),
    ]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("backend.baseUrl") && text.contains("org.yaml:1:1: apiVersion"),
        "{text}"
    );

    // What is merely odd is a warning.
    let odd = folder.join("odd.yaml");
    std::fs::write(&odd, "catalog: {locations: [{type: url, target: x}]}\n").unwrap();
    let warned = run(&["--check", "--config", odd.to_str().unwrap()]);
    let text = String::from_utf8(warned.stderr).unwrap();
    assert!(
        warned.status.success() && text.contains("catalog.locations[0].type: is left out"),
        "{text}"
    );

    // A port in use says what to do, with a file too.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    for arguments in [
        &["--listen", &at][..],
        &["--listen", &at, "--config", odd.to_str().unwrap()],
    ] {
        let refused = run(arguments);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(
            text.contains(&format!("can't listen on {at}")) && text.contains("--listen"),
            "{text}"
        );
    }
    for wrong in [
        &["--config"][..],
        &["--config="],
        &["--check=yes"],
        &["--listen", "10.0.0.1:7007"],
        &["--listen", "nowhere"],
        &["--catalog", "/nowhere.yaml"],
        &["--bogus"],
    ] {
        let refused = run(wrong);
        assert!(
            !refused.status.success() && !refused.stderr.is_empty(),
            "{wrong:?}"
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_catalog_is_good_for_the_catalog_only() {
    let file = std::env::temp_dir().join(format!("tid-programs-{}.yaml", std::process::id()));
    let text = "backend: {auth: {externalAccess: [{type: static, options: {token: a-static-token, subject: ci}, accessRestrictions: [{plugin: catalog}]}]}}";
    std::fs::write(&file, text).unwrap();
    let config = format!("--config={}", file.display());
    let portal = Program::start("portal", &[&config, "--listen=127.0.0.1:0"]);
    let entities = format!("{}/api/catalog/entities", portal.url());
    assert_eq!(get(&entities, Some("a-static-token")).await.status, 200);
    let whoami = format!("{}/api/whoami", portal.url());
    assert_eq!(get(&whoami, Some("a-static-token")).await.status, 403);
    assert_eq!(get(&entities, None).await.status, 401);
    std::fs::remove_file(file).unwrap();
}

fn base64url(data: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(data)
}
