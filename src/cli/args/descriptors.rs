//! Flags of the commands that read descriptors.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use crate::descriptors::{DescriptorFormat, ImageSelector, ReferenceForm};

/// The descriptors, and where they go.
#[derive(Clone, Debug, Args)]
pub struct DescriptorArgs {
    /// A descriptor, a directory of them, or `-` for standard input; may be repeated
    ///
    /// In a directory, files count whose names end in .yaml, .yml, .json, .hcl, .nomad, .tf or .tfvars, in the order of
    /// their paths; those whose names begin with a dot do not count, and links are not followed.
    #[arg(
        short, long = "file", value_name = "PATH", required = true, value_hint = ValueHint::AnyPath,
        help_heading = "Descriptors"
    )]
    pub files: Vec<PathBuf>,

    /// Read all of them as this format [default: by name and content]
    #[arg(
        long = "as", value_name = "FORMAT", value_parser = DescriptorFormat::from_str,
        help_heading = "Descriptors", long_help = as_help()
    )]
    pub format_of_files: Option<DescriptorFormat>,

    /// Where the objects of a kind have an image, such as Database=spec.image; may be repeated
    ///
    /// `[]` behind a key means each item of its list, and `*` each value of a map: Job=spec.steps[].image
    #[arg(
        long = "image-path", value_name = "KIND=PATH", value_parser = ImageSelector::from_str,
        help_heading = "Descriptors"
    )]
    pub image_paths: Vec<ImageSelector>,

    /// How images are written: `both` for NAME:TAG@DIGEST, or one of the two
    #[arg(
        long, value_name = "FORM", default_value = "both", value_parser = ReferenceForm::from_str,
        help_heading = "Output"
    )]
    pub form: ReferenceForm,

    /// Write the descriptors into this directory, under the same names
    #[arg(
        short, long = "output", value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "in_place",
        help_heading = "Output"
    )]
    pub output: Option<PathBuf>,

    /// Write the descriptors over themselves: all of them or, after a failure, none
    #[arg(long, help_heading = "Output")]
    pub in_place: bool,

    /// The directory of the project: a workspace, or a directory with a build.toml [default: the working directory]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub project: Option<PathBuf>,
}

fn as_help() -> String {
    format!(
        "Read all of them as this format [default: by name and content]\n\nOne of {}.",
        DescriptorFormat::names().join(", ")
    )
}
