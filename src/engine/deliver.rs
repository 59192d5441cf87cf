//! Delivery: every target gets the blobs that it lacks, then the manifests, then the tags.
//!
//! Blobs are handed to the targets' threads as soon as they exist, so that a layer is sent while the next
//! one is being built. Base layers go first: they are there or can be mounted, and cost one question each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::cache::NewEntry;
use super::derive::finish;
use super::error::BuildError;
use super::finished::Finished;
use super::layers::{FinishedLayer, LookedUp, Workbench};
use super::making::{Made, Making, Place};
use super::memo::Memos;
use super::prepared::Prepared;
use super::publish::{Presence, presence, publish, put_back};
use super::report::{Delivered, Report};
use super::request::Request;
use super::session::Session;
use super::target::Target;
use crate::layer::Work;
use crate::oci::{Image, NewLayer};
use crate::plan::{LayerFacts, Plan, PlannedLayer};
use crate::runtime::observer::Stage;
use crate::runtime::workers;
use crate::transport::{Blob, Delivery, Grower, Growing, growing};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};

/// How many layers targets may begin to take before they are made.
const AHEAD: usize = 4;

/// Delivers an image whose every layer is known. A target that is current is left alone.
pub(super) fn deliver_known(
    session: &Session,
    prepared: &Prepared<'_>,
    bench: &Workbench,
    finished: &Finished,
    targets: &[Target],
    report: &mut Report,
) -> Result<(), BoxedError> {
    let (digest, attached) = (finished.root.digest(), finished.attached());
    let (mut stale, mut lacking) = (Vec::new(), Vec::new());
    for (number, target) in targets.iter().enumerate() {
        match presence(&**target, &digest, &finished.tags, &attached)? {
            Presence::Current => report.current(target),
            Presence::Lacks(missing) => lacking.push((number, target, missing)),
            Presence::Stale => stale.push((number, target)),
        }
    }
    put_back_attachments(session, prepared, bench, finished, &lacking, report)?;
    if stale.is_empty() {
        return Ok(());
    }
    with_queues(session, &stale, report, |queues| {
        base_blobs(prepared)?.iter().for_each(|blob| queues.send(blob));
        for planned in prepared.plan.images.iter().flat_map(|image| &image.layers) {
            if let Some(facts) = planned.known {
                let (blob, table) = bench.blobs(planned, facts);
                queues.send(&blob);
                table.iter().for_each(|table| queues.send(table));
            }
        }
        finished.images.iter().for_each(|image| queues.send(&config_of(image)));
        finished.attached_blobs().for_each(|blob| queues.send(blob));
        Ok(())
    })?;
    report.remade(&bench.remade());
    conclude(session, finished, &stale, report)
}

/// Brings what is attached to the image back to targets that have the image and lack it.
fn put_back_attachments(
    session: &Session,
    prepared: &Prepared<'_>,
    bench: &Workbench,
    finished: &Finished,
    lacking: &[(usize, &Target, Vec<Digest>)],
    report: &mut Report,
) -> Result<(), BoxedError> {
    if lacking.is_empty() {
        return Ok(());
    }
    let targets: Vec<(usize, &Target)> =
        lacking.iter().map(|(number, target, _)| (*number, *target)).collect();
    with_queues(session, &targets, report, |queues| {
        base_tables(prepared)?.iter().for_each(|blob| queues.send(blob));
        for planned in prepared.plan.images.iter().flat_map(|image| &image.layers) {
            if let Some(facts) = planned.known {
                let (_, table) = bench.blobs(planned, facts);
                table.iter().for_each(|table| queues.send(table));
            }
        }
        finished.attached_blobs().for_each(|blob| queues.send(blob));
        Ok(())
    })?;
    for (_, target, missing) in lacking {
        put_back(&***target, finished, missing)?;
    }
    Ok(())
}

/// Builds the layers that are not known and delivers each as soon as it is finished.
pub(super) fn build_and_deliver(
    session: &Session,
    request: &Request,
    prepared: &mut Prepared<'_>,
    bench: &Workbench,
    targets: &[Target],
    report: &mut Report,
) -> Result<(Finished, Vec<NewEntry>), BoxedError> {
    let all: Vec<(usize, &Target)> = targets.iter().enumerate().collect();
    let mut done = Done::default();
    let finished = with_queues(session, &all, report, |queues| {
        let order = order(&prepared.plan);
        let growers = Growers::new(&prepared.plan, &order);
        let base = base_blobs(prepared)?;
        let Prepared { plan, memos, .. } = &mut *prepared;
        let mut assembly = Assembly {
            bench,
            memos,
            queues,
            growers,
            base,
            configs: Vec::new(),
            writes: request.cache.write.is_some(),
            done: &mut done,
        };
        assembly.run(plan, &order)?;
        let configs = assembly.configs;
        let finished = finish(request, prepared, &done.layers_of(&prepared.plan))?;
        for (grower, image) in configs.into_iter().zip(&finished.images) {
            let config = config_of(image);
            if let Some(grower) = grower {
                grower.push(image.raw_config().to_vec().into());
                grower.finish(config.clone());
            }
            queues.send_grown(&config);
        }
        finished.attached_blobs().for_each(|blob| queues.send(blob));
        // While the targets take the rest.
        prepared.memos.save();
        bench.release();
        Ok(finished)
    })?;
    for ((image, layer), facts, work, elapsed) in done.reports {
        report.built(image, layer, &facts, work, elapsed);
    }
    report.remade(&bench.remade());
    conclude(session, &finished, &all, report)?;
    Ok((finished, done.entries))
}

/// Layers that are finished.
#[derive(Default)]
struct Done {
    layers: BTreeMap<Place, NewLayer>,
    reports: Vec<(Place, LayerFacts, Option<Work>, Duration)>,
    /// What the cache in a registry may be told of them.
    entries: Vec<NewEntry>,
}

impl Done {
    /// By image, bottom first.
    fn layers_of(&self, plan: &Plan) -> Vec<Vec<NewLayer>> {
        let mut layers = self.layers.values().cloned();
        plan.images.iter().map(|image| layers.by_ref().take(image.layers.len()).collect()).collect()
    }
}

/// Finishing the layers of all images; at most two are being built at a time.
struct Assembly<'a, 'm, 'q, 'scope, 'env> {
    bench: &'a Workbench,
    memos: &'a mut Memos<'m>,
    queues: &'q mut Queues<'scope, 'env>,
    growers: Growers,
    /// What the base has, until targets are asked for it.
    base: Vec<Blob>,
    /// The images' configurations, once targets know that they will come.
    configs: Vec<Option<Grower>>,
    /// Whether the cache in a registry is told.
    writes: bool,
    done: &'a mut Done,
}

impl Assembly<'_, '_, '_, '_, '_> {
    fn run(&mut self, plan: &Plan, order: &[Place]) -> Result<(), BoxedError> {
        let bench = self.bench;
        thread::scope(|scope| {
            let mut making = Making::new(scope, bench);
            let result = self.finish_all(plan, order, &mut making);
            if result.is_err() {
                bench.give_up();
            }
            result
        })
    }

    fn finish_all<'p: 's, 's>(
        &mut self,
        plan: &'p Plan,
        order: &[Place],
        making: &mut Making<'s, '_, 'p>,
    ) -> Result<(), BoxedError> {
        for &place in order {
            self.queues.check()?;
            let planned = &plan.images[place.0].layers[place.1];
            let begun = Instant::now();
            let grower = self.growers.take(place, self.queues);
            // The layers of two platforms may be the same, which is known when one is finished.
            if making.image().is_some_and(|image| image != place.0) {
                self.settle(making, 0)?;
            }
            match self.bench.look_up(planned, self.memos)? {
                LookedUp::Finished(finished) => self.add(place, planned, &finished, begun.elapsed()),
                LookedUp::ToBuild(keys) => {
                    let handed_out = making.start(place, planned, keys, grower);
                    // The workers have something to do: time for all that is to be asked.
                    self.ask_for_the_rest(plan);
                    handed_out.wait();
                    self.settle(making, 1)?;
                }
            }
        }
        self.ask_for_the_rest(plan);
        self.settle(making, 0)
    }

    /// Lets targets prepare for what comes next, and look for what the base has.
    fn ask_for_the_rest(&mut self, plan: &Plan) {
        self.growers.open(self.queues);
        if self.configs.is_empty() {
            self.configs.extend(plan.images.iter().map(|_| self.queues.grow("config")));
        }
        for blob in std::mem::take(&mut self.base) {
            self.queues.send(&blob);
        }
    }

    /// Takes what is finished until no more than `most` are under way.
    fn settle<'p: 's, 's>(&mut self, making: &mut Making<'s, '_, 'p>, most: usize) -> Result<(), BoxedError> {
        for Made { place, planned, built, elapsed } in making.settle(most)? {
            let finished = self.bench.learn(planned, built, self.memos)?;
            self.add(place, planned, &finished, elapsed);
        }
        Ok(())
    }

    fn add(&mut self, place: Place, planned: &PlannedLayer, finished: &FinishedLayer, elapsed: Duration) {
        let FinishedLayer { facts, work, key } = *finished;
        let layer = super::derive::new_layer(planned, &facts);
        self.done.reports.push((place, facts, work, elapsed));
        let key = key.filter(|_| self.writes);
        self.done.entries.extend(key.map(|key| self.bench.entry(planned, key, facts)));
        let (blob, table) = self.bench.blobs(planned, facts);
        if work.is_some() {
            self.queues.send_grown(&blob);
        } else {
            self.queues.send(&blob);
        }
        table.iter().for_each(|table| self.queues.send(table));
        self.done.layers.insert(place, layer);
    }
}

/// In which order layers are built: the largest first. What a target has to do when it has all of a layer takes
/// the longer the larger the layer is, and is done while the next ones are made.
fn order(plan: &Plan) -> Vec<Place> {
    let images = plan.images.iter().enumerate();
    let all = images.flat_map(|(number, image)| (0..image.layers.len()).map(move |layer| (number, layer)));
    let mut order: Vec<Place> = all.collect();
    order.sort_by_key(|&(number, position)| Reverse(plan.images[number].layers[position].size));
    order
}

/// Layers that are about to be made, for targets that take them as they grow: those targets begin with the next
/// few while the first is being made.
struct Growers {
    waiting: VecDeque<(Place, String)>,
    open: BTreeMap<Place, Option<Grower>>,
}

impl Growers {
    fn new(plan: &Plan, order: &[Place]) -> Self {
        let planned = order.iter().map(|place| (*place, &plan.images[place.0].layers[place.1]));
        let unknown = planned.filter(|(_, layer)| layer.known.is_none());
        let waiting = unknown.map(|(place, layer)| (place, layer.name.clone())).collect();
        Self { waiting, open: BTreeMap::new() }
    }

    /// Opens the next few.
    fn open(&mut self, queues: &Queues<'_, '_>) {
        while self.open.len() < AHEAD && !self.waiting.is_empty() {
            self.open_next(queues);
        }
    }

    fn open_next(&mut self, queues: &Queues<'_, '_>) {
        if let Some((place, name)) = self.waiting.pop_front() {
            self.open.insert(place, queues.grow(&name));
        }
    }

    /// The one of a layer that is about to be made.
    fn take(&mut self, place: Place, queues: &Queues<'_, '_>) -> Option<Grower> {
        if self.waiting.front().is_some_and(|(next, _)| *next == place) {
            self.open_next(queues);
        }
        self.open.remove(&place).flatten()
    }
}

/// Manifests, index, tags: in this order, so that whoever stops before the last changes nothing that a tag resolves
/// to. Registries come last: after their tags have moved, no file that cannot be written fails the build.
fn conclude(
    session: &Session,
    finished: &Finished,
    targets: &[(usize, &Target)],
    report: &mut Report,
) -> Result<(), BoxedError> {
    let (remote, here): (Vec<&Target>, Vec<&Target>) =
        targets.iter().map(|(_, target)| *target).partition(|target| target.capabilities().is_remote());
    for target in here.into_iter().chain(remote) {
        session.interrupt.check().map_err(BuildError::from)?;
        let _step = session.progress.step(Stage::Conclude, &target.name());
        if publish(&**target, finished)? == Delivery::Present {
            report.turned_out_current(target);
        }
    }
    Ok(())
}

/// The layers of all bases, and their tables of contents.
fn base_blobs(prepared: &Prepared<'_>) -> Result<Vec<Blob>, BoxedError> {
    let Some(base) = &prepared.base else { return Ok(Vec::new()) };
    let mut blobs = Vec::new();
    for loaded in prepared.bases.iter().flatten() {
        blobs.extend(base.blobs(&loaded.image));
    }
    blobs.extend(base_tables(prepared)?);
    Ok(blobs)
}

/// The tables of contents of the layers of all bases.
fn base_tables(prepared: &Prepared<'_>) -> Result<Vec<Blob>, BoxedError> {
    let Some(base) = &prepared.base else { return Ok(Vec::new()) };
    let mut blobs = Vec::new();
    for loaded in prepared.bases.iter().flatten() {
        blobs.extend(base.table_blobs(&loaded.tables()?));
    }
    Ok(blobs)
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
    receiver: Arc<Mutex<Receiver<Blob>>>,
    /// Threads that take blobs there: one for each blob, up to as many as the target takes at a time.
    carriers: usize,
}

/// What all threads share.
struct Common<'a> {
    session: &'a Session,
    failure: Failure,
    delivered: Mutex<Vec<Delivered>>,
    /// What no thread could be started for to take it while it is made.
    unfollowed: Mutex<Vec<(usize, Growing)>>,
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
        self.send_to(blob, |target| !target.capabilities().follows);
    }

    fn send_to(&mut self, blob: &Blob, wanted: impl Fn(&Target) -> bool) {
        if self.sent.insert(blob.descriptor.digest) {
            for lane in self.lanes.iter_mut().filter(|lane| wanted(lane.target)) {
                if lane.carriers < lane.target.capabilities().parallel_blobs.max(1) {
                    let (number, target, common) = (lane.number, lane.target, self.common);
                    let receiver = Arc::clone(&lane.receiver);
                    let carrier = move || carry(number, target, common, &receiver);
                    // Those there are carry all; where there is none, it is carried in the end.
                    lane.carriers += usize::from(workers::spawn(self.scope, "carrier", carrier).is_ok());
                }
                // A target whose threads have stopped has said why in `failure`.
                let _ = lane.sender.send(blob.clone());
            }
        }
    }

    /// A blob that begins to be made, for targets that take it as it grows; `None` where there are none.
    fn grow(&self, title: &str) -> Option<Grower> {
        let (growing, grower) = growing(title);
        let mut followed = false;
        for lane in self.lanes.iter().filter(|lane| lane.target.capabilities().follows) {
            let (number, target, common, grown) = (lane.number, lane.target, self.common, growing.clone());
            followed = true;
            if workers::spawn(self.scope, "follower", move || follow(number, target, common, &grown)).is_err()
            {
                common.unfollowed().push((lane.number, growing.clone()));
            }
        }
        followed.then_some(grower)
    }

    /// Brings, on this thread, what the system gave no threads for.
    fn carry_the_rest(&mut self) {
        for (number, growing) in std::mem::take(&mut *self.common.unfollowed()) {
            let lane = self.lanes.iter().find(|lane| lane.number == number);
            if let (Some(Lane { target, .. }), Some(blob)) = (lane, growing.finished()) {
                self.common.deliver(number, &blob, || Ok((bring(target, &blob)?, false)));
            }
        }
        for Lane { number, target, sender, receiver, carriers } in self.lanes.drain(..) {
            drop(sender);
            if carriers == 0 {
                carry(number, target, self.common, &receiver);
            }
        }
    }

    /// Stops building when nobody will take the layers any more.
    fn check(&self) -> Result<(), BoxedError> {
        self.common.failure.take().map_or(Ok(()), Err)
    }
}

/// Runs `work` with threads that bring what it sends to every target; returns when all is delivered.
fn with_queues<T>(
    session: &Session,
    targets: &[(usize, &Target)],
    report: &mut Report,
    work: impl FnOnce(&mut Queues<'_, '_>) -> Result<T, BoxedError>,
) -> Result<T, BoxedError> {
    let common = Common {
        session,
        failure: Failure::default(),
        delivered: Mutex::default(),
        unfollowed: Mutex::default(),
    };
    let result = thread::scope(|scope| {
        let mut lanes = Vec::new();
        for (number, target) in targets {
            let (sender, receiver) = channel::<Blob>();
            let receiver = Arc::new(Mutex::new(receiver));
            lanes.push(Lane { number: *number, target, sender, receiver, carriers: 0 });
        }
        let mut queues = Queues { scope, lanes, sent: BTreeSet::new(), common: &common };
        let result = work(&mut queues);
        if result.is_err() {
            // Whatever is still queued is not wanted any more.
            common.failure.set(BuildError::Interrupted(crate::runtime::interrupt::Interrupted).into());
        } else {
            queues.carry_the_rest();
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
        common.deliver(number, &blob, || Ok((bring(target, &blob)?, false)));
    }
}

/// Brings a blob to the target while it is made; if that fails for any reason, once more when it is.
fn follow(number: usize, target: &Target, common: &Common<'_>, growing: &Growing) {
    let followed = target.follow(growing);
    // What is not finished has failed elsewhere.
    let Some(blob) = growing.finished() else { return };
    common.deliver(number, &blob, || match followed {
        Some(delivery) => Ok((delivery, true)),
        None => Ok((bring(target, &blob)?, false)),
    });
}

impl Common<'_> {
    fn unfollowed(&self) -> MutexGuard<'_, Vec<(usize, Growing)>> {
        self.unfollowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers a blob by `bring`, unless all is lost already.
    fn deliver(
        &self,
        target: usize,
        blob: &Blob,
        bring: impl FnOnce() -> Result<(Delivery, bool), BoxedError>,
    ) {
        if self.failure.happened() {
            return;
        }
        let interrupted = self.session.interrupt.check().map_err(|error| BuildError::from(error).into());
        match interrupted.and_then(|()| bring()) {
            Ok((delivery, followed)) => {
                let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
                delivered.push(Delivered { target, blob: blob.clone(), delivery, followed });
            }
            Err(error) => self.failure.set(error),
        }
    }
}

/// Brings one blob to the target. Bytes that turn out to be damaged here are set aside by whoever read them,
/// and are made again when they are opened once more.
fn bring(target: &Target, blob: &Blob) -> Result<Delivery, BoxedError> {
    match target.blob(blob) {
        Err(error) if error.kind() == Kind::Input => target.blob(blob),
        result => result,
    }
}
