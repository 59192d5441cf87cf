//! `pack build` of several members, in one run.

use super::super::super::args::BuildArgs;
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::file::OutputFile;
use super::super::super::format;
use super::super::super::invocation::Invocation;
use super::super::super::outputs::{ExpectedImage, OutputImage, OutputPaths, OutputSubject};
use super::super::super::summary::Summary;
use super::super::super::timings::{self, BuildRecord, HostMachine};
use super::super::super::view::explain;
use super::super::super::view::workspace::{MemberView, RunView};
use super::super::attest::{Attestations, secret_files};
use super::super::build::check_lock;
use super::super::events;
use super::super::refusal;
use super::super::request::{self, CommandRequest, with_git};
use super::chosen::ChosenMembers;
use super::results::{MemberNumbers, run_results};
use super::told::ToldMessages;
use crate::engine::{Job, OnFailure, Outcome, RefusedImage, Report, Target};
use crate::project::git;
use crate::project::results::{MemberEnd, RunResults};
use crate::transport::taken_tag::TakenTag;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};
use crate::types::reference::Repository;
use crate::types::secret::redact_message;
use crate::types::shown::shown_path;

/// The result for one member.
enum MemberResult {
    Ended(Box<Report>),
    Failed(CommandError),
    Stopped,
    NotStarted,
}

impl MemberResult {
    fn report(&self) -> Option<&Report> {
        match self {
            Self::Ended(report) => Some(report),
            Self::Failed(_) | Self::Stopped | Self::NotStarted => None,
        }
    }
}

/// Builds and delivers the members that the flags name. The exit code is that of the first member, in their order, that
/// failed.
///
/// # Errors
/// Whatever is wrong with the command or the workspace as a whole.
pub(in super::super) fn run(invocation: &Invocation, args: &BuildArgs) -> Result<ExitStatus, CommandError> {
    let paths = OutputPaths::of(invocation, &args.files, OutputSubject::Members)?;
    let handed_on = args.handed_on.results.as_deref();
    let mut written = paths.all();
    written.extend(handed_on.map(|file| ("--results", file)));
    written.extend(args.timings.as_deref().map(|file| ("--timings", file)));
    written.iter().for_each(|(_, file)| invocation.files.want(&invocation.absolute(file)));
    written.extend(secret_files(&args.attest));
    let mut chosen = ChosenMembers::choose(invocation, &args.image, &args.workspace, &written)?;
    let mut attestations = Attestations::new(invocation, &args.attest);
    for asked in chosen.members.iter_mut().filter_map(|member| member.asked.as_mut().ok()) {
        asked.request.attest = attestations.request(&asked.request.settings, &asked.outputs)?;
        asked.request.allow_retag = args.retag.allow_retag;
        asked.request.settings.refuse_changes &= !args.allow_dirty;
        if args.cache_to {
            asked.write_cache(&args.image)?;
        }
    }
    let expected: Vec<ExpectedImage> = chosen.requests().map(|(_, asked)| asked.expected_image()).collect();
    paths.check(&expected)?;
    let files = paths.open(invocation)?;
    let handed_on = handed_on.map(|file| OutputFile::open(invocation, file)).transpose()?;
    let timings = args.timings.as_ref().map(|file| OutputFile::open(invocation, file)).transpose()?;
    let results = MemberBuilds { invocation, args, chosen: &chosen }.results()?;
    let view = view(invocation, &chosen, &results);
    for reference in view.references() {
        invocation.printer.published(&reference);
    }
    if let Err(error) = write_lock(invocation, &chosen, &results) {
        invocation.printer.late(&error);
    }
    // A document of all reports is large: it is made only where it is asked for.
    let images: Vec<OutputImage> = match paths.all().is_empty() {
        true => Vec::new(),
        false => results.iter().filter_map(MemberResult::report).filter_map(OutputImage::of).collect(),
    };
    let mut errors = files.write(invocation, &images);
    let document =
        (handed_on.is_some() || args.format.json).then(|| document(invocation, &chosen, &results, &view));
    if let Some((file, document)) = handed_on.zip(document.as_ref()) {
        let mut bytes = Vec::new();
        // Memory takes it.
        let _ = format::write_json(document, &mut bytes);
        errors.extend(file.write(invocation, &bytes).err());
    }
    if let Some(file) = timings {
        errors.extend(write_timings(invocation, &chosen, &results, file).err());
    }
    tell(invocation, args, &chosen, &results, &view, document.as_ref());
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(status(invocation, &results)) };
    errors.for_each(|more| invocation.printer.late(&more));
    Err(first.hint("the images themselves are done where they are listed"))
}

/// The members that are built.
struct MemberBuilds<'a> {
    invocation: &'a Invocation,
    args: &'a BuildArgs,
    chosen: &'a ChosenMembers,
}

impl MemberBuilds<'_> {
    /// Builds them, and says how each ended. A fault that is known before the first begins keeps all from beginning, unless
    /// the others are to go on.
    fn results(&self) -> Result<Vec<MemberResult>, CommandError> {
        let mut results: Vec<MemberResult> = self
            .chosen
            .members
            .iter()
            .map(|member| match &member.asked {
                Ok(_) => MemberResult::NotStarted,
                Err(error) => MemberResult::Failed(error.clone()),
            })
            .collect();
        let is_wrong =
            |results: &[MemberResult]| results.iter().any(|result| matches!(result, MemberResult::Failed(_)));
        let Some((_, first)) = self.chosen.requests().next() else { return Ok(results) };
        if is_wrong(&results) && !self.args.keep_going {
            return Ok(results);
        }
        self.chosen.requests().try_for_each(|(_, asked)| check_lock(asked))?;
        let session = self.invocation.session(&first.request.settings)?;
        let mut begun: Vec<(usize, &CommandRequest, Vec<Target>)> = Vec::new();
        for (number, member) in self.chosen.members.iter().enumerate() {
            let Ok(asked) = &member.asked else { continue };
            match request::targets(self.invocation, asked, &session, &asked.outputs) {
                Ok(targets) => begun.push((number, asked, targets)),
                Err(error) => results[number] = MemberResult::Failed(error),
            }
        }
        if is_wrong(&results) && !self.args.keep_going {
            return Ok(results);
        }
        let jobs: Vec<Job<'_>> =
            begun.iter().map(|(_, asked, targets)| Job { request: &asked.request, targets }).collect();
        let on_failure = if self.args.keep_going { OnFailure::GoOn } else { OnFailure::StartNoMore };
        let report = session.run(&jobs, on_failure);
        drop(jobs);
        let finished =
            FinishedImages::of(begun.iter().zip(&report.images).filter_map(|((number, ..), result)| {
                Some((&*self.chosen.members[*number].name, result.as_ref().ok()?))
            }));
        for (((number, asked, _), result), has_begun) in begun.iter().zip(report.images).zip(report.begun) {
            results[*number] = match result {
                Ok(report) => MemberResult::Ended(Box::new(report)),
                Err(_) if !has_begun => MemberResult::NotStarted,
                Err(error) if error.kind() == Kind::Interrupted => MemberResult::Stopped,
                Err(error) => {
                    let name = &asked.request.name;
                    let hint = finished.hint(name, &error);
                    let error = refusal::explained(self.invocation, &session, name, error);
                    MemberResult::Failed(hint.into_iter().fold(error, CommandError::hint))
                }
            };
        }
        if self.args.image.all_outputs().contains(&"registry") {
            events::deliver(self.invocation, &session.client);
        }
        // To give the memory back piece by piece takes longer than to end.
        std::mem::forget(begun);
        Ok(results)
    }
}

/// The images of a run that are finished, by the members that they belong to.
struct FinishedImages(Vec<(String, Repository, Digest)>);

impl FinishedImages {
    fn of<'r>(reports: impl Iterator<Item = (&'r str, &'r Report)>) -> Self {
        let image = |(member, report): (&str, &Report)| {
            Some((member.to_owned(), report.name.clone()?, report.digest?))
        };
        Self(reports.filter_map(image).collect())
    }

    /// The member that took a tag in this run: one repository can be reached under two names of its registry.
    fn hint(&self, name: &Repository, error: &BoxedError) -> Option<String> {
        let taken =
            RefusedImage::behind(error).map(|refused| &refused.taken).or_else(|| TakenTag::behind(error))?;
        let is_it = |(_, other, digest): &&(String, Repository, Digest)| {
            *digest == taken.found && other.path() == name.path()
        };
        let (member, other, _) = self.0.iter().find(is_it)?;
        Some(format!(
            "the member `{member}` pushed that image in this run: `{other}` and `{name}` are one repository, so give each \
             member a `name` of its own in its `[image]`"
        ))
    }
}

fn view(invocation: &Invocation, chosen: &ChosenMembers, results: &[MemberResult]) -> RunView {
    let elapsed = invocation.started.elapsed();
    let members = chosen.members.iter().zip(results).map(|(member, result)| {
        let (end, image, error) = match result {
            MemberResult::Ended(report) => match Summary::of(report, elapsed) {
                Some(summary) if report.outcome == Outcome::Known => {
                    (MemberEnd::Unchanged, Some(summary), None)
                }
                Some(summary) => (MemberEnd::Built, Some(summary), None),
                None => (MemberEnd::Failed, None, Some("the build ended without an image".to_owned())),
            },
            MemberResult::Failed(error) => {
                let text = error.chain.join(": ");
                (MemberEnd::Failed, None, Some(redact_message(&text).into_owned()))
            }
            MemberResult::Stopped => (MemberEnd::Stopped, None, None),
            MemberResult::NotStarted => (MemberEnd::NotStarted, None, None),
        };
        let (policy, code) = match result {
            MemberResult::Failed(error) => (error.refusal.clone(), error.code),
            _ => (None, None),
        };
        let why = member.why.as_ref().map(ToString::to_string);
        MemberView {
            member: member.name.clone(),
            path: member.place.clone(),
            end,
            why,
            image,
            error,
            code,
            policy,
        }
    });
    RunView { members: members.collect(), left_out: chosen.left_out.clone(), elapsed }
}

/// Writes where the time of the run went.
fn write_timings(
    invocation: &Invocation,
    chosen: &ChosenMembers,
    results: &[MemberResult],
    file: OutputFile,
) -> Result<(), CommandError> {
    let Some(recorder) = &invocation.recorder else { return Ok(()) };
    let settings = chosen.requests().next().map(|(_, asked)| &asked.request.settings);
    let machine = HostMachine::this(invocation.jobs(settings).get());
    let members = chosen.members.iter().zip(results);
    let reports: Vec<(Option<&str>, &Report)> =
        members.filter_map(|(member, result)| Some((Some(&*member.name), result.report()?))).collect();
    let record = BuildRecord::of_run(machine, invocation.started.elapsed(), &reports, recorder.spans());
    let path = file.path().to_owned();
    let bytes = timings::file(&record, &path).map_err(|error| {
        CommandError::from_error(ExitStatus::Bug, &error).context("the timings cannot be shown")
    })?;
    file.write(invocation, &bytes)?;
    invocation.printer.note(format!("where the time went: {}", shown_path(&path)));
    Ok(())
}

/// The results of the run, for other machines and for the next run.
fn document(
    invocation: &Invocation,
    chosen: &ChosenMembers,
    results: &[MemberResult],
    view: &RunView,
) -> RunResults {
    let answer = with_git(invocation, Some(&chosen.lock_path), chosen.is_untrusted, |around| {
        git::facts(&chosen.root, around)
    });
    let numbers: Vec<MemberNumbers<'_>> = results
        .iter()
        .map(|result| MemberNumbers {
            report: result.report(),
            failed: match result {
                MemberResult::Failed(error) => Some(error.status),
                MemberResult::Ended(_) | MemberResult::Stopped | MemberResult::NotStarted => None,
            },
        })
        .collect();
    // The members have asked before, and said what was wrong.
    let commit = answer.ok().and_then(|answer| answer.facts).map(|facts| facts.commit);
    run_results(&chosen.share, commit, view, &numbers, status(invocation, results), chosen.is_locked())
}

/// Writes what the finished members learned of their bases into the lock, at once.
fn write_lock(
    invocation: &Invocation,
    chosen: &ChosenMembers,
    results: &[MemberResult],
) -> Result<(), CommandError> {
    let old = chosen.lock.clone().unwrap_or_default();
    let mut lock = old.clone();
    for result in results {
        if let Some(found) = result.report().and_then(|report| report.locked.as_ref()) {
            lock.update(found.clone());
        }
    }
    if !chosen.is_locked() && lock != old && lock.write(&chosen.lock_path)? {
        for change in old.changes(&lock) {
            invocation.printer.note(format!("build.lock: {change}"));
        }
    }
    Ok(())
}

fn tell(
    invocation: &Invocation,
    args: &BuildArgs,
    chosen: &ChosenMembers,
    results: &[MemberResult],
    view: &RunView,
    document: Option<&RunResults>,
) {
    let printer = &invocation.printer;
    let mut told = ToldMessages::default();
    for (member, result) in chosen.members.iter().zip(results) {
        match result {
            MemberResult::Ended(report) => {
                told.of(&member.name, &report.notes, &report.warnings, &report.findings);
                if args.explain && !args.format.json {
                    printer.message(format!("{}:", member.name));
                    printer.message(explain::built(report));
                }
            }
            MemberResult::Failed(error) => {
                printer.error(&error.clone().context(format!("the member `{}` failed", member.name)));
            }
            MemberResult::Stopped | MemberResult::NotStarted => {}
        }
    }
    told.tell(printer);
    printer.report(&view.text(printer.message_screen()));
    if let (true, Some(document)) = (args.format.json, document) {
        printer.json(document);
    } else {
        view.references().for_each(|reference| printer.result(reference));
    }
}

fn status(invocation: &Invocation, results: &[MemberResult]) -> ExitStatus {
    if invocation.interrupt.is_triggered() {
        return ExitStatus::Interrupted;
    }
    let failed = results.iter().find_map(|result| match result {
        MemberResult::Failed(error) => Some(error.status),
        MemberResult::Ended(_) | MemberResult::Stopped | MemberResult::NotStarted => None,
    });
    failed.unwrap_or(ExitStatus::Done)
}
