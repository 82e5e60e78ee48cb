//! What was read, for people.

use std::fmt;

use super::app::Config;

/// What a [`Config`] has, as `--check` tells it: an operator sees what was read, and what was not. It has no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The configuration files.
    pub files: Vec<String>,
    /// The environment that people sign in to.
    pub environment: String,
    /// The ids of the providers, each with the environments that it has a block for. The guest and proxies need none.
    pub providers: Vec<(String, Vec<String>)>,
    /// Those among them that are left out: nothing of them is of use here.
    pub left_out: Vec<String>,
    /// How many keys of services there are.
    pub keys: usize,
    /// How many key sets are believed beside them (`externalAccess` of type `jwks`).
    pub key_sets: usize,
    /// How many users, and how many entities in all: of a catalog in files, which alone can be counted.
    pub people: Option<(usize, usize)>,
    /// Where the catalog is, if it is another backend's.
    pub remote_catalog: Option<String>,
}

impl Config {
    /// What was read.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let environment = self.auth.environment.as_deref().unwrap_or("development");
        let listed = self.auth.listed.iter();
        let left_out = listed.clone().filter(|provider| provider.left_out);
        let files = self.files.iter();
        Summary {
            files: files.map(|file| file.display().to_string()).collect(),
            environment: environment.to_owned(),
            providers: listed
                .map(|provider| (provider.id.clone(), provider.environments.clone()))
                .collect(),
            left_out: left_out.map(|provider| provider.id.clone()).collect(),
            keys: self.services.keys.len(),
            key_sets: self.services.issuers.len(),
            remote_catalog: self.people.as_ref().and_then(|known| known.remote.clone()),
            people: self.people.as_ref().and_then(|known| known.counts),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers: Vec<_> = self
            .providers
            .iter()
            .map(|(id, environments)| match environments.join(", ") {
                _ if self.left_out.contains(id) => format!("{id} (left out)"),
                none if none.is_empty() => id.clone(),
                environments => format!("{id} ({environments})"),
            })
            .collect();
        let providers = match providers.join(", ") {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        };
        writeln!(f, "files        {}", self.files.join(", "))?;
        writeln!(f, "environment  {}", self.environment)?;
        writeln!(f, "providers    {providers}")?;
        let keys = count(self.keys, "key", "keys");
        let key_sets = count(self.key_sets, "key set", "key sets");
        write!(f, "services     {keys}, {key_sets}")?;
        if let Some(url) = &self.remote_catalog {
            write!(f, "\ncatalog      {url}")?;
        }
        if let Some((users, entities)) = self.people {
            let users = count(users, "user", "users");
            let entities = count(entities, "entity", "entities");
            write!(f, "\ncatalog      {users}, {entities}")?;
        }
        Ok(())
    }
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
