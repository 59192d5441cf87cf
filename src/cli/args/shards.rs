//! A run on several machines: which part this one builds, and what it hands on.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use super::values::output_file;
use crate::project::shard::ShardChoice;
use crate::types::error::Explain as _;

fn shard(text: &str) -> Result<ShardChoice, String> {
    ShardChoice::from_str(text).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}

/// Which part of the members this machine builds.
#[derive(Clone, Debug, Default, Args)]
pub struct ShardArgs {
    /// Build one part of the members, such as `2/4`, the second of four; `auto` takes the part that CI says
    ///
    /// Of all members of the workspace, or of those that `-p` names. Other machines build the other parts, from the same
    /// checkout and with the same flags. `auto` reads the variables of GitLab (CI_NODE_INDEX and CI_NODE_TOTAL), CircleCI
    /// (CIRCLE_NODE_INDEX and CIRCLE_NODE_TOTAL) and Buildkite (BUILDKITE_PARALLEL_JOB and
    /// BUILDKITE_PARALLEL_JOB_COUNT). An indexed Job of Kubernetes (JOB_COMPLETION_INDEX) does not say how many there
    /// are: `auto/4`.
    #[arg(long, value_name = "I/N", value_parser = shard, help_heading = "Workspace")]
    pub shard: Option<ShardChoice>,

    /// Make the parts equal by what members cost in this earlier run, a file of `--results` or `pack merge`
    ///
    /// All parts need the same file. Without it, members count the same.
    #[arg(long, value_name = "FILE", requires = "shard", value_hint = ValueHint::FilePath, help_heading = "Workspace")]
    pub balance_by: Option<PathBuf>,
}

impl ShardArgs {
    /// Whether the command is about a part of the members.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.shard.is_some()
    }
}

/// The results that a run of members hands on.
#[derive(Clone, Debug, Default, Args)]
pub struct ResultArgs {
    /// Write how each member ended to this file, as JSON; `pack merge` makes one of those of all parts
    #[arg(
        long,
        value_name = "FILE",
        value_parser = output_file(),
        value_hint = ValueHint::FilePath,
        help_heading = "Workspace"
    )]
    pub results: Option<PathBuf>,
}
