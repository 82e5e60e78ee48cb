//! `backend.cors`: which pages may read what the server answers (spec section 9.2).

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::Section;
use crate::session::OriginPattern;
use crate::sign_in::extra_origin;

/// Which pages may read what the server answers, as `backend.cors` says: for the CORS middleware of your choice around
/// all of it, outside of the three layers. A frontend of another origin refreshes its session on the sign-in's paths.
///
/// ```
/// use tower_identity::Config;
/// use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
///
/// # let file = std::env::temp_dir().join(format!("tower-identity-doc-{}.yaml", std::process::id()));
/// # std::fs::write(&file, "backend: {cors: {origin: 'http://localhost:3000', credentials: true}}").unwrap();
/// # let path = file.clone();
/// let config = Config::load([path])?;
/// # std::fs::remove_file(&file).unwrap();
/// if let Some(cors) = config.cors() {
///     let (cors, rule) = (cors.clone(), cors.clone());
///     let layer = CorsLayer::new()
///         .allow_origin(AllowOrigin::predicate(move |origin, _| rule.allows(origin)))
///         .allow_methods(cors.methods().to_vec())
///         .allow_headers(match cors.allowed_headers() {
///             Some(headers) => AllowHeaders::list(headers.to_vec()),
///             None => AllowHeaders::mirror_request(),
///         })
///         .allow_credentials(cors.credentials());
///     # let _ = layer;
/// }
/// # Ok::<(), tower_identity::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Cors {
    origins: Vec<OriginPattern>,
    methods: Vec<Method>,
    allowed_headers: Option<Vec<HeaderName>>,
    exposed_headers: Vec<HeaderName>,
    credentials: bool,
    max_age: Option<Duration>,
}

impl Cors {
    /// Whether pages of this origin may. Echo it then; `*` is never an answer.
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        let origin = origin.to_str();
        origin.is_ok_and(|origin| self.origins.iter().any(|allowed| allowed.matches(origin)))
    }

    /// The methods that they may use; `GET`, `HEAD`, `PUT`, `PATCH`, `POST` and `DELETE` unless told.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The headers that they may send; `None` for those that they ask for.
    #[must_use]
    pub fn allowed_headers(&self) -> Option<&[HeaderName]> {
        self.allowed_headers.as_deref()
    }

    /// The headers of an answer that they may read besides the usual ones.
    #[must_use]
    pub fn exposed_headers(&self) -> &[HeaderName] {
        &self.exposed_headers
    }

    /// Whether they may send cookies.
    #[must_use]
    pub fn credentials(&self) -> bool {
        self.credentials
    }

    /// How long a browser may remember this.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

pub(super) fn read(backend: &Section<'_>) -> Option<Cors> {
    let section = backend.section("cors")?;
    let texts = section.strings("origin").unwrap_or_default();
    let mut origins = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        match extra_origin(text) {
            Ok(origin) => origins.push(origin),
            Err(reason) => section.mistake_in("origin", i, reason),
        }
    }
    let methods = words(&section, "methods", "a method such as GET", |word| {
        Method::from_bytes(word.as_bytes()).ok()
    });
    let header = |word: &str| word.parse::<HeaderName>().ok();
    let allowed_headers = words(&section, "allowedHeaders", "the name of a header", header);
    let exposed_headers = words(&section, "exposedHeaders", "the name of a header", header);
    let credentials = section.boolean("credentials") == Some(true);
    let max_age = section.whole_number("maxAge", 0..=86_400);
    section.ignore(&["preflightContinue", "optionsSuccessStatus"]);
    section.finish();
    let usual = || {
        let usual = [
            Method::GET,
            Method::HEAD,
            Method::PUT,
            Method::PATCH,
            Method::POST,
        ];
        usual.into_iter().chain([Method::DELETE]).collect()
    };
    Some(Cors {
        origins,
        methods: methods.unwrap_or_else(usual),
        allowed_headers,
        exposed_headers: exposed_headers.unwrap_or_default(),
        credentials,
        max_age: max_age.map(|seconds| Duration::from_secs(seconds.into())),
    })
}

/// A list of words, or one text of them with commas.
fn words<T>(
    section: &Section<'_>,
    key: &str,
    wanted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<Vec<T>> {
    let words = section.string_list(key)?;
    let parsed: Option<Vec<T>> = words.iter().map(|word| parse(word)).collect();
    if parsed.is_none() {
        section.mistake(key, format!("expected each to be {wanted}"));
    }
    parsed
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors")
            .field("origins", &self.origins)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
