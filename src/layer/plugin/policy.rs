//! Which paths of a plugin are open, and to what (spec section 8.1).

use crate::error::ConfigMistake;

/// Opens a path of a plugin, and everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PathPolicy {
    segments: Vec<Segment>,
    access: Access,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// `:name`, one segment of any text.
    Any,
}

/// What a path needs, from the strictest to the widest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// A user or a service.
    #[default]
    Default,
    /// A user or a service; a limited user token, and the cookie that holds one, will do.
    Cookie,
    /// Nothing.
    Open,
}

impl PathPolicy {
    /// Opens a path to everybody. Whoever brings a good credential is proven all the same.
    ///
    /// `/` and `*` are the whole plugin, `:name` is any one segment, and what is below the path is open with it.
    /// Letters are compared as they are.
    ///
    /// ```
    /// use tower_identity::layer::PathPolicy;
    ///
    /// let health = PathPolicy::unauthenticated("/health")?;
    /// let badges = PathPolicy::unauthenticated("/entity/:name/badge.svg")?;
    /// # Ok::<(), tower_identity::ConfigMistake>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the path does not start with `/`, or holds what could mean two things: `//`, `.` and `..`, `%`, and the
    /// other signs of a pattern.
    pub fn unauthenticated(path: &str) -> Result<Self, ConfigMistake> {
        Self::parse(path, Access::Open)
    }

    /// Opens a path to the cookie `backstage-auth` and to limited user tokens: for what a browser asks for by itself,
    /// such as images.
    ///
    /// # Errors
    ///
    /// As [`unauthenticated`](Self::unauthenticated).
    pub fn user_cookie(path: &str) -> Result<Self, ConfigMistake> {
        Self::parse(path, Access::Cookie)
    }

    fn parse(path: &str, access: Access) -> Result<Self, ConfigMistake> {
        let mistake =
            |message: &str| Err(ConfigMistake::new(format!("path policy {path}"), message));
        if matches!(path, "/" | "*") {
            let segments = Vec::new();
            return Ok(Self { segments, access });
        }
        let Some(rest) = path.strip_prefix('/') else {
            return mistake("expected a path that starts with /");
        };
        let mut segments = Vec::new();
        for segment in rest.strip_suffix('/').unwrap_or(rest).split('/') {
            let name = segment.strip_prefix(':');
            let plain = !segment.is_empty()
                && !matches!(segment, "." | "..")
                && name
                    .unwrap_or(segment)
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.~@".contains(&b));
            if !plain || name == Some("") {
                return mistake("expected segments of letters, digits, -, _, . and ~, or :name");
            }
            segments.push(match name {
                Some(_) => Segment::Any,
                None => Segment::Literal(segment.into()),
            });
        }
        Ok(Self { segments, access })
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    /// Whether a path inside the plugin is this one, or below it.
    pub(super) fn covers(&self, path: &str) -> bool {
        let mut found = path.strip_prefix('/').unwrap_or(path).split('/');
        self.segments.iter().all(|segment| match segment {
            Segment::Literal(text) => found.next() == Some(text),
            Segment::Any => found.next().is_some_and(|text| !text.is_empty()),
        })
    }
}

/// Whether a server behind us might read a path as another one than it is written as.
pub(crate) fn is_ambiguous(path: &str) -> bool {
    let encoded = path.as_bytes().windows(3).any(|w| {
        w[0] == b'%'
            && matches!(
                w[1..].to_ascii_lowercase().as_slice(),
                b"2e" | b"2f" | b"5c" | b"00"
            )
    });
    encoded
        || path.contains('\\')
        || path.contains("//")
        || path.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_covers_a_path_and_what_is_below_it() {
        for (policy, covered, others) in [
            ("/", &["", "/", "/x", "/x/y"][..], &[][..]),
            ("*", &["", "/", "/x/y"], &[]),
            (
                "/health",
                &["/health", "/health/", "/health/x"],
                &["", "/", "/healthz", "/HEALTH", "/x/health", "/%68ealth"],
            ),
            (
                "/entity/:name/badge.svg",
                &["/entity/a/badge.svg", "/entity/%20/badge.svg/x"],
                &[
                    "/entity/badge.svg",
                    "/entity//badge.svg",
                    "/entity/a",
                    "/entity/a/badgeXsvg",
                ],
            ),
        ] {
            let policy = PathPolicy::unauthenticated(policy).unwrap();
            for path in covered {
                assert!(policy.covers(path), "{policy:?} {path}");
            }
            for path in others {
                assert!(!policy.covers(path), "{policy:?} {path}");
            }
        }
    }

    #[test]
    fn a_policy_that_could_mean_two_things_is_a_mistake() {
        for bad in [
            "", "health", "//", "/a//b", "/a/../b", "/./a", "/a%2fb", "/a/:", "/a/*rest", "/{a}/b",
            "/a?", "/a(b)", "/é", "/a b", "/a\\b",
        ] {
            assert!(PathPolicy::unauthenticated(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rp_a_path_that_can_be_read_in_two_ways_is_ambiguous() {
        for bad in [
            "//x",
            "/a//b",
            "/a/./b",
            "/a/..",
            "/../a",
            "/a/%2e%2e/b",
            "/a%2Fb",
            "/%5c",
            "/a\\b",
            "/a%00",
            "/.",
        ] {
            assert!(is_ambiguous(bad), "{bad}");
        }
        for good in [
            "",
            "/",
            "/a/b/",
            "/.well-known/x",
            "/a..b",
            "/%20",
            "/a%252e",
            "/%2",
        ] {
            assert!(!is_ambiguous(good), "{good}");
        }
    }
}
