//! `GET {base}/{provider}/start` (spec section 2.2).

use http::{HeaderMap, HeaderValue};
use url::Url;

use super::attempt::Attempt;
use super::{Inner, Params, SignInError};
use crate::credential::Cookies;

/// All scopes together, at most.
const MAX_SCOPE: usize = 2048;

/// Where to send the browser, and what it shall remember.
pub(crate) struct Started {
    pub(crate) location: Url,
    pub(crate) cookies: Vec<HeaderValue>,
}

impl Inner {
    /// Begins an attempt.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept on this side.
    pub(crate) async fn start(
        &self,
        provider: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        if self.is_proxy(provider) {
            return Err(SignInError::not_implemented());
        }
        self.environments(provider)?;
        // A page's script, image or frame may neither begin a sign-in nor collect its cookies (LF-04, LF-15).
        let mode = headers.get("sec-fetch-mode").map(HeaderValue::as_bytes);
        let purpose = headers.contains_key("sec-purpose") || headers.contains_key("purpose");
        let dest = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
        if mode.is_some_and(|mode| mode != b"navigate")
            || dest.is_some_and(|d| d != b"document")
            || purpose
        {
            return Err(SignInError::not_allowed(
                "A sign-in starts by navigating to this address",
            ));
        }
        let (entry, environment) = self.environment(provider, params)?;
        let origin = match params.get("origin")? {
            Some(origin) => self.origins.check(origin)?,
            None => self.origins.app_origin(),
        };
        let return_to = match (params.get("flow")?, params.get("redirectUrl")?) {
            (Some("redirect"), Some(url)) => Some(self.origins.return_to(url)?.into()),
            (Some("redirect"), None) => {
                return Err(SignInError::input(
                    "No redirectUrl provided in request query parameters",
                ));
            }
            _ => None,
        };
        let (granted, _) = self.provider_cookie(provider, "granted-scope");
        let granted = Cookies::of(headers).open(&self.sealing, &granted);
        let granted = granted
            .as_deref()
            .and_then(|plain| std::str::from_utf8(plain).ok())
            .unwrap_or_default();
        let scope = merge_scopes(
            split_scopes(params.get("scope")?.unwrap_or_default())
                .chain(split_scopes(granted))
                .chain(entry.provider.required_scopes().iter().copied())
                .chain(entry.additional_scopes.iter().map(String::as_str)),
        )?;
        let attempt = Attempt::new(
            (provider, environment),
            scope,
            origin,
            return_to,
            self.clock.now(),
        );
        let location = entry.provider.authorization_url(&attempt.request()).await?;
        Ok(Started {
            location,
            cookies: attempt.seal(self, headers)?,
        })
    }
}

/// At white space, bars and commas, as the frontend joins them.
fn split_scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || c == '|' || c == ',')
        .filter(|scope| !scope.is_empty())
}

fn merge_scopes<'a>(scopes: impl Iterator<Item = &'a str>) -> Result<String, SignInError> {
    let mut merged: Vec<&str> = Vec::new();
    for scope in scopes {
        // RFC 6749 section 3.3: visible ASCII without quote and backslash.
        if !scope
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        {
            return Err(SignInError::input("A scope is malformed"));
        }
        if !merged.contains(&scope) {
            merged.push(scope);
        }
    }
    let merged = merged.join(" ");
    if merged.len() > MAX_SCOPE {
        return Err(SignInError::input("The scopes are too long"));
    }
    Ok(merged)
}
