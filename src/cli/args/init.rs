//! `pack init`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::values::repository;
use crate::types::reference::Repository;

const HELP: &str = "\
Examples:
  pack init
      Look for an artifact below the current directory
  pack init build/libs/app.war --base tomcat:10 --name localhost:5000/shop/app
      Say all of it at once
  pack init --from Dockerfile --name localhost:5000/shop/app
      Take over what a Dockerfile says; what cannot be is told with its line
  pack init --from pom.xml
      Take over the settings of Jib; .ko.yaml of ko in the same way";

/// Write a build.toml for an artifact
///
/// Looks at the artifact, says what it is and why, and writes the few lines that are needed, with the
/// rest as comments.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = HELP)]
pub struct InitArgs {
    /// The artifact, or a directory to look for one in [default: .]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: Option<PathBuf>,

    /// Take over what another builder reads: a Dockerfile, Jib's settings or .ko.yaml; `-` reads standard input
    ///
    /// The form is known by the name and the text: pom.xml, build.gradle, build.gradle.kts and jib.yaml of Jib, .ko.yaml of ko,
    /// and a Dockerfile by any other name, whose context is this directory. Nothing of them is run. Of a Dockerfile, the last stage
    /// or that which `--stage` names is carried over but for `RUN`. The comments at the beginning of the new file name each line
    /// that is left out or to be looked at.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "path")]
    pub from: Option<PathBuf>,

    /// The stage of the Dockerfile, by its name or number [default: the last]
    #[arg(long, value_name = "STAGE", requires = "from")]
    pub stage: Option<String>,

    /// The image to build on
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,

    /// The image's name, without a tag, such as localhost:5000/shop/app
    #[arg(long, value_name = "NAME", value_parser = repository)]
    pub name: Option<Repository>,

    /// Replace an existing build.toml
    #[arg(long)]
    pub force: bool,
}
