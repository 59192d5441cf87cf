//! Delivery: every target gets the blobs that it lacks, then the manifests, then the tags.
//!
//! Blobs are handed to the targets' threads as soon as they exist, so that a layer is sent while the next
//! one is being built. Base layers go first: they are there or can be mounted, and cost one question each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};

use super::cache::NewEntry;
use super::layers::{FinishedLayer, Workbench};
use super::report::Report;
use super::{BuildError, Context, Finished, Prepared, Request, Target, finish};
use crate::digest::Digest;
use crate::error::{BoxedError, Kind};
use crate::image::{Image, MediaType, NewLayer};
use crate::transport::{Blob, Delivery, Grower, Growing, growing};

/// Delivers an image whose every layer is known. A target that is current is left alone.
pub(super) fn deliver_known(
    context: &Context,
    prepared: &Prepared<'_>,
    bench: &Workbench,
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
    with_queues(context, &stale, report, |queues| {
        queues.base(prepared);
        for (image, layers) in prepared.plan.images.iter().zip(layers) {
            for (planned, layer) in image.layers.iter().zip(layers) {
                queues.send(&bench.blob(planned, layer));
            }
        }
        finished.images.iter().for_each(|image| queues.send(&config_of(image)));
        Ok(())
    })?;
    conclude(context, finished, &stale)
}

/// Builds the layers that are not known and delivers each as soon as it is finished.
pub(super) fn build_and_deliver(
    context: &Context,
    request: &Request,
    prepared: &mut Prepared<'_>,
    bench: &Workbench,
    targets: &[Target],
    report: &mut Report,
) -> Result<(Finished, Vec<NewEntry>), BoxedError> {
    let mut entries = Vec::new();
    let all: Vec<(usize, &Target)> = targets.iter().enumerate().collect();
    let mut layer_reports = Vec::new();
    let finished = with_queues(context, &all, report, |queues| {
        let configs: Vec<Option<Grower>> =
            prepared.plan.images.iter().map(|_| queues.grow("config")).collect();
        queues.base(prepared);
        let mut layers: Vec<Vec<NewLayer>> = Vec::new();
        let Prepared { plan, memos, .. } = &mut *prepared;
        for (number, image) in plan.images.iter().enumerate() {
            let mut of_image = Vec::new();
            for (position, planned) in image.layers.iter().enumerate() {
                queues.check()?;
                let begun = std::time::Instant::now();
                let grower = planned.known.is_none().then(|| queues.grow(&planned.name));
                let FinishedLayer { facts, work, key } = bench.finish(planned, memos, grower.flatten())?;
                layer_reports.push((number, position, facts, work, begun.elapsed()));
                let layer = super::layers::new_layer(planned, &facts);
                let key = key.filter(|_| request.cache.write.is_some());
                entries.extend(key.map(|key| bench.entry(planned, key, &layer)));
                if work.is_some() {
                    queues.send_grown(&bench.blob(planned, &layer));
                } else {
                    queues.send(&bench.blob(planned, &layer));
                }
                of_image.push(layer);
            }
            layers.push(of_image);
        }
        let finished = finish(request, prepared, &layers)?;
        for (grower, image) in configs.into_iter().zip(&finished.images) {
            let config = config_of(image);
            if let Some(grower) = grower {
                grower.finish(config.clone());
            }
            queues.send_grown(&config);
        }
        Ok(finished)
    })?;
    for (image, layer, facts, work, elapsed) in layer_reports {
        report.built(image, layer, &facts, work, elapsed);
    }
    conclude(context, &finished, &all)?;
    Ok((finished, entries))
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

fn config_of(image: &Image) -> Blob {
    Blob::in_memory(image.manifest().config.clone(), image.raw_config().to_vec(), "config")
}

/// Blobs on their way to every target.
struct Queues<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    lanes: Vec<Lane<'env>>,
    sent: BTreeSet<Digest>,
    common: &'env Common<'env>,
}

/// The way to one target.
struct Lane<'env> {
    number: usize,
    target: &'env Target,
    sender: Sender<Blob>,
}

/// What all threads share.
struct Common<'a> {
    context: &'a Context,
    failure: Failure,
    delivered: Mutex<Vec<(usize, Blob, Delivery)>>,
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

impl Queues<'_, '_> {
    fn send(&mut self, blob: &Blob) {
        self.send_to(blob, |_| true);
    }

    /// Sends a blob to those targets that did not see it grow.
    fn send_grown(&mut self, blob: &Blob) {
        self.send_to(blob, |target| !target.destination.follows());
    }

    fn send_to(&mut self, blob: &Blob, wanted: impl Fn(&Target) -> bool) {
        if self.sent.insert(blob.descriptor.digest) {
            for lane in self.lanes.iter().filter(|lane| wanted(lane.target)) {
                // A target whose threads have stopped has said why in `failure`.
                let _ = lane.sender.send(blob.clone());
            }
        }
    }

    /// A blob that begins to be made, for targets that take it as it grows; `None` where there are none.
    fn grow(&self, title: &str) -> Option<Grower> {
        let (growing, grower) = growing(title);
        let mut followed = false;
        for lane in self.lanes.iter().filter(|lane| lane.target.destination.follows()) {
            followed = true;
            let (number, target, common, growing) = (lane.number, lane.target, self.common, growing.clone());
            self.scope.spawn(move || follow(number, target, common, &growing));
        }
        followed.then_some(grower)
    }

    fn base(&mut self, prepared: &Prepared<'_>) {
        let Some(base) = &prepared.base else { return };
        for loaded in prepared.bases.iter().flatten() {
            base.blobs(&loaded.image).iter().for_each(|blob| self.send(blob));
        }
    }

    /// Stops building when nobody will take the layers any more.
    fn check(&self) -> Result<(), BoxedError> {
        self.common.failure.take().map_or(Ok(()), Err)
    }
}

/// Runs `work` with threads that bring what it sends to every target; returns when all is delivered.
fn with_queues<T>(
    context: &Context,
    targets: &[(usize, &Target)],
    report: &mut Report,
    work: impl FnOnce(&mut Queues<'_, '_>) -> Result<T, BoxedError>,
) -> Result<T, BoxedError> {
    let common = Common { context, failure: Failure::default(), delivered: Mutex::default() };
    let result = thread::scope(|scope| {
        let mut lanes = Vec::new();
        for (number, target) in targets {
            let (sender, receiver) = channel::<Blob>();
            let receiver = Arc::new(Mutex::new(receiver));
            for _ in 0..target.parallel.max(1) {
                let (receiver, common) = (Arc::clone(&receiver), &common);
                scope.spawn(move || carry(*number, target, common, &receiver));
            }
            lanes.push(Lane { number: *number, target, sender });
        }
        let mut queues = Queues { scope, lanes, sent: BTreeSet::new(), common: &common };
        let result = work(&mut queues);
        if result.is_err() {
            // Whatever is still queued is not wanted any more.
            common.failure.set(BuildError::Interrupted(crate::interrupt::Interrupted).into());
        }
        result
    });
    let result = result?;
    if let Some(error) = common.failure.take() {
        return Err(error);
    }
    let delivered = common.delivered.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.delivered(targets, delivered);
    Ok(result)
}

/// One thread of one target.
fn carry(number: usize, target: &Target, common: &Common<'_>, blobs: &Mutex<Receiver<Blob>>) {
    loop {
        // The lock is held while waiting: one thread waits for the queue, the others for the thread.
        let next = blobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(blob) = next else { return };
        common.deliver(number, &blob, || bring(target, &blob));
    }
}

/// Brings a blob to the target while it is made; if that fails for any reason, once more when it is.
fn follow(number: usize, target: &Target, common: &Common<'_>, growing: &Growing) {
    let followed = target.destination.follow(growing);
    // What is not finished has failed elsewhere.
    let Some(blob) = growing.finished() else { return };
    common.deliver(number, &blob, || followed.map_or_else(|| bring(target, &blob), Ok));
}

impl Common<'_> {
    /// Delivers a blob by `bring`, unless all is lost already.
    fn deliver(&self, number: usize, blob: &Blob, bring: impl FnOnce() -> Result<Delivery, BoxedError>) {
        if self.failure.happened() {
            return;
        }
        let interrupted = self.context.interrupt.check().map_err(|error| BuildError::from(error).into());
        match interrupted.and_then(|()| bring()) {
            Ok(delivery) => {
                let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
                delivered.push((number, blob.clone(), delivery));
            }
            Err(error) => self.failure.set(error),
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
