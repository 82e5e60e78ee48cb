//! The blocks of providers with pages of their own: `auth.providers.<id>.<environment>` (spec section 9.3).

use std::path::Path;

use super::Section;
use crate::provider::{
    Auth0, ClientAuthentication, ClientCredential, ClientKey, GitHub, GitLab, Google, Microsoft,
    OAuth2, Oidc, Okta, Prompt, ProviderConfig,
};
use crate::secret::Secret;
use crate::sign_in::callback_url;
use crate::verify::jwt::Algorithm;
use crate::yaml::read_text;

/// Their ids in Backstage.
pub(super) const KINDS: [&str; 8] = [
    "github",
    "oidc",
    "google",
    "microsoft",
    "okta",
    "gitlab",
    "auth0",
    "oauth2",
];

const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];
const METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];
/// The app's own key, in the place of `clientSecret`.
const CLIENT_KEY: &str = "clientKey";

/// A provider of one of these kinds.
pub(super) fn read(kind: &str, block: &Section<'_>) -> Option<ProviderConfig> {
    match kind {
        "github" => github(block),
        "google" => google(block),
        "microsoft" => microsoft(block),
        "okta" => okta(block),
        "gitlab" => gitlab(block),
        "auth0" => auth0(block),
        "oauth2" => oauth2(block),
        _ => oidc(block),
    }
}

/// What `with` does to a provider with what is there.
fn with<P, T>(provider: P, value: Option<T>, with: impl FnOnce(P, T) -> P) -> P {
    match value {
        Some(value) => with(provider, value),
        None => provider,
    }
}

fn callback(block: &Section<'_>) -> Option<url::Url> {
    block.parsed("callbackUrl", "an http or https URL", callback_url)
}

fn client(block: &Section<'_>) -> (Option<String>, Option<Secret<String>>) {
    (
        block.required_string("clientId"),
        block.required_secret("clientSecret"),
    )
}

fn github(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, secret) = client(block);
    let callback = callback(block);
    let enterprise = block.url("enterpriseInstanceUrl");
    let organizations = block.string_list("allowedOrganizations");
    let groups = block.boolean("organizationsAndTeams") == Some(true);
    let github = GitHub::new(id?, secret?);
    let github = with(github, enterprise, GitHub::with_enterprise_instance_url);
    let mut github = with(github, organizations, GitHub::with_allowed_organizations);
    if groups {
        github = github.with_organizations_and_teams();
    }
    Some(with(github, callback, GitHub::with_callback_url).into())
}

fn google(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, secret) = client(block);
    let callback = callback(block);
    let domains = block.string_list("hostedDomains");
    let google = Google::new(id?, secret?);
    let google = with(google, domains, Google::with_hosted_domains);
    Some(with(google, callback, Google::with_callback_url).into())
}

fn microsoft(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, credential) = (block.required_string("clientId"), credential(block));
    let callback = callback(block);
    let tenant = block.required_string("tenantId");
    let tenants = block.string_list("allowedTenants");
    let hint = block.string("domainHint");
    let authority = block.url("authority");
    // Nothing but the ID token is asked.
    block.boolean("skipUserProfile");
    let microsoft = Microsoft::new(tenant?, id?, credential?);
    let microsoft = with(microsoft, tenants, Microsoft::with_allowed_tenants);
    let microsoft = with(microsoft, hint, Microsoft::with_domain_hint);
    let microsoft = with(microsoft, authority, Microsoft::with_authority);
    Some(with(microsoft, callback, Microsoft::with_callback_url).into())
}

fn okta(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, credential) = (block.required_string("clientId"), credential(block));
    let callback = callback(block);
    let url = block.required_url("audience");
    let server = block.string("authServerId");
    let idp = block.string("idp");
    let okta = Okta::new(url?, id?, credential?);
    let okta = with(okta, server, Okta::with_authorization_server);
    let okta = with(okta, idp, Okta::with_idp);
    Some(with(okta, callback, Okta::with_callback_url).into())
}

fn gitlab(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, secret) = client(block);
    let callback = callback(block);
    let url = block.url("audience");
    let gitlab = GitLab::new(id?, secret?);
    let gitlab = with(gitlab, url, GitLab::with_url);
    Some(with(gitlab, callback, GitLab::with_callback_url).into())
}

fn auth0(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, credential) = (block.required_string("clientId"), credential(block));
    let callback = callback(block);
    let domain = block.required_string("domain");
    let audience = block.string("audience");
    let connection = block.string("connection");
    let scope = block.string("connectionScope");
    let auth0 = Auth0::new(domain?, id?, credential?);
    let auth0 = with(auth0, audience, Auth0::with_audience);
    let auth0 = with(auth0, connection, Auth0::with_connection);
    let auth0 = with(auth0, scope, Auth0::with_connection_scope);
    Some(with(auth0, callback, Auth0::with_callback_url).into())
}

fn oauth2(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, secret) = client(block);
    let callback = callback(block);
    let authorization = block.required_url("authorizationUrl");
    let token = block.required_url("tokenUrl");
    block.require(
        "userInfoUrl",
        "the URL that says who somebody is, which is ours: OAuth 2.0 itself does not; if the provider speaks OpenID \
         Connect, use the type oidc",
    );
    let user_info = block.url("userInfoUrl");
    let subject = block.string("subjectClaim");
    let username = block.string("usernameClaim");
    let basic = block.boolean("includeBasicAuth") == Some(true);
    let trusts = block.boolean("dangerouslyTrustEmail") == Some(true);
    // Backstage's code does not read it either.
    block.ignore(&["disableRefresh"]);
    let mut oauth2 = OAuth2::new(id?, secret?)
        .with_authorization_url(authorization?)
        .with_token_url(token?)
        .with_user_info_url(user_info?);
    if basic {
        oauth2 = oauth2.with_authentication(ClientAuthentication::Basic);
    }
    if trusts {
        oauth2 = oauth2.dangerously_trust_email();
    }
    let oauth2 = with(oauth2, subject, OAuth2::with_subject_claim);
    let oauth2 = with(oauth2, username, OAuth2::with_username_claim);
    Some(with(oauth2, callback, OAuth2::with_callback_url).into())
}

fn oidc(block: &Section<'_>) -> Option<ProviderConfig> {
    let (id, credential) = (block.required_string("clientId"), credential(block));
    // As it was written: a parsed URL would give an issuer without a path a slash, and make it another one.
    let metadata = block
        .required_url("metadataUrl")
        .and_then(|_| block.string("metadataUrl"));
    let extra = block.string_map("startUrlSearchParams").unwrap_or_default();
    let callback = callback(block);
    let method = block.one_of("tokenEndpointAuthMethod", &METHODS);
    // Backstage's default is `none`; `auto` leaves it to the provider.
    let prompts = ["auto", "none", "login", "consent", "select_account"];
    let prompt = match block
        .has("prompt")
        .then(|| block.one_of("prompt", &prompts))
    {
        None | Some(Some("none")) => Some(Prompt::None),
        Some(Some("login")) => Some(Prompt::Login),
        Some(Some("consent")) => Some(Prompt::Consent),
        Some(Some("select_account")) => Some(Prompt::SelectAccount),
        Some(_) => None,
    };
    let max_age = block.duration("maxAge");
    let acr_values = block.string_list("acrValues");
    let form_post = block.one_of("responseMode", &["query", "form_post"]) == Some("form_post");
    let algorithm = block.one_of("tokenSignedResponseAlg", &ALGORITHMS);
    let signed_userinfo = block.boolean("userinfoSigned") == Some(true);
    let pushes = block.boolean("pushedAuthorizationRequests") != Some(false);
    // Outward calls have a deadline of their own.
    block.ignore(&["timeout"]);
    let mut oidc = Oidc::new(metadata?, id?, credential?);
    if method == Some("client_secret_post") {
        oidc = oidc.with_authentication(ClientAuthentication::Post);
    }
    if form_post {
        oidc = oidc.with_form_post();
    }
    if signed_userinfo {
        oidc = oidc.with_signed_userinfo();
    }
    if !pushes {
        oidc = oidc.without_pushed_requests();
    }
    let algorithm = algorithm.and_then(Algorithm::parse);
    oidc = with(oidc, prompt, Oidc::with_prompt);
    oidc = with(oidc, max_age, Oidc::with_max_age);
    oidc = with(oidc, acr_values, Oidc::with_acr_values);
    oidc = with(oidc, algorithm, Oidc::with_id_token_algorithm);
    oidc = with(oidc, callback, Oidc::with_callback_url);
    for (name, value) in extra {
        oidc = match oidc.add_start_parameter(name, value) {
            Ok(oidc) => oidc,
            Err(mistake) => {
                block.mistake("startUrlSearchParams", mistake.message());
                return None;
            }
        };
    }
    Some(oidc.into())
}

/// `clientSecret`, or a key instead of it.
fn credential(block: &Section<'_>) -> Option<ClientCredential> {
    let key = block.section(CLIENT_KEY).map(|section| {
        let key = client_key(&section);
        section.finish();
        key
    });
    match key {
        None => block.required_secret("clientSecret").map(Into::into),
        Some(key) => {
            if block.has("clientSecret") {
                block.mistake(CLIENT_KEY, "expected it or clientSecret, found both");
            }
            key.map(Into::into)
        }
    }
}

fn client_key(section: &Section<'_>) -> Option<ClientKey> {
    let algorithm = section.one_of("algorithm", &ALGORITHMS);
    let id = section.string("keyId");
    section.require("privateKeyFile", "a file");
    let algorithm = match section.has("algorithm") {
        true => algorithm.and_then(Algorithm::parse)?,
        false => Algorithm::Es256,
    };
    let key = section.parsed("privateKeyFile", "a file", |path| {
        let text = read_text(Path::new(path)).map_err(|reason| format!("the file {reason}"))?;
        ClientKey::from_pem(algorithm, &Secret::from(text.as_str()))
            .map_err(|mistake| mistake.message().to_owned())
    });
    let certificate = section.parsed("certificateFile", "a file", |path| {
        let text = read_text(Path::new(path)).map_err(|reason| format!("the file {reason}"))?;
        Ok::<_, String>(text)
    });
    let key = with(key?, id, ClientKey::with_key_id);
    let Some(certificate) = certificate else {
        return Some(key);
    };
    let key = key.with_certificate(&certificate);
    key.map_err(|mistake| section.mistake("certificateFile", mistake.message()))
        .ok()
}
