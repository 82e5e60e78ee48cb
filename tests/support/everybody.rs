//! A portal where people can sign in by every kind of provider.

use tower_identity::provider::{GitHub, Guest, Oidc};
use tower_identity::sign_in::{Resolver, SignIn, SignInBuilder};
use tower_identity::testing::Provider;

use super::site::{bind, catalog, serve};

/// Back to a page of the portal.
pub(crate) const REDIRECT: &str = "flow=redirect&redirectUrl=/welcome";

pub(crate) struct Portal {
    pub(crate) url: String,
    pub(crate) provider: Provider,
}

impl Portal {
    /// With all its providers, and whatever else `change` does to it.
    pub(crate) async fn with(change: impl FnOnce(SignInBuilder) -> SignInBuilder) -> Self {
        let provider = Provider::start().await.unwrap();
        let (listener, url) = bind().await;
        let (id, secret) = (provider.client_id(), provider.client_secret());
        let sign_in = change(SignIn::builder(&url))
            .with_provider(
                "oidc",
                Oidc::new(provider.issuer(), id, secret),
                [Resolver::email()],
            )
            .with_provider(
                "other",
                Oidc::new(provider.issuer(), id, secret),
                [Resolver::email()],
            )
            .with_provider(
                "github",
                GitHub::new(id, secret).with_enterprise_instance_url(provider.url()),
                [Resolver::username(), Resolver::email()],
            )
            .with_provider("guest", Guest::new(), [])
            .with_catalog(catalog())
            .build()
            .unwrap();
        serve(listener, sign_in);
        Self { url, provider }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}
