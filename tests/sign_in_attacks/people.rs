//! Nobody becomes somebody else by what their provider calls them.

use futures::future::{BoxFuture, FutureExt as _, ready};
use serde_json::json;
use tower_identity::catalog::{Catalog, CatalogError, CatalogUser, FileCatalog, UserQuery};
use tower_identity::sign_in::Resolver;

use super::browser::Browser;
use super::liar::Liar;
use super::{KATE, email, portal};

const CATALOG: &str = "
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: kate}
spec: {profile: {email: kate@example.com}, memberOf: [admins]}
";

fn catalog() -> FileCatalog {
    FileCatalog::from_yaml("catalog.yaml", CATALOG).unwrap()
}

#[tokio::test]
async fn id_02_an_address_is_verified_by_whoever_says_it_and_by_nobody_else() {
    let liar = Liar::start().await;
    liar.say(|script| script.userinfo = Some(json!({})));
    let resolvers = [Resolver::email(), Resolver::email_local_part()];
    let portal = portal(|portal| {
        portal
            .with_catalog(catalog())
            .with_provider("oidc", liar.oidc(), resolvers)
    })
    .await;
    let kate = "kate@example.com";
    for (token, userinfo, expected) in [
        // The ID token's address, and a verification of another or of nothing.
        (
            json!({"email": kate}),
            json!({"email": "mallory@evil.test", "email_verified": true}),
            "401",
        ),
        (
            json!({"email": kate}),
            json!({"email_verified": true}),
            "401",
        ),
        (
            json!({"email": kate}),
            json!({"email": kate, "email_verified": true}),
            "401",
        ),
        (
            json!({"email_verified": true}),
            json!({"email": kate}),
            "401",
        ),
        (
            json!({"email": kate, "email_verified": "true"}),
            json!({}),
            "401",
        ),
        (
            json!({"email": kate, "email_verified": false}),
            json!({"email_verified": true}),
            "401",
        ),
        // Both of one source.
        (
            json!({"email": kate, "email_verified": true}),
            json!({}),
            KATE,
        ),
        (
            json!({}),
            json!({"email": kate, "email_verified": true}),
            KATE,
        ),
    ] {
        let case = format!("{token} {userinfo}");
        liar.say(|script| {
            (script.claims, script.userinfo) = (token, Some(userinfo));
            script.claims["sub"] = "1".into();
            script.userinfo.as_mut().unwrap()["sub"] = "1".into();
        });
        let browser = Browser::default();
        browser.lie(&portal, "oidc", &liar).await;
        assert_eq!(browser.who(&portal).await, expected, "{case}");
    }
}

/// A catalog that takes one letter for another.
struct Careless;

impl Catalog for Careless {
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
        let is_kate = match query {
            UserQuery::Ref(user) => folded(user.as_str()) == KATE,
            UserQuery::Email(address) => folded(address) == "kate@example.com",
            _ => false,
        };
        let kate = is_kate.then(|| CatalogUser::new(KATE.parse().unwrap()));
        ready(kate.ok_or(CatalogError::NotFound)).boxed()
    }
}

fn folded(text: &str) -> String {
    let letters = text.chars().flat_map(char::to_lowercase);
    let letters = letters.map(|c| match c {
        '\u{435}' => 'e',
        '\u{e4}' => 'a',
        '\u{ff20}' => '@',
        c => c,
    });
    let text: String = letters
        .filter(|c| c.is_ascii_graphic() && *c != '"')
        .collect();
    text.trim_end_matches('.').to_owned()
}

#[tokio::test]
async fn id_03_letters_that_look_like_others_or_fold_to_them_match_nobody() {
    let liar = Liar::start().await;
    let portal = portal(|portal| {
        portal
            .with_catalog(Careless)
            .with_provider("mail", liar.oidc(), email())
            .with_provider("local", liar.oidc(), [Resolver::email_local_part()])
            .with_provider("name", liar.oidc(), [Resolver::username()])
    })
    .await;
    for (address, expected) in [
        ("kate@example.com", KATE),
        ("kate+news@example.com", KATE),
        ("\u{212a}ate@example.com", "401"),
        ("kate\u{200b}@example.com", "401"),
        ("kate@example.com\u{200b}", "401"),
        ("kate@ex\u{e4}mple.com", "401"),
        ("kate@\u{435}xample.com", "401"),
        ("kate\u{ff20}example.com", "401"),
        ("kate@evil@example.com", "401"),
        ("\"kate\"@example.com", "401"),
        ("kate@example.com.", "401"),
        (" kate@example.com", "401"),
        ("kate@example.com\0", "401"),
        ("+kate@example.com", "401"),
    ] {
        liar.say(|script| script.claims["email"] = address.into());
        let browser = Browser::default();
        browser.lie(&portal, "mail", &liar).await;
        assert_eq!(browser.who(&portal).await, expected, "{address:?}");
    }
    for (name, expected) in [
        ("kate", KATE),
        ("\u{212a}ate", "401"),
        ("kate\u{200b}", "401"),
        ("kat\u{435}", "401"),
        ("kate\u{301}", "401"),
        ("kate\u{202e}", "401"),
        ("user:kate", "401"),
        ("default/kate", "401"),
        ("user:default/kate", "401"),
        ("kate ", "401"),
        ("kate\0", "401"),
    ] {
        liar.say(|script| {
            script.claims["preferred_username"] = name.into();
            script.claims["email"] = format!("{name}@example.com").into();
        });
        for provider in ["name", "local"] {
            let browser = Browser::default();
            browser.lie(&portal, provider, &liar).await;
            assert_eq!(browser.who(&portal).await, expected, "{provider}: {name:?}");
        }
    }
}
