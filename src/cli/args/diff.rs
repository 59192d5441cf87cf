//! `pack diff`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::Args;

use super::format::OutputFormat;
use super::places::DIFF_HELP;
use super::registries::RegistryArgs;
use super::values::page_file;
use crate::types::platform::Platform;

/// Show how two images differ, and why their digests do
///
/// Compares manifests, configurations and layers, then files: what was added, removed or changed, in bytes or in
/// mode, owner, time, type, link or attributes. Common layers are not fetched. Exit code 0 if the images have the
/// same digest, 1 if not, as diff(1) has it.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = DIFF_HELP)]
pub struct DiffArgs {
    /// The one image
    pub a: String,

    /// The other image
    pub b: String,

    /// Compare the images for this platform only
    ///
    /// Without it, two indexes are compared platform by platform.
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// List the entries of each pair of layers, too, and not only the files that a container sees
    #[arg(long)]
    pub layers: bool,

    /// Also read the common layers: then no difference is uncertain
    #[arg(long)]
    pub full: bool,

    /// Write a page about the differences to this file; `-` is standard output
    ///
    /// The page has the changed files as a map and as a tree with a search, the layers, and what a pull of the second image
    /// fetches where the first is. It needs no network.
    #[arg(long, value_name = "FILE", value_parser = page_file())]
    pub html: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
