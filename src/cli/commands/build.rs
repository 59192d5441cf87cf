//! `pack build`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::args::BuildArgs;
use super::super::error::{CommandError, ExitStatus};
use super::super::file::{OutputFile, check_replaceable};
use super::super::format;
use super::super::invocation::Invocation;
use super::super::outputs::{OutputFiles, OutputImage, OutputPaths, OutputSubject};
use super::super::summary::Summary;
use super::super::timings::{self, BuildRecord, HostMachine};
use super::super::view::explain::{self, Explanation};
use super::super::view::findings::{ToldNotes, findings};
use super::attest::{Attestations, secret_files};
use super::events;
use super::kept_session::KeptSession;
use super::refusal;
use super::request::{self, CommandRequest};
use crate::engine::{self, Report, Request, Target};
use crate::project::config;
use crate::project::lock::LockedBase;
use crate::types::shown::shown_path;

/// Builds and delivers.
///
/// # Errors
/// Whatever stopped it; no tag then resolves to anything new.
pub(super) fn run(invocation: &Invocation, args: &BuildArgs) -> Result<(), CommandError> {
    check_flags(args)?;
    let mut attestations = Attestations::new(invocation, &args.attest);
    let mut session = KeptSession::default();
    let DeliveredImage { report, summary, targets, written } =
        build(invocation, args, &mut attestations, &mut session)?;
    // The plan's memory is not needed again: to give it back piece by piece takes longer than to end.
    std::mem::forget(targets);
    // All of them in every build: what a build says of an image must not depend on the layers that the store has.
    for note in &report.notes {
        invocation.printer.note(note);
    }
    for warning in &report.warnings {
        invocation.printer.warning(warning);
    }
    findings(&invocation.printer, &report.findings, ToldNotes::Important);
    if args.cache_to {
        let written = format::count(report.cache_entries_written as u64, "entry");
        invocation.printer.detail(format!("the cache in the registry got {written}"));
    }
    if args.explain && !args.format.json {
        invocation.printer.message(explain::built(&report));
        invocation.printer.message("");
    }
    invocation.printer.report(&summary.text(invocation.printer.message_screen()));
    if args.format.json {
        let explanation = args.explain.then(|| Explanation::of(&report));
        invocation.printer.json(&BuildView { summary: &summary, explanation });
    } else {
        invocation.printer.result(summary.reference());
    }
    deliver_events(invocation, args, &session);
    written
}

/// Checks flags that are about other builds than that of one image.
///
/// # Errors
/// When there is one.
pub(super) fn check_flags(args: &BuildArgs) -> Result<(), CommandError> {
    if args.handed_on.results.is_none() {
        return Ok(());
    }
    let message = "`--results` is about the members of a workspace, and this is one image";
    Err(CommandError::usage(message)
        .hint("`--workspace` means all members, `-p NAME` some; for one image there is `--metadata-file`"))
}

/// An image that was built and is where it was wanted.
pub(super) struct DeliveredImage {
    /// The result.
    pub report: Report,
    /// A view of it.
    pub summary: Summary,
    /// Where it went.
    pub targets: Vec<Target>,
    /// Whether the files about the result were written.
    pub written: Result<(), CommandError>,
}

/// Builds once, delivers, and writes the lock and the files about the result. `session` stays open for the next build.
///
/// # Errors
/// Whatever stopped it; no tag then resolves to anything new.
pub(super) fn build(
    invocation: &Invocation,
    args: &BuildArgs,
    attestations: &mut Attestations<'_>,
    session: &mut KeptSession,
) -> Result<DeliveredImage, CommandError> {
    let paths = ResultPaths::of(invocation, args)?;
    let mut files_apart = paths.all();
    files_apart.iter().for_each(|(_, file)| invocation.files.want(&invocation.absolute(file)));
    files_apart.extend(secret_files(&args.attest));
    let mut asked = request::ask(invocation, &args.image, &files_apart)?;
    asked.request.allow_retag = args.retag.allow_retag;
    asked.request.settings.refuse_changes &= !args.allow_dirty;
    if args.cache_to {
        asked.write_cache(&args.image)?;
    }
    check_lock(&asked)?;
    paths.outputs.check(&[asked.expected_image()])?;
    asked.request.attest = attestations.request(&asked.request.settings, &asked.outputs)?;
    let files = paths.open(invocation)?;
    let session = session.open(invocation, &asked.request.settings)?;
    let targets = request::targets(invocation, &asked, session, &asked.outputs)?;
    let report = engine::build(session, &asked.request, &targets)
        .map_err(|error| refusal::explained(invocation, session, &asked.request.name, error))?;
    let unfinished = || CommandError::new(ExitStatus::Bug, "the build ended without an image");
    let summary = Summary::of(&report, invocation.started.elapsed()).ok_or_else(unfinished)?;
    // The image is where it was wanted. A later failure is reported, and changes nothing of that.
    invocation.printer.published(&summary.reference());
    if let Err(error) = write_lock(invocation, &asked, &report) {
        invocation.printer.late(&error);
    }
    let written = files.write(invocation, &asked, &report, &summary);
    Ok(DeliveredImage { report, summary, targets, written })
}

/// Delivers the events of a build that pushed.
pub(super) fn deliver_events(invocation: &Invocation, args: &BuildArgs, session: &KeptSession) {
    if args.image.all_outputs().contains(&"registry")
        && let Some(session) = session.session()
    {
        events::deliver(invocation, &session.client);
    }
}

/// The files about the result, and the one with the timings.
struct ResultPaths {
    outputs: OutputPaths,
    timings: Option<PathBuf>,
}

impl ResultPaths {
    fn of(invocation: &Invocation, args: &BuildArgs) -> Result<Self, CommandError> {
        Ok(Self {
            outputs: OutputPaths::of(invocation, &args.files, OutputSubject::Image)?,
            timings: args.timings.clone(),
        })
    }

    fn all(&self) -> Vec<(&'static str, &Path)> {
        let timings = self.timings.as_deref().map(|file| ("--timings", file));
        self.outputs.all().into_iter().chain(timings).collect()
    }

    fn open(&self, invocation: &Invocation) -> Result<ResultFiles, CommandError> {
        let timings = self.timings.as_ref().map(|file| OutputFile::open(invocation, file)).transpose()?;
        Ok(ResultFiles { outputs: self.outputs.open(invocation)?, timings })
    }
}

/// The same files, which can be written.
struct ResultFiles {
    outputs: OutputFiles,
    timings: Option<OutputFile>,
}

impl ResultFiles {
    /// Writes all of them.
    ///
    /// # Errors
    /// When one cannot be written: who reads it later must not take an old one, or none, for this build's.
    fn write(
        self,
        invocation: &Invocation,
        asked: &CommandRequest,
        report: &Report,
        summary: &Summary,
    ) -> Result<(), CommandError> {
        let images: Vec<OutputImage> = OutputImage::of(report).into_iter().collect();
        let mut errors = self.outputs.write(invocation, &images);
        if let (Some(file), Some(recorder)) = (self.timings, &invocation.recorder) {
            let jobs = invocation.jobs(Some(&asked.request.settings)).get();
            let (machine, elapsed) = (HostMachine::this(jobs), invocation.started.elapsed());
            let record = BuildRecord::new(machine, summary.reference(), elapsed, report, recorder.spans());
            let path = file.path().to_owned();
            let written = timings::file(&record, &path).map_err(|error| {
                CommandError::from_error(ExitStatus::Bug, &error).context("the timings cannot be shown")
            });
            match written.and_then(|bytes| file.write(invocation, &bytes)) {
                Ok(()) => invocation.printer.note(format!("where the time went: {}", shown_path(&path))),
                Err(error) => errors.push(error),
            }
        }
        let mut errors = errors.into_iter();
        let Some(first) = errors.next() else { return Ok(()) };
        errors.for_each(|more| invocation.printer.late(&more));
        Err(first.hint(format!("the image itself is done: `{}`", summary.reference())))
    }
}

/// The result as JSON.
#[derive(Serialize)]
pub(super) struct BuildView<'a> {
    /// The result.
    #[serde(flatten)]
    pub summary: &'a Summary,
    /// The reasons of what was reused, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation<'a>>,
}

/// Asks whether the lock can be written, where it is known that it must be.
///
/// # Errors
/// When it cannot.
pub(super) fn check_lock(asked: &CommandRequest) -> Result<(), CommandError> {
    let Request { settings, lock, .. } = &asked.request;
    let Some(path) = asked.lock_path.as_ref().filter(|_| !settings.locked) else { return Ok(()) };
    let Some(base) = settings.base.as_ref().filter(|base| base.value != config::BaseSetting::Scratch) else {
        return Ok(());
    };
    let locked = lock.as_ref().and_then(|lock| lock.get(&base.value.to_string()));
    if locked.is_some_and(LockedBase::is_consistent) {
        return Ok(());
    }
    check_replaceable(path).map_err(|error| {
        error.hint("a build writes it once; then `--locked` needs no place to write, or name no build file")
    })
}

/// Writes the lock if the build learned something, unless it must not change.
fn write_lock(invocation: &Invocation, asked: &CommandRequest, report: &Report) -> Result<(), CommandError> {
    let (Some(path), Some(found)) = (&asked.lock_path, &report.locked) else { return Ok(()) };
    if asked.request.settings.locked {
        return Ok(());
    }
    let old = asked.request.lock.clone().unwrap_or_default();
    let mut lock = old.clone();
    lock.update(found.clone());
    if lock.write(path)? {
        for change in old.changes(&lock) {
            invocation.printer.note(format!("build.lock: {change}"));
        }
    }
    Ok(())
}
