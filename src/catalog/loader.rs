//! From catalog files to entities that are each checked, and of which no two have one name.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::entity::{self, Entity, Role};
use crate::error::{ConfigError, ConfigMistake};
use crate::identity::EntityRef;
use crate::yaml::{Location, parse_documents, read_text};

/// How far the files may be that a `Location` names in a file that a `Location` names, and so on.
const MAX_DEPTH: usize = 5;

/// The most files of one catalog.
const MAX_FILES: usize = 1000;

/// What a file was like when it was read: whoever changes it changes that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) path: PathBuf,
    /// `None` if there was none, or none that could be looked at.
    pub(super) state: Option<(SystemTime, u64)>,
}

/// Reads catalog files, and the files that they name.
#[derive(Default)]
pub(super) struct Loader {
    /// The files that were read, whatever they were called: each counts once.
    read: HashSet<PathBuf>,
    /// The same by their names, in the order in which they were read.
    order: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    entities: Vec<Entity>,
    mistakes: Vec<ConfigMistake>,
}

// ===== impl Loader =====

impl Loader {
    /// Reads a file, unless it has been read already, and those that it names. `named_at` is where somebody names
    /// it, and by which key: a file that is missing is a mistake there.
    pub(super) fn file(&mut self, path: &Path, named_at: Option<(&Location, &str)>) {
        self.follow(path, named_at, 0);
    }

    /// Takes in the entities of a text; gives the files that it names, and where.
    pub(super) fn text(&mut self, path: &Path, text: &str) -> Vec<(String, Location)> {
        let documents = match parse_documents(path, text) {
            Ok(documents) => documents,
            Err(error) => {
                self.mistakes.extend(error.into_mistakes());
                return Vec::new();
            }
        };
        if documents.is_empty() {
            tracing::warn!(target: "tower_identity", "{}: is empty", path.display());
        }
        let mut targets = Vec::new();
        for node in &documents {
            if let Some(mut entity) = entity::read(node, &mut self.mistakes) {
                if let Role::Location { targets: named } = &mut entity.role {
                    targets.append(named);
                }
                self.entities.push(entity);
            }
        }
        targets
    }

    /// What the files were like, those that could not be read too.
    pub(super) fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    /// Every entity, in the order of the files.
    ///
    /// # Errors
    ///
    /// With every mistake that there was.
    pub(super) fn finish(mut self) -> Result<Vec<Entity>, ConfigError> {
        let mut seen: HashMap<&EntityRef, &Location> = HashMap::new();
        for entity in &self.entities {
            let (entity_ref, location) = (&entity.entity_ref, &entity.location);
            if let Some(first) = seen.get(entity_ref) {
                let message = format!("duplicate entity {entity_ref}, first at {first}");
                let mistake = location.mistake("metadata.name", message);
                self.mistakes.push(mistake);
            } else {
                seen.insert(entity_ref, location);
            }
        }
        ConfigError::collect_in_order(self.mistakes, self.order.iter().map(PathBuf::as_path))?;
        Ok(self.entities)
    }

    fn follow(&mut self, path: &Path, named_at: Option<(&Location, &str)>, depth: usize) {
        let problem = |message: String| match named_at {
            Some((location, key)) => {
                let message = format!("{} {message}", path.display());
                location.mistake(key, message)
            }
            None => ConfigMistake::new("", message).in_file(path),
        };
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.read.contains(&identity) {
            return;
        }
        if depth > MAX_DEPTH || self.read.len() == MAX_FILES {
            let message = "is beyond the limits of 5 levels and 1000 files".to_owned();
            self.mistakes.push(problem(message));
            return;
        }
        self.read.insert(identity);
        self.order.push(path.to_owned());
        // Before it is read: what changes while it is read is read again.
        self.stamps.push(Stamp::of(path));
        let text = match read_file(path) {
            Ok(text) => text,
            Err(reason) => {
                self.mistakes.push(problem(reason));
                return;
            }
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        for (target, location) in self.text(path, &text) {
            if !is_url(&target) {
                let named_at = Some((&location, "spec.target"));
                self.follow(&directory.join(&target), named_at, depth + 1);
            }
        }
    }
}

// ===== impl Stamp =====

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let metadata = path.metadata().ok();
        let state = metadata.and_then(|found| Some((found.modified().ok()?, found.len())));
        Self {
            path: path.to_owned(),
            state,
        }
    }
}

/// Nothing but a file has an end that comes: a pipe would keep a thread waiting for ever.
fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    match path.metadata() {
        Ok(found) if !found.is_file() => Err("is not a file".to_owned()),
        _ => read_text(path),
    }
}

fn is_url(target: &str) -> bool {
    target.starts_with("https://") || target.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text(text: &str) -> Result<Vec<Entity>, ConfigError> {
        let mut loader = Loader::default();
        loader.text(Path::new("f"), text);
        loader.finish()
    }

    #[test]
    fn every_mistake_in_a_file_is_listed() {
        let text = "
apiVersion: v1
kind: User
metadata: { name: jane }
spec: { memberOf: admins, profile: { email: 5, displayName: [] } }
---
apiVersion: v1
kind: user
metadata: { name: JANE, annotations: { a/b: 1 } }
spec: { memberOf: [5, 'group:', x/] }
---
kind: User
metadata: { name: no version }
---
apiVersion: v1
kind: 5
metadata: {}
---
apiVersion: v1
kind: a/b
metadata: { name: x }
---
apiVersion: v1
kind: Group
metadata: { name: x }
spec: [members]
---
apiVersion: v1
kind: Location
metadata: { name: x }
spec: { target: 5, targets: [~] }
---
- a
---
kind: User
---
apiVersion: v1
kind: User
metadata: jane
";
        let errors = from_text(text).err().unwrap().to_string();
        assert_eq!(
            errors.lines().collect::<Vec<_>>(),
            [
                "f:5:19: spec.memberOf: expected a list, found a string",
                "f:5:45: spec.profile.email: expected a string, found a number",
                "f:5:61: spec.profile.displayName: expected a string, found a list",
                "f:9:19: metadata.name: duplicate entity user:default/jane, first at f:4",
                "f:9:45: metadata.annotations.a/b: expected a string, found a number",
                "f:10:20: spec.memberOf[0]: expected an entity ref, found a number",
                "f:10:23: spec.memberOf[1]: expected an entity ref, kind:namespace/name, found an empty name",
                "f:10:33: spec.memberOf[2]: expected an entity ref, kind:namespace/name, found an empty name",
                "f:12:1: apiVersion: expected a string, found nothing",
                "f:13:19: metadata.name: expected at most 63 letters and digits, with `-`, `_` and `.` between them",
                "f:16:7: kind: expected a string, found a number",
                "f:17:11: metadata.name: expected a string, found nothing",
                "f:20:7: kind: expected letters and digits, such as `User`",
                "f:26:7: spec: expected an object, found a list",
                "f:31:17: spec.target: expected a string, found a number",
                "f:31:30: spec.targets[0]: expected a string, found null",
                "f:33:1: expected an entity, found a list",
                "f:35:1: apiVersion: expected a string, found nothing",
                "f:35:1: metadata: expected an object, found nothing",
                "f:39:11: metadata: expected an object, found a string",
            ]
        );
        let malformed = from_text("a: [").err().unwrap();
        assert_eq!(
            malformed.to_string(),
            "f:1:4: malformed YAML: unclosed bracket '['"
        );
    }

    #[test]
    fn locations_are_followed_once_and_not_for_ever() {
        let name = format!("tower-identity-{}-locations", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(directory.join("sub")).unwrap();
        let write = |name: &str, targets: &str| {
            let text = format!(
                "apiVersion: v1\nkind: Location\nmetadata: {{name: {name}}}\nspec: {{targets: [{targets}]}}\n"
            );
            std::fs::write(directory.join(format!("{name}.yaml")), text).unwrap();
        };
        let user = "apiVersion: v1\nkind: User\nmetadata: {name: jane}\n";
        std::fs::write(directory.join("sub/jane.yaml"), user).unwrap();
        write(
            "all",
            "./sub/jane.yaml, sub/../sub/jane.yaml, all.yaml, https://a.test/x.yaml",
        );
        write("lost", "none.yaml");
        for i in 0..10 {
            write(&format!("chain{i}"), &format!("chain{}.yaml", i + 1));
        }
        let load = |names: &[&str]| {
            let mut loader = Loader::default();
            for name in names {
                loader.file(&directory.join(name), None);
            }
            loader.finish()
        };
        let place = format!("{}/", directory.display());
        let errors = |names: &[&str]| load(names).err().unwrap().to_string().replace(&place, "");

        let entities = load(&["all.yaml", "all.yaml", "sub/jane.yaml"]).unwrap_or_default();
        assert_eq!(entities.len(), 2);
        assert_eq!(
            errors(&["lost.yaml", "gone.yaml"]),
            "lost.yaml:4:18: spec.target: none.yaml cannot be read: No such file or directory (os error 2)\n\
             gone.yaml: cannot be read: No such file or directory (os error 2)"
        );
        assert_eq!(
            errors(&["chain0.yaml"]),
            "chain5.yaml:4:18: spec.target: chain6.yaml is beyond the limits of 5 levels and 1000 files"
        );
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
