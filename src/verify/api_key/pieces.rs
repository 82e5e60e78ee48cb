//! The parts of a JSON text, each with its place. Serde forgets where a value stood; a mistake in one of a thousand
//! records is of use only with its line.

/// A value of a text that has been parsed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) text: &'a str,
}

impl<'a> Piece<'a> {
    /// The value that a whole text is.
    pub(super) fn whole(text: &'a str) -> Self {
        let all = Self {
            line: 1,
            column: 1,
            text,
        };
        all.after(0)
    }

    /// The items of a list, or the members of an object as they stand, in one pass.
    pub(super) fn parts(self) -> Vec<Self> {
        let mut found = Vec::new();
        let (mut depth, mut quoted, mut escaped) = (0, false, false);
        let (mut line, mut column) = (self.line, self.column);
        let mut start: Option<(u64, u64, usize)> = None;
        for (i, byte) in self.text.bytes().enumerate() {
            let here = (line, column, i);
            if byte == b'\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
            if quoted {
                quoted = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                continue;
            }
            if depth == 1 && matches!(byte, b',' | b']' | b'}') {
                if let Some((line, column, from)) = start.take() {
                    let text = self.text.get(from..i).unwrap_or_default().trim_end();
                    found.push(Self { line, column, text });
                }
            } else if depth == 1 && start.is_none() && !byte.is_ascii_whitespace() {
                start = Some(here);
            }
            match byte {
                b'"' => quoted = true,
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
        }
        found
    }

    /// The name and the value of a member.
    pub(super) fn member(self) -> Option<(String, Self)> {
        let (mut quoted, mut escaped) = (false, false);
        let colon = self.text.bytes().position(|byte| {
            let was_quoted = quoted;
            match byte {
                b'"' if !escaped => quoted = !quoted,
                _ => {}
            }
            escaped = quoted && !escaped && byte == b'\\';
            byte == b':' && !was_quoted
        })?;
        let name = serde_json::from_str(self.text.get(..colon)?.trim()).ok()?;
        Some((name, self.after(colon + 1)))
    }

    /// What follows these bytes and the white space behind them.
    fn after(self, bytes: usize) -> Self {
        let (before, rest) = self.text.split_at_checked(bytes).unwrap_or((self.text, ""));
        let text = rest.trim_start();
        let skipped = before
            .bytes()
            .chain(rest.bytes().take(rest.len() - text.len()));
        let (mut line, mut column) = (self.line, self.column);
        for byte in skipped {
            if byte == b'\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
        }
        Self {
            line,
            column,
            text: text.trim_end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[Piece<'_>]) -> Vec<String> {
        let one = |p: &Piece<'_>| format!("{}:{} {}", p.line, p.column, p.text);
        pieces.iter().map(one).collect()
    }

    #[test]
    fn parts_are_found_with_their_places_whatever_is_in_them() {
        let text = "\n [\n  {\"a\": \"],}\\\"\"},\n\n  [1, {}], 7\n]";
        let items = Piece::whole(text).parts();
        assert_eq!(
            shown(&items),
            ["3:3 {\"a\": \"],}\\\"\"}", "5:3 [1, {}]", "5:12 7"]
        );
        for empty in [" [ ] ", "[]", "{}", "7", "", "\"[1]\""] {
            assert_eq!(Piece::whole(empty).parts(), [], "{empty}");
        }
    }

    #[test]
    fn members_have_names_and_values() {
        let text = "{\"a\": 1,\n \"b\\\":\" :\n  [2, 3],\"c\":\"x:y\"}";
        let members = Piece::whole(text).parts();
        let members: Vec<_> = members.into_iter().filter_map(Piece::member).collect();
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b\":", "c"]);
        let values: Vec<_> = members.iter().map(|(_, value)| *value).collect();
        assert_eq!(shown(&values), ["1:7 1", "3:3 [2, 3]", "3:14 \"x:y\""]);
    }
}
