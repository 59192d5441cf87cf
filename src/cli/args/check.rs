//! `pack check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::image::ImageArgs;
use super::values::{output_file, rule};
use super::workspace::WorkspaceArgs;
use crate::types::rule::Rule;

const HELP: &str = "\
Examples:
  pack check
      Check all that a build checks, and tell the findings
  pack check app.jar --base eclipse-temurin:21-jre --deep
      The same without a build file, with the layers of the base
  pack check --sarif pack.sarif --strict
      Tell a CI system the findings, and fail for warnings too
  pack check --explain secret
      Tell what a rule is about";

/// Check whether the image would run, without building it
///
/// Takes what `pack plan` takes, and does all checks of a build. Prints every finding, up to 1,000 of a rule, also notes,
/// and what could not be known; with `-v` also what is as it should be, and the evidence. Ends with exit code 1 if a
/// finding is an error.
/// Writes nothing, sends nothing, and leaves `build.lock` as it is. With `--push` it checks as a build that pushes:
/// the cache in the registry may answer too.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = HELP)]
pub struct CheckArgs {
    /// The image to check.
    #[command(flatten)]
    pub image: ImageArgs,

    /// The members of a workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArgs,

    /// Read the layers of the base, where nothing else tells what they have
    #[arg(long, help_heading = "Checks")]
    pub deep: bool,

    /// List all rules with their levels, reasons and remedies, and check nothing
    #[arg(long, help_heading = "Checks", conflicts_with_all = ["explain", "sarif", "deep"])]
    pub rules: bool,

    /// Tell what one rule is about, and check nothing
    #[arg(long, value_name = "RULE", value_parser = rule, help_heading = "Checks", conflicts_with_all = ["sarif", "deep"])]
    pub explain: Option<Rule>,

    /// Write the findings to this file as SARIF 2.1.0, besides the result
    #[arg(long, value_name = "FILE", value_parser = output_file(), value_hint = ValueHint::FilePath)]
    pub sarif: Option<PathBuf>,

    /// The format of the result [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<CheckFormat>,

    /// Print the result as JSON; short for `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl CheckArgs {
    /// The format of the result.
    #[must_use]
    pub fn format(&self) -> CheckFormat {
        match self.format {
            Some(format) => format,
            None if self.json => CheckFormat::Json,
            None => CheckFormat::Text,
        }
    }
}

/// The format of the result of `pack check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Lines for people
    #[default]
    Text,
    /// JSON as other commands have it
    Json,
    /// SARIF 2.1.0, for systems that show findings of many tools
    Sarif,
}
