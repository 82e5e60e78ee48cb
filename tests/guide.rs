//! What the guide says is shown by tests is.

use std::collections::BTreeSet;
use std::path::Path;

const ROWS: &str = include_str!("../src/guide/threat_rows.md");

fn read(directory: &Path, all: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            read(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_row_of_a_threat_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    for directory in ["tests", "src"] {
        read(&root.join(directory), &mut all);
    }
    let mut seen = BTreeSet::new();
    for line in ROWS.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, .., shown] = &cells[..] else {
            panic!("{line}")
        };
        if !id.contains('-') || id.starts_with('-') {
            continue;
        }
        assert!(seen.insert((*id).to_owned()), "{id} stands twice");
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{id} is shown by nothing");
        for test in tests {
            assert!(
                all.contains(&format!("fn {test}(")),
                "{id}: there is no {test}"
            );
        }
    }
    for (area, count) in [("LF", 27), ("RD", 10), ("ID", 9), ("CL", 14), ("IN", 10)] {
        for number in 1..=count {
            let id = format!("{area}-{number:02}");
            assert!(seen.contains(&id), "{id} has no row");
        }
    }
}
