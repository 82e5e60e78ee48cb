//! A Backstage backend's catalog, over its REST API.

use std::fmt;

use futures::future::{BoxFuture, FutureExt};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::{Catalog, CatalogError, CatalogUser, UserQuery};
use crate::error::ConfigMistake;
use crate::http_client::{HttpClient, HyperClient, Outward, check_url, json_of};
use crate::identity::EntityRef;
use crate::secret::Secret;
use crate::token::PluginTokens;

/// Of users that fit a query there is one, or it is a conflict; filters ignore case, so that more may come back.
const MAX_FITTING: usize = 20;
/// Entities are listed in pages of so many,
const PAGE: usize = 100;
/// and so many pages.
const MAX_PAGES: usize = 100;

/// The catalog of a Backstage backend.
///
/// ```
/// use tower_identity::catalog::RemoteCatalog;
///
/// // The token of an entry of `backend.auth.externalAccess` there:
/// let catalog = RemoteCatalog::new("https://backstage.example.com/api/catalog")?
///     .with_token(std::env::var("CATALOG_TOKEN").unwrap_or_default());
/// # Ok::<(), tower_identity::ConfigMistake>(())
/// ```
///
/// A user owns as themselves and as the groups of their `memberOf` relations, without parents.
///
/// Sign-in asks at every refresh: a [`CachedCatalog`](super::CachedCatalog) around it spares the backend.
///
/// # Security
///
/// What comes back is compared with what was asked for before it is believed: the kind, the name, the whole e-mail
/// address, the annotation to the letter. An answer that is too large, malformed or somebody else's, and a refused
/// token, are [`CatalogError::Unavailable`], and never "not found".
#[derive(Clone)]
pub struct RemoteCatalog {
    base: Url,
    credential: Credential,
    client: Outward,
}

#[derive(Clone)]
enum Credential {
    None,
    Token(Secret<String>),
    Plugin(PluginTokens),
}

/// The members that matter of an entity, as the API gives it.
#[derive(Deserialize)]
struct Entity {
    kind: String,
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    relations: Vec<Relation>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    annotations: Map<String, Value>,
}

#[derive(Default, Deserialize)]
struct Spec {
    #[serde(default)]
    profile: Profile,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    display_name: Option<String>,
    email: Option<String>,
    picture: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Relation {
    r#type: String,
    target_ref: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    items: Vec<T>,
    total_items: Option<usize>,
    #[serde(default)]
    page_info: PageInfo,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    next_cursor: Option<String>,
}

// ===== impl RemoteCatalog =====

impl RemoteCatalog {
    /// The catalog at this URL, such as `https://backstage.example.com/api/catalog`.
    ///
    /// # Errors
    ///
    /// If it is no https URL, and no http URL of this machine; or if the platform has no usable trust store.
    pub fn new(url: &str) -> Result<Self, ConfigMistake> {
        let mistake = |message: String| ConfigMistake::new("catalog", message);
        let client = HyperClient::new().map_err(|error| mistake(error.to_string()))?;
        Self::of(url, Outward::new(client)).map_err(mistake)
    }

    fn of(url: &str, client: Outward) -> Result<Self, String> {
        let wanted = || {
            "expected the URL of a catalog, such as https://backstage.example.com/api/catalog"
                .to_owned()
        };
        let base = Url::parse(url).map_err(|_| wanted())?;
        check_url(&base.as_str().parse().map_err(|_| wanted())?)?;
        if base.cannot_be_a_base() || base.query().is_some() || base.fragment().is_some() {
            return Err(wanted());
        }
        Ok(Self {
            base,
            credential: Credential::None,
            client,
        })
    }

    /// Shows this token, such as that of a `static` entry of `backend.auth.externalAccess`.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<Secret<String>>) -> Self {
        self.credential = Credential::Token(token.into());
        self
    }

    /// Asks as a backend plugin, with a fresh token each time. The backend has to find the plugin's keys.
    #[must_use]
    pub fn with_plugin_tokens(mut self, tokens: PluginTokens) -> Self {
        self.credential = Credential::Plugin(tokens);
        self
    }

    /// Makes its calls with this client.
    #[must_use]
    pub fn with_client(mut self, client: impl HttpClient) -> Self {
        self.client = Outward::new(client);
        self
    }

    async fn find(&self, query: &UserQuery) -> Result<CatalogUser, CatalogError> {
        let candidates = match query {
            UserQuery::Ref(user) => self.by_name(user).await?.into_iter().collect(),
            UserQuery::Email(email) => self.by_filter("spec.profile.email", email).await?,
            UserQuery::Annotation { key, value } => {
                self.by_filter(&format!("metadata.annotations.{key}"), value)
                    .await?
            }
        };
        let mut fitting = candidates.iter().filter(|entity| entity.fits(query));
        match (fitting.next(), fitting.next()) {
            (Some(entity), None) => entity.user(),
            (Some(_), Some(_)) => Err(CatalogError::Conflict),
            // What was asked for by name, and is another, is no answer.
            (None, _) if matches!(query, UserQuery::Ref(_)) && !candidates.is_empty() => {
                Err(unavailable("it answered with another entity"))
            }
            (None, _) => Err(CatalogError::NotFound),
        }
    }

    async fn by_name(&self, user: &EntityRef) -> Result<Option<Entity>, CatalogError> {
        let path = [
            "entities",
            "by-name",
            user.kind(),
            user.namespace(),
            user.name(),
        ];
        self.get(self.url(&path)).await
    }

    /// The users whose field is this, in any case.
    async fn by_filter(&self, field: &str, value: &str) -> Result<Vec<Entity>, CatalogError> {
        // A comma begins another condition, and an equals sign ends the field's name: the API has no way to write them
        // into either. Such a value is nobody's.
        if value.is_empty() || value.contains(',') || field.contains([',', '=']) {
            return Err(CatalogError::NotFound);
        }
        let mut url = self.url(&["entities", "by-query"]);
        url.query_pairs_mut()
            .append_pair("filter", &format!("kind=user,{field}={value}"))
            .append_pair("limit", &MAX_FITTING.to_string());
        let page: Option<Page<Entity>> = self.get(url).await?;
        let page = page.ok_or_else(|| unavailable("it has no by-query endpoint (404)"))?;
        if page
            .total_items
            .is_some_and(|total| total > page.items.len())
        {
            return Err(CatalogError::Conflict);
        }
        Ok(page.items)
    }

    async fn list(&self) -> Result<Vec<Value>, CatalogError> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut url = self.url(&["entities", "by-query"]);
            // The cursor remembers everything but the size of a page.
            let (name, value) = match &cursor {
                Some(cursor) => ("cursor", cursor.as_str()),
                None => ("orderField", "metadata.uid,asc"),
            };
            url.query_pairs_mut()
                .append_pair(name, value)
                .append_pair("limit", &PAGE.to_string());
            let page: Option<Page<Value>> = self.get(url).await?;
            let page = page.ok_or_else(|| unavailable("it has no by-query endpoint (404)"))?;
            let empty = page.items.is_empty();
            all.extend(page.items);
            cursor = page.page_info.next_cursor.filter(|_| !empty);
            if cursor.is_none() {
                return Ok(all);
            }
        }
        Err(unavailable("it has more than 10000 entities"))
    }

    /// `None` for a 404.
    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        url: Url,
    ) -> Result<Option<T>, CatalogError> {
        let uri = url.as_str().parse();
        let uri = uri.map_err(|_| unavailable("its URL can't be called"))?;
        let response = match &self.credential {
            Credential::None => self.client.get(&uri, None).await,
            Credential::Token(token) => {
                let accept = "application/json";
                self.client.get_with_token(&uri, accept, token).await
            }
            Credential::Plugin(tokens) => {
                let token = Secret::from(tokens.own_token_for("catalog").expose());
                let accept = "application/json";
                self.client.get_with_token(&uri, accept, &token).await
            }
        };
        let response = response.map_err(|error| unavailable(error.to_string()))?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let status = response.status().as_u16();
                let hint = "it refuses our token: is it one of its backend.auth.externalAccess?";
                Err(unavailable(format!("{hint} (status {status})")))
            }
            _ => match json_of(&response) {
                Ok(answer) => Ok(Some(answer)),
                Err(error) => Err(unavailable(error.to_string())),
            },
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // It can be a base: that was checked when it was taken.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl Catalog for RemoteCatalog {
    fn find_user<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<CatalogUser, CatalogError>> {
        self.find(query).boxed()
    }

    fn entities(&self) -> BoxFuture<'_, Result<Vec<Value>, CatalogError>> {
        self.list().boxed()
    }
}

impl fmt::Debug for RemoteCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCatalog")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

// ===== impl Entity =====

impl Entity {
    fn fits(&self, query: &UserQuery) -> bool {
        let is_user = self.kind.eq_ignore_ascii_case("user");
        is_user
            && match query {
                UserQuery::Ref(wanted) => self.entity_ref().as_ref() == Some(wanted),
                UserQuery::Email(wanted) => {
                    let email = self.spec.profile.email.as_deref();
                    email.is_some_and(|email| email.eq_ignore_ascii_case(wanted))
                }
                UserQuery::Annotation { key, value } => {
                    let annotation = self.metadata.annotations.get(key);
                    annotation.and_then(Value::as_str) == Some(value)
                }
            }
    }

    fn entity_ref(&self) -> Option<EntityRef> {
        let namespace = self.metadata.namespace.as_deref().unwrap_or("default");
        let text = format!("{}:{namespace}/{}", self.kind, self.metadata.name);
        EntityRef::parse(&text).ok()
    }

    fn user(&self) -> Result<CatalogUser, CatalogError> {
        let entity_ref = self.entity_ref();
        let entity_ref =
            entity_ref.ok_or_else(|| unavailable("it answered with a name that is none"))?;
        let member_of = self
            .relations
            .iter()
            .filter(|relation| relation.r#type == "memberOf");
        let groups = member_of
            .filter(|relation| relation.target_ref.starts_with("group:"))
            .filter_map(|relation| EntityRef::parse(&relation.target_ref).ok());
        let mut user = CatalogUser::new(entity_ref).with_ownership(groups);
        let profile = &self.spec.profile;
        if let Some(name) = &profile.display_name {
            user = user.with_display_name(name);
        }
        if let Some(email) = &profile.email {
            user = user.with_email(email);
        }
        if let Some(picture) = &profile.picture {
            user = user.with_picture(picture);
        }
        Ok(user)
    }
}

fn unavailable(reason: impl Into<String>) -> CatalogError {
    CatalogError::Unavailable(reason.into())
}
