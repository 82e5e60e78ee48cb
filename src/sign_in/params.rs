//! Query and form parameters: one that stands twice is an error, not a choice.

use super::SignInError;

/// More parameters than this are not read.
const MAX: usize = 50;

/// Decoded parameters.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(
            url::form_urlencoded::parse(text)
                .take(MAX)
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }

    /// A parameter; an empty one counts as absent.
    ///
    /// # Errors
    ///
    /// If it stands twice (RFC 6749 section 3.1).
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, SignInError> {
        let mut values = self
            .0
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(SignInError::input(
                "A parameter stands twice in the request",
            )),
            (value, None) => Ok(value.filter(|v| !v.is_empty())),
        }
    }
}
