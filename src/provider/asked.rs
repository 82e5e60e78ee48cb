//! What is asked of a provider about the sign-in itself (OpenID Connect Core section 3.1.2.1), and whether its ID token
//! says that it was done.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::verify::jwt::claims::numeric_date;

/// The provider's clock and ours may differ by this much.
const SKEW: Duration = Duration::from_secs(60);

/// What the provider should ask of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prompt {
    /// `none`: no page at all; Backstage's default.
    None,
    /// `login`: to sign in anew.
    Login,
    /// `consent`: to consent anew.
    Consent,
    /// `select_account`: to choose an account.
    SelectAccount,
}

/// What the authorization request says beside what every one does.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) prompt: Option<Prompt>,
    pub(super) max_age: Option<Duration>,
    pub(super) acr_values: Vec<String>,
    pub(super) form_post: bool,
    /// The provider's own.
    pub(super) parameters: Vec<(String, String)>,
}

impl Prompt {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }
}

impl Asked {
    /// As parameters of the request.
    pub(super) fn parameters(&self) -> Vec<(&str, String)> {
        let mut all = Vec::new();
        all.extend(self.prompt.map(|prompt| ("prompt", prompt.as_str().into())));
        all.extend(
            self.max_age
                .map(|age| ("max_age", age.as_secs().to_string())),
        );
        if !self.acr_values.is_empty() {
            all.push(("acr_values", self.acr_values.join(" ")));
        }
        if self.form_post {
            all.push(("response_mode", "form_post".into()));
        }
        let own = self.parameters.iter();
        all.extend(own.map(|(name, value)| (name.as_str(), value.clone())));
        all
    }

    /// Whether the claims of a fresh ID token say that it was done: a provider may have ignored it, and a person may have
    /// taken it out of the address (Core section 3.1.2.1).
    pub(super) fn check(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        if let Some(max_age) = self.max_age {
            let signed_in = claims.get("auth_time").ok_or("auth_time is missing")?;
            let signed_in = numeric_date(signed_in).ok_or("auth_time is not a number")?;
            if now.since(signed_in) > max_age + SKEW {
                return Err("the person signed in too long ago (auth_time)");
            }
            if signed_in.since(now) > SKEW {
                return Err("the person signed in in the future (auth_time)");
            }
        }
        let acr = claims.get("acr").and_then(Value::as_str);
        if !self.acr_values.is_empty()
            && !acr.is_some_and(|acr| self.acr_values.iter().any(|wanted| wanted == acr))
        {
            return Err("the person did not sign in as was asked for (acr)");
        }
        Ok(())
    }
}
