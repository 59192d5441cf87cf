//! Blobs on their way to destinations: what goes where, and what has to be there first.
//!
//! A blob goes to a destination of an image once. A registry gets the bytes of a blob once in a run, whatever the
//! number of images and repositories: the second repository waits for the first, and then has the blob, or takes it
//! from there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::graph::{LayerId, Node, SendId};
use super::scheduler::{Demand, Lane};
use super::target::Target;
use crate::runtime::events::ImageId;
use crate::transport::{Blob, GrowingBlob};
use crate::types::digest::Digest;

/// A destination: of an image, by number.
pub(super) type DestinationId = (ImageId, usize);

/// The content to send.
#[derive(Clone)]
pub(super) enum SendContent {
    /// A blob that is there.
    Blob(Box<Blob>),
    /// A blob of a document that is attached to the image, which a target may lack though it has the image.
    Attached(Box<Blob>),
    /// A blob that the node makes, or is about to.
    Growing(GrowingBlob, Node),
}

/// Whether a blob is part of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlobKind {
    /// It is.
    OfImage,
    /// It is part of a document that is attached to the image.
    Attached,
}

/// A blob on its way to a destination.
#[derive(Clone)]
pub(super) struct BlobSend {
    pub(super) destination: DestinationId,
    pub(super) content: SendContent,
}

/// All of a run.
pub(super) struct SendTable {
    /// By image and destination: the number of the host, and how many blobs the destination takes at a time.
    lanes: Vec<Vec<(usize, usize)>>,
    state: Mutex<SendTableState>,
}

#[derive(Default)]
struct SendTableState {
    next: usize,
    under_way: BTreeMap<SendId, BlobSend>,
    /// The digests that each destination gets or got.
    sent: BTreeSet<(DestinationId, Digest)>,
    /// Which way to a host a blob went last.
    last: BTreeMap<(usize, Digest), SendId>,
    /// Which destinations get a layer while it is made, and which way to a host it goes.
    following: BTreeMap<LayerId, Vec<(DestinationId, usize, SendId)>>,
}

/// A way that was added, and the one that it waits for.
pub(super) struct SendAddition {
    pub(super) id: SendId,
    pub(super) after: Option<SendId>,
}

impl SendTable {
    /// For the images with these targets.
    pub(super) fn new<'a>(images: impl Iterator<Item = &'a [Target]>) -> Self {
        let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
        let mut lane = |target: &Target| {
            let capabilities = target.capabilities();
            let host = capabilities.mounts_from.map_or_else(|| target.name(), |host| host.to_string());
            let number = hosts.len();
            (*hosts.entry(host).or_insert(number), capabilities.parallel_blobs)
        };
        let lanes = images.map(|targets| targets.iter().map(&mut lane).collect()).collect();
        Self { lanes, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, SendTableState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, (image, target): DestinationId) -> (usize, usize) {
        self.lanes.get(image.0).and_then(|lanes| lanes.get(target)).copied().unwrap_or_default()
    }

    /// The resources that sending needs.
    pub(super) fn demand(&self, id: SendId) -> Demand {
        let state = self.state();
        let Some(sending) = state.under_way.get(&id) else { return Demand::Waiting };
        let (host, width) = self.lane(sending.destination);
        match sending.content {
            SendContent::Blob(_) | SendContent::Attached(_) => {
                Demand::Lane(Lane { host, destination: sending.destination, width })
            }
            SendContent::Growing(_, maker) => Demand::Follow(host, maker),
        }
    }

    /// Adds a blob on its way; `None` if it is or was on its way there. `layer` is the layer that it is, if that was built
    /// in this run.
    pub(super) fn add(
        &self,
        destination: DestinationId,
        (blob, kind): (&Blob, BlobKind),
        layer: Option<LayerId>,
    ) -> Option<SendAddition> {
        let host = self.lane(destination).0;
        let digest = blob.descriptor.digest;
        let mut state = self.state();
        if !state.sent.insert((destination, digest)) {
            return None;
        }
        let content = match kind {
            BlobKind::OfImage => SendContent::Blob(Box::new(blob.clone())),
            BlobKind::Attached => SendContent::Attached(Box::new(blob.clone())),
        };
        let id = state.start(BlobSend { destination, content });
        let followed = layer.and_then(|layer| {
            let mut ways = state.following.get(&layer)?.iter();
            ways.find(|(_, of, _)| *of == host).map(|(_, _, id)| *id)
        });
        let last = state.last.insert((host, digest), id);
        Some(SendAddition { id, after: last.or(followed) })
    }

    /// Adds a layer on its way while it is made; `None` if another destination at the same host gets it so.
    pub(super) fn follow(
        &self,
        destination: DestinationId,
        layer: LayerId,
        growing: &GrowingBlob,
    ) -> Option<SendId> {
        let host = self.lane(destination).0;
        let mut state = self.state();
        if state.following.get(&layer).is_some_and(|ways| ways.iter().any(|(_, of, _)| *of == host)) {
            return None;
        }
        let content = SendContent::Growing(growing.clone(), Node::Layer(layer));
        let id = state.start(BlobSend { destination, content });
        state.following.entry(layer).or_default().push((destination, host, id));
        Some(id)
    }

    /// Adds a configuration on its way, which the image's node will make.
    pub(super) fn follow_document(&self, destination: DestinationId, growing: &GrowingBlob) -> SendId {
        let content = SendContent::Growing(growing.clone(), Node::Document(destination.0));
        self.state().start(BlobSend { destination, content })
    }

    /// Whether a destination gets a layer while it is made.
    pub(super) fn follows(&self, destination: DestinationId, layer: LayerId) -> bool {
        let state = self.state();
        state.following.get(&layer).is_some_and(|ways| ways.iter().any(|(of, ..)| *of == destination))
    }

    /// Forgets who took a layer while it was built: that came to nothing, and it is built once more.
    pub(super) fn unfollow(&self, layer: LayerId) {
        self.state().following.remove(&layer);
    }

    /// Where a blob is on its way to.
    #[cfg(test)]
    pub(super) fn destination(&self, id: SendId) -> Option<DestinationId> {
        self.state().under_way.get(&id).map(|sending| sending.destination)
    }

    /// Takes the content to send; it is under way no longer.
    pub(super) fn take(&self, id: SendId) -> Option<BlobSend> {
        self.state().under_way.remove(&id)
    }

    /// Forgets what an image sent, so that it can be sent once more.
    pub(super) fn forget(&self, image: ImageId) {
        let mut state = self.state();
        state.sent.retain(|((of, _), _)| *of != image);
        state.under_way.retain(|_, sending| sending.destination.0 != image);
        state.following.values_mut().for_each(|ways| ways.retain(|((of, _), ..)| *of != image));
    }
}

impl SendTableState {
    fn start(&mut self, sending: BlobSend) -> SendId {
        let id = SendId(self.next);
        self.next += 1;
        self.under_way.insert(id, sending);
        id
    }
}
