//! Several files as one: the later ones win.

use std::collections::HashMap;

use crate::yaml::{Key, Node, Value};

/// Lays `over` on top of `base`, as Backstage layers its files.
///
/// Objects merge deeply, everything else is replaced, and `null` takes a key away.
pub(crate) fn merge(base: Node, over: Node) -> Node {
    let (base, over) = match (base, over) {
        (
            Node {
                value: Value::Map(base),
                ..
            },
            Node {
                value: Value::Map(over),
                location,
            },
        ) => {
            let value = Value::Map(merge_maps(base, over));
            return Node { value, location };
        }
        parts => parts,
    };
    // Only a whole file can be null here, and an empty file takes nothing away.
    if matches!(over.value, Value::Null) {
        base
    } else {
        over
    }
}

fn merge_maps(base: Vec<(Key, Node)>, over: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let mut places: HashMap<String, usize> = base
        .iter()
        .enumerate()
        .map(|(place, (key, _))| (key.name.clone(), place))
        .collect();
    let mut merged: Vec<Option<(Key, Node)>> = base.into_iter().map(Some).collect();
    for (key, node) in over {
        let place = places.get(&key.name).copied();
        let under = place.and_then(|place| merged.get_mut(place));
        match (under, &node.value) {
            (Some(under), Value::Null) => *under = None,
            (None, Value::Null) => {}
            (Some(under), _) => {
                let value = match under.take() {
                    Some((_, base)) => merge(base, node),
                    None => node,
                };
                *under = Some((key, value));
            }
            (None, _) => {
                places.insert(key.name.clone(), merged.len());
                merged.push(Some((key, node)));
            }
        }
    }
    merged.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml::parse;

    fn merged(files: &[&str]) -> String {
        let nodes = files.iter().enumerate().map(|(i, text)| {
            let name = format!("{i}.yaml");
            parse(Path::new(&name), text).unwrap()
        });
        nodes.reduce(merge).unwrap().to_json().to_string()
    }

    #[test]
    fn later_files_win() {
        for (files, expected) in [
            (&["a: 1\nb: 2", "b: 3"][..], r#"{"a":1,"b":3}"#),
            (
                &["a: {x: 1, y: 2}", "a: {y: 3, z: 4}"],
                r#"{"a":{"x":1,"y":3,"z":4}}"#,
            ),
            (&["a: [1, 2]", "a: [3]"], r#"{"a":[3]}"#),
            (&["a: {x: 1}", "a: 2"], r#"{"a":2}"#),
            (&["a: 2", "a: {x: 1}"], r#"{"a":{"x":1}}"#),
            (&["a: {x: 1, y: 2}", "a: {x: null}"], r#"{"a":{"y":2}}"#),
            (&["a: 1", "a: ~\nb: ~"], "{}"),
            (&["a: 1", "a: ~", "a: 2"], r#"{"a":2}"#),
            (&["a: 1", ""], r#"{"a":1}"#),
            (&["", "a: 1"], r#"{"a":1}"#),
        ] {
            assert_eq!(merged(files), expected, "{files:?}");
        }
    }

    #[test]
    fn large_files_are_merged_in_one_go() {
        let file = |from: usize| -> String {
            (from..from + 50_000)
                .map(|i| format!("k{i}: {i}\n"))
                .collect()
        };
        let base = parse(Path::new("a"), &file(0)).unwrap();
        let over = parse(Path::new("b"), &file(25_000)).unwrap();
        let Value::Map(entries) = merge(base, over).value else {
            panic!("no object");
        };
        assert_eq!(entries.len(), 75_000);
        assert_eq!(&*entries[30_000].0.location.file, Path::new("b"));
    }

    #[test]
    fn a_value_keeps_the_place_of_the_file_it_came_from() {
        let base = parse(Path::new("base.yaml"), "a: {x: 1, y: 2}").unwrap();
        let over = parse(Path::new("over.yaml"), "\na: {y: 3}").unwrap();
        let all = merge(base, over);
        let place = |key| all.get("a").unwrap().get(key).unwrap().location.to_string();
        assert_eq!(place("x"), "base.yaml:1");
        assert_eq!(place("y"), "over.yaml:2");
    }
}
