//! CORS preflights (Fetch standard, section 3.3.2): browsers send them without credentials.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, UPGRADE};
use http::{HeaderMap, Method, Request};

/// Whether this is a CORS preflight, complete in all of its marks and with nothing that no browser would add.
pub(crate) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && only(headers, &ORIGIN).is_some()
        && only(headers, &ACCESS_CONTROL_REQUEST_METHOD)
            .is_some_and(|method| Method::from_bytes(method).is_ok())
        && !headers.contains_key(UPGRADE)
}

/// The value of a field that stands once and is not empty.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes();
    (values.next().is_none() && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn px_08_only_a_well_formed_preflight_is_one() {
        let is = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            is_preflight(&request.body(()).unwrap())
        };
        let (origin, asked) = (
            ("origin", "https://a.test"),
            ("access-control-request-method", "PUT"),
        );
        assert!(is("OPTIONS", &[origin, asked]));
        for (method, headers) in [
            ("GET", &[origin, asked][..]),
            ("OPTIONS", &[origin]),
            ("OPTIONS", &[asked]),
            ("OPTIONS", &[origin, origin, asked]),
            ("OPTIONS", &[("origin", ""), asked]),
            ("OPTIONS", &[origin, ("access-control-request-method", "")]),
            (
                "OPTIONS",
                &[origin, ("access-control-request-method", "not one")],
            ),
            ("OPTIONS", &[origin, asked, ("upgrade", "websocket")]),
        ] {
            assert!(!is(method, headers), "{method} {headers:?}");
        }
    }
}
