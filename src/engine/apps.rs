//! The artifacts of an image: what each `[app]` of the settings is and becomes, and whether they go together.
//!
//! Invariants: the artifacts of an image are those of all tables, in the order of the settings; none is left out in
//! silence, and no two have a place in common.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::draft::{Draft, DraftOrigin, OwnedDirectories, SplitRequest, Times};
use super::options::taken_of;
use super::owners::Owners;
use super::request::{Request, at};
use crate::artifact::{
    self, AppOptions, AppRoot, Artifact, ArtifactKind, ArtifactLayout, KINDS, Proposal, StartWay,
};
use crate::bases::FileTree;
use crate::layer::{EntryPath, Rules, Scanner, SiblingForm};
use crate::oci::ConfigFile;
use crate::plan;
use crate::plan::buckets::BucketCount;
use crate::project::config::{self, ConfigError, Diagnostic, Facts, KindName, Settings, Spanned};
use crate::types::error::{BoxedError, Explain as _, nearest};
use crate::types::error_code::ErrorCode;
use crate::types::shown::Foreign;

/// Refuses kinds of artifacts that are in no table. All of them are reported together.
///
/// # Errors
/// When there is such a kind.
pub fn check_kinds(settings: &Settings) -> Result<(), ConfigError> {
    let written = settings.apps.iter().filter_map(|app| app.kind.as_ref());
    let unknown: Vec<Diagnostic> = written.filter_map(|kind| kind_of(kind).err()).collect();
    if unknown.is_empty() { Ok(()) } else { Err(settings.sources.error(unknown)) }
}

/// The kind that was written.
fn kind_of(written: &Spanned<KindName>) -> Result<&'static dyn ArtifactKind, Diagnostic> {
    let name = written.as_str();
    artifact::kind_named(name).ok_or_else(|| {
        let names = KINDS.iter().map(|kind| kind.name());
        let hint = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the kinds are {}", names.collect::<Vec<_>>().join(", ")),
        };
        let message = format!("unknown kind of artifact `{name}`");
        Diagnostic::of(written.span, message, Some(hint))
    })
}

/// An `[app]` with what its paths are: one artifact, or one for each platform.
pub(super) struct DetectedApp<'r> {
    pub(super) settings: &'r config::AppSettings,
    pub(super) artifacts: Vec<Artifact>,
}

/// Looks at all artifacts that the settings name.
pub(super) fn detect<'r>(request: &'r Request, scratch: &Path) -> Result<Vec<DetectedApp<'r>>, BoxedError> {
    request.settings.apps.iter().map(|app| detect_app(request, app, scratch)).collect()
}

fn detect_app<'r>(
    request: &'r Request,
    app: &'r config::AppSettings,
    scratch: &Path,
) -> Result<DetectedApp<'r>, BoxedError> {
    let kind = match &app.kind {
        Some(written) => {
            let unknown = |unknown| request.settings.sources.error(vec![unknown]);
            Some(kind_of(written).map_err(unknown)?)
        }
        None => None,
    };
    let mut artifacts = Vec::new();
    for path in app.paths.as_slice() {
        check_choice(request, app, path)?;
        let detected = match kind {
            Some(kind) => artifact::detect_as(path.value.path(), kind, scratch),
            None => artifact::detect(path.value.path(), scratch),
        };
        let artifact = detected.map_err(|error| {
            let hint = error.hint();
            at(request, path, error.into(), hint)
        })?;
        check_layout(request, app, &artifact)?;
        check_start(request, app, &artifact)?;
        check_siblings(request, app, &artifact)?;
        artifacts.push(artifact);
    }
    Ok(DetectedApp { settings: app, artifacts })
}

/// Globs choose from a directory; from an archive or a program they would choose nothing, without a word.
fn check_choice(
    request: &Request,
    app: &config::AppSettings,
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

/// A layout is for kinds that have a choice of them.
fn check_layout(request: &Request, app: &config::AppSettings, artifact: &Artifact) -> Result<(), BoxedError> {
    let Some(written) = &app.layout else { return Ok(()) };
    if artifact.kind.layouts().contains(&layout_of(written.value)) {
        return Ok(());
    }
    let message = format!("`layout` has no meaning for {}", artifact.kind.describe());
    Err(request.settings.error_at(written.span, message, Some("remove it".to_owned())).into())
}

/// A way to start is for kinds that have a choice of them.
fn check_start(request: &Request, app: &config::AppSettings, artifact: &Artifact) -> Result<(), BoxedError> {
    let Some(written) = &app.start else { return Ok(()) };
    if artifact.kind.starts().contains(&start_of(written.value)) {
        return Ok(());
    }
    let message = format!("`start` has no meaning for {}", artifact.kind.describe());
    let hint = "remove it; `entrypoint` in `[config]` says how the image starts".to_owned();
    Err(request.settings.error_at(written.span, message, Some(hint)).into())
}

/// Siblings are for files that a web server sends.
fn check_siblings(
    request: &Request,
    app: &config::AppSettings,
    artifact: &Artifact,
) -> Result<(), BoxedError> {
    let Some(written) = app.precompress.first().filter(|_| !artifact.kind.has_pages()) else { return Ok(()) };
    let message = format!("`precompress` has no meaning for {}", artifact.kind.describe());
    Err(request.settings.error_at(written.span, message, Some("remove it".to_owned())).into())
}

/// The forms of siblings that the settings want.
pub(super) fn sibling_forms(app: &config::AppSettings) -> BTreeSet<SiblingForm> {
    let form = |written: &Spanned<config::SiblingSetting>| match written.value {
        config::SiblingSetting::Gzip => SiblingForm::Gzip,
        config::SiblingSetting::Zstd => SiblingForm::Zstd,
    };
    app.precompress.iter().map(form).collect()
}

const fn start_of(written: config::StartSetting) -> StartWay {
    match written {
        config::StartSetting::Script => StartWay::Script,
        config::StartSetting::Java => StartWay::Java,
    }
}

const fn layout_of(written: config::Layout) -> ArtifactLayout {
    match written {
        config::Layout::Extracted => ArtifactLayout::Extracted,
        config::Layout::Exploded => ArtifactLayout::Exploded,
        config::Layout::Packaged => ArtifactLayout::Packaged,
    }
}

/// The facts of the request, and the version that the first artifact says that says one, unless a name did.
pub(super) fn facts(request: &Request, apps: &[DetectedApp<'_>]) -> Result<Facts, BoxedError> {
    let mut facts = request.facts.clone();
    for artifact in apps.iter().flat_map(|app| &app.artifacts) {
        if facts.version.is_some() {
            break;
        }
        let version = artifact::version(artifact)?;
        facts.version = version.value;
        facts.version_sought.extend(version.looked_at);
    }
    let mut seen = BTreeSet::new();
    facts.version_sought.retain(|place| seen.insert(place.clone()));
    Ok(facts)
}

/// An artifact in an image.
pub(super) struct ProposedApp<'a, 'r> {
    pub(super) settings: &'r config::AppSettings,
    pub(super) artifact: &'a Artifact,
    pub(super) options: AppOptions,
    pub(super) proposal: Proposal,
    times: Times,
}

impl<'a, 'r> ProposedApp<'a, 'r> {
    /// The proposal for `artifact` on a base with the configuration `base`.
    pub(super) fn new(
        request: &'r Request,
        settings: &'r config::AppSettings,
        artifact: &'a Artifact,
        base: Option<&ConfigFile>,
        scanner: &Scanner,
        owners: &Owners,
    ) -> Result<Self, BoxedError> {
        let (seconds, times) = Times::of(request, settings.mtime.as_ref());
        let owner = settings.owner.as_ref().map(|owner| owners.of(request, owner)).transpose()?;
        let mut options = options_of(settings, seconds, owner);
        let config = &request.settings.config;
        options.has_entrypoint = config.entrypoint.is_some();
        if let Some(entrypoint) = &config.entrypoint {
            let words = entrypoint.value.as_slice();
            let cmd = config.cmd.as_ref().map(|cmd| cmd.value.as_slice()).unwrap_or_default();
            options.command = [words, cmd].concat();
        }
        options.directory = config.workdir.as_ref().map(|directory| directory.value.as_str().to_owned());
        let proposal = artifact::propose(artifact, &options, base, scanner)?;
        Ok(Self { settings, artifact, options, proposal, times })
    }

    /// Whether it says how the image is started.
    const fn decides_start(&self) -> bool {
        self.proposal.entrypoint.is_some() || self.proposal.cmd.is_some()
    }

    /// Its name in the settings and where it is written, for messages.
    fn told(&self, request: &Request) -> String {
        let path = self.path();
        let location = request.settings.sources.location(path.span);
        match location.as_str() {
            "" => format!("`{}`", path.value.written()),
            location => format!("`{}` ({location})", path.value.written()),
        }
    }

    /// Where errors about it point.
    fn span(&self) -> config::Span {
        self.path().span
    }

    /// As it is written in the settings.
    fn path(&self) -> &'r Spanned<config::DiskPath> {
        let paths = self.settings.paths.as_slice();
        paths.iter().find(|path| path.value.path() == self.artifact.path()).unwrap_or(&paths[0])
    }

    /// How many buckets the user wants; `None` leaves it to the size.
    fn wanted_buckets(&self) -> Option<BucketCount> {
        match self.settings.buckets.as_ref()?.value {
            config::Buckets::Auto => None,
            config::Buckets::Number(number) => Some(BucketCount::at_most(number.into())),
        }
    }

    /// Its layers. `taken` are the names of layers of artifacts before it.
    pub(super) fn drafts(self, taken: &mut Vec<String>) -> Vec<Draft<'r>> {
        let wanted = self.wanted_buckets();
        let Self { settings, proposal, times, .. } = self;
        let app_root = proposal.app_root;
        let drafts = proposal.layers.into_iter().map(|layer| {
            let owned =
                app_root.clone().map_or_else(|| OwnedDirectories::Some([].into()), OwnedDirectories::From);
            let splitting = SplitRequest { wanted, root: app_root.clone() };
            let name = unique(layer.name, taken);
            taken.push(name.clone());
            Draft {
                name,
                why: layer.why,
                entries: layer.entries,
                owned,
                // A program or an archive is put there as it is.
                named: app_root.iter().cloned().collect(),
                splitting: layer.is_divisible.then_some(splitting),
                times,
                origin: DraftOrigin::App(settings),
            }
        });
        drafts.collect()
    }
}

/// `app`, and `app-2` for the next layer of that name.
fn unique(name: String, taken: &[String]) -> String {
    if !taken.contains(&name) {
        return name;
    }
    let mut numbered = (2_usize..).map(|number| format!("{name}-{number}"));
    numbered.find(|numbered| !taken.contains(numbered)).unwrap_or(name)
}

/// How the artifacts of an image want it to start.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) workdir: Option<String>,
    /// The programs that may be meant, where an artifact does not tell which.
    pub(super) programs: Vec<String>,
}

impl Start {
    /// The variables that any of the artifacts wants, and the directory of the only one that wants one.
    fn around(apps: &[&ProposedApp<'_, '_>]) -> Self {
        let mut start = Self::default();
        for app in apps {
            start.programs.extend(app.proposal.programs.iter().cloned());
            for (name, value) in &app.proposal.env {
                start.env.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let workdir = |app: &&ProposedApp<'_, '_>| Some(absolute(app.proposal.workdir.as_ref()?));
        let workdirs: Vec<String> = apps.iter().filter_map(workdir).collect();
        if let [workdir] = &workdirs[..] {
            start.workdir = Some(workdir.clone());
        }
        start
    }
}

/// A path of the image as its configuration has it.
fn absolute(path: &EntryPath) -> String {
    format!("/{}", String::from_utf8_lossy(path.as_bytes()))
}

/// How the artifacts start the image: one of them at most decides, unless the settings have an entrypoint.
pub(super) fn start(request: &Request, apps: &[ProposedApp<'_, '_>]) -> Result<Start, BoxedError> {
    let deciding: Vec<&ProposedApp<'_, '_>> = apps.iter().filter(|app| app.decides_start()).collect();
    match deciding[..] {
        [] => Ok(Start::around(&apps.iter().collect::<Vec<_>>())),
        [app] => {
            check_served(request, app, apps)?;
            Ok(Start {
                entrypoint: app.proposal.entrypoint.clone(),
                cmd: app.proposal.cmd.clone(),
                ..Start::around(&[app])
            })
        }
        [first, second, ..] => {
            if request.settings.config.entrypoint.is_some() {
                return Ok(Start::around(&apps.iter().collect::<Vec<_>>()));
            }
            let message =
                format!("both {} and {} say how the image starts", first.told(request), second.told(request));
            let hint = "write the one to start as `entrypoint` into `[config]`".to_owned();
            Err(error_at(request, second, message, hint))
        }
    }
}

/// The note about options for Java in a variable that only scripts of servers read, where Java itself starts the image.
pub(super) fn unread_options(request: &Request, start: &Start) -> Option<String> {
    const OF_SCRIPTS: [&str; 3] = ["JAVA_OPTS", "CATALINA_OPTS", "JAVA_OPTIONS"];
    let config = &request.settings.config;
    let set = config.entrypoint.as_ref().map(|words| words.value.as_slice());
    let program = set.or(start.entrypoint.as_deref())?.first()?;
    if program.rsplit('/').next() != Some("java") {
        return None;
    }
    let name = OF_SCRIPTS.iter().find(|name| config.env.iter().any(|(key, _)| key.as_str() == **name))?;
    Some(format!(
        "`config.env` has `{name}`, which Java does not read: it reads `JAVA_TOOL_OPTIONS`, and from version 9 on \
         `JDK_JAVA_OPTIONS`"
    ))
}

/// The note about the start of the base that an artifact replaces by an interpreter of its own choice, where that start does more
/// than to run an interpreter or a shell.
pub(super) fn replaced_start(
    request: &Request,
    start: &Start,
    config: Option<&ConfigFile>,
) -> Option<String> {
    if request.settings.config.entrypoint.is_some() {
        return None;
    }
    let program = start.entrypoint.as_deref()?.first()?;
    let is_interpreter =
        |name: &str| ["node", "java"].contains(&name) || name.strip_prefix("python").is_some_and(is_version);
    if !is_interpreter(program_name(program)) {
        return None;
    }
    let run = config?.config.as_ref()?;
    let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let (entrypoint, cmd) = (words(&run.entrypoint), words(&run.cmd));
    let (what, lost) = if entrypoint.is_empty() { ("command", &cmd) } else { ("entrypoint", &entrypoint) };
    let (first, arguments) = lost.split_first()?;
    let name = program_name(first);
    let only_runs = (is_interpreter(name) || ["sh", "bash", "ash", "jshell"].contains(&name))
        && arguments.iter().all(|argument| argument.starts_with('-'));
    // Those of official images, which start an application as it is.
    let is_passed_through = (entrypoint == ["docker-entrypoint.sh"] && cmd == ["node"])
        || entrypoint == ["/__cacert_entrypoint.sh"];
    if only_runs || is_passed_through {
        return None;
    }
    Some(format!(
        "`{program}` starts the image in place of the base's {what} `{}`; `entrypoint` in `[config]` can name both",
        Foreign::new(&lost.join(" "))
    ))
}

fn program_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_version(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Refuses an artifact that starts the image itself beside one that a server of the base must run: the server would not
/// start.
fn check_served(
    request: &Request,
    starting: &ProposedApp<'_, '_>,
    apps: &[ProposedApp<'_, '_>],
) -> Result<(), BoxedError> {
    if request.settings.config.entrypoint.is_some() {
        return Ok(());
    }
    let served = apps.iter().find_map(|app| Some((app, app.proposal.served_by.as_ref()?)));
    let Some((served, server)) = served else { return Ok(()) };
    let message = format!(
        "{} needs {server} of the base, which does not start: {} is started in its place",
        served.told(request),
        starting.told(request)
    );
    let hint = "write into `[config]` what to start as `entrypoint`, such as a script that starts both, or build two images";
    Err(error_at(request, starting, message, hint.to_owned()))
}

/// Refuses artifacts whose places in the image are the same or lie in each other, behind the links of the base.
pub(super) fn check_apart<B: FileTree>(
    request: &Request,
    apps: &[ProposedApp<'_, '_>],
    base: &mut B,
) -> Result<(), BoxedError> {
    let mut places: Vec<(Option<EntryPath>, &ProposedApp<'_, '_>)> = Vec::new();
    if apps.len() < 2 {
        return Ok(());
    }
    for app in apps {
        let place = match &app.proposal.app_root {
            Some(root) => Some(real_place(root, base)?),
            None => None,
        };
        let overlaps = |(other, _): &&(Option<EntryPath>, _)| match (other, &place) {
            (Some(other), Some(place)) => place.starts_with(other) || other.starts_with(place),
            // The image's root has everything below it.
            _ => true,
        };
        if let Some((other_place, other)) = places.iter().find(overlaps) {
            let shown = |place: &Option<EntryPath>| {
                place.as_ref().map_or_else(|| "the image's root".to_owned(), |place| format!("`{place}`"))
            };
            let message = format!(
                "{} goes to {} and {} to {}: the places of artifacts may not overlap",
                other.told(request),
                shown(other_place),
                app.told(request),
                shown(&place)
            );
            let hint = "give one of them another `root`, or copy it with a `[[layer]]`".to_owned();
            let error = request.settings.error_at(app.span(), message, Some(hint));
            return Err(error.about(ErrorCode::PathConflict).into());
        }
        places.push((place, app));
    }
    Ok(())
}

/// Where `root` really is: behind the links above it.
fn real_place<B: FileTree>(root: &EntryPath, base: &mut B) -> Result<EntryPath, BoxedError> {
    let Some(parent) = root.parent() else {
        return Ok(plan::real_directory(root, base)?.unwrap_or_else(|| root.clone()));
    };
    // A program is no directory, and nothing else is there where it goes.
    if let Some(real) = plan::real_directory(root, base)? {
        return Ok(real);
    }
    let parent = plan::real_directory(&parent, base)?.unwrap_or(parent);
    Ok(parent.join(root.file_name()).unwrap_or_else(|_| root.clone()))
}

fn error_at(request: &Request, app: &ProposedApp<'_, '_>, message: String, hint: String) -> BoxedError {
    request.settings.error_at(app.span(), message, Some(hint)).into()
}

/// The options of an artifact whose files have this time and owner.
fn options_of(app: &config::AppSettings, mtime: u64, owner: Option<(u64, u64)>) -> AppOptions {
    let rules = Rules {
        file_mode: app.mode.as_ref().map(|mode| mode.value.bits()),
        owner,
        mtime,
        ..Rules::default()
    };
    AppOptions {
        layout: app.layout.as_ref().map(|layout| layout_of(layout.value)),
        start: app.start.as_ref().map(|start| start_of(start.value)),
        root: app.root.as_ref().map(|root| match root.value.entry() {
            Some(path) => AppRoot::At(path.clone()),
            None => AppRoot::Image,
        }),
        into_root: app.root.as_ref().is_some_and(|root| root.value.has_trailing_slash()),
        rules,
        ..taken_of(app)
    }
}
