//! What the portal is told on its command line.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::{Program, get, path};

/// A folder that is removed again.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("tid-programs-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A file in it, as an argument.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let file = self.0.join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_arguments_it_listens_on_port_7007_or_says_that_somebody_else_does() {
    let taken = |said: &str| {
        let clear = "can't listen on 127.0.0.1:7007: ";
        assert!(said.contains(clear) && said.contains("--listen"), "{said}");
    };
    match Program::try_start("portal", &[]) {
        Ok(mut first) => {
            assert_eq!(first.url(), "http://127.0.0.1:7007");
            let healthy = get("http://127.0.0.1:7007/healthz", None).await;
            assert_eq!(healthy.status, 200);
            // And now somebody else does.
            taken(&Program::try_start("portal", &[]).err().unwrap());
            first.stop();
        }
        Err(said) => taken(&said),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn op_01_of_several_configs_the_last_wins_and_several_catalogs_are_one() {
    let folder = Folder::new("repeated");
    let keys =
        |secret: &str| format!("backend: {{auth: {{keys: [{{secret: '{secret}', id: a}}]}}}}\n");
    let user = |name: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {{name: {name}}}\nspec: {{memberOf: []}}\n"
        )
    };
    let (first, second) = ("the-first-key-0123456789", "the-second-key-0123456789");
    let portal = Program::start(
        "portal",
        &[
            "--config",
            &folder.file("app-config.yaml", &keys(first)),
            "--catalog",
            &folder.file("one.yaml", &user("ada")),
            "--config",
            &folder.file("app-config.local.yaml", &keys(second)),
            "--catalog",
            &folder.file("two.yaml", &user("grace")),
            "--listen",
            "127.0.0.1:0",
        ],
    );
    let entities = format!("{}/api/catalog/entities", portal.url());
    assert_eq!(get(&entities, Some(first)).await.status, 401);
    let answer = get(&entities, Some(second)).await.json();
    let names = answer.as_array().unwrap().iter();
    let names: Vec<_> = names
        .map(|entity| entity["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["ada", "grace"]);
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
    let folder = Folder::new("check");
    let bad = "auth:\n  enviroment: x\nbackend:\n  baseUrl: ftp://x\n";
    let bad = folder.file("app-config.yaml", bad);
    let refused = run(&["--check", "--config", &bad]);
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
    let org = folder.file("org.yaml", "kind: User\n");
    let refused = run(&[
        "--check",
        &format!("--config={bad}"),
        &format!("--catalog={org}"),
    ]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("backend.baseUrl") && text.contains("org.yaml:1:1: apiVersion"),
        "{text}"
    );

    // What is merely odd is a warning.
    let odd = "catalog: {locations: [{type: url, target: x}]}\n";
    let odd = folder.file("odd.yaml", odd);
    let warned = run(&["--check", "--config", &odd]);
    let text = String::from_utf8(warned.stderr).unwrap();
    assert!(
        warned.status.success() && text.contains("catalog.locations[0].type: is left out"),
        "{text}"
    );

    // A port in use says what to do, with a file too.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    for arguments in [&["--listen", &at][..], &["--listen", &at, "--config", &odd]] {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_catalog_is_good_for_the_catalog_only() {
    let folder = Folder::new("restricted");
    let text = "backend: {auth: {externalAccess: [{type: static, options: {token: a-static-token, subject: ci}, accessRestrictions: [{plugin: catalog}]}]}}";
    let config = format!("--config={}", folder.file("app-config.yaml", text));
    let portal = Program::start("portal", &[&config, "--listen=127.0.0.1:0"]);
    let entities = format!("{}/api/catalog/entities", portal.url());
    assert_eq!(get(&entities, Some("a-static-token")).await.status, 200);
    let whoami = format!("{}/api/whoami", portal.url());
    assert_eq!(get(&whoami, Some("a-static-token")).await.status, 403);
    assert_eq!(get(&entities, None).await.status, 401);
}

#[test]
fn it_prints_a_schema_of_its_configuration_and_nothing_else() {
    let said = Command::new(path("portal"))
        .arg("--schema")
        .output()
        .unwrap();
    assert!(said.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let known = &schema["properties"]["auth"]["anyOf"][0]["properties"];
    assert!(known["providers"].is_object(), "{schema}");
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
}
