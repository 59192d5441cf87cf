//! The plan: what goes where, and why, before anything is done.
//!
//! A [`Plan`] is data: `pack plan` prints it, `build` executes it. Making one reads the base's documents, calls
//! `lstat` for every file, and writes nothing. [`place()`] places entries on the base's directories, [`buckets`] splits
//! large layers.

pub mod buckets;
mod difference;
mod place;
mod reuse;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(test)]
pub use difference::EntryChange;
pub use difference::{Difference, Listing, ListingRecord, PathChange, PathStatus, TimesChange};
pub use place::{PlaceError, place, real_directory};
pub use reuse::{FileMemo, LayerMemo, ReadReason};
use serde::{Deserialize, Serialize};

use crate::layer::{Compression, LayerSpec, Toc, Ztoc};
use crate::oci::{Descriptor, soci};
use crate::types::digest::{ContentId, Digest, Key};
use crate::types::finding::Finding;
use crate::types::platform::Platform;

/// The work that a build will do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The output format.
    pub format: u64,
    /// The repository that the image is named after.
    pub name: String,
    /// Its tags, with `{content}` if the content is not known yet.
    pub tags: Vec<String>,
    /// The version that the artifact says of itself.
    pub version: Option<String>,
    /// The artifacts: none, one, or one for each platform.
    pub artifacts: Vec<PlannedArtifact>,
    /// One image for each platform.
    pub images: Vec<PlannedImage>,
    /// Facts that the user may want to know.
    pub notes: Vec<String>,
    /// Problems that the user should probably solve.
    pub warnings: Vec<String>,
    /// The findings of the checks.
    pub findings: Vec<Finding>,
}

/// The artifact, and the reasons for its kind.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedArtifact {
    /// The artifact's kind, for people.
    pub kind: String,
    /// Where it is.
    #[serde(serialize_with = "crate::types::shown::path_as_text")]
    pub path: PathBuf,
    /// Why, in sentences.
    pub why: Vec<String>,
}

/// The image of one platform.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedImage {
    /// The platform.
    pub platform: Platform,
    /// The base of the image; `None` for scratch.
    pub base: Option<PlannedBase>,
    /// Our layers, bottom first.
    pub layers: Vec<PlannedLayer>,
    /// The artifact's own idea of how it is started.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments, likewise.
    pub cmd: Option<Vec<String>>,
    /// Variables that the artifacts want, where neither the settings nor the base have them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The directory that the artifact starts in, where the settings do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
}

/// The base of one platform.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedBase {
    /// As the user has it.
    pub reference: String,
    /// Whether that names an image in a registry, not a path.
    pub is_in_registry: bool,
    /// The digest that the reference resolves to, of a manifest or an index.
    pub digest: Digest,
    /// The manifest of this platform.
    pub manifest: Digest,
    /// Its layers, bottom first.
    pub layers: Vec<Descriptor>,
}

/// A layer to come.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedLayer {
    /// Its name.
    pub name: String,
    /// The content of the layer and the reason for it.
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
    /// Whether this machine knows it, and why not.
    pub memo: LayerMemo,
    /// The memo's knowledge of its files.
    pub file_memo: FileMemo,
    /// Which of the project's layers it is, for memos: its platform and name.
    #[serde(skip)]
    pub slot: Key,
    /// The difference from its last build.
    pub difference: Option<Difference>,
}

impl PlannedLayer {
    /// Whether the entries of both are known to be the same, and the layers have one name.
    #[must_use]
    pub fn is_same_content(&self, other: &Self) -> bool {
        let key = |layer: &Self| layer.keys.as_ref().map(|keys| keys.layer);
        self.name == other.name && key(self).is_some() && key(self) == key(other)
    }
}

/// Identities of a layer's entries and of the layer.
#[derive(Debug, Clone)]
pub struct LayerKeys {
    /// Of each file's content, in the order of the entries; `None` where there is none, or it is in memory.
    pub contents: Arc<Vec<Option<ContentId>>>,
    /// Of each entry, in order.
    pub entries: Arc<Vec<Key>>,
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

/// Facts about a finished layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerFacts {
    /// The blob.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Of an eStargz layer.
    pub toc: Option<Toc>,
    /// Of a SOCI layer that is large enough to have one.
    pub ztoc: Option<Ztoc>,
}

impl LayerFacts {
    /// The blob as a manifest names it.
    #[must_use]
    pub fn descriptor(&self, compression: Compression) -> Descriptor {
        let annotations = self.toc.map(|toc| toc.annotations()).unwrap_or_default();
        Descriptor { annotations, ..Descriptor::new(compression.media_type(), self.digest, self.size) }
    }

    /// Its table of contents beside it, as a SOCI index names it.
    #[must_use]
    pub fn table(&self, compression: Compression) -> Option<Descriptor> {
        let Ztoc { digest, size, span } = self.ztoc?;
        Some(soci::table(digest, size, span, &self.descriptor(compression)))
    }
}
