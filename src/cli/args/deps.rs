//! `pack deps`.

use clap::Args;

use super::format::OutputFormat;
use super::image::ImageArgs;

const HELP: &str = "\
Examples:
  pack deps
      A path a line: files, and directories that are read whole
  pack deps --files-json
      A JSON array of all files, as Skaffold's `dependencies.command` takes it
  pack deps --json
      Each path with its part in the build, globs, and the base
  pack deps services/cart
      Of a member of a workspace";

/// List the files that a build reads, and the base that it uses
///
/// For programs that watch files and build again, such as Skaffold and Tilt; `pack build --watch` does the same without
/// them. Nothing is built, and artifacts need not be there. Paths are absolute.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = HELP)]
pub struct DepsArgs {
    /// The image to build.
    #[command(flatten)]
    pub image: ImageArgs,

    /// Print a JSON array of all files instead, those below directories one by one
    #[arg(long, conflicts_with = "json")]
    pub files_json: bool,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
