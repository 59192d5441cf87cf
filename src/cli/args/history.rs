//! `pack history`.

use std::str::FromStr as _;

use clap::Args;

use super::format::OutputFormat;
use super::places::IMAGE_HELP;
use super::registries::RegistryArgs;
use crate::types::platform::Platform;

/// Show the history of an image, layer by layer, newest first
///
/// Layers and steps of the base are marked `base`, those on top of it `added`, so that two versions
/// visibly share their base.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = IMAGE_HELP)]
pub struct HistoryArgs {
    /// The image
    pub image: String,

    /// Which platform of an index to show [default: this machine's]
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// Cut nothing to the width of the terminal
    #[arg(long)]
    pub no_trunc: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
