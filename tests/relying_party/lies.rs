//! The lies of the rows, each in one word.

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION};
use serde_json::{Map, Value};
use tower_identity::testing::{Lie, Provider};

/// How a provider is made to lie.
pub(crate) type Telling = Box<dyn Fn(&Provider) -> Vec<Lie>>;
type Object = Map<String, Value>;

pub(crate) const METADATA: &str = "/.well-known/openid-configuration";

/// The ID token, by whatever is done to its header and claims.
pub(crate) fn token(bend: fn(&mut Object, &mut Object)) -> Telling {
    Box::new(move |provider| vec![provider.bend_id_token(bend)])
}

/// A claim of the ID token says something else.
pub(crate) fn claim(name: &'static str, value: impl Into<Value>) -> Telling {
    let value = value.into();
    Box::new(move |provider| {
        let value = value.clone();
        let bend = move |_: &mut Object, claims: &mut Object| {
            claims.insert(name.into(), value.clone());
        };
        vec![provider.bend_id_token(bend)]
    })
}

/// A claim of the ID token is left out.
pub(crate) fn no_claim(name: &'static str) -> Telling {
    Box::new(move |provider| {
        vec![provider.bend_id_token(move |_, claims| {
            claims.remove(name);
        })]
    })
}

/// A claim of the ID token is this far from the present.
pub(crate) fn claim_in(name: &'static str, seconds: i64) -> Telling {
    Box::new(move |provider| {
        vec![provider.bend_id_token(move |_, claims| {
            let now = claims["auth_time"].as_i64().unwrap();
            claims.insert(name.into(), (now + seconds).into());
        })]
    })
}

/// A parameter of the ID token's header says something else.
pub(crate) fn header(name: &'static str, value: &'static str) -> Telling {
    Box::new(move |provider| {
        vec![provider.bend_id_token(move |header, _| {
            header.insert(name.into(), value.into());
        })]
    })
}

/// What the browser brings back has another parameter; without a value it has none.
pub(crate) fn param(name: &'static str, value: Option<&'static str>) -> Telling {
    Box::new(move |provider| {
        let bend = move |params: &mut Object| match value {
            Some(value) => drop(params.insert(name.into(), value.into())),
            None => drop(params.remove(name)),
        };
        vec![provider.bend_callback(bend)]
    })
}

/// What the browser brings back has an `iss` made of the provider's own.
pub(crate) fn iss_after(suffix: &'static str) -> Telling {
    Box::new(move |provider| {
        let iss = format!("{}{suffix}", provider.issuer());
        let bend = move |params: &mut Object| {
            params.insert("iss".into(), iss.as_str().into());
        };
        vec![provider.bend_callback(bend)]
    })
}

/// A member of the JSON at `path` says something else.
pub(crate) fn member(path: &'static str, name: &'static str, value: impl Into<Value>) -> Telling {
    let value = value.into();
    Box::new(move |provider| {
        let value = value.clone();
        vec![provider.bend_document(path, move |document| document[name] = value.clone())]
    })
}

/// A member of the JSON at `path` is left out.
pub(crate) fn no_member(path: &'static str, name: &'static str) -> Telling {
    Box::new(move |provider| {
        vec![provider.bend_document(path, move |document| {
            document.as_object_mut().unwrap().remove(name);
        })]
    })
}

/// Another document stands at `path`.
pub(crate) fn document(path: &'static str, value: Value) -> Telling {
    Box::new(move |provider| {
        let value = value.clone();
        vec![provider.bend_document(path, move |document| *document = value.clone())]
    })
}

/// The body of `path` is this text, whatever its type says.
pub(crate) fn body(path: &'static str, text: &'static str) -> Telling {
    response(path, move |response| *response.body_mut() = text.into())
}

/// The document of `path` is what unpacks to more than it takes to send.
pub(crate) fn packed(path: &'static str) -> Telling {
    response(path, |response| {
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, gzip);
        *response.body_mut() = Bytes::from_static(b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    })
}

/// The document of `path` is the right one, and called something else.
pub(crate) fn content_type(path: &'static str, value: &'static str) -> Telling {
    response(path, move |response| {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(CONTENT_TYPE, value);
    })
}

/// The document of `path` is the right one, and may be kept this long.
pub(crate) fn cache_control(path: &'static str, value: &'static str) -> Telling {
    response(path, move |response| {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(CACHE_CONTROL, value);
    })
}

/// The document of `path` is the right one, and of another status.
pub(crate) fn status(path: &'static str, status: u16) -> Telling {
    response(path, move |response| {
        *response.status_mut() = status.try_into().unwrap()
    })
}

/// `path` says that its document stands elsewhere.
pub(crate) fn moved(path: &'static str, status: u16) -> Telling {
    Box::new(move |provider| {
        let to = format!("{}/elsewhere", provider.url());
        let bend = move |response: &mut Response<Bytes>| {
            *response.status_mut() = status.try_into().unwrap();
            let to = HeaderValue::try_from(&to).unwrap();
            response.headers_mut().insert(LOCATION, to);
        };
        vec![provider.bend_response(path, bend)]
    })
}

/// The JSON of `path` is the right one, and longer than a mebibyte.
pub(crate) fn padded(path: &'static str) -> Telling {
    response(path, |response| {
        let mut padded = vec![b' '; 1024 * 1024];
        padded.extend_from_slice(response.body());
        *response.body_mut() = padded.into();
    })
}

/// Two lies at once.
pub(crate) fn both(one: Telling, other: Telling) -> Telling {
    Box::new(move |provider| {
        let mut lies = one(provider);
        lies.extend(other(provider));
        lies
    })
}

fn response(
    path: &'static str,
    bend: impl Fn(&mut Response<Bytes>) + Copy + Send + Sync + 'static,
) -> Telling {
    Box::new(move |provider| vec![provider.bend_response(path, bend)])
}
