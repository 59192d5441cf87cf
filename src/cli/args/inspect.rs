//! `pack inspect`.

use std::str::FromStr as _;

use clap::Args;

use super::format::OutputFormat;
use super::places::INSPECT_HELP;
use super::registries::RegistryArgs;
use crate::types::platform::Platform;

/// Show an image: digest, platforms, layers, configuration; or the tags of a repository
#[derive(Clone, Debug, Args)]
#[command(after_long_help = INSPECT_HELP)]
pub struct InspectArgs {
    /// The image
    pub image: String,

    /// Which platform of an index to show; without it, the index itself is shown
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// Also show what refers to the documents that are attached, and their types where the list does not say them
    ///
    /// The list of what is attached is shown in any case, which is one request more. This asks once more for each entry.
    #[arg(long)]
    pub referrers: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
