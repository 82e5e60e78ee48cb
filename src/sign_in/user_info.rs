//! `GET {base}/v1/userinfo` (spec section 1): whom a portal token proves, and what is theirs.

use http::HeaderMap;
use serde_json::{Value, json};

use super::{Inner, SignInError, SignInErrorKind};
use crate::catalog::{CatalogError, UserQuery};
use crate::credential::BearerToken;
use crate::identity::{EntityRef, Identity};
use crate::verify::{Outcome, Verify as _};

impl Inner {
    /// The claims of the user whose token, full or limited, the request brings.
    ///
    /// # Cancel safety
    ///
    /// It only reads.
    pub(crate) async fn user_info(&self, headers: &HeaderMap) -> Result<Value, SignInError> {
        let missing = || SignInError::authentication("No token provided");
        let identity = self.bearer(headers).await?.ok_or_else(missing)?;
        let user = identity.user().ok_or_else(|| {
            SignInError::input(
                "Userinfo endpoint must be called with a token that represents a user principal",
            )
        })?;
        let unsaid = identity.is_limited() || !self.tokens.says_ownership();
        let ownership = match user.entity_ref().filter(|_| unsaid) {
            // The token does not say what is theirs: plugins ask here to know.
            Some(entity) => self.ownership_of(entity).await?,
            None => user.ownership().to_vec(),
        };
        let ownership: Vec<&str> = ownership.iter().map(|entity| entity.as_str()).collect();
        Ok(json!({ "claims": { "sub": user.subject(), "ent": ownership } }))
    }

    /// Whom a bearer token of ours proves; `None` if there is no token.
    pub(crate) async fn bearer(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Identity>, SignInError> {
        let invalid = || SignInError::new(SignInErrorKind::InvalidToken, "Invalid token");
        let token = BearerToken::from_headers(headers)
            .map_err(|malformed| invalid().because(malformed.to_string()))?;
        let Some(token) = token else { return Ok(None) };
        match self.verifier.verify(token).await {
            Ok(Outcome::Verified(identity)) => Ok(Some(identity.into_identity())),
            Ok(Outcome::NotRecognised) => Err(invalid()),
            Err(rejection) => Err(invalid().because(rejection.reason().to_owned())),
        }
    }

    async fn ownership_of(&self, entity: &EntityRef) -> Result<Vec<EntityRef>, SignInError> {
        let query = UserQuery::Ref(entity.clone());
        let found = match &self.catalog {
            Some(catalog) => catalog.find_user(&query).await,
            None => Err(CatalogError::NotFound),
        };
        let guest = self.guest.as_ref().map(|guest| &guest.config);
        let guest = guest.filter(|guest| guest.user.as_ref() == Some(entity));
        match found {
            Ok(user) => Ok(user.ownership().to_vec()),
            Err(CatalogError::Unavailable(reason)) => Err(SignInError::new(
                SignInErrorKind::Unavailable,
                "The catalog can't be asked right now",
            )
            .because(reason)),
            // Who is in no catalog owns what they are, and the guest what was configured.
            Err(CatalogError::NotFound | CatalogError::Conflict) => Ok(guest
                .and_then(|guest| guest.ownership.clone())
                .unwrap_or_else(|| vec![entity.clone()])),
        }
    }
}
