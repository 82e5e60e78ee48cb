//! Keys from the environment and from files.

use std::path::PathBuf;
use std::process::Command;

use tower_identity::verify::ApiKeys;
use tower_identity::verify::api_key::KeyRecord;
use tower_identity::{ApiKey, BearerKeyLayer};

use super::support::{get, send};
use super::{INVALID, bearer, over};

/// A file that is removed again.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("tower-identity-{}-{name}.json", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_key_comes_from_the_environment() {
    const VARIABLE: &str = "TOWER_IDENTITY_TEST_KEY";
    const KEY: &str = "a-key-of-the-environment";
    if std::env::var_os(VARIABLE).is_none() {
        // Setting a variable in a process with threads is not safe, so a child process gets it.
        let test = "files::a_key_comes_from_the_environment";
        let child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env(VARIABLE, KEY)
            .env(format!("{VARIABLE}_SHORT"), "placeholder")
            .env(format!("{VARIABLE}_SPACED"), "a key with spaces in it")
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        assert!(
            String::from_utf8_lossy(&child.stdout).contains("1 passed"),
            "{child:?}"
        );
        return;
    }
    let (service, _) = over(BearerKeyLayer::new(
        ApiKeys::from_env(VARIABLE, "ci").unwrap(),
    ));
    send(&service, get(&[("authorization", &bearer(KEY))]))
        .await
        .passed("ci");
    send(
        &service,
        get(&[("authorization", "Bearer a-key-of-somewhere-else")]),
    )
    .await
    .refused(401, Some(INVALID));
    for (suffix, complaint, value) in [
        ("_SHORT", "at least 16 characters, found 11", "placeholder"),
        ("_SPACED", "without spaces", "a key with"),
        ("_MISSING", "is not set", "-"),
    ] {
        let error = ApiKeys::from_env(&format!("{VARIABLE}{suffix}"), "ci").unwrap_err();
        let text = error.to_string();
        assert!(text.contains(complaint) && text.contains(suffix), "{text}");
        assert!(value == "-" || !text.contains(value), "{text}");
    }
}

#[tokio::test]
async fn keys_come_from_a_file_with_expiry_scopes_and_plugins() {
    let [forever, expired, limited] = [(); 3].map(|()| ApiKey::generate("tid"));
    let file = TempFile::new(
        "good",
        &format!(
            r#"[
  {{"id": "a", "subject": "ci", "hash": "{}", "scopes": ["catalog.read"]}},
  {{"id": "b", "subject": "ci", "hash": "{}", "expiresAt": "2001-01-01T00:00:00Z"}},
  {{"id": "c", "subject": "cd", "hash": "{}", "expiresAt": "2999-01-01T00:00:00Z", "plugins": ["catalog"]}}
]"#,
            forever.digest(),
            expired.digest(),
            limited.digest()
        ),
    );
    let keys = ApiKeys::from_file(&file.0).unwrap();
    assert_eq!(keys.len(), 3);
    let (service, _) = over(BearerKeyLayer::new(keys).for_plugin("catalog"));
    for (key, expected) in [
        (&forever, Some("ci")),
        (&expired, None),
        (&limited, Some("cd")),
    ] {
        let answer = send(&service, get(&[("authorization", &bearer(key.expose()))])).await;
        match expected {
            Some(caller) => answer.passed(caller),
            None => answer.refused(401, Some(INVALID)),
        };
    }
}

#[test]
fn op_01_a_bad_file_lists_every_mistake_with_its_line() {
    let good = ApiKey::generate("tid").digest();
    let file = TempFile::new(
        "bad",
        &format!(
            r#"[
  {{"id": "a", "subject": "ci", "hash": "md5:abc"}},
  {{"id": "", "subject": "c i", "hash": "{good}",
    "expiresAt": "tomorrow"}},
  {{"id": "c", "subject": "ci",
    "hash": "{good}", "scope": "all"}},
  {{"id": "d", "hash": "{good}"}},
  7,
  {{"id": "e", "subject": "ci", "hash": "{good}"}}
]"#
        ),
    );
    let error = ApiKeys::from_file(&file.0).unwrap_err();
    let found: Vec<_> = error
        .mistakes()
        .iter()
        .map(|m| (m.line().unwrap(), m.key()))
        .collect();
    assert_eq!(
        found,
        [
            (2, "[0].hash"),
            (3, "[1].id"),
            (3, "[1].subject"),
            (3, "[1].expiresAt"),
            (5, "[2]"),
            (7, "[3].subject"),
            (8, "[4]"),
        ],
        "{error}"
    );
    assert!(
        error.to_string().contains(&*file.0.to_string_lossy()),
        "{error}"
    );
}

#[test]
fn op_01_what_is_no_list_of_keys_is_one_mistake_with_its_place() {
    for (name, text, line) in [
        ("empty", "", 1),
        ("object", "\n{}", 2),
        ("cut", "[\n  {\"id\": \"a\",\n", 3),
        ("comma", "[\n  1\n  2\n]", 3),
        ("more", "[]\n\n]", 3),
    ] {
        let file = TempFile::new(name, text);
        let error = ApiKeys::from_file(&file.0).unwrap_err();
        let lines: Vec<_> = error.mistakes().iter().map(|m| m.line()).collect();
        assert_eq!(lines, [Some(line)], "{name}: {error}");
    }
    let error = ApiKeys::from_file("/no/such/file.json").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/no/such/file.json:1:1: can't be read"),
        "{error}"
    );
}

#[test]
fn op_01_two_keys_of_one_id_or_one_digest_are_a_mistake() {
    let key = ApiKey::generate("tid");
    let other = ApiKey::generate("tid");
    let error = ApiKeys::new([
        KeyRecord::new(key.digest(), "a", "ci"),
        KeyRecord::new(other.digest(), "a", "ci"),
        KeyRecord::new(key.digest(), "b", "ci"),
    ]);
    let error = error.unwrap_err();
    assert_eq!(error.mistakes().len(), 2, "{error}");
}
