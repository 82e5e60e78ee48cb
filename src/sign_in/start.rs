//! `GET {base}/{provider}/start` (spec section 2.2).

use http::{HeaderMap, HeaderValue};
use url::Url;

use super::attempt::Attempt;
use super::{Entry, Inner, Params, SignInError};
use crate::credential::Cookies;

/// All scopes together, at most.
const MAX_SCOPE: usize = 2048;
/// The name of an account is no longer.
const MAX_HINT: usize = 256;

/// Where to send the browser, and what it shall remember.
pub(crate) struct Started {
    pub(crate) location: Url,
    pub(crate) cookies: Vec<HeaderValue>,
}

/// What is known of an attempt when it begins.
struct Begun<'a> {
    provider: &'a str,
    environment: &'a str,
    scope: &'a str,
    origin: String,
    return_to: Option<String>,
    login_hint: Option<String>,
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
        self.check_begin(provider, headers)?;
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
        let begun = Begun {
            provider,
            environment,
            scope: params.get("scope")?.unwrap_or_default(),
            origin,
            return_to,
            login_hint: login_hint(params)?,
        };
        self.begin(entry, begun, headers).await
    }

    /// Begins an attempt because the provider, or a page of its, asked for it (OpenID Connect Core section 4). It begins one
    /// and nothing more: who signs in is for the provider and the person to say.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept on this side.
    pub(crate) async fn initiate(
        &self,
        provider: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        self.check_begin(provider, headers)?;
        let entry = self.entry(provider, &self.environment)?;
        let issuer = params.get("iss")?;
        let issuer = issuer.ok_or_else(|| SignInError::input("The sign-in names no issuer"))?;
        if !entry.provider.is_issuer(issuer).await {
            return Err(SignInError::not_allowed(
                "The sign-in was begun by another issuer",
            ));
        }
        let return_to = match params.get("target_link_uri")? {
            Some(url) => self.origins.return_to(url)?,
            None => self.origins.app().clone(),
        };
        let begun = Begun {
            provider,
            environment: &self.environment,
            scope: "",
            origin: self.origins.app_origin(),
            return_to: Some(return_to.into()),
            login_hint: login_hint(params)?,
        };
        self.begin(entry, begun, headers).await
    }

    /// Whether a sign-in with this provider may begin by such a request.
    fn check_begin(&self, provider: &str, headers: &HeaderMap) -> Result<(), SignInError> {
        if self.is_proxy(provider) {
            return Err(SignInError::not_implemented());
        }
        self.environments(provider)?;
        check_navigation(headers)
    }

    async fn begin(
        &self,
        entry: &Entry,
        begun: Begun<'_>,
        headers: &HeaderMap,
    ) -> Result<Started, SignInError> {
        let provider = begun.provider;
        let (granted, _) = self.provider_cookie(provider, "granted-scope");
        let granted = Cookies::of(headers).open(&self.sealing, &granted);
        let granted = granted
            .as_deref()
            .and_then(|plain| std::str::from_utf8(plain).ok())
            .unwrap_or_default();
        let scope = merge_scopes(
            split_scopes(begun.scope)
                .chain(split_scopes(granted))
                .chain(entry.provider.required_scopes().iter().copied())
                .chain(entry.additional_scopes.iter().map(String::as_str)),
        )?;
        let attempt = Attempt::new(
            (provider, begun.environment),
            scope,
            begun.origin,
            begun.return_to,
            self.clock.now(),
        )
        .expecting(begun.login_hint)
        .across_sites(entry.provider.is_form_post());
        let location = entry.provider.authorization_url(&attempt.request()).await?;
        Ok(Started {
            location,
            cookies: attempt.seal(self, headers)?,
        })
    }
}

/// A page's script, image or frame may neither begin a sign-in nor collect its cookies (LF-04, LF-15).
fn check_navigation(headers: &HeaderMap) -> Result<(), SignInError> {
    let is = |name: &str, wanted: &[u8]| {
        let value = headers.get(name).map(HeaderValue::as_bytes);
        value.is_none_or(|value| value == wanted)
    };
    let ahead_of_time = headers.contains_key("sec-purpose") || headers.contains_key("purpose");
    if is("sec-fetch-mode", b"navigate") && is("sec-fetch-dest", b"document") && !ahead_of_time {
        return Ok(());
    }
    Err(SignInError::not_allowed(
        "A sign-in starts by navigating to this address",
    ))
}

/// Whom the provider should expect: its business, and only passed on.
fn login_hint(params: &Params) -> Result<Option<String>, SignInError> {
    match params.get("login_hint")? {
        Some(hint) if hint.len() > MAX_HINT || hint.chars().any(char::is_control) => {
            Err(SignInError::input("The login_hint is none"))
        }
        hint => Ok(hint.filter(|hint| !hint.is_empty()).map(str::to_owned)),
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
