//! The part of the members that this run builds, where several machines build one workspace.

use std::path::Path;

use super::super::super::args::{ImageArgs, WorkspaceArgs};
use super::super::super::error::{CommandError, ExitStatus};
use super::super::super::invocation::Invocation;
use crate::project::results::{RunResults, ShardSet};
use crate::project::shard::{MemberCosts, Shard, ShardChoice, ShardError, found_shard, partition};
use crate::project::workspace::{Member, Workspace};
use crate::runtime::input;
use crate::types::digest::Digest;
use crate::types::error::text_code;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// The longest file of results that is read, and all of them together.
pub(in super::super) const MOST_RESULTS: u64 = 64 << 20;

/// The facts that all parts of a run have in common, and which part this is.
#[derive(Clone, Debug)]
pub(super) struct RunShare {
    shard: Shard,
    /// The names of the members of all parts.
    pub(super) selection: Vec<String>,
    /// Their costs in an earlier run.
    pub(super) costs: MemberCosts,
    /// A digest of the file that says so.
    pub(super) balanced_by: Option<Digest>,
    /// A digest of the build files, and of the flags and variables that decide about images.
    pub(super) settings: Digest,
}

impl RunShare {
    /// The part that flags and variables say.
    ///
    /// # Errors
    /// When they say none, or the file with the measures cannot be read.
    pub(super) fn of(
        invocation: &Invocation,
        workspace: &Workspace,
        members: &[&Member],
        image: &ImageArgs,
        flags: &WorkspaceArgs,
    ) -> Result<Self, CommandError> {
        let shard = shard(invocation, flags.shards.shard, members.len())?;
        let (costs, balanced_by) = match &flags.shards.balance_by {
            None => (MemberCosts::default(), None),
            Some(file) => {
                let text = read_results(&invocation.absolute(file))?;
                let results = RunResults::parse(&shown_path(file), &text)?;
                (results.costs(), Some(Digest::of(text.as_bytes())))
            }
        };
        let selection = members.iter().map(|member| member.name().to_owned()).collect();
        let settings = settings(invocation, workspace, image, flags);
        Ok(Self { shard, selection, costs, balanced_by, settings })
    }

    /// The members of this part. Which these are does not depend on what changed, so that a member stays with the machine
    /// that has it in its store.
    pub(super) fn part<'a>(&self, members: &[&'a Member]) -> Vec<&'a Member> {
        let names: Vec<&str> = members.iter().map(|member| member.name()).collect();
        let weighed: Vec<(&str, u64)> = names.iter().copied().zip(self.costs.weights(&names)).collect();
        let of = partition(&weighed, self.shard.count());
        let own = members.iter().zip(of).filter(|(_, shard)| *shard == self.shard.index());
        own.map(|(member, _)| *member).collect()
    }

    /// This part, for results.
    pub(super) fn shards(&self) -> ShardSet {
        ShardSet { count: self.shard.count(), done: [self.shard.index()].into() }
    }
}

/// Reads a file of results.
///
/// # Errors
/// When it cannot be read.
pub(in super::super) fn read_results(path: &Path) -> Result<String, CommandError> {
    input::read_text(path, MOST_RESULTS).map_err(|error| {
        let message = format!("cannot read `{}`", shown_path(path));
        CommandError::from_error(ExitStatus::Input, &error)
            .coded(text_code(&error, ErrorCode::ShardsDisagree))
            .context(message)
    })
}

/// Says which shard it is and who says so. A job that CI runs several times, and that would build all each time, is
/// told of.
fn shard(
    invocation: &Invocation,
    choice: Option<ShardChoice>,
    members: usize,
) -> Result<Shard, CommandError> {
    let variable =
        |name: &str| invocation.environment.raw(name).map(|text| text.to_string_lossy().into_owned());
    let printer = &invocation.printer;
    let all = Shard::new(1, 1)?;
    match choice {
        Some(ShardChoice::Given(shard)) => {
            printer.note(format!("shard {} of {} of all {members} members", shard.index(), shard.count()));
            Ok(shard)
        }
        Some(ShardChoice::Auto { count }) => {
            let found = found_shard(variable, count)?.ok_or(ShardError::NoSystem)?;
            let (shard, system) = (found.shard, found.system);
            let source = match system.count_variable() {
                Some(count) => format!("`{}` and `{count}`", system.index_variable()),
                None => format!("`{}` and `--shard`", system.index_variable()),
            };
            printer.note(format!(
                "shard {} of {} of all {members} members, as {source} of {system} say",
                shard.index(),
                shard.count()
            ));
            Ok(shard)
        }
        None => {
            match found_shard(variable, None) {
                Ok(Some(found)) if found.shard.count() > 1 => printer.warning(format!(
                    "{} runs this job {} times, and each builds all {members} members: `--shard auto` builds a part in \
                     each, `--shard 1/1` all without this warning",
                    found.system,
                    found.shard.count()
                )),
                Err(ShardError::NoCount(system)) => printer.warning(format!(
                    "`{}` of {system} is set, and this job builds all {members} members: `--shard auto/N` builds a part \
                     in each of N jobs, `--shard 1/1` all without this warning",
                    system.index_variable()
                )),
                Ok(_) | Err(_) => {}
            }
            Ok(all)
        }
    }
}

/// A digest of what decides about images and must not differ between the parts.
fn settings(
    invocation: &Invocation,
    workspace: &Workspace,
    image: &ImageArgs,
    flags: &WorkspaceArgs,
) -> Digest {
    const VARIABLES: [&str; 5] =
        ["PACK_NAME", "PACK_BASE", "PACK_TAGS", "PACK_PLATFORMS", "PACK_COMPRESSION"];
    let mut all: Vec<String> = Vec::new();
    let mut add = |name: &str, values: Vec<String>| {
        all.push(format!("{name} {}", values.len()));
        all.extend(values);
    };
    for member in workspace.members() {
        add(member.place(), member.document().sources().texts().map(str::to_owned).collect());
    }
    add("-p", flags.members.clone());
    add("--changed-since", flags.changed_since.clone().into_iter().collect());
    add("-o", image.all_outputs().into_iter().map(str::to_owned).collect());
    add("-t", image.tags.clone());
    add("--base", image.base.clone().into_iter().collect());
    add("--platform", image.platforms.iter().map(ToString::to_string).collect());
    add("--compression", image.compression.clone().into_iter().collect());
    add("--set", image.set.clone());
    for name in VARIABLES {
        let value = invocation.environment.raw(name).map(|value| value.to_string_lossy().into_owned());
        add(name, value.into_iter().collect());
    }
    // The lengths keep any two lists apart.
    let text: String = all.iter().map(|value| format!("{} {value}\n", value.len())).collect();
    Digest::of(text.as_bytes())
}
