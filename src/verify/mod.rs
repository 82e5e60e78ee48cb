//! Turning what a request presents into a proof of who sent it.

use std::fmt;
use std::future::Future;

use crate::credential::BearerToken;
use crate::identity::VerifiedIdentity;
use crate::rejection::Rejection;

pub mod api_key;
pub mod introspection;
pub mod jwks;
pub mod jwt;

pub use self::api_key::{ApiKey, ApiKeys};
pub use self::introspection::Introspection;
pub use self::jwt::{Issuer, JwtVerifier, PluginDirectory};

/// Judges a bearer credential.
///
/// ```
/// use std::future::ready;
/// use tower_identity::identity::{Method, Service, VerifiedIdentity};
/// use tower_identity::verify::{Outcome, verify_fn};
///
/// // A verifier of your own: it vouches for one token, and does not know any other.
/// let verifier = verify_fn(|token| {
///     ready(Ok(if token.as_str() == "a-token-from-somewhere" {
///         Outcome::verified(VerifiedIdentity::assertion(Service::new("robot"), Method::Token))
///     } else {
///         Outcome::NotRecognised
///     }))
/// });
/// let layer = tower_identity::BearerKeyLayer::new(verifier);
/// # let _ = layer;
/// ```
pub trait Verify {
    /// The verdict, in time.
    type Future: Future<Output = Result<Outcome, Rejection>>;

    /// Begins to judge. The future does not borrow: whatever it needs of the token it takes along.
    ///
    /// # Errors
    ///
    /// The future gives a [`Rejection`] for a credential that is recognised and found bad
    /// (`InvalidToken`), or that cannot be judged now (`Unavailable`).
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time.
    fn verify(&self, token: BearerToken<'_>) -> Self::Future;
}

/// What a verifier makes of a credential that is not known to be bad.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It proves this.
    Verified(Box<VerifiedIdentity>),
    /// It is not of a kind this verifier knows; another one may.
    NotRecognised,
}

/// A [`Verify`] made of a function: see [`verify_fn`].
#[derive(Clone, Copy)]
pub struct VerifyFn<F>(F);

/// Makes a verifier of a function.
pub fn verify_fn<F, Fut>(f: F) -> VerifyFn<F>
where
    F: Fn(BearerToken<'_>) -> Fut,
    Fut: Future<Output = Result<Outcome, Rejection>>,
{
    VerifyFn(f)
}

impl Outcome {
    /// It proves this.
    #[must_use]
    pub fn verified(identity: VerifiedIdentity) -> Self {
        Self::Verified(Box::new(identity))
    }
}

impl<F, Fut> Verify for VerifyFn<F>
where
    F: Fn(BearerToken<'_>) -> Fut,
    Fut: Future<Output = Result<Outcome, Rejection>>,
{
    type Future = Fut;

    fn verify(&self, token: BearerToken<'_>) -> Fut {
        (self.0)(token)
    }
}

impl<F> fmt::Debug for VerifyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyFn")
    }
}
