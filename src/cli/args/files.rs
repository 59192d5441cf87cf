//! The arguments about files that describe the result.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use super::super::outputs::ci::CiForm;
use super::values::output_file;

/// The arguments about files that describe the result.
#[derive(Clone, Debug, Default, Args)]
pub struct FileArgs {
    /// Write digest, tags and layers to this file as JSON
    ///
    /// With the keys of BuildKit's metadata files: `containerimage.digest`, `containerimage.config.digest`,
    /// `containerimage.descriptor` and `image.name`.
    #[arg(long, value_name = "FILE", value_parser = output_file(), value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub metadata_file: Option<PathBuf>,

    /// Write the image's `NAME@DIGEST`, one a line, to this file
    #[arg(long, value_name = "FILE", value_parser = output_file(), value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub image_refs: Option<PathBuf>,

    /// Write the image ID to this file: the digest of the configuration, or of the index of several platforms
    ///
    /// It is about one image, and refused for members of a workspace.
    #[arg(long, value_name = "FILE", value_parser = output_file(), value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub iidfile: Option<PathBuf>,

    /// Write what other tools read: `github`, `gitlab=FILE`, `jib=DIR` or `skaffold=FILE`; may be repeated
    ///
    /// `github` adds `image`, `digest`, `name`, `tags`, `id` and `images` to $GITHUB_OUTPUT, and a table to
    /// $GITHUB_STEP_SUMMARY. `gitlab=FILE` writes a dotenv report with PACK_IMAGE, PACK_DIGEST and PACK_TAG.
    /// Of members of a workspace, outputs are `images` alone, and each variable ends in the path of the repository.
    /// `jib=DIR` writes jib-image.json, jib-image.digest and jib-image.id. `skaffold=FILE` writes what `skaffold deploy
    /// --build-artifacts` reads.
    #[arg(long, value_name = "FORM", value_parser = CiForm::from_str, help_heading = "Output")]
    pub ci: Vec<CiForm>,
}
