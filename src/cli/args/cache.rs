//! `pack cache`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::format::OutputFormat;
use super::values::{age, size};

const PRUNE_HELP: &str = "\
Examples:
  pack cache prune
  pack cache prune --max-size 10GB --max-age 30d
  pack cache prune --all         Everything, named images too";

/// Show, check or clean the local store
#[derive(Clone, Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct CacheArgs {
    /// The command.
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// The commands of `pack cache`.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "what each does stands at its arguments")]
pub enum CacheCommand {
    /// Show the place, the content and the size of the store
    Info(OutputFormat),
    Prune(PruneArgs),
    /// Check every blob and memo of the store; damaged ones are set aside and built again
    Verify(OutputFormat),
}

/// Remove everything from the store that no image needs
///
/// Without a limit, removes every blob and memo that no name reaches. With limits, removes the files that were used
/// longest ago. Files that a running build uses stay.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(after_long_help = PRUNE_HELP)]
pub struct PruneArgs {
    /// Remove the files that were used longest ago until this much is left, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,

    /// Remove files that were not used for this time, such as 12h or 30d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub max_age: Option<Duration>,

    /// Remove images that have a name, too: all, or with limits those that were used longest ago
    #[arg(long)]
    pub all: bool,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
