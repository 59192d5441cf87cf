//! The order of steps: the window of bodies, the thread that writes, and what follows the last body.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::super::encode::Compression;
use super::super::estargz;
use super::super::list::{BodyPlace, LayerPrefix};
use super::super::spec::LayerSpec;
use super::super::trail::Mark;
use super::super::ztoc::Spans;
use super::error::LayerError;
use super::order::{BodyCollector, BodyTotals};
use super::output::{LayerOutput, write_blob};
use super::result::Built;
use super::work::{Dispatcher, EncodedBody, PendingBody};
use super::workshop::{Stop, WorkerState, Workshop};
use crate::oci::Descriptor;
use crate::runtime::events::{Phase, Task};
use crate::runtime::workers;
use crate::types::digest::Key;

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
        // The bytes that readers have seen of it were checked, and come again.
        Err(LayerError::NoBeginning(_)) => build_from(None, layer, compression, workshop),
        result => result,
    }
}

fn build_from(
    beginning: Option<LayerPrefix>,
    layer: &LayerSpec,
    compression: Compression,
    workshop: &Workshop<'_>,
) -> Result<Built, LayerError> {
    let store_error = |source| LayerError::Store { layer: layer.name().to_owned(), source };
    let (places, mut marks) =
        beginning.map_or_else(Default::default, |beginning| (beginning.places, beginning.marks));
    let writer = workshop.blobs.writer().map_err(store_error)?;
    let spans = matches!(compression, Compression::Soci(_)).then(|| Spans::new(layer.payload_size()));
    let output = LayerOutput::new(writer, workshop.grower, marks.last(), spans);
    let task = workshop.progress.task(Phase::Layer, layer.name(), Some(layer.payload_size()));
    let shared = WorkerState {
        layer: layer.clone(),
        compression,
        encoder: compression.encoder_id(),
        buffers: workshop.buffers.clone(),
    };
    let shared = Arc::new(shared);
    let collected = std::thread::scope(|scope| {
        let (coded, coded_in) = sync_channel::<EncodedBody>(2);
        let blob = workers::spawn(scope, "blob", {
            let shared = &shared;
            move || write_blob(output, coded_in, shared)
        })?;
        let collector = BodyCollector::new(marks.last());
        let collected = run(&shared, workshop, &places, collector, &task, &coded);
        drop(coded);
        let panicked = || LayerError::Panicked(layer.name().to_owned());
        let blob = blob.join().map_err(|_| panicked())?;
        // The writer's error is the cause when collecting stopped because its channel closed.
        let collected = match (collected, &blob) {
            (Err(Stop::ChannelClosed), Ok(_)) => return Err(panicked()),
            (Err(Stop::ChannelClosed), Err(_)) => BodyTotals::default(),
            (Err(Stop::Failed(error)), _) => return Err(error),
            (Ok(collected), _) => collected,
        };
        Ok((blob.map_err(store_error)?, collected))
    });
    let (mut output, mut collected) = collected?;
    let mut ztoc = None;
    let toc = match compression {
        Compression::Estargz(level) => {
            let BodyTotals { files, records, tar, work, .. } = &mut collected;
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

/// Keeps the window full and passes finished bodies on, in order; the first ones are copied from `places`.
fn run(
    shared: &Arc<WorkerState>,
    workshop: &Workshop<'_>,
    places: &[BodyPlace],
    mut collector: BodyCollector,
    task: &Task,
    coded: &SyncSender<EncodedBody>,
) -> Result<BodyTotals, Stop> {
    let pool = workshop.workers.pool().map_err(LayerError::from)?;
    // So many that no worker waits for the next in line, and no more: each takes memory that the system clears first.
    let window = 1 + pool.current_num_threads() * 3 / 2;
    let mut slots: VecDeque<PendingBody> = VecDeque::new();
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
