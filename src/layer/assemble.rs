//! Building a layer: bodies are read, looked up or encoded on all cores, and come out in order.
//!
//! ```text
//!                    ┌► read → BLAKE3 → cached? else encode ─┐            ┌► SHA-256 of the tar (diffID)
//! bodies ─► window ──┼► …                                    ├─► in order ┤
//!                    └► read → BLAKE3 → cached? else encode ─┘            └► SHA-256 of the blob, store
//! ```
//!
//! A layer that begins like an earlier one goes on from where the two part: the encoded bodies before that are
//! copied, their files are not read, and both digests continue from the states that were kept there.
//!
//! At most a window of bodies is in flight, so memory is bounded by cores × body size however large the
//! layer is. The two digests are sequential by nature: that of the tar is computed by whoever puts the bodies in
//! order, that of the blob by whoever writes it, on a thread of its own.

mod buffers;
mod error;
mod order;
mod output;
#[cfg(test)]
mod tests;
mod work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

pub use self::buffers::Buffers;
pub use self::error::LayerError;
use self::order::{Collected, Collector};
use self::output::{Output, write_blob};
use self::work::{Coded, Dispatcher, Slot};
use super::encode::Compression;
use super::estargz::{self, Toc};
use super::known::{Beginning, BodyList, BodyRecord, KnownBodies, Place};
use super::spec::LayerSpec;
use super::trail::{self, Mark};
use super::ztoc::{Spans, Ztoc};
use crate::oci::Descriptor;
use crate::oci::blob::Grower;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::observer::{Phase, Progress, Task};
use crate::runtime::workers::{self, Workers};
use crate::store::Blobs;
use crate::types::digest::{ContentId, Digest, Key};

/// What layers are built with.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// Where blobs go.
    pub blobs: &'a Blobs,
    /// The threads that read and encode.
    pub workers: &'a Workers,
    /// Encoded bodies that are known already.
    pub known: &'a KnownBodies,
    /// Buffers to use again.
    pub buffers: &'a Buffers,
    /// Who reads the blob while it is written.
    pub grower: Option<&'a Grower>,
    /// Who is told.
    pub progress: &'a Progress,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// Called when all bodies are handed to the threads, so that they will soon have time for others.
    pub handed_out: &'a (dyn Fn() + Sync),
}

/// A finished layer, in the store.
#[derive(Clone, Debug)]
pub struct Built {
    /// The blob, without annotations.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Of an eStargz layer, from which no other goes on: its table needs the bytes of all files.
    pub toc: Option<Toc>,
    /// Of a SOCI layer that is large enough; in the store as well.
    pub ztoc: Option<Ztoc>,
    /// The bodies of the blob, in order.
    pub bodies: Vec<BodyRecord>,
    /// The states of both hashes after some of them.
    pub(crate) marks: Vec<Mark>,
    /// The content ids of files that were read, by entry index.
    pub ids: Vec<(usize, ContentId)>,
    /// How much work it was.
    pub work: Work,
}

/// How much of a layer had to be done and how much was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Bodies in the layer.
    pub bodies: usize,
    /// Bodies that were encoded.
    pub encoded: usize,
    /// Bytes of tar.
    pub bytes: u64,
    /// Bytes of tar that were encoded.
    pub encoded_bytes: u64,
    /// Bodies that were encoded again because the blob that had them is gone or damaged.
    pub lost: usize,
    /// Bodies that were copied because the layer begins like an earlier one: neither read nor hashed.
    pub kept: usize,
    /// Bytes of tar of those.
    pub kept_bytes: u64,
}

impl Built {
    /// What others need to use its blob, if the layer's entries have these keys. For a layer of many gigabytes that
    /// is most of what is kept of it, so nothing of it is copied.
    #[must_use]
    pub fn into_list(self, layer: &LayerSpec, compression: Compression, keys: &[Key]) -> BodyList {
        let checkpoints = trail::checkpoints(layer, compression, keys, self.marks);
        BodyList { bodies: self.bodies, checkpoints }
    }
}

/// Builds the layer and stores its blob. With the keys of its entries, it goes on from an earlier blob that begins
/// alike.
///
/// # Errors
/// When a payload cannot be read or is not what was planned, when the blob cannot be stored, or when the
/// user interrupts. Nothing is left behind.
pub fn build(
    layer: &LayerSpec,
    keys: Option<&[Key]>,
    compression: Compression,
    workshop: &Workshop<'_>,
) -> Result<Built, LayerError> {
    if compression.has_contents() {
        estargz::check(layer)
            .map_err(|source| LayerError::Contents { layer: layer.name().to_owned(), source })?;
    }
    // A table of contents needs the bytes of all files.
    let keys = keys.filter(|_| !compression.has_contents());
    let beginning = keys.and_then(|keys| workshop.known.beginning(layer, compression, keys));
    match build_from(beginning, layer, compression, workshop) {
        // What readers have seen of it was checked, and comes again.
        Err(LayerError::NoBeginning(_)) => build_from(None, layer, compression, workshop),
        result => result,
    }
}

fn build_from(
    beginning: Option<Beginning>,
    layer: &LayerSpec,
    compression: Compression,
    workshop: &Workshop<'_>,
) -> Result<Built, LayerError> {
    let store_error = |source| LayerError::Store { layer: layer.name().to_owned(), source };
    let (places, mut marks) =
        beginning.map_or_else(Default::default, |beginning| (beginning.places, beginning.marks));
    let writer = workshop.blobs.writer().map_err(store_error)?;
    let spans = matches!(compression, Compression::Soci(_)).then(|| Spans::new(layer.payload_size()));
    let output = Output::new(writer, workshop.grower, marks.last(), spans);
    let task = workshop.progress.task(Phase::Layer, layer.name(), Some(layer.payload_size()));
    let shared = Shared {
        layer: layer.clone(),
        compression,
        encoder: compression.encoder_id(),
        buffers: workshop.buffers.clone(),
    };
    let shared = Arc::new(shared);
    let collected = std::thread::scope(|scope| {
        let (coded, coded_in) = sync_channel::<Coded>(2);
        let blob = workers::spawn(scope, "blob", {
            let shared = &shared;
            move || write_blob(output, coded_in, shared)
        })?;
        let collector = Collector::new(marks.last());
        let collected = run(&shared, workshop, &places, collector, &task, &coded);
        drop(coded);
        let panicked = || LayerError::Panicked(layer.name().to_owned());
        let blob = blob.join().map_err(|_| panicked())?;
        // The writer's error is the cause when collecting stopped because its channel closed.
        let collected = match (collected, &blob) {
            (Err(Stop::ChannelClosed), Ok(_)) => return Err(panicked()),
            (Err(Stop::ChannelClosed), Err(_)) => Collected::default(),
            (Err(Stop::Failed(error)), _) => return Err(error),
            (Ok(collected), _) => collected,
        };
        Ok((blob.map_err(store_error)?, collected))
    });
    let (mut output, mut collected) = collected?;
    let mut ztoc = None;
    let toc = match compression {
        Compression::Estargz(level) => {
            let Collected { files, records, tar, work, .. } = &mut collected;
            let tail = estargz::tail(layer, level, files, records)
                .map_err(|source| LayerError::Contents { layer: layer.name().to_owned(), source })?;
            tar.update(&tail.tar);
            work.bytes += tail.tar.len() as u64;
            output.write(tail.blob).map_err(store_error)?;
            Some(tail.toc)
        }
        _ => {
            let epilogue = compression.epilogue(collected.crc.clone().finalize(), collected.work.bytes);
            output.write(epilogue.clone()).map_err(store_error)?;
            if let Some(spans) = output.spans.take().filter(|_| compression.has_table(output.length)) {
                let table = spans.finish(layer, &epilogue);
                let failed = |source| LayerError::Ztoc { layer: layer.name().to_owned(), source };
                ztoc = Some(table.map_err(failed)?);
            }
            None
        }
    };
    let blob_states = std::mem::take(&mut output.states);
    let (digest, size) = output.commit().map_err(store_error)?;
    if toc.is_none() {
        let states = collected.states.into_iter().zip(blob_states);
        marks.extend(states.map(|((bodies, tar), blob)| Mark { bodies, tar, blob }));
    }
    if let Some(table) = &ztoc {
        workshop.blobs.put(&table.bytes).map_err(store_error)?;
    }
    task.finish("built");
    Ok(Built {
        descriptor: Descriptor::new(compression.media_type(), digest, size),
        toc,
        ztoc: ztoc.map(|table| table.ztoc),
        diff_id: collected.tar.finish(),
        bodies: collected.records,
        marks,
        ids: collected.ids,
        work: collected.work,
    })
}

/// What every worker needs; owned, because the pool outlives the call.
struct Shared {
    layer: LayerSpec,
    compression: Compression,
    encoder: String,
    buffers: Buffers,
}

enum Stop {
    Failed(LayerError),
    ChannelClosed,
}

impl<E: Into<LayerError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Keeps the window full and passes finished bodies on, in order; the first ones are copied from `places`.
fn run(
    shared: &Arc<Shared>,
    workshop: &Workshop<'_>,
    places: &[Place],
    mut collector: Collector,
    task: &Task,
    coded: &SyncSender<Coded>,
) -> Result<Collected, Stop> {
    let pool = workshop.workers.pool().map_err(LayerError::from)?;
    // So many that no worker waits for the next in line, and no more: each takes memory that the system clears first.
    let window = 1 + pool.current_num_threads() * 3 / 2;
    let mut slots: VecDeque<Slot> = VecDeque::new();
    let mut dispatcher = Dispatcher { shared, workshop, pool, chain: None };
    let result = (|| {
        for (number, body) in shared.compression.bodies(shared.layer.entries()).enumerate() {
            workshop.interrupt.check().map_err(LayerError::from)?;
            let body =
                body.map_err(|source| LayerError::Tar { layer: shared.layer.name().to_owned(), source })?;
            slots.push_back(match places.get(number) {
                Some(place) => dispatcher.keep(*place, body.length),
                None => dispatcher.start(body),
            });
            if slots.len() >= window
                && let Some(slot) = slots.pop_front()
            {
                collector.take(shared, &slot, task, coded)?;
            }
        }
        (workshop.handed_out)();
        while let Some(slot) = slots.pop_front() {
            collector.take(shared, &slot, task, coded)?;
        }
        Ok(())
    })();
    if result.is_err() {
        dispatcher.abandon();
        // Workers borrow nothing, but what they write into must not outlive a failed build unnoticed.
        slots.iter().for_each(|slot| drop(slot.recv()));
    }
    result.map(|()| collector.collected)
}
