//! `pack render`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use super::descriptors::DescriptorArgs;
use super::format::OutputFormat;
use super::registries::RegistryArgs;
use crate::types::release::EnvironmentName;

const HELP: &str = "\
Examples:
  pack render prod -f deploy/
      What runs in production, as manifests
  pack render test -f deploy/ -o out/
      A directory that a GitOps tool applies
  pack render prod -f deploy/ | kubectl diff -f -
      What differs in the cluster";

/// Write descriptors with the images that an environment has now
///
/// Replaces each `pack://NAME` by the image of the newest release of the environment, which `pack promote` and
/// `pack rollback` make. Builds nothing. Reads and writes the same formats as `pack resolve`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct RenderArgs {
    /// The environment
    #[arg(value_name = "ENV", value_parser = EnvironmentName::from_str)]
    pub environment: EnvironmentName,

    /// The descriptors.
    #[command(flatten)]
    pub descriptors: DescriptorArgs,

    /// Also ask for what `[policy.release]` of this file asks for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
