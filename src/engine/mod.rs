//! Building: the one place that walks the whole flow.
//!
//! [`prepare`] makes the plan. [`build`] executes it: layers that are not known are built, the image is
//! derived, and every destination gets what it lacks, while later layers are still being built. Where all
//! layers are known and a destination is current already, one question to it is all that happens.

pub mod base;
pub mod cache;
mod check;
mod declared;
mod deliver;
mod derive;
mod draft;
mod inputs;
mod layers;
mod making;
pub mod memo;
mod notes;
mod outcome;
pub mod own;
mod prepare;
mod report;
mod selection;
pub mod untrusted;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

pub use cache::CachePolicy;
use cache::{Lookups, NewEntry};
pub use check::CheckError;
pub use derive::Finished;
use derive::{finish, tags};
use inputs::Inputs;
use layers::Workbench;
use notes::Notes;
pub use outcome::{InputChange, Outcome};
use own::Own;
use prepare::prepare_with;
pub use prepare::{Prepared, project_of};
pub use report::{DestinationReport, ImageReport, LayerReport, Report};
pub use selection::SelectionError;

use crate::layer::scan::ScanError;
use crate::layer::{ContentError, EntryPathError, Scanner, SpecError};
use crate::project::config::{Facts, Settings};
use crate::project::lock::{Lock, LockedBase};
use crate::registry::Client;
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::runtime::observer::{Progress, Stage};
use crate::runtime::workers::Workers;
use crate::store::Store;
use crate::transport::Destination;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::platform::Platform;
use crate::types::reference::Repository;
use crate::types::shown::shown_path;

/// What a build works with. It is the same for every build of a process.
pub struct Context {
    /// The local store.
    pub store: Store,
    /// Registries.
    pub client: Client,
    /// Threads for reading, hashing and encoding.
    pub workers: Workers,
    /// Who is told.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
    /// When the process began, nanoseconds since the epoch. Decides only what caches trust.
    pub now: i64,
}

/// What is to be built.
pub struct Request {
    /// Settings, resolved.
    pub settings: Settings,
    /// Whether the settings have a build file that errors can point into.
    pub has_build_file: bool,
    /// What templates may use; `content` is filled in when it is known.
    pub facts: Facts,
    /// The lock beside the build file, if there is one.
    pub lock: Option<Lock>,
    /// Where the project lies.
    pub project: PathBuf,
    /// The repository that the image is named after.
    pub name: Repository,
    /// What is done with the cache in a registry.
    pub cache: CachePolicy,
    /// What is read and written besides the input.
    pub own: Own,
}

impl Request {
    /// What the lock says of the base.
    fn locked_base(&self) -> Option<&LockedBase> {
        let base = self.settings.base.as_ref()?;
        self.lock.as_ref()?.get(&base.value.to_string())
    }

    /// The time that stands for "now" in the image: `SOURCE_DATE_EPOCH`, else that of the commit, else one
    /// second after the epoch.
    #[must_use]
    pub fn time(&self) -> u64 {
        let git = self.facts.git.as_ref().map(|git| git.time);
        self.settings.source_date_epoch.or(git).unwrap_or(crate::layer::DEFAULT_MTIME)
    }
}

/// Why nothing can be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Neither an artifact nor a layer.
    #[error("there is nothing to build: neither an artifact nor a `[[layer]]`")]
    Nothing,
    /// `--locked`, and the base is not in the lock.
    #[error("`build.lock` does not pin the base `{0}`, and `--locked` forbids to change it")]
    NotLocked(String),
    /// A level that the encoder does not have.
    #[error("`{0}` is not a compression that can be written")]
    Level(String),
    /// Something to copy that is not there.
    #[error("cannot read `{}`: {source}", shown_path(path))]
    Missing {
        /// What.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A name that cannot be a path in an image.
    #[error(transparent)]
    Path(EntryPathError),
    /// Entries that are no layer.
    #[error(transparent)]
    Spec(SpecError),
    /// A file that cannot be read.
    #[error(transparent)]
    Content(ContentError),
    /// One file that is to be copied and cannot be.
    #[error(transparent)]
    OneFile(ScanError),
    /// What is known of a layer is not what it is.
    #[error("layer `{layer}` is remembered as {expected}, and building it gave {found}")]
    Poisoned {
        /// The layer.
        layer: String,
        /// From the memo or the cache in a registry.
        expected: String,
        /// Built.
        found: String,
    },
    /// `mtime = "content"` of an archive.
    #[error("`{}` is an archive, whose files can have no times of their contents", shown_path(.0))]
    ContentTime(PathBuf),
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// More layers than runtimes take.
    #[error("the image would have {0} layers, more than the 127 that overlay file systems stack")]
    TooManyLayers(usize),
    /// The layers of Windows have another form.
    #[error(
        "an image for {0} cannot be built: the layers of Windows have a form of their own, and pack makes those of Linux"
    )]
    Windows(Platform),
    /// A base for several platforms, none of which can be built for.
    #[error("the base `{base}` has images for {}, and none for linux", list(.offered))]
    NoLinux {
        /// The base.
        base: String,
        /// What it has.
        offered: Vec<Platform>,
    },
    /// What the base offers for one of its platforms is of no use.
    #[error("cannot build for {platform}, one of the platforms of the base: {error}")]
    OnePlatform {
        /// Which.
        platform: Platform,
        /// The others.
        others: Vec<Platform>,
        /// Why.
        error: BoxedError,
    },
    /// A thread of ours died.
    #[error("a worker thread panicked")]
    Panicked,
}

impl Explain for BuildError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotLocked(_) => Kind::Policy,
            Self::Interrupted(_) => Kind::Interrupted,
            Self::Panicked => Kind::Bug,
            _ => Kind::Input,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nothing => {
                "name one: `pack build target/app.war`, or write `[app] path` into build.toml".into()
            }
            Self::NotLocked(_) => {
                "run `pack build` without `--locked`, or `pack update`, and commit build.lock".into()
            }
            Self::Level(_) => "gzip has levels 1 to 9, zstd 1 to 19".into(),
            Self::Missing { source, path }
                if source.kind() == io::ErrorKind::NotFound && path.is_symlink() =>
            {
                "it is a symbolic link that leads nowhere".into()
            }
            Self::Missing { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "paths are relative to the directory of build.toml".into()
            }
            Self::Content(ContentError::Changed(_)) => {
                "wait until the artifact is finished, then build again".into()
            }
            Self::Windows(_) | Self::NoLinux { .. } => "use a base for linux".into(),
            Self::OnePlatform { others, .. } => {
                let others: Vec<String> = others.iter().map(|platform| format!("\"{platform}\"")).collect();
                format!("to build without it, write `platforms = [{}]` into `[image]`", others.join(", "))
            }
            Self::Content(ContentError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                "it was there when the build began: wait until the artifact is finished, then build again"
                    .into()
            }
            Self::OneFile(error) => match error {
                ScanError::Special { .. } => "`keep-modes = true` beside `from` takes it as it is".into(),
                ScanError::Socket { .. } => "give another path".into(),
                ScanError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                    "make it readable".into()
                }
                error => return error.hint(),
            },
            Self::Spec(SpecError::Whiteout { .. }) => "give it another name".into(),
            Self::Spec(_) => "give one of them another place".into(),
            Self::ContentTime(_) => "unpack it and name the directory, or write another `mtime`".into(),
            Self::Poisoned { .. } => "run `pack cache prune --all`: the cache was tampered with".into(),
            _ => return None,
        })
    }
}

fn list(platforms: &[Platform]) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A destination and how it likes to be fed.
pub struct Target {
    /// Where images go.
    pub destination: Arc<dyn Destination>,
    /// How many blobs it takes at a time.
    pub parallel: usize,
    /// Whether it is the local store.
    pub is_local: bool,
}

/// Builds what `request` asks for and delivers it to `targets`.
///
/// # Errors
/// When anything on the way fails. No tag then resolves to anything new, but for those of targets that
/// were finished before.
pub fn build(context: &Context, request: &Request, targets: &[Target]) -> Result<Report, BoxedError> {
    let _lease = context.store.lease();
    derive::check(request, &derive::early(&request.facts))?;
    // The targets are asked while the files are looked at.
    let mut looked = Looking::start(request, targets);
    let mut lookups = lookups(context, request)?;
    if inputs::is_new(&context.store, request) {
        lookups.begin();
    }
    let scanner = scanner(context, request);
    let mut inputs = Inputs::look(context, request, &scanner)?;
    let whole = match find_outcome(context, request, inputs.as_ref()) {
        Err(unknown) => unknown,
        Ok(outcome) => {
            let step = context.progress.step(Stage::Ask, "targets");
            looked.wait()?;
            let there = unchanged(*outcome, targets)?;
            drop(step);
            match there {
                Ok(report) => return Ok(report),
                Err(target) => Outcome::NotThere { target },
            }
        }
    };
    let planning = context.progress.step(Stage::Plan, "plan");
    let pool = context.workers.pool()?;
    let mut prepared = pool.install(|| prepare_with(context, request, &scanner, lookups))?;
    if let Some(inputs) = &mut inputs {
        inputs.decide(&prepared.plan);
    }
    check_layer_count(&prepared)?;
    drop(planning);
    let asking = context.progress.step(Stage::Ask, "targets");
    looked.wait()?;
    drop(asking);
    let (mut report, entries) = execute_or_start_over(context, request, &mut prepared, targets)?;
    report.outcome = whole;
    let is_written = write_cache(context, request, entries, &mut report);
    report.locked = prepared.locked.take();
    prepared.memos.save();
    if let Some(inputs) = inputs {
        learn(request, prepared.memos.notes(), inputs, &report, is_written);
    }
    Ok(report)
}

/// What looks at the trees of `request`.
#[must_use]
pub fn scanner(context: &Context, request: &Request) -> Scanner {
    Scanner::new(&context.workers).without(request.own.left_out())
}

/// Makes the plan.
///
/// # Errors
/// When the artifact, the base or a file cannot be read, or they do not suit each other.
pub fn prepare<'a>(
    context: &'a Context,
    request: &Request,
    scanner: &Scanner,
) -> Result<Prepared<'a>, BoxedError> {
    derive::check(request, &derive::early(&request.facts))?;
    let lookups = lookups(context, request)?;
    context.workers.pool()?.install(|| prepare_with(context, request, scanner, lookups))
}

/// Looks for finished layers where the request says.
fn lookups(context: &Context, request: &Request) -> Result<Lookups, BuildError> {
    let compression = prepare::compression(request.settings.compression)?;
    Ok(Lookups::new(&context.client, &request.cache, &request.name, compression))
}

/// What came of an earlier build of the same inputs, else why that is not known.
fn find_outcome(
    context: &Context,
    request: &Request,
    inputs: Option<&Inputs>,
) -> Result<Box<Report>, Outcome> {
    let inputs = inputs.ok_or(Outcome::NotPinned)?;
    let outcome = outcome(context, request, inputs);
    outcome.map(Box::new).ok_or_else(|| inputs.explain(&context.store, request))
}

/// Whether the outcome of a build of `request` is known without planning it: what `pack plan` can say of that
/// without asking the targets.
///
/// # Errors
/// When a file cannot be looked at.
pub fn look_up(context: &Context, request: &Request, scanner: &Scanner) -> Result<Outcome, BoxedError> {
    let inputs = Inputs::look(context, request, scanner)?;
    Ok(find_outcome(context, request, inputs.as_ref()).map_or_else(|unknown| unknown, |_| Outcome::Known))
}

/// Executes the plan. If the cache in a registry turns out to have said something wrong, nothing that it said is
/// believed: the plan is executed once more without. No tag was moved by then.
fn execute_or_start_over(
    context: &Context,
    request: &Request,
    prepared: &mut Prepared<'_>,
    targets: &[Target],
) -> Result<(Report, Vec<NewEntry>), BoxedError> {
    let error = match execute(context, request, prepared, targets) {
        Ok(done) => return Ok(done),
        Err(error) => error,
    };
    let Some(why) = prepared.distrust.take() else { return Err(error) };
    context.interrupt.check().map_err(BuildError::from)?;
    context.progress.warn(format!("the cache in the registry is wrong and is not used: {why}"));
    prepared.forget_cached();
    execute(context, request, prepared, targets)
}

/// Builds what is not known and delivers all; with the report comes what the cache in a registry may be told.
fn execute(
    context: &Context,
    request: &Request,
    prepared: &mut Prepared<'_>,
    targets: &[Target],
) -> Result<(Report, Vec<NewEntry>), BoxedError> {
    let mut report = Report::new(&prepared.plan);
    let bench = Workbench::new(context, request, prepared);
    if let Some(known) = layers::all_known(&prepared.plan) {
        let finished = finish(request, prepared, &known)?;
        deliver::deliver_known(context, prepared, &bench, &finished, targets, &mut report)?;
        report.finish(request, &finished);
        let writes = request.cache.write.is_some();
        let entries = if writes { bench.entries_of_known(&prepared.plan) } else { Vec::new() };
        return Ok((report, entries));
    }
    let (finished, entries) =
        deliver::build_and_deliver(context, request, prepared, &bench, targets, &mut report)?;
    report.finish(request, &finished);
    Ok((report, entries))
}

/// Tells the cache in a registry what this machine knows. Whether it knows all of it now; that it does not is no
/// reason for a finished build to fail.
fn write_cache(context: &Context, request: &Request, entries: Vec<NewEntry>, report: &mut Report) -> bool {
    let Some(repository) = &request.cache.write else { return true };
    match cache::write(&context.client, repository, &request.name, entries) {
        Ok(written) => {
            report.cache_entries_written = written;
            true
        }
        Err(error) => {
            context.progress.warn(format!("the cache cannot be written: {error}"));
            false
        }
    }
}

/// What came of an earlier build with the same inputs. One that the cache in a registry had a part in is taken
/// only by who would ask it again; and who writes to the cache takes none that did not write.
fn outcome(context: &Context, request: &Request, inputs: &Inputs) -> Option<Report> {
    let policy = &request.cache;
    let own = policy.write.is_none().then_some(None);
    let shared = policy.is_used().then_some(Some(policy));
    own.into_iter().chain(shared).find_map(|policy| {
        let key = inputs.key(request, request.locked_base(), policy)?;
        memo::outcome(&context.store, &key)
    })
}

/// Remembers what came of a build.
fn learn(request: &Request, notes: &mut Notes, inputs: Inputs, report: &Report, is_written: bool) {
    let locked = report.locked.as_ref().or(request.locked_base());
    let is_shared = report.has_layers_of_others();
    let own = (!is_shared).then_some(None);
    let has_part = is_shared || request.cache.write.is_some();
    let shared = (has_part && is_written).then_some(Some(&request.cache));
    for policy in own.into_iter().chain(shared) {
        if let Some(key) = inputs.key(request, locked, policy).filter(|_| inputs.are_settled()) {
            memo::learn_outcome(notes, key, report);
        }
    }
    inputs.remember(notes, request, locked, is_written);
}

/// The outcome of an earlier build of the same inputs, if all targets have it, else a target that has not.
fn unchanged(outcome: Report, targets: &[Target]) -> Result<Result<Report, String>, BoxedError> {
    let mut report = outcome;
    for target in targets {
        let is_current = match &report.digest {
            Some(digest) => target.destination.is_current(digest, &report.tags)?,
            None => false,
        };
        if !is_current {
            return Ok(Err(target.destination.name()));
        }
        report.current(target);
    }
    Ok(Ok(report))
}

/// The question to all targets what the tags mean there now, asked by a thread of its own.
struct Looking(Option<JoinHandle<Result<(), BoxedError>>>);

impl Looking {
    /// Asks, unless the tags depend on what is going to be built. Whoever fails before the answer comes does
    /// not wait for it.
    fn start(request: &Request, targets: &[Target]) -> Self {
        let elsewhere = targets.iter().filter(|target| !target.is_local);
        let destinations: Vec<_> = elsewhere.map(|target| Arc::clone(&target.destination)).collect();
        // A tag that is wrong is reported where it is used.
        let tags = tags(request, &request.facts).unwrap_or_default();
        if destinations.is_empty() || tags.is_empty() {
            return Self(None);
        }
        let ask = move || destinations.iter().try_for_each(|destination| destination.begin(&tags));
        Self(thread::Builder::new().name("looking".to_owned()).spawn(ask).ok())
    }

    /// Waits for the answer, the first time.
    fn wait(&mut self) -> Result<(), BoxedError> {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(BuildError::Panicked.into()),
        }
    }
}

/// overlayfs stacks 128 layers, of which a runtime needs one for itself.
fn check_layer_count(prepared: &Prepared<'_>) -> Result<(), BuildError> {
    for image in &prepared.plan.images {
        let base = image.base.as_ref().map_or(0, |base| base.layers.len());
        let all = base + image.layers.len();
        if all > 127 {
            return Err(BuildError::TooManyLayers(all));
        }
    }
    Ok(())
}

/// What `pack update --check` does: compares what the lock says of the base with the base's layers, which are read.
/// How many paths it says something of.
///
/// # Errors
/// When it says otherwise, or the layers cannot be read.
pub fn check_lock(context: &Context, request: &Request) -> Result<usize, BoxedError> {
    let _lease = context.store.lease();
    prepare::check_lock(context, request)
}

/// What `pack update` does: the base as it is now, with what the plan needs of it.
///
/// # Errors
/// As for [`prepare`].
pub fn lock(context: &Context, request: &Request) -> Result<Option<LockedBase>, BoxedError> {
    let _lease = context.store.lease();
    let scanner = scanner(context, request);
    let mut prepared = prepare(context, request, &scanner)?;
    let locked = prepared.locked.take();
    prepared.memos.save();
    Ok(locked)
}
