//! The types that the values of a section can have, by the rules of Backstage's `Config` reader.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::duration::{self, UNITS};
use super::reader::Section;
use super::record::Kind;
use crate::http_client::check_url;
use crate::secret::Secret;
use crate::yaml::{Node, Value, shown};

impl Section<'_> {
    /// A string that is not empty. A number is none: it has lost its leading zeros already.
    pub(crate) fn string(&self, key: &str) -> Option<String> {
        self.text(key, "a string").map(str::to_owned)
    }

    /// A string that must be there.
    pub(crate) fn required_string(&self, key: &str) -> Option<String> {
        self.require(key, "a string");
        self.string(key)
    }

    /// A string that nobody may see.
    pub(crate) fn secret(&self, key: &str) -> Option<Secret<String>> {
        self.text(key, "a string").map(Secret::from)
    }

    /// A secret that must be there.
    pub(crate) fn required_secret(&self, key: &str) -> Option<Secret<String>> {
        self.require(key, "a string");
        self.secret(key)
    }

    /// What `parse` makes of a string, or says of it. It must not repeat the string: that may hold a password, or
    /// be one that was put in the wrong place.
    pub(crate) fn parsed<T, E: Into<String>>(
        &self,
        key: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(self.text(key, wanted)?)
            .map_err(|reason| self.mistake(key, reason))
            .ok()
    }

    /// A URL that may be called: https, or http on this machine, without user information.
    pub(crate) fn url(&self, key: &str) -> Option<Url> {
        self.may_be(key, Kind::Url);
        self.parsed(key, "an http or https URL", |text| {
            let url = Url::parse(text).map_err(|_| "expected an http or https URL")?;
            let uri = url.as_str().parse();
            check_url(&uri.map_err(|_| "expected an http or https URL")?).map(|()| url)
        })
    }

    /// A URL that must be there.
    pub(crate) fn required_url(&self, key: &str) -> Option<Url> {
        self.require(key, "an http or https URL");
        self.url(key)
    }

    /// `true` or `false`; also the strings `y`, `yes`, `true`, `1`, `on` and their opposites.
    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        const WANTED: &str = "true or false";
        self.may_be(key, Kind::Boolean);
        let node = self.node(key)?;
        let text = match &node.value {
            Value::Bool(value) => return Some(*value),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_ascii_lowercase(),
            _ => return self.unexpected(key, node, WANTED),
        };
        match text.as_str() {
            "y" | "yes" | "true" | "1" | "on" => Some(true),
            "n" | "no" | "false" | "0" | "off" => Some(false),
            _ => self.unexpected(key, node, WANTED),
        }
    }

    /// A finite number, or a string that is one.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.may_be(key, Kind::Number);
        let node = self.node(key)?;
        let number = match &node.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|number: &f64| number.is_finite()) {
            Some(number) => Some(number),
            None => self.unexpected(key, node, "a number"),
        }
    }

    /// A whole number within a range.
    pub(crate) fn whole_number(&self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let number = self.number(key)?;
        let within = f64::from(*range.start())..=f64::from(*range.end());
        if number.fract() == 0.0 && within.contains(&number) {
            // Whole, and within a range of `u32`.
            Some(number as u32)
        } else {
            let (least, most) = range.into_inner();
            let message = format!("expected a whole number from {least} to {most}, found {number}");
            self.mistake(key, message);
            None
        }
    }

    /// A span of time: `20 minutes`, `PT20M`, or an object such as `{minutes: 20}`.
    ///
    /// A number without a unit is a mistake: nobody could tell what it means.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        const WANTED: &str = "a duration such as `20 minutes`, `PT20M` or `{minutes: 20}`";
        self.may_be(key, Kind::Duration);
        let node = self.node(key)?;
        match &node.value {
            Value::String(text) => match duration::parse(text) {
                Some(duration) => Some(duration),
                None => self.unexpected(key, node, WANTED),
            },
            Value::Map(entries) => {
                let section = self.section(key)?;
                let parts = UNITS.map(|(unit, seconds)| (section.number(unit), seconds));
                // The mistake of a part has been reported by now, that of having none has not.
                let asked = entries
                    .iter()
                    .any(|(_, part)| !matches!(part.value, Value::Null));
                section.finish();
                let sum = parts
                    .iter()
                    .map(|(n, seconds)| n.unwrap_or(0.0) * seconds)
                    .sum();
                match duration::from_seconds(sum) {
                    Some(duration) if asked => Some(duration),
                    _ => self.unexpected(key, node, WANTED),
                }
            }
            _ => self.unexpected(key, node, WANTED),
        }
    }

    /// A list of strings, or one string, which is split at white space, `,` and `|`.
    pub(crate) fn string_list(&self, key: &str) -> Option<Vec<String>> {
        let split = |text: &str| {
            text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '|'))
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        self.string_or_list(key, split)
    }

    /// A list of strings, or one string, which is split likewise; at least one.
    pub(crate) fn words(&self, key: &str) -> Option<Vec<String>> {
        let words = self.string_list(key)?;
        if words.is_empty() {
            self.mistake(key, "expected at least one, found none");
            return None;
        }
        Some(words)
    }

    /// A list of strings, or one string, which is a list of one.
    pub(crate) fn strings(&self, key: &str) -> Option<Vec<String>> {
        self.string_or_list(key, |text| vec![text.to_owned()])
    }

    /// An object of strings, in the order of the file.
    pub(crate) fn string_map(&self, key: &str) -> Option<Vec<(String, String)>> {
        self.may_be(key, Kind::TextMap);
        let section = self.section(key)?;
        let there = section
            .entries()
            .iter()
            .filter(|(_, node)| !matches!(node.value, Value::Null));
        Some(
            there
                .filter_map(|(key, node)| {
                    let text = section.text_of(&key.name, node, "a string")?;
                    Some((key.name.clone(), text.to_owned()))
                })
                .collect(),
        )
    }

    /// One of the given words.
    pub(crate) fn one_of<'w>(&self, key: &str, words: &[&'w str]) -> Option<&'w str> {
        let wanted = format!("one of \"{}\"", words.join("\", \""));
        let all = words.iter().map(|word| (*word).to_owned());
        self.may_be(key, Kind::Word(all.collect()));
        let text = self.text(key, &wanted)?;
        let found = words.iter().copied().find(|word| *word == text);
        if let Some(found) = found {
            self.is_word(key, found);
        }
        if found.is_none() {
            self.mistake(key, format!("expected {wanted}, found \"{}\"", shown(text)));
        }
        found
    }

    fn text(&self, key: &str, wanted: &str) -> Option<&str> {
        self.may_be(key, Kind::Text);
        self.text_of(key, self.node(key)?, wanted)
    }

    fn text_of<'n>(&self, key: &str, node: &'n Node, wanted: &str) -> Option<&'n str> {
        match node.as_str() {
            Some(text) if !text.is_empty() => Some(text),
            _ => self.unexpected(key, node, wanted),
        }
    }

    fn string_or_list(&self, key: &str, one: impl Fn(&str) -> Vec<String>) -> Option<Vec<String>> {
        self.may_be(key, Kind::Texts);
        let node = self.node(key)?;
        match &node.value {
            Value::String(text) if !text.is_empty() => Some(one(text)),
            Value::List(items) => {
                let strings = items.iter().enumerate().filter_map(|(i, item)| {
                    match item.as_str().filter(|text| !text.is_empty()) {
                        Some(text) => Some(text.to_owned()),
                        None => {
                            let path = self.path_of_item(key, i);
                            self.reader().expected(path, item, "a string");
                            None
                        }
                    }
                });
                Some(strings.collect())
            }
            _ => self.unexpected(key, node, "a string or a list of strings"),
        }
    }

    fn unexpected<T>(&self, key: &str, node: &Node, wanted: &str) -> Option<T> {
        self.reader().expected(self.path_of(key), node, wanted);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::path::Path;

    use super::*;
    use crate::config::{Reader, parse};

    /// What reading the key `k` gives, or the mistakes that it makes.
    fn read<T: Debug>(value: &str, read: impl Fn(&Section<'_>) -> Option<T>) -> String {
        let env = |name: &str| (name == "EMPTY").then(String::new);
        let text = format!("k: {value}");
        let root = parse(Path::new("f"), &text, &env).unwrap();
        let reader = Reader::default();
        let read = read(&reader.root(&root));
        match (reader.finish(), read) {
            (Ok(()), Some(value)) => format!("{value:?}"),
            (Ok(()), None) => "nothing".to_owned(),
            (Err(error), _) => error.to_string().replace("f:1:4: k: ", ""),
        }
    }

    #[test]
    fn strings_and_secrets_are_not_empty_and_never_shown() {
        for (value, expected) in [
            ("hunter2", "\"hunter2\""),
            ("'5'", "\"5\""),
            ("~", "nothing"),
            ("5", "expected a string, found a number"),
            ("true", "expected a string, found a boolean"),
            ("''", "expected a string, found an empty string"),
            ("[hunter2]", "expected a string, found a list"),
            ("{hunter2: x}", "expected a string, found an object"),
            ("${EMPTY}", "environment variable EMPTY is empty"),
        ] {
            assert_eq!(read(value, |s| s.string("k")), expected, "{value}");
            let expected = expected
                .replace("\"hunter2\"", "[redacted]")
                .replace("\"5\"", "[redacted]");
            assert_eq!(read(value, |s| s.secret("k")), expected, "{value}");
        }
        assert_eq!(
            read("~", |s| s.required_string("k")),
            "f:1:1: k: expected a string, found nothing"
        );
        assert_eq!(
            read("${EMPTY}", |s| s.required_secret("k")),
            "environment variable EMPTY is empty"
        );
    }

    #[test]
    fn booleans_and_numbers_may_be_written_as_strings() {
        for (value, expected) in [
            ("true", "true"),
            ("Yes", "true"),
            ("'1'", "true"),
            ("1", "true"),
            ("ON", "true"),
            ("n", "false"),
            ("off", "false"),
            ("0", "false"),
            ("2", "expected true or false, found a number"),
            ("maybe", "expected true or false, found a string"),
            ("[]", "expected true or false, found a list"),
        ] {
            assert_eq!(read(value, |s| s.boolean("k")), expected, "{value}");
        }
        for (value, expected) in [
            ("5", "5.0"),
            ("'5.5'", "5.5"),
            ("five", "expected a number, found a string"),
            ("NaN", "expected a number, found a string"),
            (".inf", "expected a number, found a string"),
            ("true", "expected a number, found a boolean"),
            ("${EMPTY}", "environment variable EMPTY is empty"),
        ] {
            assert_eq!(read(value, |s| s.number("k")), expected, "{value}");
        }
        for (value, expected) in [
            ("7007", "7007"),
            ("'7007'", "7007"),
            ("0", "expected a whole number from 1 to 65535, found 0"),
            ("-1", "expected a whole number from 1 to 65535, found -1"),
            ("1.5", "expected a whole number from 1 to 65535, found 1.5"),
            (
                "65536",
                "expected a whole number from 1 to 65535, found 65536",
            ),
        ] {
            assert_eq!(
                read(value, |s| s.whole_number("k", 1..=65535)),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn durations_have_units() {
        const WANTED: &str = "expected a duration such as `20 minutes`, `PT20M` or `{minutes: 20}`";
        for (value, expected) in [
            ("20 minutes", "1200s"),
            ("PT1H", "3600s"),
            ("{hours: 1, minutes: 0.5, milliseconds: '1'}", "3630.001s"),
            ("{days: 0}", "0ns"),
            ("20", &format!("{WANTED}, found a number")),
            ("soon", &format!("{WANTED}, found a string")),
            ("{}", &format!("{WANTED}, found an object")),
            ("{days: -1}", &format!("{WANTED}, found an object")),
            ("{years: 1e300}", &format!("{WANTED}, found an object")),
            (
                "{minute: 1}",
                "f:1:5: k.minute: unknown key \"minute\"; did you mean \"minutes\"?",
            ),
            (
                "{hours: x}",
                "f:1:12: k.hours: expected a number, found a string",
            ),
        ] {
            assert_eq!(read(value, |s| s.duration("k")), expected, "{value}");
        }
    }

    #[test]
    fn lists_words_and_urls() {
        for (value, expected) in [
            ("a b,c|d", r#"["a", "b", "c", "d"]"#),
            ("[a b, c]", r#"["a b", "c"]"#),
            ("[]", "[]"),
            ("' , '", "[]"),
            (
                "5",
                "expected a string or a list of strings, found a number",
            ),
            (
                "''",
                "expected a string or a list of strings, found an empty string",
            ),
            (
                "[a, 5, '${NONE}', '']",
                "f:1:8: k[1]: expected a string, found a number\n\
                 f:1:11: k[2]: environment variable NONE is not set\n\
                 f:1:22: k[3]: expected a string, found an empty string",
            ),
        ] {
            assert_eq!(read(value, |s| s.string_list("k")), expected, "{value}");
        }
        assert_eq!(
            read("' , '", |s| s.words("k")),
            "expected at least one, found none"
        );
        assert_eq!(read("a b", |s| s.words("k")), r#"["a", "b"]"#);
        assert_eq!(read("'{a, b}'", |s| s.strings("k")), r#"["{a, b}"]"#);
        assert_eq!(
            read("{b: x, a: y}", |s| s.string_map("k")),
            r#"[("b", "x"), ("a", "y")]"#
        );
        assert_eq!(
            read("{b: 1}", |s| s.string_map("k")),
            "f:1:8: k.b: expected a string, found a number"
        );

        let long = "x".repeat(100);
        for (value, expected) in [
            ("a", "\"a\""),
            ("A", "expected one of \"a\", \"b\", found \"A\""),
            (
                &long,
                &format!("expected one of \"a\", \"b\", found \"{}…\"", &long[..48]),
            ),
            ("1", "expected one of \"a\", \"b\", found a number"),
        ] {
            assert_eq!(
                read(value, |s| s.one_of("k", &["a", "b"])),
                expected,
                "{value}"
            );
        }
        for (value, good) in [
            ("https://a.test/x", true),
            ("http://localhost:7007", true),
            ("http://a.test", false),
            ("https://canary@a.test", false),
            ("https://:canary@a.test", false),
            ("ftp://a.test", false),
            ("javascript:alert(1)", false),
            ("//a.test", false),
            ("a.test", false),
            ("https://", false),
            ("hunter2", false),
        ] {
            let url = read(value, |s| s.url("k").map(|url| url.to_string()));
            assert_eq!(
                !url.contains("http is ") && !url.starts_with("expected"),
                good,
                "{value}: {url}"
            );
            assert!(!url.contains("canary"), "{value}: {url}");
        }
    }
}
