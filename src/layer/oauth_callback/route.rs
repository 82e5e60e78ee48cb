//! Which of the sign-in's paths a request is for.

/// A path under the base path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Start(String),
    /// Third-party-initiated login (OpenID Connect Core section 4).
    Initiate(String),
    Callback(String),
    Refresh(String),
    Logout(String),
    Jwks,
    OpenIdConfiguration,
    UserInfo,
    /// What every plugin has: the path below its base.
    OfPlugin(String),
    /// The base path itself.
    Root,
    /// Under the base path and none of the above: ours to refuse.
    Unknown(String),
}

impl Route {
    /// `None` for a path that is not under `base`. As Backstage's router does, it ignores case and one trailing slash.
    pub(super) fn of(path: &str, base: &str) -> Option<Self> {
        let (head, rest) = path.split_at_checked(base.len())?;
        if !head.eq_ignore_ascii_case(base) || !(rest.is_empty() || rest.starts_with('/')) {
            return None;
        }
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let segments: Vec<String> = rest.split('/').map(str::to_ascii_lowercase).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        // Provider ids keep their case: they are keys of the configuration.
        let provider = rest.split('/').next().unwrap_or_default().to_owned();
        Some(match segments[..] {
            [".well-known", "jwks.json"] => Self::Jwks,
            [".well-known", "openid-configuration"] => Self::OpenIdConfiguration,
            ["v1", "userinfo"] => Self::UserInfo,
            [".backstage", ..] => Self::OfPlugin(format!("/{}", segments.join("/"))),
            [""] => Self::Root,
            [_, "start"] => Self::Start(provider),
            [_, "initiate"] => Self::Initiate(provider),
            [_, "handler", "frame"] => Self::Callback(provider),
            [_, "refresh"] => Self::Refresh(provider),
            [_, "logout"] => Self::Logout(provider),
            _ => Self::Unknown(provider),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_under_the_base_are_ours() {
        let of = |path| Route::of(path, "/api/auth");
        for other in [
            "/",
            "",
            "/api",
            "/api/authors",
            "/api/author/github/start",
            "/x/api/auth/github/start",
            "//api/auth/x",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        for (path, route) in [
            ("/api/auth/github/start", Route::Start("github".into())),
            ("/API/Auth/GitHub/Start/", Route::Start("GitHub".into())),
            (
                "/api/auth/github/handler/frame",
                Route::Callback("github".into()),
            ),
            ("/api/auth/.well-known/jwks.json", Route::Jwks),
            ("/api/auth/v1/userinfo", Route::UserInfo),
            ("/api/auth", Route::Root),
            (
                "/api/auth/.backstage/auth/v1/jwks.json",
                Route::OfPlugin("/.backstage/auth/v1/jwks.json".into()),
            ),
            ("/api/auth//start", Route::Start(String::new())),
            ("/api/auth/github/start/x", Route::Unknown("github".into())),
            ("/api/auth/../x", Route::Unknown("..".into())),
        ] {
            assert_eq!(of(path), Some(route), "{path}");
        }
    }
}
