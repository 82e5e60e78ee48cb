//! Several files as one: the later ones win.

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

fn merge_maps(mut base: Vec<(Key, Node)>, over: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    for (key, node) in over {
        let place = base.iter().position(|(known, _)| known.name == key.name);
        match (place, &node.value) {
            (Some(place), Value::Null) => {
                base.remove(place);
            }
            (None, Value::Null) => {}
            (Some(place), _) => {
                if let Some((known, under)) = base.get_mut(place) {
                    let nothing = Node::null(&node.location.file);
                    *under = merge(std::mem::replace(under, nothing), node);
                    *known = key;
                }
            }
            (None, _) => base.push((key, node)),
        }
    }
    base
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
    fn a_value_keeps_the_place_of_the_file_it_came_from() {
        let base = parse(Path::new("base.yaml"), "a: {x: 1, y: 2}").unwrap();
        let over = parse(Path::new("over.yaml"), "\na: {y: 3}").unwrap();
        let all = merge(base, over);
        let place = |key| all.get("a").unwrap().get(key).unwrap().location.to_string();
        assert_eq!(place("x"), "base.yaml:1");
        assert_eq!(place("y"), "over.yaml:2");
    }
}
