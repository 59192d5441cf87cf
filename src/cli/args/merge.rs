//! `pack merge`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::files::FileArgs;
use super::format::OutputFormat;
use super::values::output_file;

const HELP: &str = "\
Examples:
  pack build --workspace --push --shard 1/2 --results 1.json
  pack build --workspace --push --shard 2/2 --results 2.json
      On two machines
  pack merge 1.json 2.json --results all.json --lock build.lock
      Afterwards, where both files are
  pack build --workspace --push --shard auto --balance-by all.json
      The next time: parts that take the same time";

/// Put the results of the parts of a run together
///
/// Reads what `pack build --workspace --shard I/N --results FILE` wrote on each machine, and checks that together it is one
/// run: one commit, the same settings, each member once. Says which parts and members are missing or failed. The exit
/// code is that of the first member that failed, in their order, as if one machine had built all; 1 where a part is missing.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct MergeArgs {
    /// The files; a part that ran twice may be there twice
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// Write the results of all parts to this file, as JSON
    #[arg(long, value_name = "FILE", value_parser = output_file(), value_hint = ValueHint::FilePath)]
    pub results: Option<PathBuf>,

    /// Write what the parts learned of their bases into this build.lock
    #[arg(long, value_name = "FILE", value_parser = output_file(), value_hint = ValueHint::FilePath)]
    pub lock: Option<PathBuf>,

    /// Files about the images of all parts.
    #[command(flatten)]
    pub written: FileArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
