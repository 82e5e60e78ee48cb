//! Who a person is to the catalog, from the provider's word to the handler: by annotation, by a resolver of one's own,
//! and what becomes of people whom the catalog does not know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::Method;
use serde_json::{Value, json};
use tower_identity::Config;
use tower_identity::catalog::{Catalog, CatalogError, CatalogUser, FileCatalog, UserQuery};
use tower_identity::provider::Oidc;
use tower_identity::sign_in::{ResolvedUser, Resolver, ResolverError, SignIn};
use tower_identity::testing::{Provider, User};

use crate::browser::Browser;
use crate::site::{POPUP, bind, frame, serve};

/// The names differ from those at the provider: only annotations lead here.
const CATALOG: &str = "
apiVersion: backstage.io/v1alpha1
kind: User
metadata:
  name: countess
  annotations: { github.com/user-id: NODE_ID, example.com/id: user-ada, example.com/email: ada@example.com }
spec: { memberOf: [analysts] }
";

/// Signs `user` in by popup: whom the frame names, or its error.
async fn sign_in(browser: &Browser, portal: &str, provider: &str, user: &str) -> Value {
    let way = browser
        .begin(portal, provider, &format!("user={user}"), POPUP)
        .await;
    let (message, _) = frame(&browser.get(&way).await);
    match message.get("error") {
        Some(error) => error["message"].clone(),
        None => message["response"]["backstageIdentity"]["identity"].clone(),
    }
}

async fn node_id(provider: &Provider) -> String {
    // What GitHub's API says of Ada, as the sign-in with it hears it.
    let (listener, url) = bind().await;
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let ear = heard.clone();
    let listens = Resolver::from_fn("listens", move |person, _| {
        *ear.lock().unwrap() = person.user_id().to_owned();
        ready(Err(ResolverError::not_found("only listens")))
    });
    let github =
        tower_identity::provider::GitHub::new(provider.client_id(), provider.client_secret())
            .with_enterprise_instance_url(provider.url());
    serve(
        listener,
        SignIn::builder(&url)
            .with_provider("github", github, [listens])
            .build()
            .unwrap(),
    );
    sign_in(&Browser::default(), &url, "github", "ada").await;
    let heard = heard.lock().unwrap();
    assert!(heard.starts_with("U_"), "{heard}");
    heard.clone()
}

#[tokio::test]
async fn people_are_known_by_annotations_and_by_resolvers_that_the_program_brings() {
    let provider = Provider::start().await.unwrap();
    let catalog = CATALOG.replace("NODE_ID", &node_id(&provider).await);
    let (listener, url) = bind().await;
    let text = format!(
        "
app: {{ baseUrl: '{url}' }}
backend: {{ baseUrl: '{url}' }}
auth:
  providers:
    github:
      development:
        clientId: {id}
        clientSecret: {secret}
        enterpriseInstanceUrl: {}
        signIn: {{ resolvers: [{{ resolver: userIdMatchingUserEntityAnnotation }}] }}
    mail: &oidc
      type: oidc
      development:
        clientId: {id}
        clientSecret: {secret}
        metadataUrl: {}
        signIn: {{ resolvers: [{{ resolver: emailMatchingUserEntityAnnotation, annotation: example.com/email }}] }}
    subject:
      type: oidc
      development:
        clientId: {id}
        clientSecret: {secret}
        metadataUrl: {}
        signIn: {{ resolvers: [{{ resolver: subjectMatchingUserEntityAnnotation }}] }}
",
        provider.url(),
        provider.issuer(),
        provider.issuer(),
        id = provider.client_id(),
        secret = provider.client_secret(),
    );
    let file = std::env::temp_dir().join(format!("tid-resolvers-{}.yaml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let by_subject = Resolver::from_fn(
        "subjectMatchingUserEntityAnnotation",
        async |person, catalog| {
            let query = UserQuery::annotation("example.com/id", person.subject());
            catalog.find_user(&query).await
        },
    );
    let config = Config::sources([&file])
        .add_resolver(by_subject)
        .with_catalog(FileCatalog::from_yaml("catalog.yaml", &catalog).unwrap())
        .load();
    std::fs::remove_file(&file).unwrap();
    serve(listener, config.unwrap().sign_in().unwrap());

    for by in ["github", "mail", "subject"] {
        let browser = Browser::default();
        let ada = sign_in(&browser, &url, by, "ada").await;
        assert_eq!(
            ada["ownershipEntityRefs"],
            json!(["user:default/countess", "group:default/analysts"]),
            "{by}"
        );
        let whoami = browser.get(&format!("{url}/api/whoami")).await.json();
        assert_eq!(whoami["subject"], "user:default/countess", "{by}");

        let grace = sign_in(&Browser::default(), &url, by, "grace").await;
        let sentence = grace.as_str().unwrap_or_default();
        assert!(
            sentence.starts_with("Failed to sign-in, unable to resolve user identity."),
            "{by}: {grace}"
        );
    }
}

/// Comes to know a user while the portal runs.
#[derive(Clone, Default)]
struct Growing(Arc<AtomicBool>);

impl Catalog for Growing {
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
        let user = match query {
            UserQuery::Ref(user) if self.0.load(Ordering::SeqCst) => {
                let admins = ["group:default/admins".parse().unwrap()];
                Ok(CatalogUser::new(user.clone()).with_ownership(admins))
            }
            _ => Err(CatalogError::NotFound),
        };
        ready(user).boxed()
    }
}

#[tokio::test]
async fn who_was_let_in_without_the_catalog_keeps_what_is_theirs_and_gets_nothing_of_a_namesakes() {
    let provider = Provider::builder()
        .with_refresh_tokens(false)
        .with_users([User::new("ada")])
        .start()
        .await
        .unwrap();
    let (listener, url) = bind().await;
    let catalog = Growing::default();
    let visitor = Resolver::from_fn("visitor", async |person, _| {
        let name = person.username().unwrap_or_default();
        let user = format!("user:visitors/{name}").parse();
        let user = user.map_err(|_| ResolverError::denied("No name, no visit"))?;
        let visitors = ["group:default/visitors".parse().unwrap()];
        Ok(ResolvedUser::outside_catalog(user).with_ownership(visitors))
    });
    let oidc = Oidc::new(
        provider.issuer(),
        provider.client_id(),
        provider.client_secret(),
    );
    serve(
        listener,
        SignIn::builder(&url)
            .with_provider("oidc", oidc, [visitor])
            .with_catalog(catalog.clone())
            .build()
            .unwrap(),
    );
    let browser = Browser::default();
    let theirs = json!(["user:visitors/ada", "group:default/visitors"]);
    let ada = sign_in(&browser, &url, "oidc", "ada").await;
    assert_eq!(ada["ownershipEntityRefs"], theirs);
    let refresh = format!("{url}/api/auth/oidc/refresh?env=development");
    // Without a refresh token the session repeats what the resolver said.
    let again = browser.ajax(Method::GET, &refresh).await.json();
    let identity = &again["backstageIdentity"]["identity"];
    assert_eq!(identity["ownershipEntityRefs"], theirs);

    // Somebody gets that very name in the catalog, and is an admin there.
    catalog.0.store(true, Ordering::SeqCst);
    let refused = browser.ajax(Method::GET, &refresh).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    assert!(!refused.body.contains("admins"), "{}", refused.body);
    let whoami = browser.get(&format!("{url}/api/whoami")).await;
    assert_eq!(whoami.status, 401, "the sign-in has ended");
}
