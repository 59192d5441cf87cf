//! The build of one image, or of one index of several platforms: its steps, without what runs them.
//!
//! Each step is done once, in this order: [scan](ImageBuild::scan), [look](ImageBuild::look),
//! [plan](ImageBuild::plan), [add a layer](ImageBuild::add_layer) for each, [document](ImageBuild::document),
//! [tag](ImageBuild::tag). If the cache in a registry turns out to have said something wrong, the steps after the plan are
//! done once more without it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::attest::{Attestor, BuiltImages};
use super::base_table::BaseTable;
use super::build_event::{AskedDestination, BuildEvent, DerivedImage, Has, PlanResult};
use super::build_log::ImageLog;
use super::build_memo::{self, lookups};
use super::cache::{self, Lookups, NewEntry};
use super::derive::{self, finish, new_layer, tags};
use super::error::BuildError;
use super::finished::Finished;
use super::inputs::{self, Inputs};
use super::layer_builder::{FinishedLayer, LayerBuilder, own_key};
use super::layer_table::PlanPosition;
use super::memo::MemoWriter;
use super::outcome::Outcome;
use super::prepare::{OpenedAhead, prepare_with};
use super::prepared::PreparedBuild;
use super::preview::scanner;
use super::provenance;
use super::publish::{Presence, presence, publish, put_back};
use super::push_rules;
use super::question::TagQuestion;
use super::refusal::refused;
use super::report::Report;
use super::request::Request;
use super::session::Session;
use super::target::Target;
use crate::bases::LayerIndex;
use crate::layer::{Buffers, Scanner};
use crate::oci::{Image, NewLayer};
use crate::plan::{Plan, PlannedLayer};
use crate::project::config::Facts;
use crate::runtime::events::{ImageId, Stage, enter};
use crate::runtime::interrupt::Interrupt;
use crate::transport::Blob;
use crate::transport::taken_tag::TakenTag;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::policy::{DocumentClaim, JudgedDocument};
use crate::types::reference::Tag;

/// The bytes that are held of a planned image for each entry of its layers: about those of an entry, its path, its
/// stamp and its key.
const HELD_FOR_ENTRY: u64 = 512;
/// The bytes that are held of an image besides.
const HELD: u64 = 512 << 10;

/// One image under way.
pub(super) struct ImageBuild<'r> {
    id: ImageId,
    session: &'r Session,
    request: &'r Request,
    targets: &'r [Target],
    log: ImageLog,
    /// Whether each processor has several images to look at.
    is_one_of_many: bool,
    question: TagQuestion,
    /// Whether tags that are known already may not move.
    fixes_early: bool,
    lookups: Option<Lookups>,
    scanner: Option<Scanner>,
    inputs: Option<Inputs>,
    /// The outcome of an earlier build of the same inputs.
    earlier: Option<Box<Report>>,
    planned: Option<Planned<'r>>,
}

/// An image that is planned.
struct Planned<'r> {
    prepared: PreparedBuild<'r>,
    builder: LayerBuilder,
    layers: BTreeMap<PlanPosition, NewLayer>,
    /// The entries for the cache in a registry.
    entries: Vec<NewEntry>,
    /// The blobs of our layers, where a list of packages is wanted.
    blobs: Vec<Blob>,
    finished: Option<Finished>,
    /// The targets that do not have the image.
    stale: Vec<usize>,
    /// Those that have it and lack some of what is attached to it.
    lacking: Vec<(usize, Vec<Digest>)>,
}

/// The documents of an image.
pub(super) struct Documents {
    /// The configurations, one for each platform.
    pub(super) configs: Vec<Config>,
    /// Other blobs, for targets that lack them.
    pub(super) others: Vec<Blob>,
    /// Those targets, by number.
    pub(super) stale: Vec<usize>,
    /// Tables of contents for targets that lack only attachments.
    pub(super) tables: Vec<Blob>,
    /// Blobs of what is attached, for both kinds of targets.
    pub(super) attached: Vec<Blob>,
    /// Those targets, by number.
    pub(super) lacking: Vec<usize>,
}

/// A configuration.
pub(super) struct Config {
    pub(super) blob: Blob,
    pub(super) bytes: Vec<u8>,
}

/// A layer that must be built.
pub(super) struct UnknownLayer {
    pub(super) place: PlanPosition,
    pub(super) plan: Arc<Plan>,
}

impl UnknownLayer {
    pub(super) fn planned(&self) -> &PlannedLayer {
        planned(&self.plan, self.place)
    }
}

fn planned(plan: &Plan, (image, layer): PlanPosition) -> &PlannedLayer {
    &plan.images[image].layers[layer]
}

impl<'r> ImageBuild<'r> {
    pub(super) fn new(
        id: ImageId,
        session: &'r Session,
        request: &'r Request,
        targets: &'r [Target],
        log: ImageLog,
        is_one_of_many: bool,
    ) -> Self {
        Self {
            id,
            session,
            request,
            targets,
            log,
            is_one_of_many,
            question: TagQuestion::default(),
            fixes_early: false,
            lookups: None,
            scanner: None,
            inputs: None,
            earlier: None,
            planned: None,
        }
    }

    /// Asks the targets, and looks at the inputs from outside meanwhile. Whether the outcome of a build of them is known.
    pub(super) fn scan(&mut self) -> Result<bool, BoxedError> {
        let (session, request) = (self.session, self.request);
        if let Some(git) =
            request.facts.git.as_ref().filter(|git| git.dirty && request.settings.refuse_changes)
        {
            return Err(BuildError::UncommittedChanges(git.first_change.clone()).into());
        }
        derive::check(request, &derive::early(&request.facts))?;
        if push_rules::apply(request, self.targets) {
            push_rules::check_request(request)?;
        }
        // A tag that is wrong is reported where it is used.
        let tags = tags(request, &request.facts).unwrap_or_default();
        self.fixes_early = self.fix(&request.facts, &tags);
        self.question = TagQuestion::ask(self.id, self.targets, tags);
        let mut lookups = lookups(session, request)?;
        if inputs::is_new(&session.store, request) {
            lookups.begin();
        }
        self.lookups = Some(lookups);
        let scanner = scanner(session, request).beside_others(self.is_one_of_many);
        self.inputs = Inputs::look(session, request, &scanner)?;
        self.scanner = Some(scanner);
        match build_memo::find_outcome(session, request, self.inputs.as_ref()) {
            Ok(report) => self.earlier = Some(report),
            Err(why) => self.log.tell(BuildEvent::OutcomeUnknown(why)),
        }
        Ok(self.earlier.is_some())
    }

    /// Tells the targets which of `tags` may not move; whether there are any.
    fn fix(&self, facts: &Facts, tags: &[Tag]) -> bool {
        let fixed = derive::fixed(self.request, facts, tags);
        self.targets.iter().for_each(|target| target.fix(&fixed));
        !fixed.is_empty()
    }

    /// Whether a target that is asked for tags may answer that nothing is to be sent to it.
    pub(super) const fn fixes_early(&self) -> bool {
        self.fixes_early
    }

    /// The question to the targets, to wait for the answer without this image.
    pub(super) fn take_question(&mut self) -> TagQuestion {
        std::mem::take(&mut self.question)
    }

    /// Looks at what the targets answered. The report, if the outcome is known and all targets have it.
    pub(super) fn look(&mut self) -> Result<Option<Report>, BoxedError> {
        let Some(report) = self.earlier.take() else { return Ok(None) };
        for target in self.targets {
            let is_current = match &report.digest {
                Some(digest) => match self.presence(target, digest, &report) {
                    Ok(is_current) => is_current,
                    // The refusal can say more when the image is at hand.
                    Err(error) if TakenTag::behind(&error).is_some() => false,
                    Err(error) => return Err(error),
                },
                None => false,
            };
            if !is_current {
                let why = Outcome::NotThere { target: target.name() };
                self.log.tell(BuildEvent::OutcomeUnknown(why));
                return Ok(None);
            }
        }
        self.log.tell(BuildEvent::OutcomeKnown(report));
        for (number, target) in self.targets.iter().enumerate() {
            let asked = AskedDestination::new(number, target, Has::All);
            self.log.tell(BuildEvent::DestinationAsked(asked));
        }
        Ok(Some(self.log.report()))
    }

    /// Whether a target has the image of an earlier build, under its tags and with all that was attached to it.
    fn presence(&self, target: &Target, digest: &Digest, report: &Report) -> Result<bool, BoxedError> {
        let Report { tags, attachments, attached, images, .. } = report;
        let mut subjects: BTreeSet<Digest> = images.iter().filter_map(|image| image.digest).collect();
        subjects.insert(*digest);
        Ok(presence(&**target, digest, tags, attachments, attached)? == Presence::Current
            && self.attestor().is_signed_in_older_form(target, subjects)?)
    }

    /// Whether the targets have answered by now, without waiting.
    pub(super) fn is_answered(&self) -> bool {
        self.question.is_answered()
    }

    /// Makes the plan; the bytes that are held from now on.
    pub(super) fn plan(
        &mut self,
        bases: &BaseTable,
        base: Option<OpenedAhead>,
        writer: &MemoWriter,
        buffers: &Buffers,
        interrupt: Interrupt,
    ) -> Result<u64, BoxedError> {
        let (session, request, id) = (self.session, self.request, self.id);
        let step = session.progress.step(Stage::Plan, "plan");
        let scanner = self.scanner.take().ok_or(BuildError::Panicked)?;
        let lookups = self.lookups.take().ok_or(BuildError::Panicked)?;
        let prepared = session.workers.pool()?.install(|| {
            let _entered = enter(id);
            prepare_with(session, request, &scanner, writer.clone(), lookups, bases, base)
        })?;
        if let Some(inputs) = &mut self.inputs {
            inputs.decide(&prepared.plan);
        }
        check_layer_count(&prepared.plan)?;
        drop(step);
        let layers = prepared.plan.images.iter().flat_map(|image| &image.layers);
        let entries: u64 = layers.map(|layer| layer.spec.entries().len() as u64).sum();
        self.log.tell(BuildEvent::Planned(PlanResult::of(&prepared.plan)));
        let builder = LayerBuilder::new(session, request, &prepared, id, buffers, interrupt, &self.log);
        self.planned = Some(Planned::new(prepared, builder));
        Ok(HELD + entries * HELD_FOR_ENTRY)
    }

    fn planned(&mut self) -> Result<&mut Planned<'r>, BoxedError> {
        Ok(self.planned.as_mut().ok_or(BuildError::Panicked)?)
    }

    /// The plan, and the builder of its layers.
    pub(super) fn work(&mut self) -> Result<(Arc<Plan>, LayerBuilder), BoxedError> {
        let planned = self.planned()?;
        Ok((Arc::clone(&planned.prepared.plan), planned.builder.clone()))
    }

    /// The plan and what earlier builds learned.
    pub(super) fn prepared(&mut self) -> Result<&mut PreparedBuild<'r>, BoxedError> {
        Ok(&mut self.planned()?.prepared)
    }

    /// The layers that must be built, in the order in which they are: the largest first. The work of a target after
    /// it has received a layer grows with the layer's size, and runs while the next ones are made.
    pub(super) fn unknown_layers(&mut self) -> Result<Vec<UnknownLayer>, BoxedError> {
        let plan = Arc::clone(&self.planned()?.prepared.plan);
        let mut places: Vec<PlanPosition> =
            places(&plan).filter(|place| planned(&plan, *place).known.is_none()).collect();
        places.sort_by_key(|place| Reverse(planned(&plan, *place).size));
        Ok(places.into_iter().map(|place| UnknownLayer { place, plan: Arc::clone(&plan) }).collect())
    }

    /// Takes all layers that are known; their blobs.
    pub(super) fn add_known_layers(&mut self) -> Result<Vec<Blob>, BoxedError> {
        let plan = Arc::clone(&self.planned()?.prepared.plan);
        let mut blobs = Vec::new();
        for place in places(&plan) {
            let layer = planned(&plan, place);
            if let Some(facts) = layer.known {
                let finished = FinishedLayer { facts, work: None, key: own_key(layer) };
                blobs.extend(self.add_layer(place, &finished, Duration::ZERO)?);
            }
        }
        Ok(blobs)
    }

    /// Takes a finished layer; its blobs.
    pub(super) fn add_layer(
        &mut self,
        place: PlanPosition,
        layer: &FinishedLayer,
        elapsed: Duration,
    ) -> Result<Vec<Blob>, BoxedError> {
        let writes = self.request.cache.write.is_some();
        let lists_packages = self.request.attest.sbom.is_some();
        let FinishedLayer { facts, work, key } = *layer;
        self.log.tell(BuildEvent::LayerFinished { place, facts, work, elapsed });
        let Planned { prepared, builder, layers, entries, blobs, .. } = self.planned()?;
        let planned = planned(&prepared.plan, place);
        layers.insert(place, new_layer(planned, &facts));
        let key = key.filter(|_| writes);
        entries.extend(key.map(|key| builder.entry(planned, key, facts)));
        let (blob, table) = builder.blobs(planned, facts);
        blobs.extend(lists_packages.then(|| blob.clone()));
        Ok(std::iter::once(blob).chain(table).collect())
    }

    /// The layers of all bases, and their tables of contents.
    pub(super) fn base_blobs(&mut self) -> Result<Vec<Blob>, BoxedError> {
        let mut blobs = self.base_layers()?;
        blobs.extend(self.base_tables()?);
        Ok(blobs)
    }

    /// The layers of all bases.
    fn base_layers(&mut self) -> Result<Vec<Blob>, BoxedError> {
        let PreparedBuild { base, bases, .. } = self.prepared()?;
        let Some(base) = base else { return Ok(Vec::new()) };
        Ok(bases.iter().flatten().flat_map(|loaded| base.blobs(&loaded.image)).collect())
    }

    /// Makes and finds the documents that are attached.
    const fn attestor(&self) -> Attestor<'r> {
        let (session, request, targets) = (self.session, self.request, self.targets);
        Attestor { session, request: &request.attest, name: &request.name, targets }
    }

    /// The tables of contents of the layers of all bases.
    fn base_tables(&mut self) -> Result<Vec<Blob>, BoxedError> {
        let PreparedBuild { base, bases, .. } = self.prepared()?;
        let Some(base) = base else { return Ok(Vec::new()) };
        let mut blobs = Vec::new();
        for loaded in bases.iter().flatten() {
            blobs.extend(base.table_blobs(&loaded.tables()?));
        }
        Ok(blobs)
    }

    /// Derives the image. If every layer was known, a target that is current is left alone, and nothing was sent before.
    pub(super) fn document(&mut self) -> Result<Documents, BoxedError> {
        let (session, request, targets, log) = (self.session, self.request, self.targets, self.log.clone());
        let attestor = self.attestor();
        let base_layers = if request.attest.sbom.is_some() { self.base_layers()? } else { Vec::new() };
        let planned = self.planned()?;
        let is_known = derive::all_known(&planned.prepared.plan).is_some();
        let mut finished = finish(request, &planned.prepared, &planned.all_layers())?;
        let layers = BuiltImages::new(&request.name, base_layers.into_iter().chain(planned.blobs.drain(..)));
        let plan = Arc::clone(&planned.prepared.plan);
        let specs = planned
            .layers
            .iter()
            .map(|((image, layer), made)| (made.descriptor.digest, &plan.images[*image].layers[*layer].spec));
        let statements = match &request.attest.provenance {
            Some(builder) => provenance::statements(request, builder, &planned.prepared, &finished)?,
            None => Vec::new(),
        };
        let mut documents = attestor.add_to(&mut finished, &layers, &specs.collect(), &statements)?;
        if push_rules::apply(request, targets) {
            let is_clean = provenance::checks(request, &plan).is_clean();
            let claim = DocumentClaim::Checks(is_clean);
            documents.push(JudgedDocument {
                digest: finished.root.digest(),
                signers: BTreeSet::new(),
                image: None,
                claim,
            });
            push_rules::judge(request, documents)?;
        }
        log.tell(BuildEvent::Derived(DerivedImage::of(request, &finished)));
        planned.stale.clear();
        planned.lacking.clear();

        let (digest, listed, referrers) = (finished.root.digest(), finished.attached(), finished.referrers());
        for (number, target) in targets.iter().enumerate() {
            target.fix(&finished.fixed);
            let is_asked = is_known || !finished.fixed.is_empty() && target.capabilities().is_remote();
            let found = match is_asked {
                true => presence(&**target, &digest, &finished.tags, &listed, &referrers)
                    .map_err(|error| refused(error, &finished, &session.store))?,
                false => Presence::Stale,
            };
            let has = match found {
                Presence::Current => Has::All,
                Presence::Lacks(missing) => {
                    planned.lacking.push((number, missing));
                    Has::NotAllAttachments
                }
                Presence::Stale => {
                    planned.stale.push(number);
                    Has::NotTheImage
                }
            };
            log.tell(BuildEvent::DestinationAsked(AskedDestination::new(number, target, has)));
        }
        let configs = finished.images.iter().map(Config::of).collect();
        let attached: Vec<Blob> = finished.attached_blobs().cloned().collect();
        let stale = planned.stale.clone();
        let lacking: Vec<usize> = planned.lacking.iter().map(|(number, _)| *number).collect();
        planned.finished = Some(finished);
        let mut others = Vec::new();
        if is_known && !stale.is_empty() {
            others = self.base_blobs()?;
            others.extend(
                self.known_blobs()?.into_iter().flat_map(|(layer, table)| [Some(layer), table]).flatten(),
            );
        }
        let mut tables = Vec::new();
        if !lacking.is_empty() {
            tables = self.base_tables()?;
            tables.extend(self.known_blobs()?.into_iter().filter_map(|(_, table)| table));
        }
        Ok(Documents { configs, others, stale, tables, attached, lacking })
    }

    /// Writes what was learned of files.
    pub(super) fn save(&mut self) -> Result<(), BoxedError> {
        self.prepared()?.memos.save();
        Ok(())
    }

    /// The layers that are known, and their tables of contents.
    fn known_blobs(&mut self) -> Result<Vec<(Blob, Option<Blob>)>, BoxedError> {
        let Planned { prepared, builder, .. } = self.planned()?;
        let layers = prepared.plan.images.iter().flat_map(|image| &image.layers);
        Ok(layers.filter_map(|layer| Some(builder.blobs(layer, layer.known?))).collect())
    }

    /// Manifests, index, tags; then what is remembered of the build.
    pub(super) fn tag(&mut self) -> Result<Report, BoxedError> {
        let (session, request, log) = (self.session, self.request, self.log.clone());
        let planned = self.planned.take().ok_or(BuildError::Panicked)?;
        if let Err(error) = self.publish(&planned) {
            // It may have to be begun once more.
            self.planned = Some(planned);
            return Err(error);
        }
        let Planned { mut prepared, entries, .. } = planned;
        let is_written = write_cache(session, request, entries, &log)
            && share_base(session, request, &prepared.base_indexes, &log);
        if let Some(locked) = prepared.locked.take() {
            log.tell(BuildEvent::BaseLocked(Box::new(locked)));
        }
        prepared.memos.save();
        let report = log.report();
        if let Some(inputs) = self.inputs.take() {
            build_memo::learn(request, prepared.memos.writer(), inputs, &report, is_written);
        }
        Ok(report)
    }

    /// Gives each target what it lacks of manifests and tags.
    fn publish(&self, planned: &Planned<'_>) -> Result<(), BoxedError> {
        let finished = planned.finished.as_ref().ok_or(BuildError::Panicked)?;
        let attestor = self.attestor();
        let signs = |target: &Target| {
            let subjects = finished.subjects().into_iter().map(|subject| subject.digest);
            attestor.sign_in_older_form(target, subjects)
        };
        for (number, missing) in &planned.lacking {
            let target = self.targets.get(*number).ok_or(BuildError::Panicked)?;
            put_back(&**target, finished, missing)?;
        }
        for (number, target) in self.targets.iter().enumerate() {
            if !planned.stale.contains(&number) {
                signs(target)?;
            }
        }
        let stale = planned.stale.iter();
        let stale: Vec<(usize, &Target)> =
            stale.filter_map(|number| Some((*number, self.targets.get(*number)?))).collect();
        conclude(self.session, finished, &stale, &signs, &self.log)
    }

    /// Gives back the memory of an image that is over.
    pub(super) fn forget(&mut self) {
        (self.planned, self.scanner, self.lookups, self.inputs) = (None, None, None, None);
    }

    /// Prepares for beginning once more after the plan, if the cache in a registry said something wrong: what is wrong.
    pub(super) fn distrust(&mut self, buffers: &Buffers, interrupt: Interrupt) -> Option<String> {
        let why = self.planned.as_ref()?.prepared.distrust.take()?;
        let mut planned = self.planned.take()?;
        planned.prepared.forget_cached();
        let (session, request, id) = (self.session, self.request, self.id);
        self.log.tell(BuildEvent::Restarted);
        self.log.tell(BuildEvent::Planned(PlanResult::of(&planned.prepared.plan)));
        let builder =
            LayerBuilder::new(session, request, &planned.prepared, id, buffers, interrupt, &self.log);
        self.planned = Some(Planned::new(planned.prepared, builder));
        Some(why)
    }
}

impl<'r> Planned<'r> {
    const fn new(prepared: PreparedBuild<'r>, builder: LayerBuilder) -> Self {
        Self {
            builder,
            prepared,
            layers: BTreeMap::new(),
            entries: Vec::new(),
            blobs: Vec::new(),
            finished: None,
            stale: Vec::new(),
            lacking: Vec::new(),
        }
    }

    /// The finished layers, by platform, bottom first.
    fn all_layers(&self) -> Vec<Vec<NewLayer>> {
        let mut layers = self.layers.values().cloned();
        let images = self.prepared.plan.images.iter();
        images.map(|image| layers.by_ref().take(image.layers.len()).collect()).collect()
    }
}

impl Config {
    fn of(image: &Image) -> Self {
        let bytes = image.raw_config().to_vec();
        let blob = Blob::in_memory(image.manifest().config.clone(), bytes.clone(), "config");
        Self { blob, bytes }
    }
}

fn places(plan: &Plan) -> impl Iterator<Item = PlanPosition> {
    let images = plan.images.iter().enumerate();
    images.flat_map(|(number, image)| (0..image.layers.len()).map(move |layer| (number, layer)))
}

/// Manifests, index, tags: in this order, so that what stops before the last changes nothing that a tag resolves to.
/// Registries come last: after their tags have moved, no file that cannot be written fails the build.
fn conclude(
    session: &Session,
    finished: &Finished,
    targets: &[(usize, &Target)],
    before_tags: &dyn Fn(&Target) -> Result<(), BoxedError>,
    log: &ImageLog,
) -> Result<(), BoxedError> {
    type Numbered<'t> = (usize, &'t Target);
    let (remote, here): (Vec<Numbered<'_>>, Vec<Numbered<'_>>) =
        targets.iter().partition(|(_, target)| target.capabilities().is_remote());
    // An archive is written whole at its end, and may find no room: before a layout gets its tag.
    let (whole, rest): (Vec<Numbered<'_>>, Vec<Numbered<'_>>) =
        here.into_iter().partition(|(_, target)| target.capabilities().needs_all_blobs);
    for (number, target) in whole.into_iter().chain(rest).chain(remote) {
        session.interrupt.check().map_err(BuildError::from)?;
        let _step = session.progress.step(Stage::Conclude, &target.name());
        let delivery = publish(&**target, finished, || before_tags(target))
            .map_err(|error| refused(error, finished, &session.store))?;
        log.tell(BuildEvent::Tagged { target: number, delivery });
    }
    Ok(())
}

/// overlayfs stacks 128 layers, of which a runtime needs one for itself.
fn check_layer_count(plan: &Plan) -> Result<(), BuildError> {
    for image in &plan.images {
        let base = image.base.as_ref().map_or(0, |base| base.layers.len());
        let all = base + image.layers.len();
        if all > 127 {
            return Err(BuildError::TooManyLayers(all));
        }
    }
    Ok(())
}

/// Tells the cache in a registry what this machine knows. Whether it knows all of it now; that it does not is no
/// reason for a finished build to fail.
fn write_cache(session: &Session, request: &Request, entries: Vec<NewEntry>, log: &ImageLog) -> bool {
    let Some(repository) = &request.cache.write else { return true };
    match cache::write(&session.client, repository, &request.name, entries) {
        Ok(written) => {
            log.tell(BuildEvent::CacheWritten(written));
            true
        }
        Err(error) => {
            session.progress.warn(format!("the cache cannot be written: {error}"));
            false
        }
    }
}

/// Tells the cache in a registry what this machine read of the base's layers.
fn share_base(
    session: &Session,
    request: &Request,
    indexes: &[(Digest, Arc<LayerIndex>)],
    log: &ImageLog,
) -> bool {
    let Some(repository) = &request.cache.write else { return true };
    match cache::share(&session.client, repository, indexes) {
        Ok(written) => {
            log.tell(BuildEvent::CacheWritten(written));
            true
        }
        Err(error) => {
            session.progress.warn(format!("the cache cannot be written: {error}"));
            false
        }
    }
}
