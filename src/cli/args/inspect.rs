//! `pack inspect`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::Args;

use super::format::OutputFormat;
use super::places::INSPECT_HELP;
use super::registries::RegistryArgs;
use super::values::page_file;
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

    /// Write a page about all files of the image to this file; `-` is standard output
    ///
    /// The page has the layers as a map, where each file lies and what covers it, and a tree with a search. It needs no
    /// network. All layers are read; those of an image in a registry are downloaded. Of an index, the image for this
    /// machine is read, or that of `--platform`.
    #[arg(long, value_name = "FILE", value_parser = page_file())]
    pub html: Option<PathBuf>,

    /// Show the layers and the largest directories, with sizes, in place of the configuration
    ///
    /// All layers are read, as for `--html`.
    #[arg(long, conflicts_with = "json")]
    pub tree: bool,

    /// How many directories deep the tree goes
    #[arg(long, value_name = "NUMBER", default_value_t = 2, requires = "tree")]
    pub depth: usize,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
