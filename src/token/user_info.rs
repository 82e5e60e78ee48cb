//! What a portal's users own, where their tokens do not say it: `/v1/userinfo` (spec sections 1, 6.1).

use std::fmt;

use http::{StatusCode, Uri};
use serde::Deserialize;

use crate::error::ConfigMistake;
use crate::http_client::{HttpClient, HyperClient, Outward, check_url, json_of};
use crate::identity::{EntityRef, Identity};

/// A longer list is an error: cutting it would take rights away, or leave them.
const MAX_OWNERSHIP: usize = 10_000;

/// Asks a portal what its users own.
///
/// Tokens of a Backstage backend leave it out, and so do those of a portal that is
/// [told to](super::TokenIssuer::without_ownership): [`User::ownership`](crate::identity::User::ownership) is then no more
/// than the user. A plugin that goes by groups has to ask.
///
/// ```no_run
/// use tower_identity::{Identity, token::UserInfo};
///
/// # async fn handler(portal: UserInfo, who: Identity) -> Result<(), Box<dyn std::error::Error>> {
/// // Once: `UserInfo::of_portal("https://portal.example.com/api/auth")?`
/// let owned = portal.ownership(&who).await?;
/// let is_analyst = owned.iter().any(|entity| entity.as_str() == "group:default/analysts");
/// # let _ = is_analyst;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct UserInfo {
    issuer: Box<str>,
    endpoint: Uri,
    client: Outward,
}

/// Why it is not known what somebody owns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserInfoError {
    /// It is no user of this portal, or one that was proven by something that can't be shown to it.
    NotTransferable,
    /// The portal does not believe the user's token, or knows nothing of them.
    Refused,
    /// The portal can't be asked now, or answers something else. For the operator.
    Unavailable(String),
}

#[derive(Deserialize)]
struct Answer {
    claims: Claims,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    ent: Vec<String>,
}

impl UserInfo {
    /// Of the portal of this issuer URL, such as `https://portal.example.com/api/auth`.
    ///
    /// # Errors
    ///
    /// If it is no URL that may be called.
    pub fn of_portal(issuer: &str) -> Result<Self, ConfigMistake> {
        let client = HyperClient::new()
            .map_err(|error| ConfigMistake::new("HTTP client", error.to_string()))?;
        Ok(Self {
            issuer: issuer.strip_suffix('/').unwrap_or(issuer).into(),
            endpoint: endpoint("issuer", issuer)?,
            client: Outward::new(client),
        })
    }

    /// Asks it at another URL than its own, such as `http://localhost:7007/api/auth`.
    ///
    /// # Errors
    ///
    /// If it is no URL that may be called.
    ///
    /// # Security
    ///
    /// Tokens of users are shown there.
    pub fn with_url(mut self, base: &str) -> Result<Self, ConfigMistake> {
        self.endpoint = endpoint("url", base)?;
        Ok(self)
    }

    /// Replaces the HTTP client.
    #[must_use]
    pub fn with_client(mut self, client: impl HttpClient) -> Self {
        self.client = Outward::new(client);
        self
    }

    /// What a user owns, by the portal's word: their own ref among it, as a rule. What it answers is not remembered.
    ///
    /// # Errors
    ///
    /// If the identity is no user's of a portal, who came with a token, or the portal does not tell. It is never the same as
    /// owning nothing.
    ///
    /// # Cancel safety
    ///
    /// It only reads.
    pub async fn ownership(&self, identity: &Identity) -> Result<Vec<EntityRef>, UserInfoError> {
        // Nobody's token is shown to another portal.
        let issuer = identity.issuer().unwrap_or_default();
        if issuer.strip_suffix('/').unwrap_or(issuer) != &*self.issuer {
            return Err(UserInfoError::NotTransferable);
        }
        let user = identity.user().and_then(|user| user.entity_ref());
        let (Some(user), Some(token)) = (user, identity.delegation()) else {
            return Err(UserInfoError::NotTransferable);
        };
        let unavailable = |detail: String| UserInfoError::Unavailable(detail);
        let answer = self
            .client
            .get_with_token(&self.endpoint, "application/json", token)
            .await;
        let answer = answer.map_err(|error| unavailable(error.to_string()))?;
        if [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
        ]
        .contains(&answer.status())
        {
            return Err(UserInfoError::Refused);
        }
        let Answer { claims } = json_of(&answer).map_err(|error| unavailable(error.to_string()))?;
        if claims.sub != user.as_str() {
            return Err(unavailable(
                "the answer is about somebody else (sub)".into(),
            ));
        }
        if claims.ent.len() > MAX_OWNERSHIP {
            return Err(unavailable("the user owns more than is taken (ent)".into()));
        }
        let owned = claims.ent.iter().map(|text| EntityRef::parse(text));
        owned
            .collect::<Result<_, _>>()
            .map_err(|_| unavailable("ent holds what is not an entity ref".into()))
    }
}

fn endpoint(key: &str, base: &str) -> Result<Uri, ConfigMistake> {
    let mistake = |reason: String| ConfigMistake::new(key, reason);
    let base = base.strip_suffix('/').unwrap_or(base);
    let endpoint: Uri = format!("{base}/v1/userinfo")
        .parse()
        .map_err(|_| mistake("expected a URL".into()))?;
    check_url(&endpoint).map_err(mistake)?;
    Ok(endpoint)
}

impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfo")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for UserInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTransferable => f.write_str("there is no user's token to show to the portal"),
            Self::Refused => f.write_str("the portal knows nothing of this user"),
            Self::Unavailable(detail) => write!(f, "the portal does not tell now: {detail}"),
        }
    }
}

impl std::error::Error for UserInfoError {}
