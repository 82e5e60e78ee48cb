//! Lies: what a provider says instead of the truth, in one place and for as long as a test wants it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use aws_lc_rs::error::Unspecified;
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value};

use super::Provider;
use super::mint::TokenBuilder;
use super::server::lock;
use super::wire::Reply;

/// A lie of a [`Provider`]: it is told until this is dropped, then the provider is honest again.
///
/// A test of a refusal has three parts: the lie was [told](Self::told), nobody was signed in, and once the lie is
/// dropped the same person is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use serde_json::json;
/// use tower_identity::testing::Provider;
///
/// let provider = Provider::start().await?;
///
/// // An ID token of somebody else's sign-in, well signed all the same.
/// let lie = provider.bend_id_token(|_header, claims| {
///     claims.insert("nonce".into(), json!("another"));
/// });
/// // ... sign in here, and see that it fails ...
/// assert_eq!(lie.told(), 0, "in this example nobody signed in");
/// drop(lie);
///
/// // A document that says something else, an answer that is none, a response under no name: one at a time or
/// // together.
/// let elsewhere = provider.bend_document("/.well-known/openid-configuration", |metadata| {
///     metadata["issuer"] = json!("https://elsewhere.example");
/// });
/// let broken = provider.bend_response("/userinfo", |response| {
///     *response = http::Response::new("<html>".into());
/// });
/// let nameless = provider.bend_callback(|params| {
///     params.remove("iss");
/// });
/// # let _ = (elsewhere, broken, nameless);
/// # Ok(())
/// # }
/// ```
#[must_use = "the provider is honest again once this is dropped"]
pub struct Lie(Arc<Untruth>);

/// The lies of a provider, in the order they were begun. Whoever holds the [`Lie`] keeps it alive.
#[derive(Default)]
pub(super) struct Lies(Mutex<Vec<Weak<Untruth>>>);

struct Untruth {
    what: What,
    told: AtomicUsize,
}

enum What {
    Response {
        path: String,
        bend: Box<Bend<Response<Bytes>>>,
    },
    IdToken(Box<Bend<(Object, Object)>>),
    Callback(Box<Bend<Object>>),
}

type Object = Map<String, Value>;
type Bend<T> = dyn Fn(&mut T) + Send + Sync;

// ===== impl Provider =====

impl Provider {
    /// Changes what leaves `path`, such as `/token`: its status, headers and body, down to an answer that is none.
    pub fn bend_response(
        &self,
        path: &str,
        bend: impl Fn(&mut Response<Bytes>) + Send + Sync + 'static,
    ) -> Lie {
        self.state.lies.begin(What::Response {
            path: path.to_owned(),
            bend: Box::new(bend),
        })
    }

    /// Changes the JSON document that leaves `path`, such as `/userinfo`, `/jwks` or GitHub's `/api/v3/user/emails`.
    pub fn bend_document(
        &self,
        path: &str,
        bend: impl Fn(&mut Value) + Send + Sync + 'static,
    ) -> Lie {
        self.bend_response(path, move |response| {
            if let Ok(mut document) = serde_json::from_slice(response.body()) {
                bend(&mut document);
                *response.body_mut() = document.to_string().into();
            }
        })
    }

    /// Changes the header and the claims of the ID tokens before they are signed. For a bad signature, and for a token
    /// that is none, there is [`bend_document`](Self::bend_document) with `/token`.
    pub fn bend_id_token(
        &self,
        bend: impl Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync + 'static,
    ) -> Lie {
        let bend = Box::new(move |(header, claims): &mut _| bend(header, claims));
        self.state.lies.begin(What::IdToken(bend))
    }

    /// Changes the parameters that a browser brings back to the app, from OpenID Connect and from GitHub.
    pub fn bend_callback(
        &self,
        bend: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static,
    ) -> Lie {
        self.state.lies.begin(What::Callback(Box::new(bend)))
    }
}

// ===== impl Lie =====

impl Lie {
    /// How often it has been told: an answer that came out as the truth would have does not count.
    #[must_use]
    pub fn told(&self) -> usize {
        self.0.told.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lie")
            .field("told", &self.told())
            .finish_non_exhaustive()
    }
}

// ===== impl Lies =====

impl Lies {
    /// An answer as it leaves.
    pub(super) async fn bend(&self, path: &str, honest: Reply) -> Reply {
        let (parts, body) = honest.into_parts();
        let Ok(body) = body.collect().await;
        let mut response = Response::from_parts(parts, body.to_bytes());
        for lie in self.told() {
            if let What::Response { path: at, bend } = &lie.what
                && at == path
            {
                let said =
                    |r: &Response<Bytes>| (r.status(), r.headers().clone(), r.body().clone());
                lie.tell_by(&mut response, said, bend);
            }
        }
        response.map(Full::new)
    }

    /// An ID token as it is signed.
    pub(super) fn sign(&self, id_token: &TokenBuilder) -> Result<String, Unspecified> {
        id_token.sign_bent(|header, claims| {
            let mut token = (std::mem::take(header), std::mem::take(claims));
            for lie in self.told() {
                if let What::IdToken(bend) = &lie.what {
                    lie.tell_by(&mut token, Clone::clone, bend);
                }
            }
            (*header, *claims) = token;
        })
    }

    /// The parameters of an authorization response as they leave.
    pub(super) fn callback<'a>(
        &self,
        params: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(String, String)> {
        let params = params.into_iter();
        let mut params: Object = params.map(|(k, v)| (k.to_owned(), v.into())).collect();
        for lie in self.told() {
            if let What::Callback(bend) = &lie.what {
                lie.tell_by(&mut params, Clone::clone, bend);
            }
        }
        let text = |value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        params.into_iter().map(|(k, v)| (k, text(v))).collect()
    }

    fn begin(&self, what: What) -> Lie {
        let untruth = Arc::new(Untruth {
            what,
            told: AtomicUsize::new(0),
        });
        lock(&self.0).push(Arc::downgrade(&untruth));
        Lie(untruth)
    }

    /// Those that somebody still holds.
    fn told(&self) -> Vec<Arc<Untruth>> {
        let mut lies = lock(&self.0);
        lies.retain(|lie| lie.strong_count() > 0);
        lies.iter().filter_map(Weak::upgrade).collect()
    }
}

// ===== impl Untruth =====

impl Untruth {
    /// Counts if what is `said` changes.
    fn tell_by<T, S: PartialEq>(&self, truth: &mut T, said: impl Fn(&T) -> S, bend: &Bend<T>) {
        let before = said(truth);
        bend(truth);
        if said(truth) != before {
            self.told.fetch_add(1, Ordering::SeqCst);
        }
    }
}
