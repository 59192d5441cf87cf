//! From settings to a plan: detect the artifact, open the base, place the entries, look up what is known.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::apps::{self, ProposedApp};
use super::base_rules;
use super::base_table::BaseTable;
use super::cache::{CacheDistrust, Lookups, SharedLayers};
use super::check::{self, CheckError, Checks, ContentChecks, stated};
use super::compression::compression;
use super::declared::DeclaredLayer;
use super::derive;
use super::draft::{Draft, DraftOrigin, SplitRequest, Times, check_times};
use super::error::BuildError;
use super::memo::{MemoWriter, Memos, layer_slot};
use super::owners::Owners;
use super::permissions;
use super::prepared::PreparedBuild;
use super::request::{Request, at};
use super::selection::{self, SelectedImage};
use super::session::Session;
use super::siblings::add_siblings;
use super::stored_base::hint_at_store;
use crate::artifact::{Artifact, Proposal, Search};
use crate::bases::{
    Base, BaseError, BaseLayers, BaseNode, Empty, FileTree, LayerIndex, PlatformBase, Reach, SharedIndexes,
    Stack,
};
use crate::layer::{self, AccountKind, Compression, Entry, EntryPath, LayerSpec, Scanner, SpecError};
use crate::plan::buckets::{self, BucketCount, Split};
use crate::plan::{
    self, KnownFrom, LayerMemo, PlaceError, Plan, PlannedArtifact, PlannedBase, PlannedImage, PlannedLayer,
};
use crate::project::config;
use crate::project::lock::LockedBase;
use crate::runtime::events::Stage;
use crate::types::check_policy::CheckPolicy;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain as _, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::finding::{Answer, Finding, Severity};
use crate::types::platform::Platform;
use crate::types::rule::Rule;
use crate::types::secret::redact_message;
use crate::types::shown::shown_path;

/// A layer of so many bytes that this machine built before, and that has changed, is built without asking whether another
/// machine built it: most of its bodies are known, and the question would take longer.
const SMALL_LAYER: u64 = 8 << 20;

/// A base that was opened before the plan is made, or why it cannot be.
pub(super) type OpenedAhead = Result<Base, BoxedError>;

/// Whether the base is asked for in any case: it is in a registry, and nothing pins it.
pub(super) fn asks_for_base(request: &Request) -> bool {
    let base = request.settings.base.as_ref().map(|base| &base.value);
    let is_free = request.locked_base().is_none() && !request.settings.offline && !request.settings.locked;
    is_free && matches!(base, Some(config::BaseSetting::Registry(_)))
}

/// Opens the base and asks for its first documents. `None` where the plan has more to say of what is wrong.
pub(super) fn open_ahead(
    session: &Session,
    request: &Request,
    bases: &BaseTable,
) -> Result<Option<OpenedAhead>, BoxedError> {
    let Some(base) = bases.open(session, request)? else { return Ok(None) };
    Ok(match base.platforms() {
        Ok(_) => Some(Ok(base)),
        Err(error) if error.kind() == Kind::Input => None,
        Err(error) => Some(Err(hint_at_store(session, request, error))),
    })
}

/// Makes the plan, with what is found by `lookups`.
pub(super) fn prepare_with<'a>(
    session: &'a Session,
    request: &Request,
    scanner: &Scanner,
    writer: MemoWriter,
    lookups: Lookups,
    bases: &BaseTable,
    opened: Option<OpenedAhead>,
) -> Result<PreparedBuild<'a>, BoxedError> {
    let compression = compression(request.settings.compression)?;
    // Whatever has a time would have it in vain.
    crate::types::time::rfc3339(request.time())?;
    let (base, unreachable) = match opened {
        None => (bases.open(session, request)?, None),
        Some(Ok(base)) => (Some(base), None),
        Some(Err(error)) => (None, Some(error)),
    };
    let apps = apps::detect(request, session.store.scratch())?;
    let facts = apps::facts(request, &apps)?;
    derive::check(request, &facts)?;
    let asked = asked_platforms(request)?;
    if let Some(error) = unreachable {
        return Err(error);
    }
    let name = base.as_ref().map(|base| base.reference.as_str());
    let offered = || {
        let offered = base.as_ref().map_or_else(|| Ok(Vec::new()), Base::platforms);
        offered.map_err(|error| hint_at_store(session, request, error))
    };
    let lists: Vec<&[Artifact]> = apps.iter().map(|app| &app.artifacts[..]).collect();
    let selection = selection::select(&lists, &asked, name, offered)?;
    check_times(request)?;
    let signed_by = base_rules::judge(session, request, base.as_ref(), &selection.images)?;
    let content = ContentChecks::new(&session.store, request);
    let mut preparer = Preparer {
        session,
        request,
        scanner,
        memos: Memos::open(&session.store, writer, &request.project, &request.name, session.now)
            .until(&session.interrupt)
            .observed(content.observer()),
        compression,
        lookups,
        notes: request.own.notes().iter().cloned().chain(selection.notes).collect(),
        warnings: Vec::new(),
        findings: Vec::new(),
        owners: Owners::default(),
        content,
        base_indexes: Vec::new(),
        locked: None,
        platform: Platform::linux_amd64(),
        is_last: false,
    };
    let mut images: Vec<PlannedImage> = Vec::new();
    let mut bases = Vec::new();
    let mut found: Vec<(Option<Platform>, Vec<Finding>)> = Vec::new();
    let mut planned: Vec<PlannedArtifact> = Vec::new();
    let platforms: Vec<Option<Platform>> =
        selection.images.iter().map(|wanted| wanted.platform.clone()).collect();
    for (number, SelectedImage { platform, artifacts }) in selection.images.into_iter().enumerate() {
        preparer.is_last = number + 1 == platforms.len();
        let chosen: Vec<(&config::AppSettings, &Artifact)> =
            apps.iter().map(|app| app.settings).zip(artifacts.iter().copied()).collect();
        let image = preparer.image(base.as_ref(), &chosen, platform.as_ref());
        let told = |error| {
            if selection.are_asked_for { error } else { one_of(error, &platform, &platforms) }
        };
        let (mut image, platform_base) = image.map_err(&told)?;
        share_layers(&mut image, &images);
        // A finding about the image as a whole is about its first artifact, for a reader that wants a file.
        let about = artifacts.first().map(|artifact| artifact.path());
        let findings = std::mem::take(&mut preparer.findings).into_iter();
        let placed =
            findings.map(|finding| about.iter().fold(finding, |finding, path| finding.in_file(path)));
        found.push((platform, placed.collect()));
        images.push(image);
        bases.push(platform_base);
        for artifact in artifacts {
            if !planned.iter().any(|planned| planned.path == artifact.path()) {
                planned.push(planned_artifact(artifact));
            }
        }
    }
    let Preparer {
        memos,
        compression,
        mut notes,
        mut warnings,
        content,
        base_indexes,
        mut locked,
        lookups,
        ..
    } = preparer;
    if let Some(facts) = locked.as_mut().and_then(|locked| locked.facts.as_mut()) {
        facts.signed_by = signed_by;
    }
    content.save(&memos);
    let policy = request.settings.check_policy();
    let unmet = match refusal(request, &policy, selection.are_asked_for, &found) {
        Some(error) if !request.plans_refused => return Err(error),
        unmet => unmet,
    };
    let findings = policy.apply(found.into_iter().flat_map(|(_, findings)| findings));
    notes.extend(policy.notes(&findings));
    // No pass, and too little for a warning.
    let is_unsearched = |finding: &&Finding| {
        finding.rule == Rule::Secret && finding.answer == Answer::Unknown && finding.allowed.is_none()
    };
    notes.extend(findings.iter().filter(is_unsearched).map(|finding| finding.message.clone()));
    let remarks = scanner.remarks();
    notes.extend(remarks.notes);
    warnings.extend(remarks.warnings);
    for messages in [&mut notes, &mut warnings] {
        for message in messages.iter_mut() {
            if let Cow::Owned(redacted) = redact_message(message) {
                *message = redacted;
            }
        }
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
    let (claims, distrust) = (lookups.claims, CacheDistrust::default());
    let plan = Arc::new(plan);
    let mut prepared = PreparedBuild {
        plan,
        base,
        bases,
        locked,
        unmet,
        memos,
        facts,
        compression,
        claims,
        base_indexes,
        distrust,
    };
    let tags = derive::planned_tags(request, &prepared)?;
    Arc::make_mut(&mut prepared.plan).tags = tags;
    Ok(prepared)
}

/// Gives a layer the entries of an equal one of another platform: mostly all platforms have the same, and one of them may have
/// some hundred thousand.
fn share_layers(image: &mut PlannedImage, others: &[PlannedImage]) {
    for layer in &mut image.layers {
        let same = others.iter().flat_map(|other| &other.layers).find(|other| other.is_same_content(layer));
        if let Some(same) = same {
            (layer.spec, layer.keys) = (same.spec.clone(), same.keys.clone());
        }
    }
}

fn planned_artifact(artifact: &Artifact) -> PlannedArtifact {
    PlannedArtifact {
        kind: artifact.kind.describe().to_owned(),
        path: artifact.path().to_owned(),
        why: artifact.why.clone(),
    }
}

/// Compares what the lock says of the base with the base's layers, which are read; how many paths there were.
pub(super) fn check_lock(session: &Session, request: &Request) -> Result<usize, BoxedError> {
    let Some(base) = BaseTable::default().open(session, request)? else { return Ok(0) };
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
        checked += BaseLayers::new(&base, &loaded, &session.store, &session.progress)
            .with_interrupt(&session.interrupt)
            .check_lock()?;
    }
    Ok(checked)
}

/// The platforms that the settings name.
fn asked_platforms(request: &Request) -> Result<Vec<Platform>, BoxedError> {
    let checked = request.settings.platforms.iter().map(|written| {
        check_platform(&written.value).map_err(|error| {
            let hint =
                format!("build for linux: write `linux/{}` in its place", written.value.architecture());
            at(request, written, error.into(), Some(hint))
        })?;
        Ok(written.value.clone())
    });
    checked.collect()
}

/// Refuses a platform whose layers have another form than those that are made here.
fn check_platform(platform: &Platform) -> Result<(), BuildError> {
    if platform.os() == "windows" { Err(BuildError::Windows(platform.clone())) } else { Ok(()) }
}

/// Why the checks refuse the images, with the findings about each: one error of all that is wrong.
fn refusal(
    request: &Request,
    policy: &CheckPolicy,
    are_asked_for: bool,
    found: &[(Option<Platform>, Vec<Finding>)],
) -> Option<BoxedError> {
    let judged = |findings: &[Finding]| policy.apply(findings.iter().cloned());
    let is_refused =
        |findings: &[Finding]| judged(findings).iter().any(|finding| finding.level == Severity::Error);
    let (refused, fit): (Vec<_>, Vec<_>) = found.iter().partition(|(_, findings)| is_refused(findings));
    let (platform, _) = refused.first()?;
    let all = policy.apply(refused.iter().flat_map(|(_, findings)| findings.iter().cloned()));
    let error: BoxedError = CheckError::of(&all, &request.settings.sources)?.into();
    if are_asked_for || fit.is_empty() {
        return Some(error);
    }
    let platforms: Vec<Option<Platform>> = fit.into_iter().map(|(platform, _)| platform.clone()).collect();
    Some(one_of(error, platform, &platforms))
}

/// An error of one of several platforms that the user did not name: which, and how to do without it.
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
    /// Of the image under way, before the user's policy is applied.
    findings: Vec<Finding>,
    /// Of the image under way: what its owners mean.
    owners: Owners,
    /// The rules about content, with what they saw in this run.
    content: ContentChecks,
    base_indexes: Vec<(Digest, Arc<LayerIndex>)>,
    locked: Option<LockedBase>,
    /// Of the image under way.
    platform: Platform,
    /// Whether no image comes after the one under way.
    is_last: bool,
}

/// The layer that removes what the placed `entries` stand for.
fn removals(name: &str, entries: Vec<Entry>) -> Result<LayerSpec, SpecError> {
    let (directories, gone): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(Entry::is_directory);
    let gone: Vec<EntryPath> = gone.into_iter().map(|entry| entry.path).collect();
    LayerSpec::removals(name, &gone, directories)
}

impl<'a, 'r> Preparer<'a, 'r> {
    fn image(
        &mut self,
        base: Option<&Base>,
        chosen: &[(&'r config::AppSettings, &Artifact)],
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
        let mut tree = base.zip(loaded.as_ref()).map(|(base, loaded)| self.tree(base, loaded));
        self.owners = match &mut tree {
            Some(tree) => Owners::load(self.request, tree, &self.session.interrupt)?,
            None => Owners::load(self.request, &mut Empty, &self.session.interrupt)?,
        };
        let mut proposed: Vec<ProposedApp<'_, 'r>> = chosen
            .iter()
            .map(|(app, artifact)| {
                ProposedApp::new(self.request, app, artifact, config, self.scanner, &self.owners)
            })
            .collect::<Result<_, _>>()?;
        let start = apps::start(self.request, &proposed)?;
        self.notes.extend(apps::unread_options(self.request, &start));
        self.notes.extend(apps::replaced_start(self.request, &start, config));
        let platform = platform
            .cloned()
            .or_else(|| loaded.as_ref().map(|loaded| loaded.platform.clone()))
            .or_else(|| proposed.iter().find_map(|app| app.proposal.platform.clone()))
            .unwrap_or_else(Platform::linux_amd64);
        check_platform(&platform)?;
        let (mut requirements, mut of_certificates) = (Vec::new(), Vec::new());
        for app in &proposed {
            let entries = app.proposal.layers.iter().flat_map(|layer| &layer.entries);
            let _step = self.session.progress.step(Stage::Check, app.artifact.kind.name());
            let (store, memos, of) = (&self.session.store, &mut self.memos, (app.artifact, &app.options));
            let (required, found) = stated(store, memos, of, entries, Search::on(config), self.scanner)?;
            let path = app.artifact.path();
            let found = found.into_iter().map(|finding| finding.in_file(path));
            // A layer that is not planned yet may have certificates.
            let (later, now): (Vec<_>, Vec<_>) = found.partition(|it| it.rule == Rule::CaCertificates);
            of_certificates.extend(later);
            self.findings.extend(now);
            requirements.push(required);
        }
        for app in &mut proposed {
            let forms = apps::sibling_forms(app.settings);
            add_siblings(&self.session.store, &mut self.memos, &forms, &mut app.proposal)?;
        }
        let checks = Checks {
            request: self.request,
            requirements: &requirements,
            config,
            platform: &platform,
            interrupt: &self.session.interrupt,
            progress: &self.session.progress,
            start: &start,
        };
        self.findings.extend(checks.first()?);
        self.refuse_early()?;
        let base_layers = loaded.as_ref().map_or(0, |loaded| loaded.image.layers().len());
        self.platform = platform.clone();
        let layers = match (base, &loaded, tree) {
            (Some(base), Some(loaded), Some(mut tree)) => {
                apps::check_apart(self.request, &proposed, &mut tree)?;
                let removed = self.removed(&proposed, &mut tree)?;
                let beneath: Vec<EntryPath> = proposed
                    .iter()
                    .filter(|app| app.proposal.replaces.is_empty())
                    .filter_map(|app| app.proposal.app_root.clone())
                    .collect();
                let mut drafts = self.drafts(proposed)?;
                drafts.splice(..0, removed);
                let layers = self.place(drafts, &mut tree, base_layers)?;
                for root in &beneath {
                    self.look_beneath(root, &mut tree)?;
                }
                self.findings.extend(checks.run(&layers, Some(&mut tree))?);
                self.findings.extend(check::clobbered(&layers, &self.owners.users().files(), &mut tree)?);
                if self.request.cache.write.is_some() {
                    self.base_indexes.extend(tree.own_indexes()?);
                }
                self.lock(base, loaded, tree);
                layers
            }
            _ => {
                apps::check_apart(self.request, &proposed, &mut Empty)?;
                let drafts = self.drafts(proposed)?;
                let layers = self.place(drafts, &mut Empty, base_layers)?;
                self.findings.extend(checks.run(&layers, None)?);
                layers
            }
        };
        if !check::has_certificates(&layers) {
            self.findings.append(&mut of_certificates);
        }
        self.findings.extend(self.content.run(
            &mut self.memos,
            &layers,
            (self.request, &self.session.interrupt),
            &start,
        )?);
        let planned_base = base.zip(loaded.as_ref()).map(|(base, loaded)| PlannedBase {
            reference: base.reference.clone(),
            is_in_registry: base.origin().is_some(),
            digest: loaded.root.digest(),
            manifest: loaded.image.digest(),
            layers: loaded.image.layers().to_vec(),
        });
        let apps::Start { entrypoint, cmd, env, workdir, programs: _ } = start;
        Ok((PlannedImage { platform, base: planned_base, layers, entrypoint, cmd, env, workdir }, loaded))
    }

    /// Refuses the image under way for what is known before a layer of the base is read.
    fn refuse_early(&self) -> Result<(), BoxedError> {
        let findings = self.request.settings.check_policy().apply(self.findings.iter().cloned());
        match CheckError::of(&findings, &self.request.settings.sources) {
            Some(error) if !self.request.plans_refused => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The layer that removes the base's own applications, if it has any.
    fn removed(
        &mut self,
        apps: &[ProposedApp<'_, '_>],
        tree: &mut BaseLayers<'_>,
    ) -> Result<Option<Draft<'r>>, BoxedError> {
        let mut replaced: Vec<EntryPath> = Vec::new();
        for Proposal { replaces, app_root, .. } in apps.iter().map(|app| &app.proposal) {
            for path in check::replaced(replaces, app_root.as_ref(), tree)? {
                if !replaced.contains(&path) {
                    replaced.push(path);
                }
            }
        }
        self.notes.extend(check::note_of_replaced(&replaced));
        Ok(Draft::removing(&replaced))
    }

    /// Files of the base in the same place shine through: only a file of the same name hides one.
    fn look_beneath(&mut self, root: &EntryPath, tree: &mut BaseLayers<'_>) -> Result<(), BoxedError> {
        if let Some(BaseNode::Directory { .. }) = tree.lookup(root)?
            && !tree.is_known_empty(root)
        {
            self.notes.push(format!(
                "the base has {root} already: its files there stay where the application has none of the same name; \
                 `app.root` names another directory"
            ));
        }
        Ok(())
    }

    /// The files of the base, as far as the settings let them be read for checks.
    fn tree<'t>(&self, base: &'t Base, loaded: &'t PlatformBase) -> BaseLayers<'t>
    where
        'a: 't,
    {
        let session: &'a Session = self.session;
        let tree = BaseLayers::new(base, loaded, &session.store, &session.progress)
            .with_interrupt(&session.interrupt);
        let shared = self.request.cache.read.clone();
        let shared = shared.map(|repository| {
            SharedLayers::compared(session.client.clone(), repository, self.request.cache.verify)
        });
        let tree = tree.with_shared(shared.map(|shared| shared as Arc<dyn SharedIndexes>));
        if self.request.reads_base { tree.with_reach(Reach::All) } else { tree }
    }

    fn at_base(&self, error: BoxedError) -> BoxedError {
        match &self.request.settings.base {
            // A wrong name is the build file's; a registry's own error says all there is to say.
            Some(base) if error.kind() == crate::types::error::Kind::Input => {
                let hint = error.hint();
                at(self.request, base, error, hint)
            }
            Some(_) => hint_at_store(self.session, self.request, error),
            None => error,
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

    /// All layers in their order: those that are declared, then those of each artifact.
    fn drafts(&mut self, apps: Vec<ProposedApp<'_, 'r>>) -> Result<Vec<Draft<'r>>, BoxedError> {
        let users = self.owners.users();
        let mut drafts: Vec<Draft<'r>> = users.draft().into_iter().collect();
        for layer in &self.request.settings.layers {
            drafts.push(DeclaredLayer::new(self.request, self.scanner, &self.owners, layer).draft()?);
        }
        if drafts.is_empty() && apps.is_empty() {
            return Err(BuildError::Nothing.into());
        }
        let mut names = Vec::new();
        for mut app in apps {
            self.notes.append(&mut app.proposal.notes);
            self.warnings.append(&mut app.proposal.warnings);
            let (tables, root) = (&app.settings.permissions, app.proposal.app_root.clone());
            let of = format!("`{}`", shown_path(app.artifact.path()));
            let mut own = app.drafts(&mut names);
            let of = (&*of, root.as_ref());
            let request = (self.request, &self.session.interrupt);
            permissions::apply(request, &self.owners, tables, of, &mut own)?;
            drafts.append(&mut own);
        }
        self.check_accounts(&drafts)?;
        self.check_shared_paths(&drafts)?;
        if self.is_last {
            self.scanner.forget_items();
        }
        Ok(drafts)
    }

    /// Refuses a path of a `[[layer]]` that an artifact has too, unless it is a directory in both: the artifact lies above, and
    /// would hide the file in silence. A layer may replace files of those below, as layers of a system do.
    fn check_shared_paths(&self, drafts: &[Draft<'_>]) -> Result<(), BoxedError> {
        let mut declared: BTreeMap<&EntryPath, (&config::LayerSettings, bool)> = BTreeMap::new();
        for draft in drafts {
            if let DraftOrigin::Layer(layer) = draft.origin {
                declared
                    .extend(draft.entries.iter().map(|entry| (&entry.path, (layer, entry.is_directory()))));
            }
        }
        let own = drafts.iter().filter(|draft| matches!(draft.origin, DraftOrigin::App(_)));
        for draft in own.filter(|_| !declared.is_empty()) {
            for entry in &draft.entries {
                let Some((layer, is_directory)) = declared.get(&entry.path) else { continue };
                if *is_directory && entry.is_directory() {
                    continue;
                }
                let message = format!(
                    "the layer `{}` and the layer `{}` of an artifact both have `{}`",
                    layer.name.value.as_str(),
                    draft.name,
                    entry.path
                );
                let hint = "give one of them another place, or leave it out: with `exclude` of its `files`, or with \
                            `.packignore` in the artifact";
                return Err(self
                    .request
                    .settings
                    .error_at(layer.name.span, message, Some(hint.to_owned()))
                    .about(ErrorCode::PathConflict)
                    .into());
            }
        }
        Ok(())
    }

    /// Refuses a file of accounts in the place of the one that users are added to: it would hide them.
    fn check_accounts(&self, drafts: &[Draft<'_>]) -> Result<(), BoxedError> {
        let Some(user) = self.request.settings.users.first() else { return Ok(()) };
        let changed = AccountKind::ALL.into_iter().filter(|kind| self.owners.users().changes(*kind));
        for kind in changed {
            let is_it = |entry: &Entry| entry.path.as_bytes() == kind.file().as_bytes();
            let other = drafts
                .iter()
                .find(|draft| !matches!(draft.origin, DraftOrigin::Users) && draft.entries.iter().any(is_it));
            let Some(other) = other else { continue };
            let message = format!(
                "`[[user]]` adds to `/{}` of the base, and the layer `{}` has a file in its place",
                kind.file(),
                other.name
            );
            let hint = "write the user into that file, and remove `[[user]]`".to_owned();
            let error = self.request.settings.error_at(user.name.span, message, Some(hint));
            return Err(error.about(ErrorCode::PathConflict).into());
        }
        Ok(())
    }

    fn place<B: FileTree>(
        &mut self,
        drafts: Vec<Draft<'_>>,
        base: &mut B,
        base_layers: usize,
    ) -> Result<Vec<PlannedLayer>, BoxedError> {
        let mut layers = Vec::new();
        // The layers that are placed so far lie below the following ones, like the base.
        let mut placed: Vec<LayerSpec> = Vec::new();
        let mut own = drafts.iter().filter(|draft| !matches!(draft.origin, DraftOrigin::Removal)).count();
        for draft in drafts {
            let Draft { name, why, entries, owned, named, splitting, times, origin } = draft;
            let mut below = Stack { base: &mut *base, layers: &placed };
            let entries =
                plan::place(entries, |path| owned.contains(path), |path| named.contains(path), &mut below)
                    .map_err(|error| self.misplaced(error, &origin))?;
            let spec = match origin {
                DraftOrigin::Removal => removals(&name, entries),
                _ => LayerSpec::new(&name, entries),
            };
            let spec = spec.map_err(|error| match origin {
                DraftOrigin::Layer(layer) => {
                    DeclaredLayer::new(self.request, self.scanner, &self.owners, layer).malformed(error)
                }
                _ => BuildError::Spec(error).into(),
            })?;
            let split = match &splitting {
                Some(splitting) => {
                    self.split(spec, splitting, buckets::room(base_layers, own.saturating_sub(1)))
                }
                None => Split::Whole(spec),
            };
            if let Split::Parts(parts) = &split {
                own += parts.len().saturating_sub(1);
            }
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

    /// Why a layer cannot be placed: where the root of an application was chosen, that is where to look.
    fn misplaced(&self, error: PlaceError, origin: &DraftOrigin<'_>) -> BoxedError {
        let app = match origin {
            DraftOrigin::Layer(layer) => {
                return DeclaredLayer::new(self.request, self.scanner, &self.owners, layer).misplaced(error);
            }
            DraftOrigin::App(app) => Some(app),
            DraftOrigin::Removal | DraftOrigin::Users => None,
        };
        match (&error, app.and_then(|app| app.root.as_ref())) {
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
    fn split(&mut self, spec: LayerSpec, splitting: &SplitRequest, room: usize) -> Split {
        let wanted = splitting.wanted.unwrap_or_else(|| BucketCount::for_payload(spec.payload_size()));
        let count = wanted.within(room);
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
