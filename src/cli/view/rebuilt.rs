//! The lines about each build of `pack build --watch`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::super::error::CommandError;
use super::super::format::duration;
use super::super::printer::Printer;
use super::super::summary::Summary;
use super::super::timings::{Activity, TimeSpan};
use super::explain::{self, Explanation};
use super::findings::{ToldNotes, findings};
use crate::engine::{ChangeSet, Report};
use crate::types::digest::Digest;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// How many changed paths a document names.
const NAMED: usize = 20;

/// The time in which each stage of a build was under way. Stages overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageTimes {
    /// Looking at the files, and asking the targets.
    look_milliseconds: u64,
    /// Making the plan and checking it.
    plan_milliseconds: u64,
    /// Building layers.
    layers_milliseconds: u64,
    /// Bringing blobs, manifests and tags to where they go.
    deliver_milliseconds: u64,
}

impl StageTimes {
    /// The times of these spans.
    #[must_use]
    pub fn of(spans: &[TimeSpan]) -> Self {
        let of = |stage: &[Activity]| under_way(spans.iter().filter(|span| stage.contains(&span.activity)));
        Self {
            look_milliseconds: of(&[Activity::Look, Activity::Ask]),
            plan_milliseconds: of(&[Activity::Plan, Activity::LookUp, Activity::Check, Activity::Read]),
            layers_milliseconds: of(&[Activity::Layer, Activity::Body]),
            deliver_milliseconds: of(&[Activity::Push, Activity::Write, Activity::Conclude]),
        }
    }

    fn text(self) -> String {
        let Self { look_milliseconds, plan_milliseconds, layers_milliseconds, deliver_milliseconds } = self;
        format!(
            "look {look_milliseconds} ms, plan {plan_milliseconds} ms, layers {layers_milliseconds} ms, deliver \
             {deliver_milliseconds} ms"
        )
    }
}

/// Whether two errors are about one fault, wherever in a build it was found: one message may have the layer before it.
fn is_same_fault(one: &CommandError, other: &CommandError) -> bool {
    let ends = |long: &str, end: &str| long.strip_suffix(end).is_some_and(|rest| rest.ends_with(": "));
    let causes = |error: &CommandError| error.chain.last().cloned().unwrap_or_default();
    let (first, second) = (causes(one), causes(other));
    one == other
        || (one.status == other.status
            && one.hints == other.hints
            && (first == second || ends(&first, &second) || ends(&second, &first)))
}

/// Milliseconds in which at least one of the spans was under way.
fn under_way<'a>(spans: impl Iterator<Item = &'a TimeSpan>) -> u64 {
    let mut times: Vec<(u64, u64)> = spans.map(|span| (span.start, span.end)).collect();
    times.sort_unstable();
    let (mut total, mut until) = (0, 0);
    for (start, end) in times {
        total += end.saturating_sub(start.max(until));
        until = until.max(end);
    }
    total / 1_000
}

/// Tells of each build, and of nothing twice.
pub struct WatchTeller {
    /// Paths are told from here on.
    directory: PathBuf,
    is_json: bool,
    number: u64,
    digest: Option<Digest>,
    /// The remarks of the last build that was told.
    remarks: BTreeSet<String>,
    /// The error of the last build, if it failed.
    error: Option<CommandError>,
}

impl WatchTeller {
    /// One that has told of nothing yet.
    #[must_use]
    pub const fn new(directory: PathBuf, is_json: bool) -> Self {
        Self { directory, is_json, number: 0, digest: None, remarks: BTreeSet::new(), error: None }
    }

    /// Tells of a build that is done.
    pub fn tell_built(
        &mut self,
        printer: &Printer,
        changes: &ChangeSet,
        report: &Report,
        summary: &Summary,
        stages: &StageTimes,
        explains: bool,
    ) {
        self.number += 1;
        self.error = None;
        self.tell_remarks(printer, report);
        let is_new = self.digest.replace(summary.digest) != Some(summary.digest);
        if explains && !self.is_json {
            printer.message(explain::built(report));
        }
        let changed = self.changed(changes);
        if is_new {
            printer.report(&summary.total());
            printer.message(format!("  {changed}: {}", stages.text()));
        } else {
            printer.message(format!("{changed}: the image is the same, {}", duration(summary.elapsed)));
        }
        if self.is_json {
            let explanation = explains.then(|| Explanation::of(report));
            let (changed, elapsed) = (self.paths(changes), summary.elapsed);
            let image = Some(RebuiltImage { summary, is_new, stages, explanation });
            printer.json_line(&WatchedBuildView::new(self.number, changed, elapsed, image, None));
        } else if is_new {
            printer.result(summary.reference());
        }
    }

    /// Tells of a build that failed. The error of the build before it is not told again.
    pub fn tell_failed(
        &mut self,
        printer: &Printer,
        changes: &ChangeSet,
        error: &CommandError,
        elapsed: Duration,
    ) {
        self.number += 1;
        if self.error.as_ref().is_some_and(|before| is_same_fault(before, error)) {
            printer.message(format!("{}: it fails as before", self.changed(changes)));
        } else {
            printer.error(error);
            printer.message("waiting for a change");
        }
        self.error = Some(error.clone());
        if self.is_json {
            let failure = BuildFailure {
                exit_code: error.status.code(),
                code: error.code,
                messages: &error.chain,
                hints: &error.hints,
            };
            let changed = self.paths(changes);
            printer.json_line(&WatchedBuildView::new(self.number, changed, elapsed, None, Some(failure)));
        }
    }

    /// Notes, warnings and findings that the last build did not have.
    fn tell_remarks(&mut self, printer: &Printer, report: &Report) {
        let before = std::mem::take(&mut self.remarks);
        for note in &report.notes {
            if !before.contains(note) {
                printer.note(note);
            }
        }
        for warning in &report.warnings {
            if !before.contains(warning) {
                printer.warning(warning);
            }
        }
        let found = format!("{:?}", report.findings);
        if !before.contains(&found) {
            findings(printer, &report.findings, ToldNotes::Important);
        }
        self.remarks = report.notes.iter().chain(&report.warnings).cloned().chain([found]).collect();
    }

    fn shown(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.directory).unwrap_or(path);
        shown_path(if below == Path::new("") { Path::new(".") } else { below })
    }

    fn paths(&self, changes: &ChangeSet) -> Vec<String> {
        changes.paths.iter().take(NAMED).map(|path| self.shown(path)).collect()
    }

    /// The changes in words.
    fn changed(&self, changes: &ChangeSet) -> String {
        let more = changes.more + changes.paths.len().saturating_sub(1);
        match changes.paths.first() {
            None if self.number == 1 => "first build".to_owned(),
            None => "changed files".to_owned(),
            Some(first) if more == 0 => format!("`{}`", self.shown(first)),
            Some(first) => format!("`{}` and {more} more", self.shown(first)),
        }
    }
}

/// A build as a line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WatchedBuildView<'a> {
    /// The number of the build, from 1 on.
    build: u64,
    /// The first paths that changed since the build before.
    changed: Vec<String>,
    elapsed_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<RebuiltImage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<BuildFailure<'a>>,
}

impl<'a> WatchedBuildView<'a> {
    fn new(
        build: u64,
        changed: Vec<String>,
        elapsed: Duration,
        image: Option<RebuiltImage<'a>>,
        error: Option<BuildFailure<'a>>,
    ) -> Self {
        let elapsed_seconds = elapsed.as_millis() as f64 / 1000.0;
        Self { build, changed, elapsed_seconds, image, error }
    }
}

/// The image of a build.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RebuiltImage<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    /// Whether it has another digest than the one before.
    is_new: bool,
    stages: &'a StageTimes,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation<'a>>,
}

/// The failure of a build.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildFailure<'a> {
    /// The exit code that the build alone would have.
    exit_code: u8,
    /// The situation, where the documents explain it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    messages: &'a [String],
    hints: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::super::super::error::ExitStatus;
    use super::super::super::printer::{PrinterOptions, captured};
    use super::*;

    fn span(activity: Activity, start: u64, end: u64) -> TimeSpan {
        let (name, thread, outcome) = (String::new(), String::new(), String::new());
        TimeSpan { image: None, activity, name, thread, start, end, bytes: 0, sized: true, outcome }
    }

    #[test]
    fn time_in_which_two_spans_overlap_counts_once() {
        let spans = [
            span(Activity::Layer, 1_000, 5_000),
            span(Activity::Body, 2_000, 9_000),
            span(Activity::Push, 20_000, 21_500),
        ];
        let text = StageTimes::of(&spans).text();
        assert_eq!(text, "look 0 ms, plan 0 ms, layers 8 ms, deliver 1 ms");
    }

    #[test]
    fn a_file_that_keeps_changing_is_told_once() {
        let (printer, _, err) = captured::printer(PrinterOptions::default());
        let mut teller = WatchTeller::new(PathBuf::from("/p"), false);
        let changes = ChangeSet { paths: ["/p/a".into()].into(), ..ChangeSet::default() };
        // Found by the scan, and while a layer is built.
        for message in
            ["`a` changed while it was read", "layer `app`: `a` changed while it was read", "`b` is gone"]
        {
            let error = CommandError::new(ExitStatus::Input, message).hint("wait");
            for _ in 0..2 {
                teller.tell_failed(&printer, &changes, &error, Duration::from_millis(5));
            }
        }
        insta::assert_snapshot!(err.take(), @r"
        error: `a` changed while it was read
        hint: wait
        waiting for a change
        `a`: it fails as before
        `a`: it fails as before
        `a`: it fails as before
        error: `b` is gone
        hint: wait
        waiting for a change
        `a`: it fails as before
        ");
    }

    #[test]
    fn an_error_is_told_once() {
        let (printer, out, err) = captured::printer(PrinterOptions::default());
        let mut teller = WatchTeller::new(PathBuf::from("/p"), true);
        let changes = ChangeSet { paths: ["/p/app.war".into()].into(), ..ChangeSet::default() };
        let error = CommandError::usage("`app.war` cannot be read").hint("build it");
        teller.tell_failed(&printer, &changes, &error, Duration::from_millis(5));
        teller.tell_failed(&printer, &changes, &error, Duration::from_millis(5));
        insta::assert_snapshot!(err.take(), @r"
        error: `app.war` cannot be read
        hint: build it
        waiting for a change
        `app.war`: it fails as before
        ");
        let lines = out.take();
        assert_eq!(lines.lines().count(), 2);
        assert_eq!(
            lines.lines().next().expect("a line"),
            r#"{"build": 1,"changed": ["app.war"],"elapsedSeconds": 0.005,"error": {"exitCode": 2,"messages": ["`app.war` cannot be read"],"hints": ["build it"]}}"#
        );
    }
}
