//! Entries of an index and their names.

use std::collections::BTreeMap;

use crate::oci::select::is_attestation;
use crate::oci::{Descriptor, Index, MediaType};
use crate::types::digest::Digest;
use crate::types::error::nearest_name;
use crate::types::error_code::ErrorCode;
use crate::types::reference::Reference;
use crate::types::shown;

/// The annotation that names an entry of an index: a tag, or in the local store a whole reference.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's annotation for the whole reference, which `docker load` and `ctr import` prefer.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Why an index does not say which image is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// No entry has the name.
    #[error("there is no image `{wanted}`{}", listed(related(wanted, .existing)))]
    Unknown {
        /// The requested name.
        wanted: String,
        /// The existing names.
        existing: Vec<String>,
    },
    /// No name was given and there are several images.
    #[error("there are several images; name one of them{}", listed(.0.iter().map(String::as_str)))]
    Several(Vec<String>),
    /// There are no images.
    #[error("there are no images")]
    Empty,
}

/// The names that are of the same repository as `wanted`: other tags of it. In a layout of one repository, whose names are
/// tags alone, that is each.
fn related<'a>(wanted: &'a str, existing: &'a [String]) -> impl Iterator<Item = &'a str> {
    let wanted = repository_of(wanted);
    existing.iter().map(String::as_str).filter(move |name| repository_of(name) == wanted)
}

/// A name without its tag, and without the registry that a build without one has; nothing for a tag alone.
fn repository_of(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.strip_prefix("localhost/").unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ if name.contains('/') => name,
        _ => "",
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names = shown::listed(names, "", ", ");
    if names.is_empty() { names } else { format!("; there is {names}") }
}

impl PickError {
    /// The situation that it is.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown { .. } | Self::Empty => ErrorCode::ImageNotFound,
            Self::Several(_) => ErrorCode::ImageUnclear,
        }
    }

    /// The next thing to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { wanted, existing } => nearest_name(wanted, existing.iter().map(String::as_str))
                .map(|name| format!("did you mean `{name}`?")),
            Self::Several(names) => names.first().map(|name| format!("append the name, such as `:{name}`")),
            Self::Empty => None,
        }
    }
}

/// The names of an entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryName {
    /// For [`REF_NAME`]; unique in the index.
    pub reference: String,
    /// For [`CONTAINERD_NAME`].
    pub containerd: Option<String>,
}

impl EntryName {
    /// The name of an image in a layout of one repository: its tag.
    #[must_use]
    pub fn tag(tag: &str) -> Self {
        Self { reference: tag.to_owned(), containerd: None }
    }

    /// The name of an image among those of many repositories: its whole reference.
    #[must_use]
    pub fn full(reference: &Reference) -> Self {
        let name = reference.to_string();
        Self { reference: name.clone(), containerd: Some(name) }
    }

    /// Puts the name on `descriptor`.
    pub fn put_on(&self, descriptor: &mut Descriptor) {
        descriptor.annotations.insert(REF_NAME.to_owned(), self.reference.clone());
        match &self.containerd {
            Some(name) => descriptor.annotations.insert(CONTAINERD_NAME.to_owned(), name.clone()),
            None => descriptor.annotations.remove(CONTAINERD_NAME),
        };
    }
}

/// The name of an entry, for people and for looking up.
#[must_use]
pub fn name_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).or_else(|| entry.annotations.get(CONTAINERD_NAME)).map(String::as_str)
}

/// Finds the entry that `wanted` names, by either annotation or by `sha256:` digest. Without a name, the
/// only image is meant.
///
/// # Errors
/// When no entry has the name, or none was given and there is not exactly one image.
pub fn pick<'a>(entries: &'a [Descriptor], wanted: Option<&str>) -> Result<&'a Descriptor, PickError> {
    let shown = |entry: &Descriptor| name_of(entry).map_or_else(|| entry.digest.to_string(), str::to_owned);
    let existing = || entries.iter().map(shown).collect::<Vec<_>>();
    let Some(wanted) = wanted else {
        // A document that refers to an image is not another image.
        let images = || entries.iter().filter(|entry| !is_attestation(entry) || name_of(entry).is_some());
        let Some(first) = images().next() else { return Err(PickError::Empty) };
        // One image under several names is still one image.
        if images().any(|entry| entry.digest != first.digest) {
            return Err(PickError::Several(existing()));
        }
        return Ok(first);
    };
    let by = |key: &str| {
        entries.iter().find(|entry| entry.annotations.get(key).is_some_and(|name| name == wanted))
    };
    let by_digest = || {
        let digest: Digest = wanted.parse().ok()?;
        entries.iter().find(|entry| entry.digest == digest)
    };
    by(REF_NAME)
        .or_else(|| by(CONTAINERD_NAME))
        .or_else(by_digest)
        .ok_or_else(|| PickError::Unknown { wanted: wanted.to_owned(), existing: existing() })
}

/// Puts `descriptor` under `names` into the entries of an index, in place where a name exists.
pub(crate) fn enter(entries: &mut Vec<Descriptor>, names: &[EntryName], descriptor: &Descriptor) {
    let same = |entry: &Descriptor| entry.digest == descriptor.digest;
    if names.is_empty() {
        if !entries.iter().any(same) {
            entries.push(descriptor.clone());
        }
        return;
    }
    // A name makes the nameless entry of the same image superfluous.
    entries.retain(|entry| !(same(entry) && name_of(entry).is_none()));
    for name in names {
        let mut entry = descriptor.clone();
        name.put_on(&mut entry);
        let named = |entry: &Descriptor| name_of(entry) == Some(name.reference.as_str());
        match entries.iter().position(named) {
            Some(position) => entries[position] = entry,
            None => entries.push(entry),
        }
    }
}

/// An index without entries.
pub(crate) fn empty_index() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(MediaType::ImageIndex),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: BTreeMap::new(),
        rest: BTreeMap::new(),
    }
}
