//! The results of a run, for other machines and for the next run.

use std::ffi::OsString;

use serde_json::value::to_raw_value;

use super::super::super::error::ExitStatus;
use super::super::super::outputs::OutputImage;
use super::super::super::view::workspace::RunView;
use super::share::RunShare;
use crate::engine::{Outcome, Report};
use crate::project::lock::Lock;
use crate::project::results::{LOCKED, MemberEnd, MemberRecord, RunResults, SCHEMA_VERSION};
use crate::types::secret::redact_message;

/// Flags that say which part a run is and what it writes: another part has others.
const OWN_FLAGS: [&str; 6] = ["--shard", "--results", "--metadata-file", "--image-refs", "--iidfile", "--ci"];

/// How a member ended, beside what people see of it.
pub(super) struct MemberNumbers<'a> {
    /// Its report.
    pub(super) report: Option<&'a Report>,
    /// Its failure.
    pub(super) failed: Option<ExitStatus>,
}

/// The results of a run. `numbers` has one entry for each member of `view`.
pub(super) fn run_results(
    share: &RunShare,
    commit: Option<String>,
    view: &RunView,
    numbers: &[MemberNumbers<'_>],
    status: ExitStatus,
    is_locked: bool,
) -> RunResults {
    let mut learned = Lock::default();
    let found = numbers.iter().filter_map(|member| member.report?.locked.clone());
    found.for_each(|base| learned.update(base));
    let mut cost_milliseconds = std::collections::BTreeMap::new();
    let reports = view.members.iter().zip(numbers).map(|(member, numbers)| (&member.member, numbers.report));
    for (name, report) in reports.chain(view.left_out.iter().map(|name| (name, None))) {
        if let Some(cost) = report.and_then(cost).or_else(|| share.costs.get(name)) {
            cost_milliseconds.insert(name.clone(), cost);
        }
    }
    let members = view.members.iter().zip(numbers).map(|(member, numbers)| MemberRecord {
        member: member.member.clone(),
        path: member.path.clone(),
        end: member.end,
        why: member.why.clone(),
        facts: numbers.report.and_then(OutputImage::of).map(OutputImage::facts),
        image: member.image.as_ref().and_then(|image| to_raw_value(image).ok()),
        error: member.error.clone(),
        code: member.code.map(|code| code.name().to_owned()),
        policy: member.policy.as_ref().and_then(|policy| to_raw_value(policy).ok()),
        exit_code: (member.end == MemberEnd::Failed)
            .then(|| numbers.failed.unwrap_or(ExitStatus::Bug).code()),
    });
    RunResults {
        schema_version: SCHEMA_VERSION,
        pack_version: env!("CARGO_PKG_VERSION").to_owned(),
        commit,
        settings: share.settings,
        balanced_by: share.balanced_by,
        shards: share.shards(),
        command: command(std::env::args_os(), is_locked),
        selection: share.selection.clone(),
        members: members.collect(),
        left_out: view.left_out.clone(),
        cost_milliseconds,
        lock: if learned == Lock::default() { String::new() } else { learned.render() },
        exit_code: status.code(),
        elapsed: view.elapsed,
    }
}

/// The work for a member; `None` where all of it was known.
fn cost(report: &Report) -> Option<u64> {
    let layers = report.images.iter().flat_map(|image| &image.layers);
    let work: u64 = layers.map(|layer| layer.milliseconds).sum();
    (report.outcome != Outcome::Known && work > 0).then_some(work)
}

/// The command that other parts of the run have in common with this one, without secrets. `--locked` is part of it where a
/// variable says so.
fn command(words: impl IntoIterator<Item = OsString>, is_locked: bool) -> Vec<String> {
    let mut command = vec!["pack".to_owned()];
    let mut is_value = false;
    for word in words.into_iter().skip(1) {
        let word = word.to_string_lossy().into_owned();
        if std::mem::take(&mut is_value) {
            continue;
        }
        if OWN_FLAGS.contains(&&*word) {
            is_value = true;
            continue;
        }
        if OWN_FLAGS.iter().any(|flag| word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))) {
            continue;
        }
        command.push(redact_message(&word).into_owned());
    }
    if is_locked && !command.iter().any(|word| word == LOCKED) {
        command.push(LOCKED.to_owned());
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_another_part_has_no_flags_of_this_one() {
        let words = |text: &str| -> Vec<OsString> { text.split(' ').map(OsString::from).collect() };
        let line = "/usr/bin/pack build --workspace --shard 1/4 --push --results=1.json --results 1.json --ci github --iidfile=id -p a* --jobs 2";
        let expected = ["pack", "build", "--workspace", "--push", "-p", "a*", "--jobs", "2"];
        assert_eq!(command(words(line), false), expected);
        assert_eq!(command(words(line), true).last().map(String::as_str), Some("--locked"));
        let locked = ["pack", "build", "--locked", "--workspace"];
        assert_eq!(command(locked.map(OsString::from), true), locked);
    }
}
