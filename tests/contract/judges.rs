//! The two layers that judge, behind one adapter.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tower::util::Either;
use tower_identity::credential::BearerToken;
use tower_identity::identity::{Method, Restriction, Service, VerifiedIdentity};
use tower_identity::rejection::{Rejection, RejectionKind};
use tower_identity::verify::{Outcome, Verify};
use tower_identity::{BearerKeyLayer, IdentityLayer};

pub(crate) type Judge = Either<BearerKeyLayer<Any>, IdentityLayer<Any>>;
pub(crate) type Verdict = Result<Outcome, Rejection>;

/// Any verifier: with it both layers are of one shape.
#[derive(Clone)]
pub(crate) struct Any(Arc<dyn Fn(BearerToken<'_>) -> BoxFuture<'static, Verdict> + Send + Sync>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stance {
    Required,
    Optional,
    Delegating,
}

pub(crate) const STANCES: [Stance; 3] = [Stance::Required, Stance::Optional, Stance::Delegating];

/// Says the same to a layer of either kind.
macro_rules! both {
    ($judge:expr, $layer:ident => $changed:expr) => {
        match $judge {
            tower::util::Either::Left($layer) => tower::util::Either::Left($changed),
            tower::util::Either::Right($layer) => tower::util::Either::Right($changed),
        }
    };
}

pub(crate) use both;

/// Both layers, over one verifier.
pub(crate) fn judges(verifier: Any) -> [Judge; 2] {
    [
        Either::Left(BearerKeyLayer::new(verifier.clone())),
        Either::Right(IdentityLayer::new(verifier)),
    ]
}

impl Stance {
    pub(crate) fn of(self, judge: Judge) -> Judge {
        match self {
            Self::Required => judge,
            Self::Optional => both!(judge, layer => layer.optional()),
            Self::Delegating => both!(judge, layer => layer.delegating()),
        }
    }
}

impl Any {
    pub(crate) fn of<V>(verifier: V) -> Self
    where
        V: Verify + Send + Sync + 'static,
        V::Future: Send + 'static,
    {
        Self(Arc::new(move |token| verifier.verify(token).boxed()))
    }

    pub(crate) fn saying<F>(verdict: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        Self(Arc::new(move |token| verdict(token.as_str()).boxed()))
    }

    /// One that goes by the word, and how often it was asked.
    pub(crate) fn by_the_word() -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let verifier = Self::saying(move |word| {
            counter.fetch_add(1, Ordering::SeqCst);
            std::future::ready(by_the_word(word))
        });
        (verifier, count)
    }
}

pub(crate) fn by_the_word(word: &str) -> Verdict {
    let robot = Service::new("robot");
    let restricted = [Restriction::to_plugin("catalog")];
    match word {
        "good" => Ok(robot),
        "restricted" => Ok(robot.with_restrictions(restricted)),
        "bad" => Err((RejectionKind::InvalidToken, "it ended yesterday")),
        "down" => Err((RejectionKind::Unavailable, "who could tell is away")),
        _ => return Ok(Outcome::NotRecognised),
    }
    .map(|robot| Outcome::verified(VerifiedIdentity::assertion(robot, Method::Token)))
    .map_err(|(kind, reason)| Rejection::new(kind, reason))
}

impl Verify for Any {
    type Future = BoxFuture<'static, Verdict>;

    fn verify(&self, token: BearerToken<'_>) -> Self::Future {
        (self.0)(token)
    }
}

impl fmt::Debug for Any {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Any")
    }
}
