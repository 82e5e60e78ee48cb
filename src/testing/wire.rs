//! Requests as they come in, bounded and parsed once; answers as they go out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::Value;
use url::{Url, form_urlencoded};

/// The largest body that is read.
const BODY_LIMIT: usize = 64 * 1024;

/// An answer; its body is complete.
pub(super) type Reply = Response<Full<Bytes>>;

/// A request, read to its end.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) query: Params,
    /// The body, if it was said to be a form.
    pub(super) form: Option<Params>,
}

/// Form-encoded parameters, each of them once.
#[derive(Default)]
pub(super) struct Params(BTreeMap<String, String>);

// ===== impl Call =====

impl Call {
    /// Reads a request; one that is too large or malformed gives the status and the reason.
    pub(super) async fn read<B>(request: Request<B>) -> Result<Self, (StatusCode, &'static str)>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body
            .map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    (StatusCode::PAYLOAD_TOO_LARGE, "the body is over 64 KiB")
                } else {
                    (StatusCode::BAD_REQUEST, "the body could not be read")
                }
            })?
            .to_bytes();
        let repeated = (StatusCode::BAD_REQUEST, "a parameter is repeated");
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: Params::parse(query.as_bytes()).ok_or(repeated)?,
            form: if is_form(&parts.headers) {
                Some(Params::parse(&body).ok_or(repeated)?)
            } else {
                None
            },
            headers: parts.headers,
        })
    }

    /// The credentials after `scheme`, whatever its case; none if there are two `Authorization` lines.
    pub(super) fn authorization(&self, scheme: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let (found, credentials) = line.to_str().ok()?.split_once(' ')?;
        found
            .eq_ignore_ascii_case(scheme)
            .then(|| credentials.trim())
    }

    /// The client's id and secret from HTTP Basic, each form-encoded (RFC 6749 section 2.3.1).
    pub(super) fn basic(&self) -> Option<(String, String)> {
        let decoded = STANDARD.decode(self.authorization("Basic")?).ok()?;
        let (id, secret) = str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some((form_decode(id)?, form_decode(secret)?))
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
}

fn form_decode(text: &str) -> Option<String> {
    // In a value that was encoded, `&` cannot occur.
    if text.contains('&') {
        return None;
    }
    let pair = format!("value={text}");
    let (_, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
    Some(value.into_owned())
}

// ===== impl Params =====

impl Params {
    /// RFC 6749 section 3.1: no parameter twice, and one without a value is as good as absent.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            // RFC 8707 section 2 lets this one be repeated; the first is the one that counts here.
            let may_repeat = name == "resource";
            if value.is_empty() || (may_repeat && params.contains_key("resource")) {
                continue;
            }
            if params
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return None;
            }
        }
        Some(Self(params))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

// ===== answers =====

/// An answer that nobody may keep; most carry a credential or depend on one.
pub(super) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

pub(super) fn json(status: StatusCode, value: &Value) -> Reply {
    reply(status, "application/json", value.to_string())
}

/// Sends the browser to `url` with these parameters added (RFC 9700 section 4.12: 303, so a form is not resent).
pub(super) fn redirect<'a>(
    mut url: Url,
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Reply {
    let mut params = params.into_iter().peekable();
    // Even an empty list would leave a `?` behind.
    if params.peek().is_some() {
        url.query_pairs_mut().extend_pairs(params);
    }
    with_header(
        reply(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", ""),
        LOCATION,
        url.as_str(),
    )
}

/// Adds a header; a value that cannot be one is left out.
pub(super) fn with_header(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    if let Ok(value) = HeaderValue::try_from(value) {
        reply.headers_mut().insert(name, value);
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_once_and_an_empty_one_not_at_all() {
        let params = Params::parse(b"a=1&b=&c=x+y%21&=").unwrap();
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!(params.get("b"), None);
        assert_eq!(params.get("c"), Some("x y!"));
        assert!(Params::parse(b"a=1&a=1").is_none());
        let repeated = Params::parse(b"resource=one&resource=two").unwrap();
        assert_eq!(repeated.get("resource"), Some("one"));
    }

    #[tokio::test]
    async fn basic_credentials_are_form_decoded() {
        // `a b:c%` and the secret `s:e=c+r&et`, encoded, with a colon of its own.
        for (raw, expected) in [
            ("a+b:s%3Ae%3Dc%2Br%26et", Some(("a b", "s:e=c+r&et"))),
            ("a:b:c=", Some(("a", "b:c="))),
            ("a:b&c", None),
            ("no colon", None),
        ] {
            let line = format!("basic {}", STANDARD.encode(raw));
            let request = Request::get("/").header(AUTHORIZATION, line);
            let call = Call::read(request.body(Full::<Bytes>::default()).unwrap()).await;
            let found = call.ok().unwrap().basic();
            let found = found
                .as_ref()
                .map(|(id, secret)| (id.as_str(), secret.as_str()));
            assert_eq!(found, expected, "{raw}");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let body = Full::new(Bytes::from(vec![b'a'; BODY_LIMIT + 1]));
        let refused = Call::read(Request::post("/token").body(body).unwrap()).await;
        assert_eq!(refused.err().unwrap().0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
