//! Mistakes in configuration, listed all at once.

use std::fmt;
use std::path::PathBuf;

/// What is wrong with a configuration: every mistake that was found, not just the first.
///
/// ```text
/// app-config.yaml:6:9: auth.providers.github.development.clientSecret: environment variable GITHUB_CLIENT_SECRET is not set
/// ```
///
/// Its `Debug` form is the same list: that is what `main` prints when it returns one.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<ConfigMistake>,
}

/// One mistake: where it stands, and what is wrong with it against what was expected.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigMistake {
    location: Option<(PathBuf, u64, u64)>,
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

    /// Every mistake, in the order in which they were found.
    #[must_use]
    pub fn mistakes(&self) -> &[ConfigMistake] {
        &self.mistakes
    }

    /// The mistakes, to be joined with others.
    #[must_use]
    pub fn into_mistakes(self) -> Vec<ConfigMistake> {
        self.mistakes
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
            location: None,
            key: key.into(),
            message: message.into(),
        }
    }

    /// Adds where it stands; lines and columns count from 1.
    #[must_use]
    pub fn at(mut self, file: impl Into<PathBuf>, line: u64, column: u64) -> Self {
        self.location = Some((file.into(), line, column));
        self
    }

    /// The same place, with another message.
    #[cfg(feature = "app-config")]
    pub(crate) fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    #[cfg(feature = "app-config")]
    pub(crate) fn place(&self) -> Option<&(PathBuf, u64, u64)> {
        self.location.as_ref()
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

    /// The line in its file, counted from 1, if it came from a file.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.location.as_ref().map(|(_, line, _)| *line)
    }
}

impl fmt::Display for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line, column)) = &self.location {
            write!(f, "{}:{line}:{column}: ", file.display())?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

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
    fn what_main_prints_is_the_list_itself() {
        let one = ConfigMistake::new("a.b", "expected c").at("f.yaml", 1, 2);
        assert_eq!(
            format!("{:?}", ConfigError::from(one.clone())),
            "f.yaml:1:2: a.b: expected c"
        );
        let two = ConfigError {
            mistakes: vec![one.clone(), one],
        };
        assert_eq!(
            format!("Error: {two:?}"),
            "Error: \nf.yaml:1:2: a.b: expected c\nf.yaml:1:2: a.b: expected c"
        );
    }
}
