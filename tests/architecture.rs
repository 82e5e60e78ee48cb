//! The rules of the tree, read off the source. Each failure says what to do.

use std::fmt::Write as _;
use std::path::Path;

/// The rooms in order of dependence: a file may use what stands before its own room.
/// `secret`, `clock` and `error` are one floor, and may use one another.
const ROOMS: [&str; 19] = [
    "secret",
    "clock",
    "error",
    "yaml",
    "identity",
    "rejection",
    "credential",
    "http_client",
    "store",
    "verify",
    "token",
    "session",
    "catalog",
    "provider",
    "sign_in",
    "layer",
    "config",
    "extract",
    "testing",
];

/// How many of them are on the ground floor.
const GROUND: usize = 3;

/// What the root re-exports, and which room it is of.
const AT_THE_ROOT: [(&str, &str); 9] = [
    ("Secret", "secret"),
    ("ConfigError", "error"),
    ("ConfigMistake", "error"),
    ("Identity", "identity"),
    ("ApiKey", "verify"),
    ("OAuthCallbackLayer", "layer"),
    ("BearerKeyLayer", "layer"),
    ("IdentityLayer", "layer"),
    ("Config", "config"),
];

/// Text that may stand in some places only.
struct Confined {
    words: &'static [&'static str],
    /// Path beginnings, each with the reason why it stands there.
    allowed: &'static [(&'static str, &'static str)],
    advice: &'static str,
}

const TIME: Confined = Confined {
    words: &[
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
    ],
    allowed: &[("clock.rs", "the one place that reads it")],
    advice: "take a `Clock` and ask it: time is an argument",
};

const RANDOMNESS: Confined = Confined {
    words: &[
        "aws_lc_rs::rand",
        "SystemRandom",
        "rand::fill",
        "KeyPair::generate",
        "getrandom",
        "thread_rng",
        "RandomState",
    ],
    allowed: &[
        ("secret/random.rs", "the one place that draws it"),
        (
            "token/keys/key.rs",
            "aws-lc-rs generates key pairs from its own generator, and takes no other",
        ),
        (
            "testing/",
            "the same, for the keys of the provider in tests",
        ),
    ],
    advice: "use `crate::secret::random`: one search must find every draw",
};

const INPUT_OUTPUT: Confined = Confined {
    words: &[
        "tokio::net",
        "std::fs",
        "tokio::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "hyper_util::client",
        "hyper::client",
        "std::process",
    ],
    allowed: &[
        ("http_client/", "the one door outwards"),
        (
            "store/",
            "the shared state of several nodes may be on another machine",
        ),
        ("testing/", "a provider with a real socket"),
        (
            "yaml/",
            "reads configuration files when a layer is built, never at a request",
        ),
        ("config/", "the same"),
        ("catalog/files.rs", "the same, for the catalog's files"),
        ("catalog/loader.rs", "the same"),
        (
            "verify/api_key/file.rs",
            "the same, for the file of key digests",
        ),
    ],
    advice: "go through `http_client` or `store`: they have the deadlines and the size limits",
};

const NOWHERE: Confined = Confined {
    // In halves, so that this file does not break its own rule.
    words: &[
        concat!("un", "safe {"),
        concat!("un", "safe fn"),
        concat!("un", "safe impl"),
        concat!("un", "safe trait"),
        concat!("un", "safe extern"),
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
        concat!("db", "g!"),
        concat!("#[ign", "ore"),
        concat!("allow(dead", "_code"),
    ],
    allowed: &[],
    advice: "finish it, delete it, or write a test that asserts what is wrong and says why",
};

/// When a file passes this, a second idea has moved in.
const LONGEST: usize = 400;

/// The code of a file by line: neither comments, nor what follows `#[cfg(test)] mod`.
fn code(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<_> = text.lines().collect();
    let tail = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    let lines = lines
        .into_iter()
        .take(tail.unwrap_or(usize::MAX))
        .enumerate();
    lines
        .map(|(i, line)| (i + 1, line.trim()))
        .filter(|(_, line)| !line.starts_with("//"))
        .collect()
}

/// The first words of every path from the crate's root, groups included: `crate::{a, b::c}` gives `a` and `b`.
fn paths(line: &str) -> Vec<&str> {
    let word = |text: &'_ str| {
        text.find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(text.len())
    };
    let mut found = Vec::new();
    for (at, root) in line.match_indices("crate::") {
        // `$crate::` and `some_crate::` are something else.
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + root.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(&rest[..word(rest)]);
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                _ if start && !c.is_whitespace() => {
                    found.push(&group[i..i + word(&group[i..])]);
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn floor(room: &str) -> Option<usize> {
    let index = ROOMS.iter().position(|name| *name == room)?;
    Some(index.saturating_sub(GROUND - 1))
}

/// Everything that is wrong with one file; `path` counts from `src/`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let room = path.split(['/', '.']).next().unwrap_or_default();
    let mine = floor(room);
    if mine.is_none() && room != "lib" && room != "guide" {
        found.push(format!(
            "{path}: the room `{room}` has no place in the order: give it one in ROOMS and in the guide"
        ));
    }
    let lines = code(text);
    // A `use` of several lines is read as one.
    let mut statement = String::new();
    for (number, line) in &lines {
        for confined in [&TIME, &RANDOMNESS, &INPUT_OUTPUT, &NOWHERE] {
            let allowed = confined
                .allowed
                .iter()
                .any(|(place, _)| path.starts_with(place));
            let found_word = confined
                .words
                .iter()
                .find(|word| !allowed && line.contains(**word));
            if let Some(word) = found_word {
                found.push(format!(
                    "{path}:{number}: `{}` may not stand here: {}",
                    word.trim(),
                    confined.advice
                ));
            }
        }
        statement.push_str(line);
        if line.starts_with("use crate::{") && !line.ends_with(';')
            || statement.len() > line.len() && !line.ends_with(';')
        {
            continue;
        }
        for word in paths(&statement) {
            let used = AT_THE_ROOT
                .iter()
                .find(|(name, _)| *name == word)
                .map_or(word, |(_, room)| room);
            match (mine, floor(used)) {
                (Some(mine), Some(other)) if other > mine => found.push(format!(
                    "{path}:{number}: `{room}` uses `crate::{word}`, which stands below it: move what is shared up into \
                     `{room}` or above, or this code down into `{used}`"
                )),
                (Some(_), None) => found.push(format!(
                    "{path}:{number}: `crate::{word}` is of no known room: name its room in AT_THE_ROOT"
                )),
                _ => {}
            }
        }
        statement.clear();
    }
    let length = text
        .lines()
        .count()
        .min(lines.last().map_or(0, |(number, _)| *number));
    if length > LONGEST {
        found.push(format!(
            "{path}: {length} lines without its tests, more than {LONGEST}: find the second idea and give it a file"
        ));
    }
    found
}

/// Every Rust file under a directory, as its path from `src/` and its text.
fn files(directory: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            let name = path
                .strip_prefix(source)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            into.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn tree() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    found.sort();
    assert!(found.len() > 50, "the source was not found");
    found
}

#[test]
fn the_tree_keeps_its_rules() {
    let mut report = String::new();
    for (path, text) in tree() {
        for violation in violations(&path, &text) {
            writeln!(report, "src/{violation}").unwrap();
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn every_exception_is_still_needed() {
    let tree = tree();
    for confined in [&TIME, &RANDOMNESS, &INPUT_OUTPUT] {
        for (place, reason) in confined.allowed {
            let exists = tree.iter().any(|(path, _)| path.starts_with(place));
            assert!(
                exists && !reason.is_empty(),
                "there is no src/{place} any more: remove the exception"
            );
        }
    }
    for (place, words) in [
        ("clock.rs", TIME.words),
        ("secret/random.rs", &["rand::fill"][..]),
    ] {
        let (_, text) = tree.iter().find(|(path, _)| path == place).unwrap();
        assert!(
            words.iter().any(|word| text.contains(word)),
            "src/{place} no longer does what it is there for"
        );
    }
}

#[test]
fn every_module_of_the_root_is_a_room() {
    let (_, root) = tree()
        .into_iter()
        .find(|(path, _)| path == "lib.rs")
        .unwrap();
    for (_, line) in code(&root) {
        let module = line
            .strip_prefix("pub mod ")
            .or_else(|| line.strip_prefix("mod "));
        if let Some(module) = module.and_then(|module| module.strip_suffix(';')) {
            assert!(
                floor(module).is_some() || module == "guide",
                "`{module}` has no place in ROOMS"
            );
        }
        if let Some(exports) = line.strip_prefix("pub use self::") {
            let (room, names) = exports.trim_end_matches(';').split_once("::").unwrap();
            for name in names.trim_matches(['{', '}']).split(", ") {
                assert!(
                    AT_THE_ROOT.contains(&(name, room)),
                    "`{name}` of `{room}` is not in AT_THE_ROOT"
                );
            }
        }
    }
}

#[test]
fn a_planted_violation_is_caught() {
    let long = "//\n".repeat(LONGEST) + "fn last() {}\n";
    for (path, text) in [
        // The order of the rooms.
        ("verify/mod.rs", "use crate::layer::IdentityLayer;"),
        ("verify/mod.rs", "use crate::IdentityLayer;"),
        ("sign_in/mod.rs", "fn f() -> crate::BearerKeyLayer {"),
        ("secret/mod.rs", "use crate::yaml::Node;"),
        ("clock.rs", "use crate::Identity;"),
        (
            "store/mod.rs",
            "pub(crate) use crate::{clock::Clock, session::Sessions};",
        ),
        (
            "store/mod.rs",
            "use crate::{\n    clock::{Clock, Timestamp},\n    session::Sessions,\n};",
        ),
        (
            "credential/cookie.rs",
            "let a = (crate::clock::Clock::system(), crate::verify::jwt::x());",
        ),
        ("layer/mod.rs", "use crate::testing::Provider;"),
        ("verify/mod.rs", "use crate::Unheard;"),
        ("cellar/mod.rs", "fn f() {}"),
        // What is confined.
        ("verify/mod.rs", "let now = SystemTime::now();"),
        ("store/memory.rs", "let now = std::time::Instant::now();"),
        ("sign_in/start.rs", "aws_lc_rs::rand::fill(&mut nonce)"),
        ("token/mint.rs", "EcdsaKeyPair::generate(alg)"),
        ("provider/oidc.rs", "use tokio::net::TcpStream;"),
        ("verify/api_key/set.rs", "std::fs::read(path)"),
        ("layer/mod.rs", "use hyper_util::client::legacy::Client;"),
        ("layer/mod.rs", concat!("un", "safe { x }")),
        ("layer/mod.rs", concat!("    to", "do!()")),
        ("layer/mod.rs", concat!("#[allow(dead", "_code)]")),
        ("layer/mod.rs", concat!("db", "g!(x)")),
        // Only what is a module of tests is exempt.
        (
            "verify/mod.rs",
            "#[cfg(test)]\nuse x;\nuse crate::layer::X;",
        ),
        ("layer/page.rs", &long),
    ] {
        let found = violations(path, text);
        assert_eq!(found.len(), 1, "{path}: {text}: {found:#?}");
        let advice = found[0].split_once(": ").unwrap().1;
        assert!(
            advice.contains(": "),
            "it says what is wrong, but not what to do: {advice}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let tests = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::layer::X;\n    fn g() { Instant::now(); }\n}\n";
    let long = "fn f() {}\n#[cfg(test)]\nmod tests {\n".to_owned() + &"//\n".repeat(LONGEST);
    for (path, text) in [
        (
            "layer/mod.rs",
            "use crate::verify::Verify;\nuse crate::layer::page::Page;",
        ),
        ("error.rs", "use crate::clock::Clock;"),
        ("clock.rs", "use crate::error::ConfigError;"),
        ("clock.rs", "SystemTime::now()"),
        (
            "identity/mod.rs",
            "//! [`IdentityLayer`](crate::IdentityLayer)\n    /// crate::layer",
        ),
        ("identity/mod.rs", "use other_crate::layer::X;"),
        ("verify/mod.rs", tests),
        ("verify/mod.rs", &long),
        ("testing/provider.rs", "use tokio::net::TcpListener;"),
        ("lib.rs", "pub use crate::layer::IdentityLayer;"),
    ] {
        assert_eq!(violations(path, text), [""; 0], "{path}: {text}");
    }
}

#[test]
fn what_a_newcomer_reads_is_short() {
    let small = ["api_key", "jwt", "sign_in", "grpc", "keygen"];
    let files = small.map(|name| (format!("examples/{name}.rs"), 59));
    for (file, most) in files.into_iter().chain([("README.md".to_owned(), 200)]) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        assert!(
            lines <= most,
            "{file} has {lines} lines, and may have {most}"
        );
    }
}
