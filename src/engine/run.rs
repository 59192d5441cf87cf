//! A run: images that are built together, and share what they can.
//!
//! ```text
//! scan ─► plan ─► layer ─► document ─► tag        by image, but for layers: equal ones are one
//!   │      │  │     ┊          ┊         ▲
//!   ▼      ▼  └► look ─► send ─┴─────────┘        a blob may be sent while it is made
//! open ────┘
//! ```
//!
//! A build of one image is a run of one. An image that fails takes its own work along, and nothing that another image
//! wants; no tag of it moves after that. Tags of an image move only when all of it is where it goes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::base_table::BaseTable;
use super::build_event::BuildEvent;
use super::build_log::{BuildLog, ImageLog};
use super::error::BuildError;
use super::graph::{Graph, LayerId, Node, SendId};
use super::image_build::{Config, Documents, ImageBuild, UnknownLayer};
use super::layer_builder::FinishedLayer;
use super::layer_table::{ImageLayer, LayerAddition, LayerStart, LayerTable, shape};
use super::memo::MemoWriter;
use super::outcome::Outcome;
use super::prepare::{self, OpenedAhead};
use super::report::Report;
use super::request::Request;
use super::run_report::RunReport;
use super::scheduler::{Demand, NodeWork, Scheduler, WorkResult};
use super::sends::{BlobKind, BlobSend, SendAddition, SendContent, SendTable};
use super::session::Session;
use super::target::Target;
use crate::layer::Buffers;
use crate::plan::{LayerFacts, LayerKeys, PlannedLayer};
use crate::runtime::events::{ImageEnd, ImageId, Stage, enter};
use crate::runtime::interrupt::Interrupt;
use crate::transport::{Blob, BlobGrower, Delivery, growing};
use crate::types::digest::Key;
use crate::types::error::{BoxedError, Kind};

/// To the readers of how many layers it is said that they are going to be built.
const AHEAD: usize = 4;

/// One image to build: a request, and where it goes.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The request.
    pub request: &'a Request,
    /// Where it goes.
    pub targets: &'a [Target],
}

/// The fate of the other images of a run when one fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They go on.
    #[default]
    GoOn,
    /// They stop. An image whose tags have moved by then stays as it is.
    Stop,
    /// Those that are under way go on, and no other begins.
    StartNoMore,
}

impl Session {
    /// Builds images together and delivers each to its targets; the report has them in the order of `jobs`. The digests are
    /// those of one build after the other.
    pub fn run(&self, jobs: &[Job<'_>], on_failure: OnFailure) -> RunReport {
        let _lease = self.store.lease();
        let run = Run::new(self, jobs, on_failure);
        if run.is_of_many() {
            self.progress.run_started(jobs.len());
        }
        run.scheduler.walk(&run);
        run.buffers.release();
        let begun = run.images.iter().map(|slot| slot.has_begun.load(Ordering::Relaxed)).collect();
        RunReport { images: run.images.into_iter().map(Slot::into_result).collect(), begun }
    }
}

/// Builds what `request` asks for and delivers it to `targets`: a run of one image.
///
/// # Errors
/// When anything on the way fails. No tag then resolves to anything new, but for those of targets that
/// were finished before.
pub fn build(session: &Session, request: &Request, targets: &[Target]) -> Result<Report, BoxedError> {
    let RunReport { images, .. } = session.run(&[Job { request, targets }], OnFailure::GoOn);
    images.into_iter().next().unwrap_or_else(|| Err(BuildError::Panicked.into()))
}

struct Run<'r> {
    session: &'r Session,
    on_failure: OnFailure,
    scheduler: Scheduler,
    images: Vec<Slot<'r>>,
    layers: LayerTable,
    sends: SendTable,
    bases: BaseTable,
    /// Whether no image begins any more, because one failed.
    starts_no_more: AtomicBool,
    /// Held while layers are added.
    adding: Mutex<()>,
    /// Held while targets are told of layers that will be built, and while one begins.
    offering: Mutex<()>,
    buffers: Buffers,
    /// All is written when the run is over.
    writer: MemoWriter,
}

/// An image of a run.
struct Slot<'r> {
    request: &'r Request,
    targets: &'r [Target],
    /// Its base, where that was opened ahead of the plan.
    base: Mutex<Option<OpenedAhead>>,
    build: Mutex<ImageBuild<'r>>,
    /// The targets that have a tag which may not move, by number: the image is there or is refused, so nothing is sent.
    held: Mutex<BTreeSet<usize>>,
    /// Whether targets may turn out to be held when they have answered.
    may_be_held: AtomicBool,
    /// The makers' sides of its configurations, which are sent while they are made.
    configs: Mutex<Vec<Option<BlobGrower>>>,
    log: ImageLog,
    /// Stops what is done for this image alone.
    interrupt: Mutex<Interrupt>,
    has_begun: AtomicBool,
    end: Mutex<End>,
}

/// How an image ends.
enum End {
    /// It goes on.
    Open,
    /// It failed, and work of it is still under way.
    Failing(BoxedError),
    /// It is over.
    Over(Box<Result<Report, BoxedError>>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot<'_> {
    /// Notes the targets that need not be sent anything, now that all have answered.
    fn hold(&self) {
        let targets = self.targets.iter().enumerate();
        let held = targets.filter(|(_, target)| target.has_fixed()).map(|(number, _)| number);
        lock(&self.held).extend(held);
    }

    fn is_held(&self, number: usize) -> bool {
        lock(&self.held).contains(&number)
    }

    /// The name of the image, for people.
    fn name(&self) -> &str {
        self.request.name.path().rsplit('/').next().unwrap_or_default()
    }

    /// Begins it, unless it is over; whether it did.
    fn begin(&self) -> bool {
        let end = lock(&self.end);
        let is_open = matches!(*end, End::Open);
        if is_open {
            self.has_begun.store(true, Ordering::Relaxed);
        }
        is_open
    }

    fn is_open(&self) -> bool {
        matches!(*lock(&self.end), End::Open)
    }

    fn into_result(self) -> Result<Report, BoxedError> {
        match self.end.into_inner().unwrap_or_else(PoisonError::into_inner) {
            End::Over(result) => *result,
            End::Failing(error) => Err(error),
            End::Open => Err(BuildError::Panicked.into()),
        }
    }
}

impl<'r> Run<'r> {
    fn new(session: &'r Session, jobs: &'r [Job<'r>], on_failure: OnFailure) -> Self {
        let log = BuildLog::default();
        let slot = |(number, job): (usize, &Job<'r>)| {
            let image = ImageId(number);
            let log = log.of(image);
            Slot {
                request: job.request,
                targets: job.targets,
                base: Mutex::default(),
                build: Mutex::new(ImageBuild::new(
                    image,
                    session,
                    job.request,
                    job.targets,
                    log.clone(),
                    jobs.len() >= 2 * session.workers.count(),
                )),
                held: Mutex::default(),
                may_be_held: AtomicBool::new(false),
                configs: Mutex::default(),
                log,
                interrupt: Mutex::new(session.interrupt.part()),
                has_begun: AtomicBool::new(false),
                end: Mutex::new(End::Open),
            }
        };
        let run = Self {
            session,
            on_failure,
            scheduler: Scheduler::new(session.workers.count(), session.budget),
            images: jobs.iter().enumerate().map(slot).collect(),
            layers: LayerTable::default(),
            sends: SendTable::new(jobs.iter().map(|job| job.targets)),
            bases: BaseTable::default(),
            starts_no_more: AtomicBool::new(false),
            adding: Mutex::default(),
            offering: Mutex::default(),
            buffers: Buffers::default(),
            writer: MemoWriter::new(&session.store),
        };
        run.scheduler.with(|graph| {
            for (number, job) in jobs.iter().enumerate() {
                let image = ImageId(number);
                graph.add(Node::Scan(image), image);
                if prepare::asks_for_base(job.request) {
                    graph.add(Node::Open(image), image);
                }
            }
        });
        run
    }

    fn is_of_many(&self) -> bool {
        self.images.len() > 1
    }

    fn slot(&self, image: ImageId) -> &Slot<'r> {
        &self.images[image.0]
    }

    /// Does one step of an image; what goes wrong is the image's.
    fn step(
        &self,
        image: ImageId,
        step: impl FnOnce(&Self, ImageId) -> Result<(), BoxedError>,
    ) -> WorkResult {
        if let Err(error) = step(self, image) {
            self.fail(image, error);
        }
        WorkResult::Done
    }

    /// Opens a base that nothing pins, while files are looked at: what it is, is not known before.
    fn open(&self, image: ImageId) -> Result<(), BoxedError> {
        let slot = self.slot(image);
        *lock(&slot.base) = prepare::open_ahead(self.session, slot.request, &self.bases)?;
        Ok(())
    }

    fn scan(&self, image: ImageId) -> Result<(), BoxedError> {
        let slot = self.slot(image);
        if !slot.begin() {
            return Ok(());
        }
        if self.is_of_many() {
            self.session.progress.image_started(slot.name());
        }
        let mut build = lock(&slot.build);
        let is_known = build.scan()?;
        slot.may_be_held.store(build.fixes_early(), Ordering::Relaxed);
        drop(build);
        self.scheduler.with(|graph| {
            if is_known {
                graph.add(Node::Look(image), image);
            } else {
                add_plan(graph, image);
            }
        });
        Ok(())
    }

    /// Before the plan this is about an outcome that is known, and after it about the targets' answer alone.
    fn look(&self, image: ImageId) -> Result<(), BoxedError> {
        let slot = self.slot(image);
        let step = self.session.progress.step(Stage::Ask, "targets");
        // Layers are built while the answer is waited for.
        let question = lock(&slot.build).take_question();
        question.wait()?;
        slot.hold();
        let report = lock(&slot.build).look()?;
        drop(step);
        match report {
            Some(report) => self.end(image, report),
            None => self.scheduler.with(|graph| {
                if !graph.contains(Node::Document(image)) {
                    add_plan(graph, image);
                }
            }),
        }
        Ok(())
    }

    fn plan(&self, image: ImageId) -> Result<(), BoxedError> {
        let slot = self.slot(image);
        let mut build = lock(&slot.build);
        let interrupt = lock(&slot.interrupt).clone();
        let base = lock(&slot.base).take();
        let held = build.plan(&self.bases, base, &self.writer, &self.buffers, interrupt)?;
        self.scheduler.hold(image, held);
        if build.is_answered() {
            let _step = self.session.progress.step(Stage::Ask, "targets");
            build.take_question().wait()?;
            slot.hold();
        } else {
            self.scheduler.with(|graph| graph.add(Node::Look(image), image));
        }
        self.execute(image, &mut build)
    }

    /// Adds the work of an image that is planned: layers that are not known, and blobs for targets. The image is locked
    /// meanwhile, so that no step of it begins before all is added.
    fn execute(&self, image: ImageId, build: &mut ImageBuild<'_>) -> Result<(), BoxedError> {
        let unknown = build.unknown_layers()?;
        let finished = self.add_layers(image, &unknown);
        for (layer, built, facts) in finished {
            let planned = layer.planned();
            let keys = planned.keys.as_ref().ok_or(BuildError::Panicked)?;
            let (_, builder) = build.work()?;
            let adopted = builder.adopt(planned, keys, facts, &mut build.prepared()?.memos)?;
            let member = ImageLayer { image, place: layer.place };
            self.deliver_layer(member, built, build, &adopted, Duration::ZERO)?;
        }
        let Some(first) = unknown.first() else {
            // The blobs that a target lacks are known when the image is derived.
            build.add_known_layers()?;
            return Ok(());
        };
        self.open_ahead();
        self.follow_configs(image, first.plan.images.len());
        let mut blobs = build.base_blobs()?;
        blobs.extend(build.add_known_layers()?);
        let targets = 0..self.slot(image).targets.len();
        self.send(image, None, blobs.iter().flat_map(|blob| targets.clone().map(move |to| (to, blob))));
        Ok(())
    }

    /// Adds the layers of an image that are not known, and what waits for them; those of them that are finished.
    fn add_layers<'l>(
        &self,
        image: ImageId,
        layers: &'l [UnknownLayer],
    ) -> Vec<(&'l UnknownLayer, LayerId, LayerFacts)> {
        // One image alone has no equal layers.
        let has_others =
            self.images.len() > 1 || layers.first().is_some_and(|layer| layer.plan.images.len() > 1);
        let shapes = layers.iter().map(|layer| {
            let planned = layer.planned();
            has_others.then(|| shape(&planned.spec, planned.compression)).flatten()
        });
        let shapes: Vec<Option<Key>> = shapes.collect();
        // Another image that has one of them sees all that it waits for, or nothing of it.
        let _adding = lock(&self.adding);
        let mut finished = Vec::new();
        let mut added = Vec::new();
        for (layer, shape) in layers.iter().zip(shapes) {
            let planned = layer.planned();
            let key = planned.keys.as_ref().map(|keys| keys.layer);
            let member = ImageLayer { image, place: layer.place };
            match self.layers.add(member, &planned.name, key, shape, &self.session.interrupt) {
                LayerAddition::Finished(built, facts) => finished.push((layer, built, facts)),
                LayerAddition::Joined(id) => added.push((id, Vec::new())),
                LayerAddition::New(id, after) => added.push((id, after)),
            }
        }
        self.scheduler.with(|graph| {
            graph.add(Node::Tag(image), image);
            graph.add(Node::Document(image), image);
            graph.wait(Node::Tag(image), Node::Document(image));
            graph.wait(Node::Document(image), Node::Look(image));
            for (id, after) in added {
                graph.add(Node::Layer(id), image);
                after.into_iter().for_each(|before| graph.wait(Node::Layer(id), Node::Layer(before)));
                graph.wait(Node::Document(image), Node::Layer(id));
            }
        });
        finished
    }

    /// Lets targets prepare for the layers that are built next.
    fn open_ahead(&self) {
        // A layer that two threads offered, or that began in between, would lose the readers of one of them.
        let _offering = lock(&self.offering);
        for id in self.layers.next(AHEAD) {
            let grower = self.follow_layer(id);
            self.layers.read_by(id, grower);
        }
    }

    /// Has targets take a layer while it is built; `None` where none does.
    fn follow_layer(&self, id: LayerId) -> Option<BlobGrower> {
        let (name, members) = self.layers.wanted(id);
        let (growing, grower) = growing(&name);
        let mut sends = Vec::new();
        for ImageLayer { image, .. } in members {
            for to in self.followers(image) {
                sends.extend(self.sends.follow((image, to), id, &growing).map(|send| (image, send)));
            }
        }
        let is_followed = !sends.is_empty();
        self.scheduler.with(|graph| {
            sends.into_iter().for_each(|(image, send)| self.add_follow(graph, image, send));
        });
        is_followed.then_some(grower)
    }

    /// Adds a blob that a target takes while it is made. The session for it is opened while the target is asked for its
    /// tags, unless a refusal must be known before: of one of several targets, or of a tag that may not move.
    fn add_follow(&self, graph: &mut Graph, image: ImageId, send: SendId) {
        let slot = self.slot(image);
        let asked = slot.targets.iter().filter(|target| !target.capabilities().is_local());
        let waits = asked.count() > 1 || slot.may_be_held.load(Ordering::Relaxed);
        add_send(graph, image, send, waits.then_some(Node::Look(image)));
    }

    /// The same of the configurations of an image.
    fn follow_configs(&self, image: ImageId, count: usize) {
        let slot = self.slot(image);
        let make = |_| {
            let (growing, grower) = growing("config");
            let sends: Vec<SendId> =
                self.followers(image).map(|to| self.sends.follow_document((image, to), &growing)).collect();
            let is_followed = !sends.is_empty();
            self.scheduler.with(|graph| {
                sends.into_iter().for_each(|send| self.add_follow(graph, image, send));
            });
            is_followed.then_some(grower)
        };
        *lock(&slot.configs) = (0..count).map(make).collect();
    }

    /// The targets of an image that take a blob while it is made.
    fn followers(&self, image: ImageId) -> impl Iterator<Item = usize> {
        let targets = self.slot(image).targets.iter().enumerate();
        targets.filter(|(_, target)| target.capabilities().follows).map(|(number, _)| number)
    }

    /// Sends blobs to targets of an image. `layer` is what they are, if that is built in this run.
    fn send<'b>(
        &self,
        image: ImageId,
        layer: Option<LayerId>,
        blobs: impl IntoIterator<Item = (usize, &'b Blob)>,
    ) {
        self.send_all(image, layer, blobs.into_iter().map(|(to, blob)| (to, blob, BlobKind::OfImage)));
    }

    fn send_all<'b>(
        &self,
        image: ImageId,
        layer: Option<LayerId>,
        blobs: impl IntoIterator<Item = (usize, &'b Blob, BlobKind)>,
    ) {
        let added: Vec<_> = blobs
            .into_iter()
            .filter_map(|(to, blob, kind)| self.sends.add((image, to), (blob, kind), layer))
            .collect();
        if !added.is_empty() {
            self.scheduler.with(|graph| {
                for SendAddition { id, after } in added {
                    let before = [Some(Node::Look(image)), after.map(Node::Send)];
                    add_send(graph, image, id, before.into_iter().flatten());
                }
            });
        }
    }

    /// Builds a layer, or finds that it is one that was built.
    fn layer(&self, id: LayerId) -> WorkResult {
        let offering = lock(&self.offering);
        let Some(begun) = self.layers.begin(id) else { return WorkResult::Done };
        drop(offering);
        let image = begun.owner.image;
        let _entered = enter(image);
        let Err(error) = self.build_layer(id, begun) else { return WorkResult::Done };
        let is_wanted = self.layers.fail(id, image, &self.session.interrupt);
        self.sends.unfollow(id);
        self.fail(image, error);
        if is_wanted { WorkResult::Again } else { WorkResult::Done }
    }

    fn build_layer(&self, id: LayerId, begun: LayerStart) -> Result<(), BoxedError> {
        let LayerStart { owner, grower, interrupt, has_twin } = begun;
        let slot = self.slot(owner.image);
        let started = Instant::now();
        let (plan, builder) = lock(&slot.build).work()?;
        let planned = &plan.images[owner.place.0].layers[owner.place.1];
        let read = match &planned.keys {
            None if has_twin => self.read_keys(owner.image, planned)?,
            _ => None,
        };
        let keys = planned.keys.as_ref().or(read.as_ref());
        if let Some(keys) = keys
            && let Some((built, facts)) = self.layers.resolve(id, keys.layer)
        {
            // Targets that wait for it to grow get the one that was built.
            drop(grower);
            let mut build = lock(&slot.build);
            let finished = builder.adopt(planned, keys, facts, &mut build.prepared()?.memos)?;
            drop(build);
            return self.finish_layer(id, built, owner, &finished, started.elapsed());
        }
        let grower = grower.unwrap_or_else(|| self.follow_layer(id));
        self.open_ahead();
        let started = Instant::now();
        let handed_out = || self.scheduler.handed_out(Node::Layer(id));
        let built = builder.make(planned, keys, grower, &interrupt, &handed_out)?;
        let elapsed = started.elapsed();
        let mut build = lock(&slot.build);
        let finished = builder.learn(planned, keys, built, &mut build.prepared()?.memos)?;
        drop(build);
        self.finish_layer(id, id, owner, &finished, elapsed)
    }

    /// Reads the files of a layer to know its keys.
    fn read_keys(&self, image: ImageId, planned: &PlannedLayer) -> Result<Option<LayerKeys>, BoxedError> {
        let pool = self.session.workers.pool()?;
        let mut build = lock(&self.slot(image).build);
        let memos = &mut build.prepared()?.memos;
        let read = pool.install(|| memos.keys(&planned.spec, planned.compression, || true));
        Ok(read.map_err(BuildError::Content)?.0)
    }

    /// Gives a layer to all images that have it: it or an equal one was `built`.
    fn finish_layer(
        &self,
        id: LayerId,
        built: LayerId,
        owner: ImageLayer,
        layer: &FinishedLayer,
        elapsed: Duration,
    ) -> Result<(), BoxedError> {
        for member in self.layers.finish(id, built, layer.facts, layer.key) {
            let work = layer.work.filter(|_| member == owner);
            let layer = FinishedLayer { facts: layer.facts, work, key: layer.key };
            let mut build = lock(&self.slot(member.image).build);
            let delivered = self.deliver_layer(member, built, &mut build, &layer, elapsed);
            drop(build);
            match delivered {
                Err(error) if member.image == owner.image => return Err(error),
                Err(error) => self.fail(member.image, error),
                Ok(()) => {}
            }
        }
        self.open_ahead();
        Ok(())
    }

    /// Gives a layer, which was built as `built`, to an image, and sends it to those of its targets that did not take it
    /// meanwhile.
    fn deliver_layer(
        &self,
        member: ImageLayer,
        built: LayerId,
        build: &mut ImageBuild<'_>,
        layer: &FinishedLayer,
        elapsed: Duration,
    ) -> Result<(), BoxedError> {
        let ImageLayer { image, place } = member;
        if !self.slot(image).is_open() {
            return Ok(());
        }
        let blobs = build.add_layer(place, layer, elapsed)?;
        let followed = |to: usize| self.sends.follows((image, to), built);
        let targets = self.slot(image).targets.len();
        let all = blobs.iter().enumerate().flat_map(|(number, blob)| {
            // The first is the layer, and what follows it is its table.
            (0..targets).filter(move |to| number > 0 || !followed(*to)).map(move |to| (to, blob))
        });
        self.send(image, Some(built), all);
        Ok(())
    }

    /// Brings a blob to a target. If that fails while the blob is made, for whatever reason, once more when it is.
    fn bring(&self, id: SendId) {
        let Some(BlobSend { destination: (image, number), content }) = self.sends.take(id) else { return };
        let slot = self.slot(image);
        let _entered = enter(image);
        let Some(target) = slot.targets.get(number).filter(|_| slot.is_open()) else { return };
        let is_held = slot.is_held(number);
        let (blob, followed) = match content {
            SendContent::Blob(blob) if is_held => (*blob, Some(Delivery::Present)),
            // The digest of the image decides about it.
            SendContent::Growing(..) if is_held => return,
            SendContent::Blob(blob) | SendContent::Attached(blob) => (*blob, None),
            SendContent::Growing(growing, _) => {
                let followed = target.follow(&growing);
                // A blob that is not finished has failed elsewhere.
                let Some(blob) = growing.finished() else { return };
                (blob, followed)
            }
        };
        let interrupted = self.session.interrupt.check().map_err(|error| BuildError::from(error).into());
        let brought = match followed {
            Some(delivery) => Ok((delivery, !is_held)),
            None => bring_to(target, &blob).map(|delivery| (delivery, false)),
        };
        match interrupted.and(brought) {
            Ok((delivery, followed)) => {
                slot.log.tell(BuildEvent::delivered(number, &blob, delivery, followed));
            }
            Err(error) => self.fail(image, error),
        }
    }

    fn document(&self, image: ImageId) -> Result<(), BoxedError> {
        let slot = self.slot(image);
        let mut build = lock(&slot.build);
        let Documents { configs, others, stale, tables, attached, lacking } = build.document()?;
        let growers = std::mem::take(&mut *lock(&slot.configs));
        let mut is_followed = false;
        for (grower, Config { blob, bytes }) in growers.into_iter().zip(&configs) {
            if let Some(grower) = grower {
                is_followed = true;
                grower.push(bytes.clone().into());
                grower.finish(blob.clone());
            }
        }
        let follows = |to: &usize| {
            is_followed && slot.targets.get(*to).is_some_and(|target| target.capabilities().follows)
        };
        let configs = configs.iter().map(|config| (&config.blob, true));
        let all = configs.chain(others.iter().map(|blob| (blob, false)));
        let all = all.flat_map(|(blob, is_config)| {
            let wanted = stale.iter().filter(move |to| !is_config || !follows(to));
            wanted.map(move |to| (*to, blob))
        });
        let tables = tables.iter().flat_map(|blob| lacking.iter().map(move |to| (*to, blob)));
        self.send(image, None, all.chain(tables));
        let attached = attached.iter().flat_map(|blob| {
            let wanted = stale.iter().chain(&lacking);
            wanted.map(move |to| (*to, blob, BlobKind::Attached))
        });
        self.send_all(image, None, attached);
        // While the targets take the rest.
        build.save()?;
        if !self.scheduler.with(|graph| graph.has_layers_ahead()) {
            self.buffers.release();
        }
        Ok(())
    }

    fn tag(&self, image: ImageId) -> Result<(), BoxedError> {
        let report = lock(&self.slot(image).build).tag()?;
        self.end(image, report);
        Ok(())
    }

    /// An image is done.
    fn end(&self, image: ImageId, report: Report) {
        let is_unchanged = report.outcome == Outcome::Known;
        let slot = self.slot(image);
        // The facts about its files would stay until the last image is done.
        lock(&slot.build).forget();
        *lock(&slot.end) = End::Over(Box::new(Ok(report)));
        self.tell_end(slot, if is_unchanged { ImageEnd::Unchanged } else { ImageEnd::Done });
        self.scheduler.release(image);
    }

    fn tell_end(&self, slot: &Slot<'_>, end: ImageEnd) {
        if self.is_of_many() {
            self.session.progress.image_ended(slot.name(), end);
        }
    }

    /// An image fails for `error`, unless it has failed already: its work is taken out, and what is under way for it alone
    /// is stopped.
    fn fail(&self, image: ImageId, error: BoxedError) {
        let slot = self.slot(image);
        let mut end = lock(&slot.end);
        if !matches!(*end, End::Open) {
            return;
        }
        let is_interrupted = error.kind() == Kind::Interrupted;
        *end = End::Failing(error);
        drop(end);
        self.take_out(image);
        if self.on_failure == OnFailure::Stop || is_interrupted && self.session.interrupt.is_triggered() {
            self.stop();
        }
        self.settle_if_idle(image);
    }

    /// Takes out the work of an image that fails, and stops what is under way for it alone.
    fn take_out(&self, image: ImageId) {
        let slot = self.slot(image);
        self.scheduler.with(|graph| graph.abandon(image));
        self.layers.abandon(image);
        self.sends.forget(image);
        lock(&slot.interrupt).trigger();
        lock(&slot.configs).clear();
    }

    fn settle_if_idle(&self, image: ImageId) {
        if !self.scheduler.with(|graph| graph.has_work_for(image)) {
            self.settle(image);
        }
    }

    /// Gives up all images that have not begun.
    fn start_no_more(&self) {
        for number in 0..self.images.len() {
            let image = ImageId(number);
            // Under the lock under which it begins.
            let mut end = lock(&self.slot(image).end);
            if matches!(*end, End::Open) && !self.slot(image).has_begun.load(Ordering::Relaxed) {
                *end = End::Failing(BuildError::NotStarted.into());
                drop(end);
                self.take_out(image);
                self.settle_if_idle(image);
            }
        }
    }

    /// Stops all images that are not over.
    fn stop(&self) {
        for number in 0..self.images.len() {
            let image = ImageId(number);
            if self.slot(image).is_open() {
                let interrupted = self.session.interrupt.check().map_err(BuildError::from);
                self.fail(image, interrupted.err().unwrap_or(BuildError::Stopped).into());
            }
        }
    }

    /// No work is under way for an image. If it failed because the cache in a registry said something wrong, nothing that the
    /// cache said is believed, and the plan is executed once more. No tag was moved by then.
    fn settle(&self, image: ImageId) {
        let slot = self.slot(image);
        let mut build = lock(&slot.build);
        let mut end = lock(&slot.end);
        if !matches!(*end, End::Failing(_)) || self.scheduler.with(|graph| graph.has_work_for(image)) {
            return;
        }
        let End::Failing(error) = std::mem::replace(&mut *end, End::Open) else { return };
        let fresh = self.session.interrupt.part();
        let why = match self.session.interrupt.is_triggered() {
            true => None,
            false => build.distrust(&self.buffers, fresh.clone()),
        };
        let Some(why) = why else {
            self.tell_end(
                slot,
                match (slot.has_begun.load(Ordering::Relaxed), error.kind()) {
                    (false, _) => ImageEnd::NotStarted,
                    (true, Kind::Interrupted) => ImageEnd::Stopped,
                    (true, _) => ImageEnd::Failed,
                },
            );
            *end = End::Over(Box::new(Err(error)));
            drop(end);
            build.forget();
            slot.log.forget();
            self.scheduler.release(image);
            drop(build);
            if self.on_failure == OnFailure::StartNoMore && !self.starts_no_more.swap(true, Ordering::Relaxed)
            {
                self.start_no_more();
            }
            return;
        };
        drop(end);
        let _entered = enter(image);
        self.session.progress.warn(format!("the cache in the registry is wrong and is not used: {why}"));
        *lock(&slot.interrupt) = fresh;
        let executed = self.execute(image, &mut build);
        drop(build);
        if let Err(error) = executed {
            self.fail(image, error);
        }
    }
}

fn add_plan(graph: &mut Graph, image: ImageId) {
    graph.add(Node::Plan(image), image);
    graph.wait(Node::Plan(image), Node::Open(image));
}

/// Adds a blob on its way, which waits for some nodes and is waited for by the tags.
fn add_send(graph: &mut Graph, image: ImageId, id: SendId, after: impl IntoIterator<Item = Node>) {
    graph.add(Node::Send(id), image);
    after.into_iter().for_each(|before| graph.wait(Node::Send(id), before));
    graph.wait(Node::Tag(image), Node::Send(id));
}

/// Brings one blob to the target. Bytes that turn out to be damaged here are set aside by what read them,
/// and are made again when they are opened once more.
fn bring_to(target: &Target, blob: &Blob) -> Result<Delivery, BoxedError> {
    match target.blob(blob) {
        Err(error) if error.kind() == Kind::Input => target.blob(blob),
        result => result,
    }
}

/// A step of an image.
type NodeAction<R> = fn(&R, ImageId) -> Result<(), BoxedError>;

impl NodeWork for Run<'_> {
    fn demand(&self, node: Node) -> Demand {
        match node {
            Node::Scan(image) => Demand::Image(image),
            Node::Plan(_) | Node::Document(_) => Demand::Processor,
            Node::Layer(_) => Demand::Workers,
            Node::Send(id) => self.sends.demand(id),
            Node::Look(_) | Node::Tag(_) => Demand::Waiting,
            Node::Open(image) => Demand::WaitingOf(image),
        }
    }

    fn work(&self, node: Node) -> WorkResult {
        if self.session.interrupt.is_triggered() {
            self.stop();
        }
        let (image, step): (ImageId, NodeAction<Self>) = match node {
            Node::Layer(id) => return self.layer(id),
            Node::Send(id) => {
                self.bring(id);
                return WorkResult::Done;
            }
            Node::Scan(image) => (image, Self::scan),
            Node::Open(image) => (image, Self::open),
            Node::Look(image) => (image, Self::look),
            Node::Plan(image) => (image, Self::plan),
            Node::Document(image) => (image, Self::document),
            Node::Tag(image) => (image, Self::tag),
        };
        let _entered = enter(image);
        if self.slot(image).is_open() { self.step(image, step) } else { WorkResult::Done }
    }

    fn settled(&self, image: ImageId) {
        self.settle(image);
    }

    fn panicked(&self, node: Node) {
        for image in self.scheduler.with(|graph| graph.wanted_by(node)) {
            self.fail(image, BuildError::Panicked.into());
        }
    }
}

#[cfg(test)]
mod tests;
