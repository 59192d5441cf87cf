//! Delivery: every target gets the blobs that it lacks, then the manifests, then the tags.
//!
//! Blobs are handed to the targets' threads as soon as they exist, so that a layer is sent while the next
//! one is being built. Base layers go first: they are there or can be mounted, and cost one question each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::layers::Workbench;
use super::report::Report;
use super::{BuildError, Context, Finished, Prepared, Request, Target, finish};
use crate::digest::Digest;
use crate::error::{BoxedError, Kind};
use crate::image::{Image, MediaType, NewLayer};
use crate::transport::{Blob, Delivery};

/// Delivers an image whose every layer is known. A target that is current is left alone.
pub(super) fn deliver_known(
    context: &Context,
    prepared: &Prepared<'_>,
    finished: &Finished,
    layers: &[Vec<NewLayer>],
    targets: &[Target],
    report: &mut Report,
) -> Result<(), BoxedError> {
    let digest = finished.root.digest();
    let mut stale = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        if target.destination.is_current(&digest, &finished.tags)? {
            report.current(target);
        } else {
            stale.push((number, target));
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let bench = Workbench::new(context, &prepared.memos, prepared.compression);
    with_queues(context, &stale, report, |queues| {
        queues.base(prepared);
        for (image, layers) in prepared.plan.images.iter().zip(layers) {
            for (planned, layer) in image.layers.iter().zip(layers) {
                queues.send(&bench.blob(planned, layer));
            }
        }
        queues.configs(&finished.images);
        Ok(())
    })?;
    conclude(context, finished, &stale)
}

/// Builds the layers that are not known and delivers each as soon as it is finished.
pub(super) fn build_and_deliver(
    context: &Context,
    request: &Request,
    prepared: &mut Prepared<'_>,
    targets: &[Target],
    report: &mut Report,
) -> Result<Finished, BoxedError> {
    let bench = Workbench::new(context, &prepared.memos, prepared.compression);
    let all: Vec<(usize, &Target)> = targets.iter().enumerate().collect();
    // Tags that depend on the content are not known yet; whoever has only those is asked blob by blob.
    let tags = super::tags(request, &request.facts).unwrap_or_default();
    for target in targets {
        target.destination.begin(&tags)?;
    }
    let mut layer_reports = Vec::new();
    let finished = with_queues(context, &all, report, |queues| {
        queues.base(prepared);
        let mut layers: Vec<Vec<NewLayer>> = Vec::new();
        let Prepared { plan, memos, .. } = &mut *prepared;
        for (number, image) in plan.images.iter().enumerate() {
            let mut of_image = Vec::new();
            for (position, planned) in image.layers.iter().enumerate() {
                queues.check()?;
                let begun = std::time::Instant::now();
                let (facts, work) = bench.finish(planned, memos)?;
                layer_reports.push((number, position, facts, work, begun.elapsed()));
                let layer = super::layers::new_layer(planned, &facts);
                queues.send(&bench.blob(planned, &layer));
                of_image.push(layer);
            }
            layers.push(of_image);
        }
        let finished = finish(request, prepared, &layers)?;
        queues.configs(&finished.images);
        Ok(finished)
    })?;
    for (image, layer, facts, work, elapsed) in layer_reports {
        report.built(image, layer, &facts, work, elapsed);
    }
    conclude(context, &finished, &all)?;
    Ok(finished)
}

/// Manifests, index, tags: in this order, so that whoever stops before the last changes nothing that a
/// tag resolves to.
fn conclude(context: &Context, finished: &Finished, targets: &[(usize, &Target)]) -> Result<(), BoxedError> {
    for (_, target) in targets {
        context.interrupt.check().map_err(BuildError::from)?;
        if finished.root.media_type == MediaType::ImageIndex {
            for image in &finished.images {
                target.destination.document(image.raw())?;
            }
        }
        target.destination.finish(&finished.root, &finished.tags)?;
    }
    Ok(())
}

/// Blobs on their way to every target.
struct Queues<'a> {
    senders: Vec<Sender<Blob>>,
    sent: BTreeSet<Digest>,
    failure: &'a Failure,
}

/// The first thing that went wrong on any thread.
#[derive(Default)]
struct Failure(Mutex<Option<BoxedError>>);

impl Failure {
    fn set(&self, error: BoxedError) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn take(&self) -> Option<BoxedError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn happened(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Queues<'_> {
    fn send(&mut self, blob: &Blob) {
        if self.sent.insert(blob.descriptor.digest) {
            for sender in &self.senders {
                // A target whose threads have stopped has said why in `failure`.
                let _ = sender.send(blob.clone());
            }
        }
    }

    fn base(&mut self, prepared: &Prepared<'_>) {
        let Some(base) = &prepared.base else { return };
        for loaded in prepared.bases.iter().flatten() {
            base.blobs(&loaded.image).iter().for_each(|blob| self.send(blob));
        }
    }

    fn configs(&mut self, images: &[Image]) {
        for image in images {
            let descriptor = image.manifest().config.clone();
            self.send(&Blob::in_memory(descriptor, image.raw_config().to_vec(), "config"));
        }
    }

    /// Stops building when nobody will take the layers any more.
    fn check(&self) -> Result<(), BoxedError> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

/// Runs `work` with threads that bring what it sends to every target; returns when all is delivered.
fn with_queues<T>(
    context: &Context,
    targets: &[(usize, &Target)],
    report: &mut Report,
    work: impl FnOnce(&mut Queues<'_>) -> Result<T, BoxedError>,
) -> Result<T, BoxedError> {
    let failure = Failure::default();
    let delivered: Mutex<Vec<(usize, Blob, Delivery)>> = Mutex::new(Vec::new());
    let result = thread::scope(|scope| {
        let mut senders = Vec::new();
        for (number, target) in targets {
            let (sender, receiver) = channel::<Blob>();
            let receiver = std::sync::Arc::new(Mutex::new(receiver));
            for _ in 0..target.parallel.max(1) {
                let (receiver, failure, delivered) = (std::sync::Arc::clone(&receiver), &failure, &delivered);
                scope.spawn(move || carry(context, *number, target, &receiver, failure, delivered));
            }
            senders.push(sender);
        }
        let mut queues = Queues { senders, sent: BTreeSet::new(), failure: &failure };
        let result = work(&mut queues);
        if result.is_err() {
            // Whatever is still queued is not wanted any more.
            failure.set(BuildError::Interrupted(crate::interrupt::Interrupted).into());
        }
        result
    });
    let result = result?;
    if let Some(error) = failure.take() {
        return Err(error);
    }
    let delivered = delivered.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.delivered(targets, delivered);
    Ok(result)
}

/// One thread of one target.
fn carry(
    context: &Context,
    number: usize,
    target: &Target,
    blobs: &Mutex<Receiver<Blob>>,
    failure: &Failure,
    delivered: &Mutex<Vec<(usize, Blob, Delivery)>>,
) {
    loop {
        // The lock is held while waiting: one thread waits for the queue, the others for the thread.
        let next = blobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(blob) = next else { return };
        if failure.happened() {
            continue;
        }
        let result = context
            .interrupt
            .check()
            .map_err(|error| BuildError::from(error).into())
            .and_then(|()| bring(target, &blob));
        match result {
            Ok(delivery) => {
                delivered.lock().unwrap_or_else(PoisonError::into_inner).push((number, blob, delivery));
            }
            Err(error) => failure.set(error),
        }
    }
}

/// Brings one blob to the target. Bytes that turn out to be damaged here are set aside by whoever read them,
/// and are made again when they are opened once more.
fn bring(target: &Target, blob: &Blob) -> Result<Delivery, BoxedError> {
    match target.destination.blob(blob) {
        Err(error) if error.kind() == Kind::Input => target.destination.blob(blob),
        result => result,
    }
}

/// Deliveries by digest, for reports.
pub(super) type Deliveries = BTreeMap<Digest, Delivery>;
