//! `pack tag`.

use clap::Args;

use super::format::Format;
use super::registries::RegistryArgs;
use super::values::new_tag;
use crate::types::reference::Tag;

const HELP: &str = "\
Examples:
  pack tag localhost:5000/shop/app:1.0 stable production
  pack tag store:shop/app:1.0 stable
  pack tag oci:images:1.0 1";

/// Give an image more tags where it is; nothing is transferred
///
/// A name alone is the registry's, `store:NAME` the local store's. In a registry the same manifest is stored under
/// each new tag, after a look whether the old one still means it; in a layout or the local store the index gets the
/// names.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct TagArgs {
    /// The image
    #[arg(value_name = "SRC")]
    pub image: String,

    /// The tags to add
    #[arg(value_name = "NEWTAG", required = true, value_parser = new_tag)]
    pub tags: Vec<Tag>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}
