//! Microsoft Entra: <https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use tower_identity::Secret;
use tower_identity::provider::{ClientKey, Microsoft};
use tower_identity::sign_in::Resolver;

use crate::emulation::{Emulation, params};
use crate::{ADA, IN_BODY, KEPT_OUT, Sent, World, claims_of, exchanged, metadata};

const OURS: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const THEIRS: &str = "11111111-86f1-41af-91ab-2d7cd011db47";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const OID: &str = "690222be-ff1a-4d56-abd1-7e4f7d38e474";
const SCOPE: &str = "openid profile email offline_access User.Read";

/// Entra's description of a tenant, which names another issuer than where it is.
async fn emulation(tenant: &str, issuer: &str) -> Emulation {
    let emulation = Emulation::start().await;
    let at = |path: &str| format!("https://login.microsoftonline.com/{tenant}{path}");
    let more = json!({
        "authorization_endpoint": at("/oauth2/v2.0/authorize"),
        "token_endpoint": at("/oauth2/v2.0/token"),
        "jwks_uri": at("/discovery/v2.0/keys"),
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "end_session_endpoint": at("/oauth2/v2.0/logout"),
        "tenant_region_scope": "WW", "cloud_instance_name": "microsoftonline.com",
    });
    let host = format!("GET login.microsoftonline.com/{tenant}");
    let place = format!("{host}/v2.0/.well-known/openid-configuration");
    emulation.answer(&place, 200, &metadata(issuer, more));
    emulation
        .publish_keys(&format!("{host}/discovery/v2.0/keys"))
        .await;
    emulation
}

fn issuer(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

struct Entra {
    world: World,
    tenant: &'static str,
}

impl Entra {
    async fn of(
        tenant: &'static str,
        named: &str,
        resolver: Resolver,
        change: impl FnOnce(Microsoft) -> Microsoft,
    ) -> Self {
        let microsoft = change(Microsoft::new(tenant, "the-client", "the-secret"));
        let emulation = emulation(tenant, &issuer(named)).await;
        let world = World::with(emulation, microsoft, resolver).await;
        Self { world, tenant }
    }

    fn token_endpoint(&self) -> String {
        format!(
            "POST login.microsoftonline.com/{}/oauth2/v2.0/token",
            self.tenant
        )
    }

    fn tell(&self, nonce: Option<&str>, more: Value) {
        let mut claims = json!({
            "iss": issuer(OURS), "tid": OURS, "oid": OID, "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "name": "Ada Lovelace", "preferred_username": "ada@example.onmicrosoft.com",
            "email": "ada@example.com", "ver": "2.0", "uti": "x", "rh": "0.AQ",
        });
        for (name, value) in more.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let mut token = self.world.emulation.token("", "the-client");
        for (name, value) in claims.as_object().unwrap() {
            token = token.with_claim(name, value.clone());
        }
        if let Some(nonce) = nonce {
            token = token.with_claim("nonce", nonce);
        }
        let answer = json!({
            "token_type": "Bearer", "scope": "email openid profile User.Read", "expires_in": 4225,
            "ext_expires_in": 4225, "access_token": "eyJ.at", "refresh_token": "0.AXEA.refresh", "id_token": token.sign(),
        });
        self.world
            .emulation
            .answer(&self.token_endpoint(), 200, &answer);
    }

    async fn begin(&self, more: Value) -> Sent {
        let sent = self.world.begin().await;
        self.tell(Some(&sent.nonce), more);
        sent
    }

    async fn signs_in(&self, more: Value) -> Value {
        let sent = self.begin(more).await;
        self.world.back(&sent).await
    }
}

#[tokio::test]
async fn microsoft_is_asked_for_an_id_token_and_nothing_else() {
    let of = Entra::of(OURS, OURS, Resolver::email(), |m| {
        m.with_domain_hint("example.com")
    });
    let entra = of.await;
    let world = &entra.world;
    let sent = entra.begin(json!({})).await;
    assert_eq!(
        sent.to,
        format!("https://login.microsoftonline.com/{OURS}/oauth2/v2.0/authorize")
    );
    let expected = params([
        ("client_id", "the-client"),
        ("scope", SCOPE),
        ("domain_hint", "example.com"),
    ]);
    assert_eq!(sent.params, expected);
    let heard = world.back(&sent).await;
    assert_eq!(
        heard["response"]["backstageIdentity"]["identity"]["userEntityRef"], ADA,
        "{heard}"
    );
    assert_eq!(heard["response"]["profile"]["displayName"], "Ada Lovelace");
    let calls = world.emulation.calls();
    assert_eq!(calls.len(), 1, "neither Graph nor userinfo: {calls:?}");
    exchanged(&calls[0], &entra.token_endpoint(), world, &IN_BODY);

    entra.tell(None, json!({}));
    let answer = world.ajax(Method::GET, "refresh").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut expected = params(IN_BODY);
    expected.extend(params([
        ("grant_type", "refresh_token"),
        ("refresh_token", "0.AXEA.refresh"),
    ]));
    assert_eq!(world.emulation.calls()[0].form, expected);

    // Signing out there, with what tells it who it is.
    let out = world.ajax(Method::POST, "logout").await.json();
    let out = url::Url::parse(out["logoutUrl"].as_str().unwrap()).unwrap();
    assert_eq!(out.path(), format!("/{OURS}/oauth2/v2.0/logout"));
    let query = params(out.query_pairs());
    assert!(query["id_token_hint"].starts_with("ey"), "{out}");
    assert_eq!(query["post_logout_redirect_uri"], format!("{}/", world.url));
    assert_eq!(world.who().await, "401");
}

#[tokio::test]
async fn a_key_is_known_by_its_certificate() {
    // Any certificate will do: whether it is the key's Microsoft knows.
    let der = [0x30, 0x03, 0x02, 0x01, 0x01];
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    );
    let key = crate::oidc::keys().remove(3);
    assert_eq!(key.name, "PS256");
    let private = Secret::from(key.pem.as_str());
    let key = ClientKey::from_pem(key.algorithm, &private).unwrap();
    assert!(key.clone().with_certificate("canary").is_err());
    assert!(key.clone().with_certificate(private.expose()).is_err());
    let key = key.with_certificate(&pem).unwrap();
    let microsoft = Microsoft::new(OURS, "the-client", key);
    let emulation = emulation(OURS, &issuer(OURS)).await;
    let entra = Entra {
        world: World::with(emulation, microsoft, Resolver::email()).await,
        tenant: OURS,
    };
    assert!(entra.signs_in(json!({})).await["response"]["backstageIdentity"].is_object());
    let call = entra.world.emulation.calls().remove(0);
    let assertion = &call.form["client_assertion"];
    let header = URL_SAFE_NO_PAD
        .decode(assertion.split('.').next().unwrap())
        .unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    let digest = URL_SAFE_NO_PAD.encode(digest.as_ref());
    assert_eq!(
        header,
        json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": digest })
    );
    assert_eq!(
        claims_of(assertion)["aud"],
        *call.to.replace("POST ", "https://")
    );
    assert!(!call.form.contains_key("client_secret"));
}

#[tokio::test]
async fn scopes_of_another_api_are_not_mixed_with_graphs() {
    let entra = Entra::of(OURS, OURS, Resolver::email(), |m| m).await;
    let sent = entra.world.begin_with("&scope=api://x/read").await;
    let expected = "api://x/read openid profile email offline_access";
    assert_eq!(sent.params["scope"], expected);
}

#[tokio::test]
async fn the_id_is_the_oid_wherever_it_is_looked_for() {
    let by_id = || Resolver::user_id_annotation("test/id");
    let entra = Entra::of(OURS, OURS, by_id(), |m| m).await;
    let heard = entra.signs_in(json!({ "oid": "ada-id" })).await;
    assert_eq!(
        heard["response"]["backstageIdentity"]["identity"]["userEntityRef"], ADA,
        "{heard}"
    );
    for nobody in [json!(null), json!(""), json!(7)] {
        let sent = entra.begin(json!({ "oid": nobody, "sub": "ada-id" })).await;
        entra
            .world
            .browser
            .0
            .lock()
            .unwrap()
            .retain(|(name, ..)| name.contains("attempt"));
        entra.world.fails(&sent, "", "nobody is named (oid)").await;
    }
}

#[tokio::test]
async fn id_04_a_tenant_is_known_by_its_number() {
    // By a domain of its: the description says which it is.
    let entra = Entra::of("example.onmicrosoft.com", OURS, Resolver::email(), |m| m).await;
    assert!(entra.signs_in(json!({})).await["response"].is_object());

    for tenant in ["common", "organizations", "example.onmicrosoft.com"] {
        let named = if tenant.contains('.') {
            OURS
        } else {
            "{tenantid}"
        };
        let entra = Entra::of(tenant, named, Resolver::email(), |m| m).await;
        for (what, lie) in [
            (
                "another tenant's issuer",
                json!({ "iss": issuer(THEIRS), "tid": OURS }),
            ),
            (
                "another tenant",
                json!({ "iss": issuer(OURS), "tid": THEIRS }),
            ),
            (
                "the template",
                json!({ "iss": issuer("{tenantid}"), "tid": "{tenantid}" }),
            ),
            ("no tenant", json!({ "tid": null })),
            ("many", json!({ "tid": [OURS] })),
            (
                "a path",
                json!({ "iss": issuer("x/../y"), "tid": "x/../y" }),
            ),
            (
                "upper case",
                json!({ "iss": issuer(&OURS.to_uppercase()), "tid": OURS.to_uppercase() }),
            ),
            ("the name", json!({ "iss": issuer(tenant), "tid": tenant })),
        ] {
            println!("{tenant}: {what}");
            let mut lie = lie;
            lie["xms_edov"] = true.into();
            let sent = entra.begin(lie).await;
            entra
                .world
                .fails(&sent, "", "ID token: its iss is not the provider's")
                .await;
        }
    }
    // A number is taken to the letter.
    let entra = Entra::of(OURS, OURS, Resolver::email(), |m| m).await;
    let sent = entra
        .begin(json!({ "iss": issuer(THEIRS), "tid": THEIRS }))
        .await;
    entra
        .world
        .fails(&sent, "", "its iss is not the provider's")
        .await;
    let sent = entra.begin(json!({ "tid": null })).await;
    entra.world.fails(&sent, "", "names no tenant (tid)").await;
}

#[tokio::test]
async fn id_04_personal_accounts_and_strange_tenants_are_kept_out() {
    let edov = |tenant: &str| json!({ "iss": issuer(tenant), "tid": tenant, "xms_edov": true });
    let entra = Entra::of("organizations", "{tenantid}", Resolver::email(), |m| m).await;
    let sent = entra.begin(edov(PERSONAL)).await;
    entra
        .world
        .fails(&sent, "", "only organisations are let in (tid)")
        .await;
    assert!(entra.signs_in(edov(THEIRS)).await["response"].is_object());

    let entra = Entra::of("common", "{tenantid}", Resolver::email(), |m| m).await;
    assert!(entra.signs_in(edov(PERSONAL)).await["response"].is_object());

    let of = Entra::of("common", "{tenantid}", Resolver::email(), |m| {
        m.with_allowed_tenants([OURS])
    });
    let entra = of.await;
    let sent = entra.begin(edov(THEIRS)).await;
    entra
        .world
        .fails(&sent, "", "of no tenant that is let in (tid)")
        .await;
    assert!(entra.signs_in(edov(OURS)).await["response"].is_object());
    // An app is nobody's colleague (ID-05).
    let mut app = edov(OURS);
    app["idtyp"] = "app".into();
    let sent = entra.begin(app).await;
    entra
        .world
        .browser
        .0
        .lock()
        .unwrap()
        .retain(|(name, ..)| name.contains("attempt"));
    entra
        .world
        .fails(&sent, KEPT_OUT, "and no person (idtyp)")
        .await;
}

#[tokio::test]
async fn id_01_an_address_that_anybody_can_give_themselves_is_none() {
    const NO_EMAIL: &str = "Login failed, user profile does not contain an email";
    let entra = Entra::of("common", "{tenantid}", Resolver::email(), |m| m).await;
    for edov in [
        json!(null),
        json!(false),
        json!(0),
        json!("0"),
        json!("yes"),
        json!([true]),
    ] {
        let sent = entra.begin(json!({ "xms_edov": edov })).await;
        entra.world.fails(&sent, NO_EMAIL, "").await;
    }
    // Nor is the name of an account an address.
    let lie = json!({ "email": null, "preferred_username": "ada@example.com", "xms_edov": true });
    let sent = entra.begin(lie).await;
    entra.world.fails(&sent, NO_EMAIL, "").await;
    for edov in [json!(true), json!(1), json!("1"), json!("true")] {
        let heard = entra.signs_in(json!({ "xms_edov": edov })).await;
        assert!(
            heard["response"]["backstageIdentity"].is_object(),
            "{edov}: {heard}"
        );
    }
    // In a tenant of one's own it counts, unless Microsoft says otherwise; without one there is the account.
    let entra = Entra::of(OURS, OURS, Resolver::email(), |m| m).await;
    let sent = entra.begin(json!({ "xms_edov": false })).await;
    entra.world.fails(&sent, NO_EMAIL, "").await;
    let account = json!({ "email": null, "preferred_username": "ada@example.com" });
    assert!(entra.signs_in(account.clone()).await["response"].is_object());
    // A guest's address is what their own tenant says it is.
    for guest in [
        json!({ "idp": issuer(THEIRS) }),
        json!({ "acct": 1 }),
        json!({ "acct": "1" }),
    ] {
        for mut lie in [json!({}), account.clone()] {
            for (name, value) in guest.as_object().unwrap() {
                lie[name] = value.clone();
            }
            let sent = entra.begin(lie).await;
            entra
                .world
                .browser
                .0
                .lock()
                .unwrap()
                .retain(|(name, ..)| name.contains("attempt"));
            entra.world.fails(&sent, NO_EMAIL, "").await;
        }
        let mut verified = guest.clone();
        verified["xms_edov"] = true.into();
        assert!(entra.signs_in(verified).await["response"].is_object());
    }
    assert!(entra.signs_in(json!({ "acct": 0 })).await["response"].is_object());
}

#[tokio::test]
async fn cl_12_too_many_groups_are_never_none() {
    let by_group = Resolver::from_fn("byGroup", async |person, catalog| {
        let groups = person.groups()?.unwrap_or_default();
        let query = tower_identity::catalog::UserQuery::Email("ada@example.com".into());
        match groups.is_empty() {
            // Whoever is in no group is a guest, say.
            true => catalog.find_user(&query).await,
            false => Err(tower_identity::sign_in::ResolverError::not_found(
                "in a group",
            )),
        }
    });
    let entra = Entra::of(OURS, OURS, by_group, |m| m).await;
    assert!(entra.signs_in(json!({})).await["response"].is_object());
    for overage in [
        json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": { "src1": { "endpoint": "https://graph.windows.net/x" } } }),
        json!({ "hasgroups": true }),
    ] {
        let sent = entra.begin(overage).await;
        entra
            .world
            .browser
            .0
            .lock()
            .unwrap()
            .retain(|(name, ..)| name.contains("attempt"));
        let words = "This account is in more groups than the identity provider tells";
        entra.world.fails(&sent, words, "").await;
        assert!(
            entra.world.emulation.calls().len() < 4,
            "and nothing is fetched (CL-13)"
        );
    }
}

#[tokio::test]
async fn microsofts_own_errors_are_told_without_its_words() {
    let entra = Entra::of(OURS, OURS, Resolver::email(), |m| m).await;
    for (code, error) in [
        (70008, "invalid_grant"),
        (7000215, "invalid_client"),
        (50011, "invalid_request"),
        (65001, "interaction_required"),
    ] {
        let body = json!({
            "error": error, "error_description": format!("AADSTS{code}: CANARY Trace ID: 0"), "error_codes": [code],
            "timestamp": "2026-11-25 12:00:00Z", "trace_id": "0", "correlation_id": "0",
            "error_uri": "https://login.microsoftonline.com/error?code=70008",
        });
        let sent = entra.world.begin().await;
        entra
            .world
            .emulation
            .answer(&entra.token_endpoint(), 400, &body);
        entra.world.fails(&sent, "", error).await;
    }
}
