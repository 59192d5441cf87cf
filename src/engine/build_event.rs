//! The results of a build as typed events. The [report](super::report::Report) of an image is a fold over its events, and
//! all that a build shows at its end is a view of the report.
//!
//! The events of `runtime` tell how the work goes on, for those who watch it. These tell its results, and carry all that
//! the report needs. Several threads tell of one image at a time, so the order of its events means nothing, but for
//! [`BuildEvent::Restarted`].

use std::time::Duration;

use super::finished::{Finished, ReferrerEntry};
use super::layer_table::PlanPosition;
use super::outcome::Outcome;
use super::report::{ImageReport, LayerReport, Report};
use super::request::Request;
use super::target::Target;
use crate::layer::LayerWork;
use crate::oci::{Descriptor, MediaType};
use crate::plan::{LayerFacts, Plan, PlannedImage, PlannedLayer};
use crate::project::lock::LockedBase;
use crate::transport::{Blob, Delivery};
use crate::types::digest::Digest;
use crate::types::finding::Finding;
use crate::types::reference::{Repository, Tag};

/// A result on the way to an image.
#[derive(Clone, Debug)]
pub(super) enum BuildEvent {
    /// The outcome of the whole build was not known before the plan, for this reason.
    OutcomeUnknown(Outcome),
    /// The outcome is known: this is the report of an earlier build of the same inputs.
    OutcomeKnown(Box<Report>),
    /// The plan is made.
    Planned(PlanResult),
    /// The plan is executed once more, since the cache in a registry said something wrong. Nothing counts that came of it
    /// before.
    Restarted,
    /// A layer has its digest: it was built, was known, or is equal to one that was built for another image.
    LayerFinished {
        /// The layer.
        place: PlanPosition,
        /// Digest, compressed size and diffID.
        facts: LayerFacts,
        /// The work that was done; `None` if the layer was known.
        work: Option<LayerWork>,
        /// How long that took.
        elapsed: Duration,
    },
    /// A known layer was built once more, since a destination needed a blob that the store had lost.
    LayerRemade {
        /// The layer.
        digest: Digest,
        /// The work that was done.
        work: LayerWork,
    },
    /// The manifests are derived from the layers: the digests are known.
    Derived(DerivedImage),
    /// It is known what a destination had of the image before this build sent anything.
    DestinationAsked(AskedDestination),
    /// A blob is at a destination.
    Delivered {
        /// The destination, by number.
        target: usize,
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// How it came there.
        delivery: Delivery,
        /// Whether it came there while it was being made.
        followed: bool,
    },
    /// The tags of a destination resolve to the image.
    Tagged {
        /// The destination, by number.
        target: usize,
        /// Whether they did so before.
        delivery: Delivery,
    },
    /// So many entries were written to the cache in a registry.
    CacheWritten(usize),
    /// The base is looked up: its entry for the lock.
    BaseLocked(Box<LockedBase>),
}

/// The part of a plan that is reported.
#[derive(Clone, Debug, Default)]
pub(super) struct PlanResult {
    pub(super) compression: String,
    pub(super) images: Vec<ImageReport>,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) findings: Vec<Finding>,
}

/// An image that is finished but for delivery.
#[derive(Clone, Debug)]
pub(super) struct DerivedImage {
    pub(super) name: Repository,
    pub(super) tags: Vec<Tag>,
    pub(super) digest: Digest,
    pub(super) media_type: MediaType,
    /// The bytes of the manifest or index.
    pub(super) size: u64,
    pub(super) attachments: Vec<Descriptor>,
    pub(super) attached: Vec<ReferrerEntry>,
    /// The digests of manifest and configuration, by platform.
    pub(super) images: Vec<(Digest, Digest)>,
    /// Notes about the derivation.
    pub(super) notes: Vec<String>,
}

/// A destination that has answered.
#[derive(Clone, Debug)]
pub(super) struct AskedDestination {
    /// By number.
    pub(super) target: usize,
    /// As the user would write it.
    pub(super) name: String,
    pub(super) is_local: bool,
    pub(super) is_remote: bool,
    pub(super) has: Has,
}

/// The parts of an image that a destination has. In the order in which a report lists destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Has {
    /// All: its tags resolve to the image.
    All,
    /// All but some of what is attached to it.
    NotAllAttachments,
    /// Its tags resolve to something else, or to nothing.
    NotTheImage,
}

impl PlanResult {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut layers = plan.images.iter().flat_map(|image| &image.layers);
        Self {
            compression: layers.next().map(|layer| layer.compression.to_string()).unwrap_or_default(),
            images: plan.images.iter().map(planned_image).collect(),
            notes: plan.notes.clone(),
            warnings: plan.warnings.clone(),
            findings: plan.findings.clone(),
        }
    }
}

fn planned_image(image: &PlannedImage) -> ImageReport {
    ImageReport {
        platform: image.platform.clone(),
        digest: None,
        config: None,
        base: image.base.as_ref().map(|base| base.layers.clone()).unwrap_or_default(),
        layers: image.layers.iter().map(planned_layer).collect(),
    }
}

fn planned_layer(layer: &PlannedLayer) -> LayerReport {
    LayerReport {
        name: layer.name.clone(),
        files: layer.files,
        size: layer.size,
        facts: layer.known,
        known_from: layer.known_from,
        memo: layer.memo,
        file_memo: Some(layer.file_memo),
        work: None,
        remade: None,
        milliseconds: 0,
        difference: layer.difference.clone(),
    }
}

impl DerivedImage {
    pub(super) fn of(request: &Request, finished: &Finished) -> Self {
        Self {
            name: request.name.clone(),
            tags: finished.tags.clone(),
            digest: finished.root.digest(),
            media_type: finished.root.media_type.clone(),
            size: finished.root.bytes.len() as u64,
            attachments: finished.attached(),
            attached: finished.referrers(),
            images: finished
                .images
                .iter()
                .map(|image| (image.digest(), image.manifest().config.digest))
                .collect(),
            notes: finished.notes.clone(),
        }
    }
}

impl AskedDestination {
    pub(super) fn new(number: usize, target: &Target, has: Has) -> Self {
        let capabilities = target.capabilities();
        Self {
            target: number,
            name: target.name(),
            is_local: capabilities.is_local(),
            is_remote: capabilities.is_remote(),
            has,
        }
    }
}

impl BuildEvent {
    pub(super) fn delivered(target: usize, blob: &Blob, delivery: Delivery, followed: bool) -> Self {
        let Descriptor { digest, size, .. } = blob.descriptor;
        Self::Delivered { target, digest, size, delivery, followed }
    }
}
