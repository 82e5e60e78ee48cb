//! An identity as JSON: the answer of `/api/whoami`, the same from every service.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Identity, Principal};

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let kind = match self.principal() {
            Principal::User(_) => "user",
            Principal::Service(_) => "service",
        };
        map.serialize_entry("principal", kind)?;
        map.serialize_entry("subject", self.subject())?;
        let ownership = self.user().map(|user| user.ownership()).unwrap_or_default();
        let ownership: Vec<&str> = ownership.iter().map(|entity| entity.as_str()).collect();
        map.serialize_entry("ownership", &ownership)?;
        map.serialize_entry("scopes", &self.scopes().iter().collect::<Vec<_>>())?;
        map.serialize_entry("method", self.method().as_str())?;
        map.serialize_entry("issuer", &self.issuer())?;
        map.serialize_entry("expiresAt", &self.expires_at().map(|at| at.to_string()))?;
        if let Some(provider) = self.provider() {
            map.serialize_entry("provider", provider)?;
        }
        if let Some(user) = self.user() {
            if let Some(actor) = user.actor() {
                map.serialize_entry("actor", actor.subject())?;
            }
            let profile = user.profile();
            for (key, value) in [
                ("displayName", &profile.display_name),
                ("email", &profile.email),
                ("picture", &profile.picture),
            ] {
                if let Some(value) = value {
                    map.serialize_entry(key, value)?;
                }
            }
        }
        map.end()
    }
}
