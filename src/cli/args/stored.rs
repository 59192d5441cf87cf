//! `pack images` and `pack rm`: names in the local store.

use clap::Args;

use super::format::OutputFormat;

const IMAGES_HELP: &str = "\
Examples:
  pack images
  pack images --json | jq -r '.[].name'";

const RM_HELP: &str = "\
Examples:
  pack rm localhost:5000/shop/app:1.0
  pack rm app:1.0 app:1.1          Names that a build without a registry gave";

/// List the images in the local store
#[derive(Clone, Copy, Debug, Args)]
#[command(after_long_help = IMAGES_HELP)]
pub struct ImagesArgs {
    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

/// Remove names from the local store
///
/// The blobs stay until `pack cache prune`. If one of the names does not exist, that is an error and nothing is
/// removed.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = RM_HELP)]
pub struct RmArgs {
    /// The images
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
