//! `pack tag`.

use clap::Args;

use super::format::OutputFormat;
use super::registries::RegistryArgs;
use super::retag::RetagArgs;
use super::values::new_tag;
use crate::types::reference::Tag;

const HELP: &str = "\
Examples:
  pack tag localhost:5000/shop/app:1.0 1
  pack tag localhost:5000/shop/app:1.0 stable production --allow-retag
  pack tag store:shop/app:1.0 stable
  pack tag oci:images:1.0 1";

/// Give an image more tags where it is; nothing is transferred
///
/// A plain name is in its registry, `store:NAME` in the local store. In a registry, `pack` checks that the old tag
/// still means the same manifest, and stores that under each new tag. In a layout or the local store, it adds the
/// names to the index.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct TagArgs {
    /// The image
    #[arg(value_name = "SRC")]
    pub image: String,

    /// The tags to add
    #[arg(value_name = "NEWTAG", required = true, value_parser = new_tag)]
    pub tags: Vec<Tag>,

    /// The rule about tags that are taken.
    #[command(flatten)]
    pub retag: RetagArgs,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
