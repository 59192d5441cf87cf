//! `pack update`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::registries::RegistryArgs;
use super::workspace::WorkspaceArgs;

const HELP: &str = "\
Examples:
  pack update
      Take what the base's tag means now
  pack update --workspace
      The same for the bases of all members, in their one lock
  pack update -q && git diff --exit-code build.lock
      Tell whether there is a newer base";

/// Write the current digest of the base's tag to build.lock
///
/// Resolves the base of build.toml again and writes the digests, and what the base says about the
/// directories that the layers share with it, to build.lock. Builds use that file until the next update.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = HELP)]
pub struct UpdateArgs {
    /// A directory with a build.toml [default: .]
    #[arg(value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,

    /// Read this file instead of build.toml
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Change nothing: read the base's layers and compare them with build.lock
    #[arg(long)]
    pub check: bool,

    /// Refuse a build file that reaches beyond its directory, as for the pull request of a stranger
    #[arg(long)]
    pub untrusted: bool,

    /// The members of a workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArgs,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
