//! The result of a build, as data: the summary, `--json`, `--explain`, `--metadata-file`, `--image-refs` and the figures
//! of `--timings` are views of it. It is put together from [events](super::build_event).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::finished::ReferrerEntry;
use super::outcome::Outcome;
use crate::layer::LayerWork;
use crate::oci::{Descriptor, MediaType};
use crate::plan::{Difference, FileMemo, KnownFrom, LayerFacts, LayerMemo};
use crate::project::lock::LockedBase;
use crate::transport::Delivery;
use crate::types::digest::Digest;
use crate::types::finding::Finding;
use crate::types::platform::Platform;
use crate::types::reference::{Repository, Tag};

/// The result of a build.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The repository that the image is named after.
    pub name: Option<Repository>,
    /// Whether all of it was known before anything was planned, and why not.
    pub outcome: Outcome,
    /// How layers are compressed.
    pub compression: String,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The digest of the manifest or index that the tags resolve to.
    pub digest: Option<Digest>,
    /// Whether that is a manifest or an index.
    pub media_type: Option<MediaType>,
    /// The bytes of the manifest or index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_size: Option<u64>,
    /// The manifests that are published with the images, and that the index lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Descriptor>,
    /// The documents that refer to the images: lists of packages, signatures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<ReferrerEntry>,
    /// The images, one for each platform.
    pub images: Vec<ImageReport>,
    /// Where it went.
    pub destinations: Vec<DestinationReport>,
    /// Facts that the user may want to know.
    pub notes: Vec<String>,
    /// Problems that the user should probably solve.
    pub warnings: Vec<String>,
    /// The findings of the checks.
    pub findings: Vec<Finding>,
    /// How many entries were written to the cache in a registry.
    pub cache_entries_written: usize,
    /// The lock's new entry for the base.
    #[serde(skip)]
    pub locked: Option<LockedBase>,
}

/// One image.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageReport {
    /// The platform.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Option<Digest>,
    /// The digest of its configuration: what Docker calls the image ID.
    pub config: Option<Digest>,
    /// The base's layers, bottom first.
    pub base: Vec<Descriptor>,
    /// Our layers, bottom first.
    pub layers: Vec<LayerReport>,
}

/// One layer of ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerReport {
    /// Its name.
    pub name: String,
    /// How many entries are not directories.
    pub files: usize,
    /// Bytes of payload.
    pub size: u64,
    /// Digest, compressed size and diffID.
    pub facts: Option<LayerFacts>,
    /// Who knew the layer.
    pub known_from: Option<KnownFrom>,
    /// Whether it was known, and why not.
    pub memo: LayerMemo,
    /// The memo's knowledge of its files; `None` if the files were not looked at one by one.
    pub file_memo: Option<FileMemo>,
    /// The work that was done; `None` if the layer was known.
    pub work: Option<LayerWork>,
    /// The work of making a known layer again because the store had lost it.
    pub remade: Option<LayerWork>,
    /// How long that took, in milliseconds.
    pub milliseconds: u64,
    /// The difference from the last build.
    pub difference: Option<Difference>,
}

/// One destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationReport {
    /// As the user would write it.
    pub name: String,
    /// Whether it is the local store.
    pub is_local: bool,
    /// Whether its tags resolved to the image already.
    pub current: bool,
    /// Whether it is somewhere else, behind a network.
    pub is_remote: bool,
    /// How each blob came there.
    pub blobs: Deliveries,
    /// Those that came there while they were being made.
    pub followed: BTreeSet<Digest>,
    /// Bytes of blobs that were sent.
    pub uploaded: u64,
    /// Bytes of blobs that it had already, or took from another of its repositories.
    pub reused: u64,
}

/// Deliveries by digest, for reports.
pub(super) type Deliveries = BTreeMap<Digest, Delivery>;

impl Report {
    /// The report of a build that found all of this as it is.
    pub(super) fn without_work(&self) -> Self {
        let images = self.images.iter().cloned().map(|mut image| {
            for layer in &mut image.layers {
                (layer.work, layer.remade, layer.milliseconds, layer.difference) = (None, None, 0, None);
                (layer.memo, layer.file_memo) = (LayerMemo::NotAsked, None);
            }
            image
        });
        Self {
            outcome: Outcome::Known,
            compression: self.compression.clone(),
            images: images.collect(),
            destinations: Vec::new(),
            notes: self.notes.clone(),
            warnings: self.warnings.clone(),
            findings: self.findings.clone(),
            cache_entries_written: 0,
            locked: None,
            name: self.name.clone(),
            tags: self.tags.clone(),
            digest: self.digest,
            root_size: self.root_size,
            media_type: self.media_type.clone(),
            attachments: self.attachments.clone(),
            attached: self.attached.clone(),
        }
    }

    /// Whether a layer is what the cache in a registry says.
    pub(super) fn has_layers_of_others(&self) -> bool {
        let mut layers = self.images.iter().flat_map(|image| &image.layers);
        layers.any(|layer| layer.known_from == Some(KnownFrom::Registry))
    }
}
