//! `auth.keyStore` and `backend.auth.pluginKeyStore`: what tokens are signed with (spec sections 6.3, 6.4).

use std::path::Path;

use super::Section;
use crate::secret::Secret;
use crate::token::{SigningKeys, StaticKey};
use crate::yaml::read_text;

/// Stores of Backstage's that keep public keys only: here the keys live in the process, as they do there.
const IN_PROCESS: &str = "keys live in this process; where there are several, use \"static\", or give the sign-in a store";

/// `{provider, static: {keys}}`. `None` for keys of this process.
pub(super) fn of_portal(auth: &Section<'_>) -> Option<SigningKeys> {
    let section = auth.section("keyStore")?;
    let words = ["memory", "static", "database", "firestore"];
    let provider = section.one_of("provider", &words);
    section.ignore(&["database", "firestore"]);
    if let Some("database" | "firestore") = provider {
        section.warn("provider", IN_PROCESS);
    }
    finish(section, provider)
}

/// `{type, static: {keys}}`.
pub(super) fn of_plugins(auth: &Section<'_>) -> Option<SigningKeys> {
    let section = auth.section("pluginKeyStore")?;
    let kind = section.one_of("type", &["static", "database"]);
    finish(section, kind)
}

fn finish(section: Section<'_>, kind: Option<&str>) -> Option<SigningKeys> {
    let keys = match kind {
        Some("static") => {
            // Of the other kinds it is not asked.
            if !section.has("static") {
                section.mistake("static", "expected an object, found nothing");
            }
            section.section("static").and_then(fixed)
        }
        _ => {
            section.ignore(&["static"]);
            None
        }
    };
    section.finish();
    keys
}

/// `{keys: [{keyId, publicKeyFile, privateKeyFile, algorithm}]}`: the first signs.
fn fixed(section: Section<'_>) -> Option<SigningKeys> {
    let list = section.list("keys");
    let wanted = list.len();
    let keys: Vec<_> = list
        .into_iter()
        .enumerate()
        .filter_map(|(i, key)| {
            let made = one(&key, i == 0);
            key.finish();
            made
        })
        .collect();
    let whole = keys.len() == wanted;
    let made = SigningKeys::fixed(keys).map_err(|mistake| {
        // Of what could not be read nothing is known.
        if whole {
            section.mistake("keys", mistake.message());
        }
    });
    section.finish();
    made.ok().filter(|_| whole)
}

fn one(section: &Section<'_>, signs: bool) -> Option<StaticKey> {
    let id = section.required_string("keyId");
    section.one_of("algorithm", &["ES256"]);
    let public = file(section, "publicKeyFile");
    if signs || section.has("privateKeyFile") {
        section.require("privateKeyFile", "a file");
        let private = file(section, "privateKeyFile");
        let (id, public, private) = (id?, public?, private?);
        let key = judged(section, "privateKeyFile", StaticKey::from_pem(id, &private))?;
        return judged(
            section,
            "publicKeyFile",
            key.with_public_pem(public.expose()),
        );
    }
    let key = StaticKey::retired_from_pem(id?, public?.expose());
    judged(section, "publicKeyFile", key)
}

/// The text of a file, which is relative to where the process runs, as Backstage's are.
fn file(section: &Section<'_>, key: &str) -> Option<Secret<String>> {
    section.require(key, "a file");
    section.parsed(key, "a file", |path| {
        let text = read_text(Path::new(path));
        text.map(|text| Secret::from(text.as_str()))
            .map_err(|reason| format!("the file {reason}"))
    })
}

fn judged<T>(
    section: &Section<'_>,
    key: &str,
    verdict: Result<T, crate::error::ConfigMistake>,
) -> Option<T> {
    verdict
        .map_err(|mistake| section.mistake(key, mistake.message()))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Reader, parse};

    // Made by openssl, for this test only.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDVTWNq7CdHE+aICw\nkwQuBaQBp92qhe/7bNxfY5Uk0/ahRANCAARE3jH6fXPy21JB3R7LGdZqZd4XQ/Df\nwEk5uma58/ci9GRNt1ZqC8VvbOY/QGKmxpX+7nDn/XDcDB6YhLrBqPjq\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERN4x+n1z8ttSQd0eyxnWamXeF0Pw\n38BJObpmufP3IvRkTbdWagvFb2zmP0BipsaV/u5w5/1w3AwemIS6waj46g==\n-----END PUBLIC KEY-----\n";

    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let name = format!("tower-identity-{}-{name}", std::process::id());
            let directory = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("key"), PRIVATE).unwrap();
            std::fs::write(directory.join("pub"), PUBLIC).unwrap();
            std::fs::write(directory.join("other"), PUBLIC.replace("MFkw", "MFkx")).unwrap();
            Self(directory)
        }

        fn read(&self, text: &str) -> (Option<SigningKeys>, String) {
            let text = text.replace("DIR", self.0.to_str().unwrap());
            let root = parse(Path::new("f"), &text, &|_| None).unwrap();
            let reader = Reader::default();
            let top = reader.root(&root);
            let keys = of_portal(&top);
            let plugin = of_plugins(&top);
            top.finish();
            let mistakes = reader.finish().err().map(|e| e.to_string());
            let mistakes = mistakes.unwrap_or_default();
            (
                keys.or(plugin),
                mistakes.replace(self.0.to_str().unwrap(), "DIR"),
            )
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn ids(keys: &SigningKeys) -> Vec<String> {
        let set = keys.jwks();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn static_keys_are_read_from_their_files_and_the_first_signs() {
        let files = Files::new("static-keys");
        let key = "{keyId: a, privateKeyFile: DIR/key, publicKeyFile: DIR/pub, algorithm: ES256}";
        let old = "{keyId: b, publicKeyFile: DIR/pub}";
        for (at, word) in [("keyStore", "provider"), ("pluginKeyStore", "type")] {
            let text = format!("{at}: {{{word}: static, static: {{keys: [{key}, {old}]}}}}");
            let (keys, mistakes) = files.read(&text);
            assert_eq!(mistakes, "");
            assert_eq!(ids(&keys.unwrap()), ["a", "b"]);
        }
        for in_process in [
            "keyStore: {provider: memory}",
            "keyStore: {provider: database, database: {x: 1}}",
            "keyStore: {provider: firestore, firestore: {projectId: x}, static: ~}",
            "pluginKeyStore: {type: database}",
            "keyStore: ~",
        ] {
            let (keys, mistakes) = files.read(in_process);
            assert_eq!(
                (keys.is_none(), mistakes.as_str()),
                (true, ""),
                "{in_process}"
            );
        }
    }

    #[test]
    fn every_mistake_of_a_key_store_has_its_place_and_no_key() {
        let files = Files::new("bad-keys");
        let of = |keys: &str| format!("keyStore: {{provider: static, static: {{keys: [{keys}]}}}}");
        for (text, expected) in [
            ("keyStore: {provider: vault}".to_owned(), "f:1:22: keyStore.provider: expected one of \"memory\", \"static\", \"database\", \"firestore\", found \"vault\"".to_owned()),
            ("keyStore: {provider: static}".to_owned(), "keyStore.static: expected an object, found nothing".to_owned()),
            (of(""), "keyStore.static.keys: expected a key".to_owned()),
            (of("{keyId: a, publicKeyFile: DIR/pub}"), "privateKeyFile: expected a file, found nothing".to_owned()),
            (of("{privateKeyFile: DIR/key, publicKeyFile: DIR/pub}"), "keyId: expected a string, found nothing".to_owned()),
            (of("{keyId: a, privateKeyFile: DIR/none, publicKeyFile: DIR/pub}"), "privateKeyFile: the file cannot be read: No such file".to_owned()),
            (of("{keyId: a, privateKeyFile: DIR/pub, publicKeyFile: DIR/pub}"), "privateKeyFile: expected a P-256 private key".to_owned()),
            (of("{keyId: a, privateKeyFile: DIR/key, publicKeyFile: DIR/other}"), "publicKeyFile: expected a P-256 public key".to_owned()),
            (of("{keyId: a, privateKeyFile: DIR/key, publicKeyFile: DIR/pub, algorithm: RS256}"), "algorithm: expected one of \"ES256\", found \"RS256\"".to_owned()),
            (of("{keyId: a, privateKeyFile: DIR/key, publicKeyFile: DIR/pub, colour: red}"), "colour: unknown key \"colour\"".to_owned()),
            (of("{keyId: a, privateKeyFile: DIR/key, publicKeyFile: DIR/pub}, {keyId: a, publicKeyFile: DIR/pub}"), "keyStore.static.keys: two have one id".to_owned()),
            (of("{keyId: 'a b', privateKeyFile: DIR/key, publicKeyFile: DIR/pub}"), "privateKeyFile: expected an id of visible characters".to_owned()),
        ] {
            let (_, mistakes) = files.read(&text);
            assert!(mistakes.contains(&expected), "{text}\n{mistakes}");
            assert!(!mistakes.contains("MI") && !mistakes.contains("BEGIN CERT"), "{mistakes}");
        }
        let (_, mistakes) = files.read(&of(
            "{keyId: a, privateKeyFile: DIR/none, publicKeyFile: DIR/none, x: 1}",
        ));
        assert_eq!(mistakes.lines().count(), 3, "all at once: {mistakes}");
    }
}
