//! One entity of a catalog file, checked.

use crate::error::ConfigMistake;
use crate::identity::EntityRef;
use crate::yaml::{Location, Node, Value};

/// The namespace of an entity that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// An entity, and what its kind means to a sign-in.
pub(super) struct Entity {
    pub(super) entity_ref: EntityRef,
    pub(super) location: Location,
    /// As Backstage's catalog API gives it.
    pub(super) json: serde_json::Value,
    pub(super) role: Role,
}

pub(super) enum Role {
    User(Profile),
    Group {
        members: Vec<EntityRef>,
    },
    /// Other files, each with the place where it is named.
    Location {
        targets: Vec<(String, Location)>,
    },
    Other,
}

#[derive(Default)]
pub(super) struct Profile {
    pub(super) display_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) picture: Option<String>,
    pub(super) member_of: Vec<EntityRef>,
    pub(super) annotations: Vec<(String, String)>,
}

/// Reads an entity; what is wrong with it goes to `mistakes`.
pub(super) fn read(node: &Node, mistakes: &mut Vec<ConfigMistake>) -> Option<Entity> {
    let mut checks = Checks { mistakes };
    if !matches!(node.value, Value::Map(_)) {
        checks.expected("", node, "an entity");
        return None;
    }
    checks.required(node, "", "apiVersion", "a string");
    let kind = checks.required(node, "", "kind", "a string");
    let nothing = Node::null(&node.location.file);
    let metadata = match node.get("metadata") {
        Some(metadata) if matches!(metadata.value, Value::Map(_)) => metadata,
        Some(metadata) => {
            checks.expected("metadata", metadata, "an object");
            return None;
        }
        None => {
            checks.add(
                &node.location,
                "metadata",
                "expected an object, found nothing",
            );
            return None;
        }
    };
    let name = checks.required(metadata, "metadata.", "name", "a string");
    let namespace = checks
        .string(metadata, "metadata.", "namespace")
        .unwrap_or(DEFAULT_NAMESPACE);

    let place = |parent: &Node, key| {
        let found: &Node = parent.get(key).unwrap_or(parent);
        found.location.clone()
    };
    if kind.is_some_and(|kind| !is_kind(kind)) {
        checks.add(
            &place(node, "kind"),
            "kind",
            "expected letters and digits, such as `User`",
        );
        return None;
    }
    let (kind, name) = (kind?, name?);
    for (key, text) in [("name", name), ("namespace", namespace)] {
        if !is_name(text) {
            let message =
                "expected at most 63 letters and digits, with `-`, `_` and `.` between them";
            checks.add(&place(metadata, key), format!("metadata.{key}"), message);
            return None;
        }
    }
    let entity_ref = match EntityRef::from_parts(kind, namespace, name) {
        Ok(entity_ref) => entity_ref,
        Err(error) => {
            checks.add(&place(metadata, "name"), "metadata.name", error.to_string());
            return None;
        }
    };

    let spec = match node.get("spec") {
        Some(spec) if matches!(spec.value, Value::Map(_) | Value::Null) => spec,
        Some(spec) => {
            checks.expected("spec", spec, "an object");
            return None;
        }
        None => &nothing,
    };
    let role = match entity_ref.kind() {
        "user" => Role::User(checks.profile(metadata, spec, &entity_ref)),
        "group" => Role::Group {
            members: checks.refs(spec, "members", "user", entity_ref.namespace()),
        },
        "location" => Role::Location {
            targets: checks.targets(spec),
        },
        _ => Role::Other,
    };
    Some(Entity {
        location: place(metadata, "name"),
        json: with_namespace(node.to_json()),
        entity_ref,
        role,
    })
}

struct Checks<'m> {
    mistakes: &'m mut Vec<ConfigMistake>,
}

impl Checks<'_> {
    fn profile(&mut self, metadata: &Node, spec: &Node, user: &EntityRef) -> Profile {
        let mut read = Profile {
            member_of: self.refs(spec, "memberOf", "group", user.namespace()),
            ..Profile::default()
        };
        // Only groups count as ownership: Backstage looks for `group:`.
        read.member_of.retain(|group| group.kind() == "group");
        if let Some(profile) = self.object(spec, "spec.", "profile") {
            let mut text = |key| {
                let text = self.string(profile, "spec.profile.", key);
                text.map(str::to_owned)
            };
            read.display_name = text("displayName");
            read.email = text("email");
            read.picture = text("picture");
        }
        if let Some(node) = self.object(metadata, "metadata.", "annotations")
            && let Value::Map(entries) = &node.value
        {
            for (key, node) in entries {
                if let Some(value) = self.text(node, "metadata.annotations.", &key.name) {
                    read.annotations.push((key.name.clone(), value.to_owned()));
                }
            }
        }
        read
    }

    /// A list of refs, which are of this kind and namespace unless they say otherwise.
    fn refs(&mut self, spec: &Node, key: &str, kind: &str, namespace: &str) -> Vec<EntityRef> {
        let mut refs = Vec::new();
        for (i, item) in self.items(spec, key).iter().enumerate() {
            let path = format!("spec.{key}[{i}]");
            match item.as_str() {
                Some(text) => match EntityRef::parse_with_defaults(text, kind, namespace) {
                    Ok(entity_ref) => refs.push(entity_ref),
                    Err(error) => self.add(&item.location, path, error.to_string()),
                },
                None => self.expected(&path, item, "an entity ref"),
            }
        }
        refs
    }

    fn targets(&mut self, spec: &Node) -> Vec<(String, Location)> {
        let mut targets = Vec::new();
        if let Some(text) = self.string(spec, "spec.", "target")
            && let Some(node) = spec.get("target")
        {
            targets.push((text.to_owned(), node.location.clone()));
        }
        for (i, item) in self.items(spec, "targets").iter().enumerate() {
            match item.as_str() {
                Some(text) => targets.push((text.to_owned(), item.location.clone())),
                None => self.expected(&format!("spec.targets[{i}]"), item, "a string"),
            }
        }
        targets
    }

    fn items<'n>(&mut self, spec: &'n Node, key: &str) -> &'n [Node] {
        match spec.get(key) {
            Some(node) => match &node.value {
                Value::List(items) => items,
                Value::Null => &[],
                _ => {
                    self.expected(&format!("spec.{key}"), node, "a list");
                    &[]
                }
            },
            None => &[],
        }
    }

    fn object<'n>(&mut self, parent: &'n Node, path: &str, key: &str) -> Option<&'n Node> {
        let node = parent.get(key)?;
        match node.value {
            Value::Map(_) => Some(node),
            Value::Null => None,
            _ => {
                self.expected(&format!("{path}{key}"), node, "an object");
                None
            }
        }
    }

    fn string<'n>(&mut self, parent: &'n Node, path: &str, key: &str) -> Option<&'n str> {
        self.text(parent.get(key)?, path, key)
    }

    fn text<'n>(&mut self, node: &'n Node, path: &str, key: &str) -> Option<&'n str> {
        if matches!(node.value, Value::Null) {
            return None;
        }
        let text = node.as_str();
        if text.is_none() {
            self.expected(&format!("{path}{key}"), node, "a string");
        }
        text
    }

    fn required<'n>(
        &mut self,
        parent: &'n Node,
        path: &str,
        key: &str,
        wanted: &str,
    ) -> Option<&'n str> {
        let (path_of, node) = (format!("{path}{key}"), parent.get(key));
        match node.map(|node| (node, node.as_str())) {
            Some((_, Some(text))) if !text.is_empty() => return Some(text),
            Some((node, _)) => self.expected(&path_of, node, wanted),
            None => {
                let message = format!("expected {wanted}, found nothing");
                self.add(&parent.location, path_of, message);
            }
        }
        None
    }

    fn expected(&mut self, path: &str, node: &Node, wanted: &str) {
        let message = format!("expected {wanted}, found {}", node.found());
        self.add(&node.location, path, message);
    }

    fn add(&mut self, at: &Location, path: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(at.mistake(path, message));
    }
}

/// The rule of Backstage for kinds.
fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The rule of Backstage for names; that for namespaces is stricter, which matters to nobody here.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= 63
        && text.bytes().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn with_namespace(mut json: serde_json::Value) -> serde_json::Value {
    if let Some(metadata) = json.get_mut("metadata").and_then(|m| m.as_object_mut()) {
        let namespace = metadata
            .entry("namespace")
            .or_insert_with(|| DEFAULT_NAMESPACE.into());
        if namespace.is_null() {
            *namespace = DEFAULT_NAMESPACE.into();
        }
    }
    json
}
