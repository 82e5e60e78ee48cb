//! The programs of `examples/`, as processes of their own.
#![cfg(all(feature = "testing", feature = "app-config", feature = "axum"))]

#[path = "../support/browser.rs"]
mod browser;
mod door;
mod load;
mod outward;
mod portal;
mod server;
mod small;
mod together;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use serde_json::Value;

use self::browser::{Answer, Browser, choose};

/// An example that runs until it is dropped.
struct Program {
    child: Child,
    lines: Vec<String>,
}

fn path(example: &str) -> PathBuf {
    // target/<profile>/deps/<this test> beside target/<profile>/examples/<example>
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().unwrap().parent().unwrap();
    profile.join("examples").join(example)
}

impl Program {
    #[track_caller]
    fn start(example: &str, arguments: &[&str]) -> Self {
        Self::start_with(example, arguments, &[])
    }

    #[track_caller]
    fn start_with(example: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let started = Self::try_start_with(example, arguments, variables);
        started.unwrap_or_else(|said| panic!("{example}: {said}"))
    }

    /// Until it listens; or what it says instead, before it fails.
    #[track_caller]
    fn try_start(example: &str, arguments: &[&str]) -> Result<Self, String> {
        Self::try_start_with(example, arguments, &[])
    }

    #[track_caller]
    fn try_start_with(
        example: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self, String> {
        let path = path(example);
        let child = Command::new(&path)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap_or_else(|e| {
            panic!(
                "{}: {e}; `cargo build --examples` builds it",
                path.display()
            )
        });
        let (sender, receiver) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut lines = stdout.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        let mut stderr = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            drop(stderr.read_to_string(&mut said));
            said
        });
        let mut program = Self {
            child,
            lines: Vec::new(),
        };
        loop {
            match receiver.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    let ready = line.starts_with("listening on ");
                    program.lines.push(line);
                    if ready {
                        return Ok(program);
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = program.child.wait().unwrap();
                    assert!(!status.success(), "it ended without a reason");
                    return Err(said.join().unwrap());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{example} says nothing"),
            }
        }
    }

    fn url(&self) -> String {
        let line = self.lines.last().unwrap();
        line.strip_prefix("listening on ").unwrap().to_owned()
    }

    /// The key or the token of the `curl` line that it prints.
    fn bearer(&self) -> String {
        let rest = self
            .lines
            .iter()
            .find_map(|line| line.split_once("Bearer "));
        rest.unwrap().1.split('\'').next().unwrap().to_owned()
    }

    /// Ends it as an operator would, and waits.
    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a stop is not a failure");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{}: {e}", self.body))
    }
}

async fn get(url: &str, token: Option<&str>) -> Answer {
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::default()).unwrap();
    Browser::default().send(request).await
}

/// Signs ada in by redirect; the provider's page is answered as its form would.
async fn sign_in(browser: &Browser, portal: &str, provider: &str) {
    let start =
        format!("{portal}/api/auth/{provider}/start?env=development&flow=redirect&redirectUrl=/");
    let asked = browser.get(&start).await;
    assert_eq!(asked.status, 302, "{}", asked.body);
    let back = choose(&asked.location(), "user=ada").await;
    let done = browser.get(&back).await;
    assert_eq!(done.status, 302, "{}", done.body);
    assert_eq!(done.location(), format!("{portal}/"));
}
