//! The tools that layers are built with.

use super::super::encode::Compression;
use super::super::lookup::BodyLookup;
use super::super::spec::LayerSpec;
use super::buffers::Buffers;
use super::error::LayerError;
use crate::oci::blob::BlobGrower;
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::workers::Workers;
use crate::store::Blobs;

/// The tools that layers are built with.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// Where blobs go.
    pub blobs: &'a Blobs,
    /// The threads that read and encode.
    pub workers: &'a Workers,
    /// Encoded bodies that are known already.
    pub known: &'a BodyLookup,
    /// Buffers to use again.
    pub buffers: &'a Buffers,
    /// Hands the blob to its readers while it is written.
    pub grower: Option<&'a BlobGrower>,
    /// Receives progress events.
    pub progress: &'a Progress,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// Called when all bodies are handed to the threads, so that they will soon have time for others.
    pub handed_out: &'a (dyn Fn() + Sync),
}

/// The state that every worker needs; owned, since the pool outlives the call.
pub(super) struct WorkerState {
    pub(super) layer: LayerSpec,
    pub(super) compression: Compression,
    pub(super) encoder: String,
    pub(super) buffers: Buffers,
}

/// Why a build stopped.
pub(super) enum Stop {
    /// An error of the collecting thread.
    Failed(LayerError),
    /// The thread that writes the blob has ended.
    ChannelClosed,
}

impl<E: Into<LayerError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
