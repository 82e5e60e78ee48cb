//! Plugin tokens: what a backend plugin calls others with (spec section 6.4).

use std::fmt;
use std::time::Duration;

use serde_json::json;

use super::mint::encode;
use super::{MintedToken, SigningKeys};
use crate::clock::Clock;
use crate::error::ConfigMistake;
use crate::identity::{Identity, Principal};
use crate::verify::PluginDirectory;
use crate::verify::jwt::kind;

/// A plugin token lives this long, or as long as the user's token that it carries.
const LIFE: Duration = Duration::from_secs(3600);

/// The tokens of one plugin, for calling others as itself or on behalf of a user. Cloning shares its keys.
///
/// ```
/// use tower_identity::token::PluginTokens;
///
/// let tokens = PluginTokens::new("todo")?;
/// let token = tokens.own_token_for("catalog");
/// assert!(!token.expose().is_empty()); // Authorization: Bearer …
/// # Ok::<(), tower_identity::ConfigMistake>(())
/// ```
///
/// The plugin that is called finds the keys at `/.backstage/auth/v1/jwks.json` under this one's base URL:
/// an [`IdentityLayer`](crate::IdentityLayer) of the plugin publishes them there.
#[derive(Clone, Debug)]
pub struct PluginTokens {
    id: Box<str>,
    keys: SigningKeys,
    clock: Clock,
}

/// Why a call can't be made on somebody's behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelegationError {
    /// The service's restrictions do not include the target.
    NotIncluded,
    /// They include it with limits of their own, which a plugin token cannot carry.
    NotDelegable,
    /// The user was proven by something that cannot be passed on, such as a session cookie.
    NotTransferable,
}

impl PluginTokens {
    /// The tokens of the plugin `id`, with keys that live in this process.
    ///
    /// # Errors
    ///
    /// If the id has other characters than letters, digits, `-` and `_`.
    pub fn new(id: impl Into<Box<str>>) -> Result<Self, ConfigMistake> {
        let clock = Clock::system();
        Self::with_keys(id, SigningKeys::new(clock.clone(), LIFE), clock)
    }

    /// The same with keys and a clock of your own.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_keys(
        id: impl Into<Box<str>>,
        keys: SigningKeys,
        clock: Clock,
    ) -> Result<Self, ConfigMistake> {
        let id = id.into();
        if !PluginDirectory::is_id(&id) {
            let message = "expected letters, digits, '-' and '_'";
            return Err(ConfigMistake::new("plugin id", message));
        }
        Ok(Self { id, keys, clock })
    }

    /// The plugin's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The keys it signs with.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// A token for calling `target` as this plugin: it is then `plugin:<id>` there.
    #[must_use]
    pub fn own_token_for(&self, target: &str) -> MintedToken {
        self.mint(target, None)
    }

    /// A token for calling `target` on behalf of whoever called this plugin.
    ///
    /// A user stays the user there, with this plugin as the actor. A service is known there as this plugin: its
    /// own name is lost, as in Backstage, so one that is restricted is passed on only where nothing is lost by it.
    ///
    /// # Errors
    ///
    /// [`DelegationError`], if that would reach further than the caller may.
    pub fn token_for(
        &self,
        target: &str,
        on_behalf_of: &Identity,
    ) -> Result<MintedToken, DelegationError> {
        match on_behalf_of.principal() {
            Principal::User(_) => {
                let limited = on_behalf_of
                    .delegation()
                    .ok_or(DelegationError::NotTransferable)?;
                Ok(self.mint(target, Some((limited.expose(), on_behalf_of))))
            }
            Principal::Service(service) => {
                if let Some(only) = service.restrictions() {
                    let mut named = only.iter().filter(|r| r.plugin() == target).peekable();
                    named.peek().ok_or(DelegationError::NotIncluded)?;
                    if named.any(|r| r.permissions().is_some() || r.actions().is_some()) {
                        return Err(DelegationError::NotDelegable);
                    }
                }
                Ok(self.own_token_for(target))
            }
        }
    }

    fn mint(&self, target: &str, user: Option<(&str, &Identity)>) -> MintedToken {
        let now = self.clock.now();
        let until = user.and_then(|(_, identity)| identity.expires_at());
        let expires_at = until.into_iter().fold(now.plus(LIFE), std::cmp::Ord::min);
        let mut claims = json!({
            "sub": &*self.id, "aud": target, "iat": now.as_unix(), "exp": expires_at.as_unix(),
        });
        if let Some((limited, _)) = user {
            claims["obo"] = limited.into();
        }
        let signer = self.keys.signer();
        let header = json!({ "typ": kind::PLUGIN, "alg": "ES256", "kid": signer.id() });
        let message = encode(&header, &claims);
        let signature = signer.sign(&message);
        MintedToken::new(format!("{message}.{signature}"), expires_at)
    }
}

impl fmt::Display for DelegationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotIncluded => "the target is not included in the caller's restrictions",
            Self::NotDelegable => {
                "the caller's access to the target is restricted, and cannot be delegated"
            }
            Self::NotTransferable => "the user's proof cannot be passed on",
        })
    }
}

impl std::error::Error for DelegationError {}
