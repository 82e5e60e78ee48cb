//! `${NAME}` in strings.

use zeroize::Zeroizing;

use crate::yaml::Value;

/// Where environment variables come from: a name to its value, `None` if it is not set.
pub(crate) type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The value of a variable, trimmed as Backstage trims it.
pub(crate) fn variable(name: &str, env: &Env<'_>) -> Value {
    match env(name) {
        Some(value) if value.trim().is_empty() => Value::EmptyVariable(name.to_owned()),
        Some(value) => Value::String(Zeroizing::new(value.trim().to_owned())),
        None => Value::Unresolved(not_set(name)),
    }
}

/// Replaces `${NAME}` and `${NAME:-fallback}`; `$${` stands for a literal `${`, and `$NAME` for itself.
///
/// The fallback also stands in for an empty variable; an empty fallback is none.
pub(crate) fn substitute(text: &str, env: &Env<'_>) -> Value {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut empty = None;
    let mut rest = text;
    while let Some(found) = Reference::find(rest) {
        out.push_str(found.before);
        rest = found.after;
        if found.escaped {
            out.push_str("${");
            out.push_str(found.inside);
            out.push('}');
            continue;
        }
        let (name, fallback) = match found.inside.split_once(":-") {
            Some((name, fallback)) => (name.trim(), fallback.trim()),
            None => (found.inside.trim(), ""),
        };
        match variable(name, env) {
            Value::String(value) => out.push_str(&value),
            _ if !fallback.is_empty() => out.push_str(fallback),
            Value::EmptyVariable(name) if found.inside.contains(":-") => {
                return Value::Unresolved(format!(
                    "environment variable {name} is empty, and so is its fallback"
                ));
            }
            Value::EmptyVariable(name) => {
                empty.get_or_insert(name);
            }
            unresolved => return unresolved,
        }
    }
    out.push_str(rest);
    match empty {
        Some(name) if out.is_empty() => Value::EmptyVariable(name),
        _ => Value::String(out),
    }
}

/// A `${…}` in a text, and what stands around it.
struct Reference<'a> {
    before: &'a str,
    /// Whether another `$` stands before it, which then belongs to it.
    escaped: bool,
    inside: &'a str,
    after: &'a str,
}

impl<'a> Reference<'a> {
    /// The first `${…}` without a brace inside.
    fn find(text: &'a str) -> Option<Self> {
        let mut from = 0;
        loop {
            let start = from + text.get(from..)?.find("${")?;
            let (head, tail) = (text.get(..start)?, text.get(start + 2..)?);
            let end = tail.find(['{', '}'])?;
            if !tail.get(end..)?.starts_with('}') {
                from = start + 2;
                continue;
            }
            return Some(Self {
                before: head.strip_suffix('$').unwrap_or(head),
                escaped: head.ends_with('$'),
                inside: tail.get(..end)?,
                after: tail.get(end + 1..)?,
            });
        }
    }
}

fn not_set(name: &str) -> String {
    if name.is_empty() {
        "expected the name of an environment variable, found none".to_owned()
    } else {
        format!("environment variable {name} is not set")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substituted(text: &str) -> String {
        let env = |name: &str| match name {
            "A" => Some(" one ".to_owned()),
            "B" => Some("two$".to_owned()),
            "NESTED" => Some("${A}".to_owned()),
            "EMPTY" => Some(String::new()),
            "BLANK" => Some("  ".to_owned()),
            _ => None,
        };
        match substitute(text, &env) {
            Value::String(text) => text.to_string(),
            Value::EmptyVariable(name) => format!("({name} is empty)"),
            Value::Unresolved(reason) => format!("({reason})"),
            _ => panic!("not a string"),
        }
    }

    #[test]
    fn variables_are_replaced_as_backstage_replaces_them() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "one"),
            ("x${ A }y${B}z", "xoneytwo$z"),
            ("$A $ $$ {A}", "$A $ $$ {A}"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$$$${A}", "$$${A}"),
            ("$${A}${A}", "${A}one"),
            ("${B}${A}", "two$one"),
            ("${NESTED}", "${A}"),
            ("${A:-x}", "one"),
            ("${NONE:-x y }", "x y"),
            ("${NONE:-a:-b}", "a:-b"),
            ("${EMPTY:-x}", "x"),
            ("${BLANK:-x}", "x"),
            ("${NONE:-$B}", "$B"),
            ("${A", "${A"),
            ("${A{B}}", "${A{B}}"),
            ("${${A}}", "${one}"),
            ("${é${A}", "${éone"),
            ("a${EMPTY}b", "ab"),
        ] {
            assert_eq!(substituted(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_says_why() {
        for (text, expected) in [
            ("${NONE}", "(environment variable NONE is not set)"),
            ("a${A}${ NONE }", "(environment variable NONE is not set)"),
            ("${NONE:-}", "(environment variable NONE is not set)"),
            ("${NONE: -x}", "(environment variable NONE: -x is not set)"),
            (
                "${}",
                "(expected the name of an environment variable, found none)",
            ),
            ("${EMPTY}", "(EMPTY is empty)"),
            ("${BLANK}${EMPTY}", "(BLANK is empty)"),
            (
                "${EMPTY:- }",
                "(environment variable EMPTY is empty, and so is its fallback)",
            ),
        ] {
            assert_eq!(substituted(text), expected, "{text}");
        }
    }
}
