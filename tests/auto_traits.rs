//! What can be sent, shared, cloned and moved; and how large the one value is that every handler holds.

use checks::{clone, debug, send, small, sync, unpin};
use tower_identity::clock::{Clock, ClockHand, Timestamp};
use tower_identity::credential::MalformedCredential;
use tower_identity::identity::{
    EntityRef, EntityRefError, Principal, Profile, Restriction, Scopes, Service, User,
    VerifiedIdentity,
};
use tower_identity::layer::{BearerKeyService, IdentityService, ResponseBody, ResponseFuture};
use tower_identity::rejection::{Challenge, Rejection, RejectionKind};
use tower_identity::secret::{SealingKey, SealingKeys};
use tower_identity::session::Sessions;
use tower_identity::store::{MemoryStore, StoreError};
use tower_identity::token::{
    DelegationError, MintError, MintedToken, PluginTokens, SigningKeys, StaticKey, TokenIssuer,
    UserInfo, UserInfoError,
};
use tower_identity::verify::Introspection;
use tower_identity::verify::api_key::{ApiKeys, KeyDigest, KeyRecord};
use tower_identity::verify::jwks::{KeySet, KeySource, RemoteKeys};
use tower_identity::verify::jwt::{Algorithm, VerdictFuture};
use tower_identity::verify::{Issuer, JwtVerifier, Outcome};
use tower_identity::{
    ApiKey, BearerKeyLayer, ConfigError, ConfigMistake, Identity, IdentityLayer, Secret,
};

mod checks {
    pub(crate) fn send<T: Send>() {}
    pub(crate) fn sync<T: Sync>() {}
    pub(crate) fn unpin<T: Unpin>() {}
    pub(crate) fn clone<T: Clone>() {}
    pub(crate) fn debug<T: std::fmt::Debug>() {}

    #[track_caller]
    pub(crate) fn small<T>(most: usize) {
        let size = size_of::<T>();
        assert!(
            size <= most,
            "{} has {size} bytes, more than {most}",
            std::any::type_name::<T>()
        );
    }
}

/// An inner service that is neither `Sync` nor `Clone` must not matter to what does not hold one.
struct NotClone;

macro_rules! all {
    (@each $checks:tt $($type:ty,)+) => { $(all!(@one $checks $type);)+ };
    (@one ($($check:ident)+) $type:ty) => { $($check::<$type>();)+ };
}

#[test]
fn every_public_value_is_send_sync_unpin_and_can_be_printed() {
    all!(@each (send sync unpin debug)
        Identity, VerifiedIdentity, Principal, User, Service, Profile, Restriction, Scopes, EntityRef,
        EntityRefError, Rejection, RejectionKind, Challenge, ConfigError, ConfigMistake, MalformedCredential,
        Secret<String>, SealingKey, SealingKeys, ApiKey, ApiKeys, KeyDigest, KeyRecord, Issuer, JwtVerifier, Introspection,
        Outcome, Algorithm, KeySet, KeySource, RemoteKeys, TokenIssuer, SigningKeys, MintedToken, Sessions,
        StaticKey, MintError, PluginTokens, DelegationError, UserInfo, UserInfoError,
        MemoryStore, StoreError, Clock, ClockHand, Timestamp, BearerKeyLayer, IdentityLayer,
        BearerKeyService<()>, IdentityService<()>, ResponseBody<()>,
    );
}

#[test]
fn what_is_handed_around_can_be_cloned_and_what_proves_or_opens_once_cannot() {
    all!(@each (clone)
        Identity, Principal, Rejection, Challenge, ConfigError, Secret<String>, SealingKeys, ApiKeys, KeyRecord,
        Issuer, JwtVerifier, TokenIssuer, Sessions, Clock, EntityRef, KeySource,
        // Whatever the verifier is, a layer can be cloned; a service when its inner one can.
        BearerKeyLayer<NotClone>, IdentityLayer<NotClone>, BearerKeyService<(), NotClone>,
        IdentityService<(), NotClone>,
    );
}

#[cfg(feature = "sign-in")]
#[test]
fn the_sign_in_is_send_sync_and_cheap_to_clone() {
    use tower_identity::OAuthCallbackLayer;
    use tower_identity::catalog::{CachedCatalog, CatalogUser, RemoteCatalog, UserQuery};
    use tower_identity::layer::OAuthCallbackService;
    use tower_identity::provider::{
        Auth0, AwsAlb, AzureEasyAuth, ClientAuthentication, ClientCredential, ClientKey,
        CloudflareAccess, GcpIap, GitHub, GitLab, Google, Guest, Microsoft, OAuth2, OAuth2Proxy,
        Oidc, Okta, Prompt, ProviderConfig,
    };
    use tower_identity::sign_in::{
        ProviderInfo, ResolvedUser, Resolver, ResolverContext, ResolverError, SignIn, SignInInfo,
    };
    all!(@each (send sync unpin debug clone)
        SignIn, Resolver, ProviderInfo, OAuthCallbackLayer, OAuthCallbackService<()>,
        ResolvedUser, ResolverContext, ResolverError, SignInInfo,
        CachedCatalog, RemoteCatalog, CatalogUser, UserQuery,
        Auth0, AwsAlb, AzureEasyAuth, ClientAuthentication, ClientCredential, ClientKey,
        CloudflareAccess, GcpIap, GitHub, GitLab, Google, Guest, Microsoft, OAuth2, OAuth2Proxy,
        Oidc, Okta, Prompt, ProviderConfig,
    );
    small::<SignIn>(size_of::<usize>());
}

#[cfg(feature = "app-config")]
#[test]
fn a_configuration_is_send_and_sync_and_can_be_printed() {
    use tower_identity::Config;
    use tower_identity::catalog::{FileCatalog, WatchedCatalog};
    use tower_identity::config::{Cors, Https, Layers, Listen, Summary};
    all!(@each (send sync unpin debug)
        Config, Cors, Https, Layers, Listen, Summary, FileCatalog, WatchedCatalog,
    );
}

#[test]
fn an_identity_is_one_pointer_and_so_is_a_layer() {
    small::<Identity>(size_of::<usize>());
    small::<Option<Identity>>(size_of::<usize>());
    small::<BearerKeyLayer>(size_of::<usize>());
    small::<IdentityLayer>(size_of::<usize>());
    small::<BearerKeyService<()>>(size_of::<usize>());
    small::<Sessions>(size_of::<usize>());
    small::<JwtVerifier>(size_of::<usize>());
}

/// Does not compile if the type has the trait: then two implementations fit, and `_` could be either.
macro_rules! never {
    ($($type:ty),+ => $bound:path) => {$(
        const _: fn() = || {
            struct Fits;
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $bound> Ambiguous<Fits> for T {}
            <$type as Ambiguous<_>>::check();
        };
    )+};
}

// ER-05: no type that holds a secret can be displayed, serialized or compared with `==`.
never!(Secret<String>, Secret<Vec<u8>>, ApiKey, MintedToken, SealingKey, SealingKeys, ApiKeys, SigningKeys, StaticKey => std::fmt::Display);
never!(Secret<String>, Secret<Vec<u8>>, ApiKey, MintedToken, SealingKey, SealingKeys, ApiKeys, SigningKeys, StaticKey => serde::Serialize);
never!(Secret<String>, Secret<Vec<u8>>, ApiKey, MintedToken, SealingKey, SealingKeys, ApiKeys => PartialEq);
never!(Secret<String>, ApiKey, MintedToken, SealingKey => std::hash::Hash);
never!(Secret<String>, ApiKey, MintedToken => AsRef<str>);
// A proof is not made of data, nor out of nothing; what was asserted once is used once.
never!(Identity, VerifiedIdentity, Principal, User, Service => serde::de::DeserializeOwned);
never!(Identity, VerifiedIdentity => Default);
never!(Identity => From<VerifiedIdentity>);
never!(VerifiedIdentity, ApiKey => Clone);
never!(VerifiedIdentity => From<Service>);
never!(VerifiedIdentity => From<Principal>);
// A secret is shown by `expose`, and by nothing that reads like something else.
never!(Secret<String>, Secret<Vec<u8>>, ApiKey, MintedToken, SealingKey => std::ops::Deref);
never!(Secret<String>, Secret<Vec<u8>>, ApiKey, MintedToken, SealingKey => std::borrow::Borrow<str>);
never!(Secret<String>, ApiKey, MintedToken, SealingKey => AsRef<[u8]>);
never!(String => From<Secret<String>>);
never!(String => From<ApiKey>);
never!(String => From<MintedToken>);

/// What a type has not got: a method of its own would be called before the trait's, and not fit.
macro_rules! absent {
    ($type:ty: $($name:ident)+) => {{
        struct Absent;
        trait Without: Sized {
            $(fn $name() -> Absent { Absent })+
        }
        impl Without for $type {}
        $(let Absent = <$type>::$name();)+
    }};
}

#[test]
#[allow(clippy::new_ret_no_self, reason = "that there is none is the point")]
fn a_proof_is_asserted_and_never_made_otherwise_nor_handed_out_by_one_who_has_it() {
    absent!(Identity: new from_parts builder assertion default unchecked of_verified verified);
    absent!(VerifiedIdentity: new from_parts builder default unchecked into_identity into_inner);
    absent!(Secret<String>: into_inner into_string as_str get_ref);
    absent!(Sessions: get_ref keys);
}

#[test]
fn the_futures_can_be_sent_to_another_thread() {
    #[derive(Clone)]
    struct Inner;

    impl tower::Service<http::Request<()>> for Inner {
        type Response = http::Response<()>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<http::Response<()>, Self::Error>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Request<()>) -> Self::Future {
            std::future::ready(Ok(http::Response::new(())))
        }
    }

    all!(@each (send debug) ResponseFuture<Inner, (), ApiKeys>, ResponseFuture<Inner, (), JwtVerifier>, VerdictFuture,);
}
