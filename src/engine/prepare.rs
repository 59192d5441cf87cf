//! From settings to a plan: detect the artifact, open the base, place the entries, look up what is known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{Distrust, Lookups};
use super::check::{self, Checks, of_artifact};
use super::declared::DeclaredLayer;
use super::derive;
use super::draft::{Draft, Owned, Times};
use super::error::BuildError;
use super::memo::{MemoWriter, Memos, layer_slot};
use super::options::taken_of;
use super::prepared::Prepared;
use super::request::{Request, at};
use super::selection::{self, Wanted};
use super::session::Session;
use crate::artifact::{self, AppOptions, AppRoot, Artifact, ArtifactKind, Proposal};
use crate::bases::{Base, BaseError, BaseLayers, Empty, FileTree, Node, PlatformBase, Stack};
use crate::formats::deflate;
use crate::layer::{
    self, Compression, DEFAULT_MTIME, Entry, EntryPath, LayerSpec, Rules, Scanner, SpecError,
};
use crate::plan::buckets::{self, BucketCount, Split};
use crate::plan::{
    self, KnownFrom, LayerMemo, PlaceError, Plan, PlannedArtifact, PlannedBase, PlannedImage, PlannedLayer,
};
use crate::project::config::{self, Facts, Mtime, Spanned};
use crate::project::lock::LockedBase;
use crate::runtime::observer::Stage;
use crate::transport::Source;
use crate::transport::archive::Archive;
use crate::transport::layout::OciLayout;
use crate::types::error::{BoxedError, Explain as _, Kind};
use crate::types::finding::Finding;
use crate::types::platform::Platform;

/// A layer of so many bytes that this machine built before, and that has changed, is built without asking whether another
/// machine built it: most of its bodies are known, and the question would take longer.
const SMALL_LAYER: u64 = 8 << 20;

/// Makes the plan, with what is found by `lookups`.
pub(super) fn prepare_with<'a>(
    session: &'a Session,
    request: &Request,
    scanner: &Scanner,
    lookups: Lookups,
) -> Result<Prepared<'a>, BoxedError> {
    let compression = compression(request.settings.compression)?;
    // Whatever has a time would have it in vain.
    crate::types::time::rfc3339(request.time())?;
    let base = open_base(session, request)?;
    let artifacts = detect(request)?;
    let facts = facts(request, &artifacts)?;
    derive::check(request, &facts)?;
    let asked = asked_platforms(request)?;
    let name = base.as_ref().map(|base| base.reference.as_str());
    let offered = || base.as_ref().map_or_else(|| Ok(Vec::new()), Base::platforms);
    let selection = selection::select(&artifacts, &asked, name, offered)?;
    let mut preparer = Preparer {
        session,
        request,
        scanner,
        memos: Memos::open(
            &session.store,
            MemoWriter::new(&session.store),
            &request.project,
            &request.name,
            session.now,
        ),
        compression,
        lookups,
        notes: request.own.notes().iter().cloned().chain(selection.notes).collect(),
        warnings: Vec::new(),
        findings: Vec::new(),
        locked: None,
        platform: Platform::linux_amd64(),
    };
    let mut images = Vec::new();
    let mut bases = Vec::new();
    let mut planned: Vec<PlannedArtifact> = Vec::new();
    let platforms: Vec<Option<Platform>> =
        selection.images.iter().map(|wanted| wanted.platform.clone()).collect();
    for Wanted { platform, artifact } in selection.images {
        let image = preparer.image(base.as_ref(), artifact, platform.as_ref());
        let (image, platform_base) = image.map_err(|error| {
            if selection.are_asked_for { error } else { one_of(error, &platform, &platforms) }
        })?;
        images.push(image);
        bases.push(platform_base);
        let seen = |artifact: &Artifact| planned.iter().any(|planned| planned.path == artifact.path);
        planned.extend(artifact.filter(|artifact| !seen(artifact)).map(planned_artifact));
    }
    let Preparer { memos, compression, mut notes, mut warnings, mut findings, locked, lookups, .. } =
        preparer;
    let mut seen: Vec<Finding> = Vec::new();
    findings.retain(|finding| {
        !seen.contains(finding) && {
            seen.push(finding.clone());
            true
        }
    });
    let remarks = scanner.remarks();
    notes.extend(remarks.notes);
    warnings.extend(remarks.warnings);
    for messages in [&mut notes, &mut warnings] {
        let mut seen = BTreeSet::new();
        messages.retain(|message| seen.insert(message.clone()));
    }
    let plan = Plan {
        format: layer::FORMAT,
        name: request.name.to_string(),
        tags: Vec::new(),
        version: facts.version.clone(),
        artifacts: planned,
        images,
        notes,
        warnings,
        findings,
    };
    let (claims, distrust) = (lookups.claims, Distrust::default());
    let mut prepared = Prepared { plan, base, bases, locked, memos, facts, compression, claims, distrust };
    prepared.plan.tags = derive::planned_tags(request, &prepared)?;
    Ok(prepared)
}

/// The facts of the request, and the version that the artifacts say unless their names did.
fn facts(request: &Request, artifacts: &[Artifact]) -> Result<Facts, BoxedError> {
    let mut facts = request.facts.clone();
    for artifact in artifacts {
        if facts.version.is_some() {
            break;
        }
        let version = artifact::version(artifact)?;
        facts.version = version.value;
        facts.version_sought.extend(version.looked_at);
    }
    facts.version_sought.dedup();
    Ok(facts)
}

fn planned_artifact(artifact: &Artifact) -> PlannedArtifact {
    PlannedArtifact {
        kind: artifact.kind.describe().to_owned(),
        path: artifact.path.clone(),
        why: artifact.why.clone(),
    }
}

/// The level, or the encoder's own.
fn deflate_level(written: Option<u8>) -> Option<deflate::Level> {
    written.map_or_else(|| Some(deflate::Level::default()), deflate::Level::new)
}

pub(super) fn compression(written: config::Compression) -> Result<Compression, BuildError> {
    let bad = || BuildError::Level(written.to_string());
    Ok(match written {
        config::Compression::None => Compression::None,
        config::Compression::Gzip(level) => Compression::Gzip(deflate_level(level).ok_or_else(bad)?),
        config::Compression::Estargz(level) => Compression::Estargz(deflate_level(level).ok_or_else(bad)?),
        config::Compression::Soci(level) => Compression::Soci(deflate_level(level).ok_or_else(bad)?),
        config::Compression::Zstd(None) => Compression::Zstd(layer::ZstdLevel::default()),
        config::Compression::Zstd(Some(level)) => {
            Compression::Zstd(layer::ZstdLevel::new(level).ok_or_else(bad)?)
        }
    })
}

/// Compares what the lock says of the base with the base's layers, which are read; how many paths there were.
pub(super) fn check_lock(session: &Session, request: &Request) -> Result<usize, BoxedError> {
    let Some(base) = open_base(session, request)? else { return Ok(0) };
    let base = base.strict(true);
    let Some(locked) = request.locked_base() else { return Err(BaseError::NoFacts(base.reference).into()) };
    let Some(facts) = &locked.facts else { return Err(BaseError::NoFacts(base.reference).into()) };
    let mut checked = 0;
    for platform in &facts.platforms {
        let loaded = base.load(Some(&platform.platform))?;
        let found = loaded.image.digest();
        if found != platform.digest {
            return Err(BaseError::Moved { base: base.reference, locked: platform.digest, found }.into());
        }
        checked += BaseLayers::new(&base, &loaded, &session.store, &session.progress).check_lock()?;
    }
    Ok(checked)
}

/// Opens the base that the settings name; `None` for scratch.
fn open_base(session: &Session, request: &Request) -> Result<Option<Base>, BoxedError> {
    let Some(base) = &request.settings.base else { return Ok(None) };
    let written = base.value.to_string();
    let locked = request.locked_base().cloned();
    let source: Arc<dyn Source> = match &base.value {
        config::Base::Scratch => return Ok(None),
        config::Base::Registry(reference) => {
            // The lock pins bytes; what the tag means by now is not asked.
            let pinned = locked.as_ref().map(|locked| reference.repository().at_digest(locked.digest));
            let reference = pinned.unwrap_or_else(|| reference.clone());
            Arc::new(crate::transport::registry::source(session.client.clone(), reference))
        }
        config::Base::Store(name) => Arc::new(OciLayout::stored(&session.store, name)?),
        config::Base::Layout { path, name } => Arc::new(OciLayout::open(path.path(), name.as_deref())?),
        config::Base::OciArchive { path, name } => Arc::new(Archive::open_oci(path.path(), name.as_deref())?),
        config::Base::DockerArchive { path, name } => {
            Arc::new(Archive::open_docker(path.path(), name.as_deref())?)
        }
    };
    if request.settings.locked && locked.is_none() {
        return Err(BuildError::NotLocked(written).into());
    }
    let base = Base::new(written, source, locked, &session.store, request.settings.offline);
    Ok(Some(base.strict(request.settings.locked)))
}

fn detect(request: &Request) -> Result<Vec<Artifact>, BoxedError> {
    let Some(app) = &request.settings.app else { return Ok(Vec::new()) };
    let mut artifacts = Vec::new();
    for path in app.paths.as_slice() {
        check_choice(request, app, path)?;
        let detected = match &app.kind {
            Some(kind) => artifact::detect_as(path.value.path(), kind_of(kind.value)),
            None => artifact::detect(path.value.path()),
        };
        artifacts.push(detected.map_err(|error| {
            let hint = crate::types::error::Explain::hint(&error);
            at(request, path, error.into(), hint)
        })?);
    }
    Ok(artifacts)
}

/// Globs choose from a directory; from an archive or a program they would choose nothing, without a word.
fn check_choice(
    request: &Request,
    app: &config::App,
    path: &Spanned<config::DiskPath>,
) -> Result<(), BoxedError> {
    let (Some(pattern), true) = (app.include.first().or(app.exclude.first()), path.value.path().is_file())
    else {
        return Ok(());
    };
    let message =
        format!("`include` and `exclude` choose from a directory, and `{}` is none", path.value.written());
    let hint = "remove them, or unpack the artifact and give the directory".to_owned();
    Err(request.settings.error_at(pattern.span, message, Some(hint)).into())
}

const fn kind_of(written: config::Kind) -> ArtifactKind {
    match written {
        config::Kind::War => ArtifactKind::War,
        config::Kind::SpringBoot => ArtifactKind::SpringBoot,
        config::Kind::Jar => ArtifactKind::Jar,
        config::Kind::Elf => ArtifactKind::Binary,
        config::Kind::Node => ArtifactKind::Node,
        config::Kind::Python => ArtifactKind::Python,
        config::Kind::Site => ArtifactKind::Site,
        config::Kind::Tree => ArtifactKind::Tree,
    }
}

/// The platforms that the settings name.
fn asked_platforms(request: &Request) -> Result<Vec<Platform>, BoxedError> {
    let checked = request.settings.platforms.iter().map(|written| {
        check_platform(&written.value).map_err(|error| {
            let hint = crate::types::error::Explain::hint(&error);
            at(request, written, error.into(), hint)
        })?;
        Ok(written.value.clone())
    });
    checked.collect()
}

/// Refuses a platform whose layers have another form than those that are made here.
fn check_platform(platform: &Platform) -> Result<(), BuildError> {
    if platform.os() == "windows" { Err(BuildError::Windows(platform.clone())) } else { Ok(()) }
}

/// An error of one of several platforms that nobody asked for by name: which, and how to do without it.
fn one_of(error: BoxedError, platform: &Option<Platform>, all: &[Option<Platform>]) -> BoxedError {
    let (Some(platform), Kind::Input) = (platform, error.kind()) else { return error };
    let others = all.iter().flatten().filter(|other| *other != platform).cloned().collect();
    BuildError::OnePlatform { platform: platform.clone(), others, error }.into()
}

struct Preparer<'a, 'r> {
    session: &'a Session,
    request: &'r Request,
    scanner: &'r Scanner,
    memos: Memos<'a>,
    compression: Compression,
    lookups: Lookups,
    notes: Vec<String>,
    warnings: Vec<String>,
    findings: Vec<Finding>,
    locked: Option<LockedBase>,
    /// Of the image under way.
    platform: Platform,
}

/// The layer that removes what the placed `entries` stand for.
fn removals(name: &str, entries: Vec<Entry>) -> Result<LayerSpec, SpecError> {
    let (directories, gone): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(Entry::is_directory);
    let gone: Vec<EntryPath> = gone.into_iter().map(|entry| entry.path).collect();
    LayerSpec::removals(name, &gone, directories)
}

/// How far divisible layers are split.
struct Splitting {
    /// What the user wants; `None` leaves it to the size.
    wanted: Option<BucketCount>,
    /// How many layers a class may become.
    room: usize,
    /// What the application owns.
    root: Option<EntryPath>,
}

impl<'r> Preparer<'_, 'r> {
    fn image(
        &mut self,
        base: Option<&Base>,
        artifact: Option<&Artifact>,
        platform: Option<&Platform>,
    ) -> Result<(PlannedImage, Option<PlatformBase>), BoxedError> {
        let mut loaded = match base {
            Some(base) => Some(base.load(platform).map_err(|error| self.at_base(error))?),
            None => None,
        };
        if let (Compression::Soci(_), Some((base, loaded))) = (self.compression, base.zip(loaded.as_mut())) {
            loaded.soci = base.soci_index(loaded).map_err(|error| self.at_base(error))?;
            if loaded.soci.is_none() {
                self.notes.push(format!(
                    "{} has no SOCI index: runtimes pull its layers as a whole",
                    base.reference
                ));
            }
        }
        let config = loaded.as_ref().map(|loaded| loaded.image.config());
        let proposal = match artifact {
            Some(artifact) => {
                Some(artifact::propose(artifact, &self.app_options(artifact), config, self.scanner)?)
            }
            None => None,
        };
        let platform = platform
            .cloned()
            .or_else(|| loaded.as_ref().map(|loaded| loaded.platform.clone()))
            .or_else(|| proposal.as_ref().and_then(|proposal| proposal.platform.clone()))
            .unwrap_or_else(Platform::linux_amd64);
        check_platform(&platform)?;
        let requirements = match artifact {
            Some(artifact) => {
                self.findings.extend(of_artifact(artifact, config)?);
                let options = self.app_options(artifact);
                Some(artifact::requirements(artifact, &options, config, self.scanner)?)
            }
            None => None,
        };
        let checks = Checks {
            request: self.request,
            requirements: requirements.as_ref(),
            config,
            platform: &platform,
        };
        self.findings.extend(checks.first()?);
        let (entrypoint, cmd) = proposal
            .as_ref()
            .map_or((None, None), |proposal| (proposal.entrypoint.clone(), proposal.cmd.clone()));
        let app_root = proposal.as_ref().and_then(|proposal| proposal.app_root.clone());
        let replaces = proposal.as_ref().map(|proposal| proposal.replaces.clone()).unwrap_or_default();
        let mut drafts = self.drafts(artifact, proposal)?;
        let base_layers = loaded.as_ref().map_or(0, |loaded| loaded.image.layers().len());
        let splitting = Splitting {
            wanted: self.wanted_buckets(),
            room: buckets::room(base_layers, drafts.len().saturating_sub(1)),
            root: app_root.clone(),
        };
        self.platform = platform.clone();
        let layers = match (base, &loaded) {
            (Some(base), Some(loaded)) => {
                let mut tree = BaseLayers::new(base, loaded, &self.session.store, &self.session.progress);
                let replaced = check::replaced(&replaces, app_root.as_ref(), &mut tree)?;
                self.notes.extend(check::note_of_replaced(&replaced));
                drafts.splice(..0, Draft::removing(&replaced));
                let layers = self.place(drafts, &mut tree, &splitting)?;
                if replaces.is_empty() {
                    self.look_beneath(app_root.as_ref(), &mut tree)?;
                }
                self.findings.extend(checks.run(&layers, Some(&mut tree))?);
                self.lock(base, loaded, tree);
                layers
            }
            _ => {
                let layers = self.place(drafts, &mut Empty, &splitting)?;
                self.findings.extend(checks.run(&layers, None)?);
                layers
            }
        };
        let planned_base = base.zip(loaded.as_ref()).map(|(base, loaded)| PlannedBase {
            reference: base.reference.clone(),
            is_in_registry: base.origin().is_some(),
            digest: loaded.root.digest(),
            manifest: loaded.image.digest(),
            layers: loaded.image.layers().to_vec(),
        });
        Ok((PlannedImage { platform, base: planned_base, layers, entrypoint, cmd }, loaded))
    }

    /// Files of the base in the same place shine through: only a file of the same name hides one.
    fn look_beneath(
        &mut self,
        app_root: Option<&EntryPath>,
        tree: &mut BaseLayers<'_>,
    ) -> Result<(), BoxedError> {
        let Some(root) = app_root else { return Ok(()) };
        if let Some(Node::Directory { .. }) = tree.lookup(root)? {
            self.warnings.push(format!(
                "the base has {root} already: its files there stay where the application has none of the same name; \
                 `app.root` names another directory"
            ));
        }
        Ok(())
    }

    fn at_base(&self, error: BoxedError) -> BoxedError {
        match &self.request.settings.base {
            // A registry's own error says all there is to say; a wrong name is the build file's.
            Some(base) if error.kind() == crate::types::error::Kind::Input => {
                let hint = error.hint();
                at(self.request, base, error, hint)
            }
            _ => error,
        }
    }

    fn lock(&mut self, base: &Base, loaded: &PlatformBase, tree: BaseLayers<'_>) {
        let found = base.facts(loaded, tree.into_known());
        match &mut self.locked {
            None => self.locked = Some(found),
            Some(locked) => {
                let (Some(all), Some(more)) = (&mut locked.facts, found.facts) else { return };
                all.platforms.extend(more.platforms);
                all.documents.extend(more.documents);
            }
        }
    }

    fn app_options(&self, artifact: &Artifact) -> AppOptions {
        let Some(app) = &self.request.settings.app else { return AppOptions::default() };
        let (mtime, _) = self.mtime(mtime_of(app, artifact));
        let rules = Rules {
            file_mode: app.mode.as_ref().map(|mode| mode.value.bits()),
            owner: app.owner.as_ref().map(|owner| (owner.value.uid.into(), owner.value.gid.into())),
            mtime,
            ..Rules::default()
        };
        AppOptions {
            layout: app.layout.as_ref().map(|layout| match layout.value {
                config::Layout::Exploded => artifact::Layout::Exploded,
                config::Layout::Packaged => artifact::Layout::Packaged,
            }),
            root: app.root.as_ref().map(|root| match root.value.entry() {
                Some(path) => AppRoot::At(path.clone()),
                None => AppRoot::Image,
            }),
            rules,
            ..taken_of(app)
        }
    }

    /// The times of the artifact's files. Of an archive only what is compressed is known without unpacking it.
    fn times_of(&self, artifact: Option<&Artifact>) -> Result<Times, BoxedError> {
        let Some((app, artifact)) = self.request.settings.app.as_ref().zip(artifact) else {
            return Ok(Times::Given);
        };
        let (_, times) = self.mtime(mtime_of(app, artifact));
        match (times, &app.mtime, artifact.archive()) {
            (Times::OfContents, Some(written), Some(_)) => {
                let error = BuildError::ContentTime(artifact.path.clone());
                let hint = error.hint();
                Err(at(self.request, written, error.into(), hint))
            }
            _ => Ok(times),
        }
    }

    /// The time of what has no content, or of everything.
    fn mtime(&self, mtime: Mtime) -> (u64, Times) {
        match mtime {
            Mtime::At(seconds) => (seconds, Times::Given),
            Mtime::Commit => (self.request.time(), Times::Given),
            Mtime::Content => (DEFAULT_MTIME, Times::OfContents),
        }
    }

    fn drafts(
        &mut self,
        artifact: Option<&Artifact>,
        proposal: Option<Proposal>,
    ) -> Result<Vec<Draft<'r>>, BoxedError> {
        let mut drafts = Vec::new();
        for layer in &self.request.settings.layers {
            let mtime = layer.mtime.as_ref().map_or(Mtime::At(DEFAULT_MTIME), |mtime| mtime.value);
            let (mtime, times) = self.mtime(mtime);
            let declared =
                DeclaredLayer { request: self.request, scanner: self.scanner, layer, mtime, times };
            drafts.push(declared.draft()?);
        }
        let Some(proposal) = proposal else {
            if drafts.is_empty() && artifact.is_none() {
                return Err(BuildError::Nothing.into());
            }
            return Ok(drafts);
        };
        self.notes.extend(proposal.notes);
        self.warnings.extend(proposal.warnings);
        let times = self.times_of(artifact)?;
        for layer in proposal.layers {
            let owned = proposal.app_root.clone().map_or(Owned::Some(BTreeSet::new()), Owned::From);
            drafts.push(Draft {
                name: layer.name,
                why: layer.why,
                entries: layer.entries,
                owned,
                // A program or an archive is put there as it is.
                named: proposal.app_root.iter().cloned().collect(),
                is_divisible: layer.is_divisible,
                times,
                declared: None,
                removes: false,
            });
        }
        Ok(drafts)
    }

    /// How many buckets the user wants; `None` leaves it to the size.
    fn wanted_buckets(&self) -> Option<BucketCount> {
        let app = self.request.settings.app.as_ref()?;
        match app.buckets.as_ref()?.value {
            config::Buckets::Auto => None,
            config::Buckets::Number(number) => Some(BucketCount::at_most(number.into())),
        }
    }

    fn place<B: FileTree>(
        &mut self,
        drafts: Vec<Draft<'_>>,
        base: &mut B,
        splitting: &Splitting,
    ) -> Result<Vec<PlannedLayer>, BoxedError> {
        let mut layers = Vec::new();
        // What was placed so far is below what follows, as the base is.
        let mut placed: Vec<LayerSpec> = Vec::new();
        for draft in drafts {
            let Draft { name, why, entries, owned, named, is_divisible, times, declared, removes } = draft;
            let mut below = Stack { base: &mut *base, layers: &placed };
            let entries =
                plan::place(entries, |path| owned.contains(path), |path| named.contains(path), &mut below)
                    .map_err(|error| match declared {
                        Some(declared) => declared.misplaced(error),
                        None => self.misplaced(error),
                    })?;
            let spec = if removes { removals(&name, entries) } else { LayerSpec::new(&name, entries) };
            let spec = spec.map_err(|error| match declared {
                Some(declared) => declared.malformed(error),
                None => BuildError::Spec(error).into(),
            })?;
            let split = if is_divisible { self.split(spec, splitting) } else { Split::Whole(spec) };
            match split {
                Split::Parts(parts) => {
                    for part in parts {
                        let why = part.why(&why);
                        layers.push(self.planned(part.spec, why, times)?);
                        placed.extend(layers.last().map(|layer| layer.spec.clone()));
                    }
                }
                Split::Whole(spec) => {
                    layers.push(self.planned(spec, why, times)?);
                    placed.extend(layers.last().map(|layer| layer.spec.clone()));
                }
            }
        }
        self.ask_others(&mut layers);
        Ok(layers)
    }

    /// Why the application cannot be placed: where its root was chosen, that is where to look.
    fn misplaced(&self, error: PlaceError) -> BoxedError {
        let root = self.request.settings.app.as_ref().and_then(|app| app.root.as_ref());
        match (&error, root) {
            (PlaceError::Base(_), _) | (_, None) => error.into(),
            (_, Some(root)) => {
                let hint = error.hint();
                at(self.request, root, error.into(), hint)
            }
        }
    }

    /// Waits for what the cache in a registry says of layers that this machine does not know. They were asked for
    /// one by one, while the files of the next were read.
    fn ask_others(&mut self, layers: &mut [PlannedLayer]) {
        for layer in layers.iter_mut().filter(|layer| layer.known.is_none()) {
            let Some(keys) = &layer.keys else { continue };
            if let Some(facts) = self.lookups.answer(&keys.layer) {
                (layer.known, layer.known_from) = (Some(facts), Some(KnownFrom::Registry));
            }
        }
    }

    /// The buckets of a placed layer, if it is split.
    fn split(&mut self, spec: LayerSpec, splitting: &Splitting) -> Split {
        let wanted = splitting.wanted.unwrap_or_else(|| BucketCount::for_payload(spec.payload_size()));
        let count = wanted.within(splitting.room);
        if splitting.wanted.is_some() && count < wanted {
            self.notes.push(format!(
                "`{}` is split into at most {} layers, not {}: the image has no room for more",
                spec.name(),
                count.get(),
                wanted.get()
            ));
        }
        buckets::split(spec, splitting.root.as_ref(), count)
    }

    /// A layer with what earlier builds know of it.
    fn planned(&mut self, spec: LayerSpec, why: String, times: Times) -> Result<PlannedLayer, BoxedError> {
        let step = self.session.progress.step(Stage::LookUp, spec.name());
        let (writes, lookups) = (self.request.cache.write.is_some(), &mut self.lookups);
        let asks_others = || writes || lookups.are_worth_asking();
        let (spec, keys, file_memo) = match times {
            Times::Given => {
                let keys = self.memos.keys(&spec, self.compression, asks_others);
                keys.map(|(keys, file_memo)| (spec, keys, file_memo))
            }
            Times::OfContents => self.memos.keys_with_times(spec, self.compression),
        }
        .map_err(BuildError::Content)?;
        let slot = layer_slot(&self.platform, spec.name());
        let (known, memo, difference) = self.memos.look_up(&spec, self.compression, &slot, keys.as_ref());
        step.finish(file_memo.read_bytes, if known.is_some() { "known" } else { "to build" });
        let is_built_at_once = matches!(memo, LayerMemo::Changed)
            && spec.payload_size() <= SMALL_LAYER
            && self.request.cache.only_saves_work();
        if let (Some(keys), None) = (&keys, known)
            && !is_built_at_once
        {
            self.lookups.ask(&keys.layer);
        }
        Ok(PlannedLayer {
            name: spec.name().to_owned(),
            why,
            files: spec.file_count(),
            size: spec.payload_size(),
            spec,
            compression: self.compression,
            keys,
            known,
            known_from: known.map(|_| KnownFrom::Store),
            memo,
            file_memo,
            slot,
            difference,
        })
    }
}

/// The times that the settings want. Web servers make validators of a file's time and size: a time that is always the
/// same would keep what was changed in caches, and one that is always new would send what was not changed.
fn mtime_of(app: &config::App, artifact: &Artifact) -> Mtime {
    let is_site = artifact.kind == ArtifactKind::Site;
    let default = if is_site { Mtime::Content } else { Mtime::At(DEFAULT_MTIME) };
    app.mtime.as_ref().map_or(default, |mtime| mtime.value)
}

/// Where the project of a build lies: its build file's directory, else the artifact.
pub fn project_of(build_file: Option<&Path>, artifact: Option<&Path>) -> PathBuf {
    let path = build_file.or(artifact).unwrap_or(Path::new("."));
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
