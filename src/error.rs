//! Mistakes in configuration, listed all at once.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with a configuration: every mistake that was found, not just the first.
///
/// ```text
/// app-config.yaml:6:9: auth.providers.github.development.clientSecret: environment variable GITHUB_CLIENT_SECRET is not set
/// ```
///
/// `Debug` gives the same list: a `main` that returns this error prints what is to be mended.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<ConfigMistake>,
}

/// One mistake: where it stands, and what is wrong with it against what was expected.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigMistake {
    file: Option<PathBuf>,
    /// Line and column.
    place: Option<(u64, u64)>,
    key: String,
    message: String,
}

// ===== impl ConfigError =====

impl ConfigError {
    /// The error of these mistakes, or `Ok` if there are none.
    ///
    /// # Errors
    ///
    /// If there is at least one mistake.
    pub fn collect(mistakes: Vec<ConfigMistake>) -> Result<(), Self> {
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(Self { mistakes })
        }
    }

    /// Every mistake. Those of files stand in the order of the files, each file's by line and column.
    #[must_use]
    pub fn mistakes(&self) -> &[ConfigMistake] {
        &self.mistakes
    }

    /// The mistakes, to be joined with others.
    #[must_use]
    pub fn into_mistakes(self) -> Vec<ConfigMistake> {
        self.mistakes
    }

    /// As [`collect`](Self::collect), in the order in which people mend them: these files first, then others as they
    /// come, and in each by line and column. What has no file comes last, and nothing comes twice.
    pub(crate) fn collect_in_order<'a>(
        mut mistakes: Vec<ConfigMistake>,
        files: impl IntoIterator<Item = &'a Path>,
    ) -> Result<(), Self> {
        let mut ranks: HashMap<PathBuf, usize> = HashMap::new();
        let mut rank = |file: &Path| {
            let next = ranks.len();
            ranks.entry(file.to_owned()).or_insert(next);
        };
        files.into_iter().for_each(&mut rank);
        let found = mistakes.iter().filter_map(ConfigMistake::file);
        found.for_each(&mut rank);
        mistakes.sort_by_key(|mistake| {
            let rank = mistake.file().and_then(|file| ranks.get(file).copied());
            (rank.unwrap_or(usize::MAX), mistake.place)
        });
        mistakes.dedup();
        Self::collect(mistakes)
    }
}

impl From<ConfigMistake> for ConfigError {
    fn from(mistake: ConfigMistake) -> Self {
        Self {
            mistakes: vec![mistake],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

/// As `Display`. Several mistakes begin on a line of their own, for what prints them says `Error: ` before.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mistakes.len() > 1 {
            f.write_str("\n")?;
        }
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

// ===== impl ConfigMistake =====

impl ConfigMistake {
    /// A mistake at `key` (such as `auth.providers.github`), in lower case and without a full stop.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: None,
            place: None,
            key: key.into(),
            message: message.into(),
        }
    }

    /// Adds where it stands; lines and columns count from 1.
    #[must_use]
    pub fn at(mut self, file: impl Into<PathBuf>, line: u64, column: u64) -> Self {
        self.file = Some(file.into());
        self.place = Some((line.max(1), column.max(1)));
        self
    }

    /// Adds the file that is wrong as a whole: it is missing, say.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The dotted path of the key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong, and what was expected.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file it stands in, if it came from a file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line in its file, counted from 1, if it came from a file.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.place.map(|(line, _)| line)
    }

    /// The column in its line, counted from 1, if it came from a file.
    #[must_use]
    pub fn column(&self) -> Option<u64> {
        self.place.map(|(_, column)| column)
    }
}

impl fmt::Display for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some((line, column)) = self.place {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// As `Display`.
impl fmt::Debug for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigMistake {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_main_prints_is_what_is_to_be_mended() {
        let one = ConfigMistake::new("auth", "expected an object").at("a.yaml", 2, 0);
        assert_eq!(format!("{one:?}"), "a.yaml:2:1: auth: expected an object");
        let mut error = ConfigError::from(one.clone());
        assert_eq!(format!("{error:?}"), error.to_string());
        error.mistakes.push(ConfigMistake::new("", "second"));
        assert_eq!(
            format!("Error: {error:?}"),
            "Error: \na.yaml:2:1: auth: expected an object\nsecond"
        );
    }

    #[test]
    fn mistakes_stand_in_the_order_of_the_files() {
        let at = |file: &str, line, column| ConfigMistake::new("", "x").at(file, line, column);
        let found = vec![
            ConfigMistake::new("", "nowhere"),
            at("other", 1, 1),
            at("b", 9, 1),
            at("a", 10, 1),
            at("a", 9, 2),
            at("a", 9, 1),
            at("a", 9, 1),
            ConfigMistake::new("", "is missing").in_file("b"),
        ];
        let error = ConfigError::collect_in_order(found, ["a", "b"].map(Path::new)).unwrap_err();
        assert_eq!(
            error.to_string().lines().collect::<Vec<_>>(),
            [
                "a:9:1: x",
                "a:9:2: x",
                "a:10:1: x",
                "b: is missing",
                "b:9:1: x",
                "other:1:1: x",
                "nowhere"
            ]
        );
    }
}
