//! The plan: what goes where, and why, before anything is done.
//!
//! A [`Plan`] is data: `pack plan` prints it, `build` executes it. Making one reads what it must (the
//! base's documents, `lstat` of every file) and writes nothing. [`place`] is the part of planning that is
//! about the base's directories, [`buckets`] the one that splits large layers.

pub mod buckets;
mod place;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use place::{BaseTree, Empty, PlaceError, place, real_directory};
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Key};
use crate::image::Descriptor;
use crate::layer::{Compression, EntryPath, LayerSpec};
use crate::platform::Platform;

/// What a build will do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The output format.
    pub format: u64,
    /// The artifact, if there is one.
    pub artifact: Option<PlannedArtifact>,
    /// One image for each platform.
    pub images: Vec<PlannedImage>,
    /// What the user may want to know.
    pub notes: Vec<String>,
    /// What the user should probably change.
    pub warnings: Vec<String>,
}

/// The artifact and why it is taken for what it is.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedArtifact {
    /// What it is.
    pub kind: String,
    /// Where it is.
    pub path: PathBuf,
    /// Why, in sentences.
    pub why: Vec<String>,
}

/// The image of one platform.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedImage {
    /// The platform.
    pub platform: Platform,
    /// What it stands on; `None` for scratch.
    pub base: Option<PlannedBase>,
    /// Our layers, bottom first.
    pub layers: Vec<PlannedLayer>,
    /// The artifact's own idea of how it is started.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments, likewise.
    pub cmd: Option<Vec<String>>,
}

/// The base of one platform.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedBase {
    /// As the user has it.
    pub reference: String,
    /// Whether that names an image in a registry, not a path.
    pub is_in_registry: bool,
    /// What the reference resolves to: a manifest or an index.
    pub digest: Digest,
    /// The manifest of this platform.
    pub manifest: Digest,
    /// Its layers, bottom first.
    pub layers: Vec<Descriptor>,
}

/// A layer to come.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedLayer {
    /// Its name.
    pub name: String,
    /// What is in it and why.
    pub why: String,
    /// How many entries are not directories.
    pub files: usize,
    /// Bytes of payload.
    pub size: u64,
    /// The entries.
    #[serde(skip)]
    pub spec: LayerSpec,
    /// How the layer is compressed.
    #[serde(skip)]
    pub compression: Compression,
    /// The keys of the entries and of the whole, where every file's identity is known.
    #[serde(skip)]
    pub keys: Option<LayerKeys>,
    /// The finished layer, where an earlier build made it.
    pub known: Option<LayerFacts>,
    /// Who says so.
    pub known_from: Option<KnownFrom>,
    /// What differs from the last build.
    pub difference: Option<Difference>,
}

/// Identities of a layer's entries and of the layer.
#[derive(Debug, Clone)]
pub struct LayerKeys {
    /// Of each entry, in order.
    pub entries: Vec<Key>,
    /// Of the layer.
    pub layer: Key,
}

/// Who knows a finished layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KnownFrom {
    /// The local store: this machine built it.
    Store,
    /// The cache in a registry: another machine did.
    Registry,
}

impl std::fmt::Display for KnownFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Store => "cached",
            Self::Registry => "cached (registry)",
        })
    }
}

/// What is known of a finished layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerFacts {
    /// The blob.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
}

/// Which path made a layer differ from its last build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The first path that differs.
    pub path: String,
    /// How it differs.
    pub how: How,
    /// How many paths differ.
    pub paths: usize,
}

/// How a path differs from the last build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its content or metadata changed.
    Changed,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.how)?;
        match self.paths {
            0 | 1 => Ok(()),
            2 => f.write_str(", and 1 more path"),
            paths => write!(f, ", and {} more paths", paths - 1),
        }
    }
}

impl Difference {
    /// What differs between two listings; `None` when nothing does.
    #[must_use]
    pub fn between(before: &BTreeMap<&EntryPath, &Key>, now: &BTreeMap<&EntryPath, &Key>) -> Option<Self> {
        let new_or_changed = now.iter().filter_map(|(path, key)| match before.get(path) {
            None => Some((*path, How::Added)),
            Some(old) => (old != key).then_some((*path, How::Changed)),
        });
        let removed = before.keys().filter(|path| !now.contains_key(*path)).map(|path| (*path, How::Removed));
        let all: Vec<(&EntryPath, How)> = new_or_changed.chain(removed).collect();
        let (path, how) = all.iter().min_by_key(|(path, _)| *path)?;
        Some(Self { path: path.to_string(), how: *how, paths: all.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let path = |text: &str| EntryPath::new(text.as_bytes()).expect("path");
        let (a, b, c, d) = (path("a"), path("b"), path("c"), path("d"));
        let (one, two) = (Key([1; 32]), Key([2; 32]));
        let before = BTreeMap::from([(&a, &one), (&b, &one), (&c, &one)]);
        let now = BTreeMap::from([(&a, &one), (&c, &two), (&d, &one)]);
        let found = Difference::between(&before, &now).expect("differs");
        assert_eq!(found.to_string(), "/b removed, and 2 more paths");
        assert_eq!(Difference::between(&before, &before), None);
    }
}
