//! What a build did, as data: the summary, `--json`, `--metadata-file` and `--image-refs` are views of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::deliver::Deliveries;
use super::{Finished, Request, Target};
use crate::digest::Digest;
use crate::image::{Descriptor, MediaType};
use crate::layer::Work;
use crate::lock::LockedBase;
use crate::plan::{Difference, KnownFrom, LayerFacts, Plan};
use crate::platform::Platform;
use crate::reference::{Repository, Tag};
use crate::transport::{Blob, Delivery};

/// What a build did.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The repository that the image is named after.
    pub name: Option<Repository>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The digest of the manifest or index that the tags resolve to.
    pub digest: Option<Digest>,
    /// Whether that is a manifest or an index.
    pub media_type: Option<MediaType>,
    /// The images, one for each platform.
    pub images: Vec<ImageReport>,
    /// Where it went.
    pub destinations: Vec<DestinationReport>,
    /// What the user may want to know.
    pub notes: Vec<String>,
    /// What the user should probably change.
    pub warnings: Vec<String>,
    /// How many entries were written to the cache in a registry.
    pub cache_entries_written: usize,
    /// What the lock should say of the base.
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
    /// What had to be done; `None` when the layer was known.
    pub work: Option<Work>,
    /// How long that took, in milliseconds.
    pub milliseconds: u64,
    /// What made it differ from the last build.
    pub difference: Option<Difference>,
}

/// One destination.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationReport {
    /// As the user would write it.
    pub name: String,
    /// Whether it is the local store.
    pub is_local: bool,
    /// Whether its tags resolved to the image already.
    pub current: bool,
    /// How each blob came there.
    pub blobs: Deliveries,
    /// Bytes of blobs that were sent.
    pub uploaded: u64,
}

impl Report {
    pub(super) fn new(plan: &Plan) -> Self {
        let images = plan.images.iter().map(|image| ImageReport {
            platform: image.platform.clone(),
            digest: None,
            config: None,
            base: image.base.as_ref().map(|base| base.layers.clone()).unwrap_or_default(),
            layers: image
                .layers
                .iter()
                .map(|layer| LayerReport {
                    name: layer.name.clone(),
                    files: layer.files,
                    size: layer.size,
                    facts: layer.known,
                    known_from: layer.known_from,
                    work: None,
                    milliseconds: 0,
                    difference: layer.difference.clone(),
                })
                .collect(),
        });
        Self {
            name: None,
            tags: Vec::new(),
            digest: None,
            media_type: None,
            images: images.collect(),
            destinations: Vec::new(),
            notes: plan.notes.clone(),
            warnings: plan.warnings.clone(),
            cache_entries_written: 0,
            locked: None,
        }
    }

    /// The report of a build that found all of this as it is.
    pub(super) fn without_work(&self) -> Self {
        let images = self.images.iter().cloned().map(|mut image| {
            for layer in &mut image.layers {
                (layer.work, layer.milliseconds, layer.difference) = (None, 0, None);
            }
            image
        });
        Self {
            images: images.collect(),
            destinations: Vec::new(),
            notes: self.notes.clone(),
            warnings: self.warnings.clone(),
            cache_entries_written: 0,
            locked: None,
            name: self.name.clone(),
            tags: self.tags.clone(),
            digest: self.digest,
            media_type: self.media_type.clone(),
        }
    }

    /// Whether a layer is what the cache in a registry says.
    pub(super) fn has_layers_of_others(&self) -> bool {
        let mut layers = self.images.iter().flat_map(|image| &image.layers);
        layers.any(|layer| layer.known_from == Some(KnownFrom::Registry))
    }

    pub(super) fn built(
        &mut self,
        image: usize,
        layer: usize,
        facts: &LayerFacts,
        work: Option<Work>,
        elapsed: Duration,
    ) {
        let layer = &mut self.images[image].layers[layer];
        layer.facts = Some(*facts);
        layer.work = work;
        layer.milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    }

    pub(super) fn current(&mut self, target: &Target) {
        self.destinations.push(DestinationReport {
            name: target.destination.name(),
            is_local: target.is_local,
            current: true,
            blobs: Deliveries::new(),
            uploaded: 0,
        });
    }

    pub(super) fn delivered(&mut self, targets: &[(usize, &Target)], blobs: Vec<(usize, Blob, Delivery)>) {
        let first = self.destinations.len();
        self.destinations.extend(targets.iter().map(|(_, target)| DestinationReport {
            name: target.destination.name(),
            is_local: target.is_local,
            current: false,
            blobs: Deliveries::new(),
            uploaded: 0,
        }));
        for (number, blob, delivery) in blobs {
            let Some(position) = targets.iter().position(|(of, _)| *of == number) else { continue };
            let destination = &mut self.destinations[first + position];
            destination.blobs.insert(blob.descriptor.digest, delivery);
            if delivery == Delivery::Uploaded {
                destination.uploaded += blob.descriptor.size;
            }
        }
    }

    pub(super) fn finish(&mut self, request: &Request, finished: &Finished) {
        self.name = Some(request.name.clone());
        self.tags.clone_from(&finished.tags);
        self.digest = Some(finished.root.digest());
        self.media_type = Some(finished.root.media_type.clone());
        for (report, image) in self.images.iter_mut().zip(&finished.images) {
            report.digest = Some(image.digest());
            report.config = Some(image.manifest().config.digest);
        }
        self.notes.extend(finished.notes.iter().cloned());
    }
}
