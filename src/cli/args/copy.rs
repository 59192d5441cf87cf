//! `pack copy`.

use std::str::FromStr as _;

use clap::Args;

use super::format::Format;
use super::places::COPY_HELP;
use super::registries::RegistryArgs;
use crate::types::platform::Platform;

/// Copy an image or an index, byte for byte, with only what the other place lacks
///
/// Between registries, OCI layouts, archives and the local store. Digests stay what they are, and formats too.
/// A blob that the target has costs one request; one that another repository of the same registry has is mounted. The tag is set last;
/// a target that has the image already gets one request.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = COPY_HELP)]
pub struct CopyArgs {
    /// The image or index to copy
    #[arg(value_name = "SRC")]
    pub from: String,

    /// Where to
    #[arg(value_name = "DST")]
    pub to: String,

    /// Copy only the image for this platform; may be repeated
    ///
    /// With one platform the copy is that image itself, with the digest that it has in the index. With
    /// several it is a new index of them, which has a digest of its own.
    #[arg(
        long = "platform", value_name = "PLATFORM", value_delimiter = ',', value_parser = Platform::from_str
    )]
    pub platforms: Vec<Platform>,

    /// Copy all that the name stands for, the whole of an index; this is the default
    #[arg(long, conflicts_with = "platforms")]
    pub all: bool,

    /// Copy signatures, SBOMs and whatever else refers to the image, too
    #[arg(long)]
    pub referrers: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}
