//! `pack plan`.

use clap::Args;

use super::format::OutputFormat;
use super::image::ImageArgs;
use super::workspace::WorkspaceArgs;

const HELP: &str = "\
Examples:
  pack plan
      What `pack build` would do
  pack plan --push
      What `pack build --push` would do, given what the registry has already
  pack plan app.war --base scratch --json
      The same for a script";

/// Show what a build would do, and why
///
/// Prints every layer with its files, its size, whether it is cached, whether its blob is at the
/// destination, can be mounted there or has to be uploaded, and which file changed the top layer. Writes
/// nothing.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = HELP)]
pub struct PlanArgs {
    /// The image to build.
    #[command(flatten)]
    pub image: ImageArgs,

    /// The members of a workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArgs,

    /// Say at each stage what can be reused, and why the rest cannot
    ///
    /// Below the table. With `--json`, the layers have all of it anyway, and this adds the `outcome`.
    #[arg(long)]
    pub explain: bool,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
