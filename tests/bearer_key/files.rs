//! Keys from the environment and from files.

use std::path::PathBuf;
use std::process::Command;

use tower_identity::verify::ApiKeys;
use tower_identity::verify::api_key::{KeyDigest, KeyRecord};
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

/// Each mistake as `line:column key: message`.
#[track_caller]
fn mistakes(name: &str, text: &str) -> Vec<String> {
    let file = TempFile::new(name, text);
    let error = ApiKeys::from_file(&file.0).expect_err(text);
    let place = format!("{}:", file.0.display());
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
    error
        .to_string()
        .lines()
        .map(|line| line.strip_prefix(&place).expect(line).to_owned())
        .collect()
}

#[test]
fn op_01_a_bad_file_lists_every_mistake_once_with_its_place() {
    let [a, b, c, d, e] = [(); 5].map(|()| ApiKey::generate("tid").digest());
    let text = format!(
        r#"[
  {{"id": "a", "subject": "ci", "hash": "tid_CANARY"}},
  {{"id": "", "subject": "c i", "hash": "{a}",
    "expiresAt": "CANARY",
    "scopes": "CANARY"}},
  {{"id": "c", "subject": "ci",
    "hash": "{b}", "tid_CANARY": 1}},
  {{"id": "d", "hash": 5, "plugins": ["x", "x", 7]}},
  "CANARY",
  {{"id": "e", "id": "CANARY", "subject": "ci", "hash": "{c}"}},
  {{"id": "f", "subject": "ci", "hash": "{d}"}},
  {{"id": "f", "subject": "ci", "hash": "{d}"}},
  {{"id": "f", "subject": "ci", "hash": "{e}"}}
]"#
    );
    let expected = [
        "2:40: [0].hash: expected sha256: and 64 hexadecimal digits",
        "3:10: [1].id: expected visible ASCII characters without spaces",
        "3:25: [1].subject: expected visible ASCII characters without spaces",
        "4:18: [1].expiresAt: expected a time such as 2027-12-31T00:00:00Z",
        "5:15: [1].scopes: expected a list of strings, found a string",
        "7:88: [2]: unknown key; expected one of \"id\", \"subject\", \"hash\", \"expiresAt\", \"scopes\", \"plugins\"",
        "8:3: [3].subject: expected a string, found nothing",
        "8:23: [3].hash: expected a string, found a number",
        "8:43: [3].plugins: the same plugin twice",
        "8:48: [3].plugins[2]: expected a string, found a number",
        "9:3: [4]: expected a key, found a string",
        "10:15: [5].id: duplicate key",
        "12:40: [7].hash: the same key as on line 11",
        "13:10: [8].id: the same id as on line 11",
    ];
    assert_eq!(mistakes("bad", &text), expected);
}

#[test]
fn op_01_what_is_no_list_of_keys_is_one_mistake_with_its_place() {
    for (name, text, expected) in [
        (
            "empty",
            "",
            "1:1: expected a list of keys, and the file ends before it does",
        ),
        (
            "object",
            "\n {}",
            "2:2: expected a list of keys, found an object",
        ),
        (
            "text",
            "\"CANARY\"",
            "1:1: expected a list of keys, found a string",
        ),
        (
            "cut",
            "[\n  {\"id\": \"a\",\n",
            "3:1: expected a list of keys, and the file ends before it does",
        ),
        (
            "comma",
            "[\n  1\n  2\n]",
            "3:3: expected a list of keys, found what is no JSON",
        ),
        (
            "bare",
            "[\n  tid_CANARY]",
            "2:4: expected a list of keys, found what is no JSON",
        ),
    ] {
        assert_eq!(mistakes(name, text), [expected], "{name}");
    }
    let error = ApiKeys::from_file("/no/such/file.json").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/no/such/file.json: can't be read"),
        "{error}"
    );
}

#[test]
fn a_large_file_is_read_in_one_go() {
    // Comparing each record with each, or copying all for each, would be 10^9 steps and more.
    let record = |i: usize| {
        let digest = KeyDigest::of(&i.to_string());
        format!(r#"{{"id": "k{i}", "subject": "ci", "hash": "{digest}"}}"#)
    };
    let records: Vec<_> = (0..30_000).map(record).collect();
    let file = TempFile::new("large", &format!("[{}]", records.join(",\n")));
    assert_eq!(ApiKeys::from_file(&file.0).unwrap().len(), 30_000);
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
