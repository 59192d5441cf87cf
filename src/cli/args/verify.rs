//! `pack verify`.

use std::str::FromStr as _;

use clap::Args;

use super::format::OutputFormat;
use super::places::IMAGE_HELP;
use super::registries::RegistryArgs;
use crate::types::platform::Platform;

/// Compute every digest, size and diffID of an image again
///
/// Reads all of it, decompresses every layer, and lists everything that is not what its name says. Looks
/// at every platform unless some are named. Exit code 1 if anything is wrong.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = IMAGE_HELP)]
pub struct VerifyArgs {
    /// The image
    pub image: String,

    /// Look at this platform only; may be repeated
    #[arg(
        long = "platform", value_name = "PLATFORM", value_delimiter = ',', value_parser = Platform::from_str
    )]
    pub platforms: Vec<Platform>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
