//! `pack copy`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::places::COPY_HELP;
use super::registries::RegistryArgs;
use super::retag::RetagArgs;
use crate::types::platform::Platform;

/// Copy an image or an index byte for byte, and send only missing blobs
///
/// Between registries, OCI layouts, archives and the local store. Digests and formats do not change. A blob that the
/// target has costs one request; one that another repository of the same registry has is mounted. The tag is set
/// last; a target that has the image already gets one request.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = COPY_HELP)]
pub struct CopyArgs {
    /// The image or index to copy
    #[arg(value_name = "SRC")]
    pub from: String,

    /// The destination
    #[arg(value_name = "DST")]
    pub to: String,

    /// Copy only the image for this platform; may be repeated
    ///
    /// With one platform, the copy is that image itself, with its digest in the index. With several platforms, it is
    /// a new index with a digest of its own.
    #[arg(
        long = "platform", value_name = "PLATFORM", value_delimiter = ',', value_parser = Platform::from_str
    )]
    pub platforms: Vec<Platform>,

    /// Copy a whole index; this is the default
    #[arg(long, conflicts_with = "platforms")]
    pub all: bool,

    /// Also copy signatures, SBOMs and other documents that refer to the image
    #[arg(long)]
    pub referrers: bool,

    /// Refuse an image that `[policy.base]` and `[policy.release]` of this file do not allow
    ///
    /// Judged at the source, as `pack verify --policy` does, before anything is written. A copy is no release: the policy of
    /// build.toml counts only if it is named here. Exit code 4 with all reasons.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

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
