//! `pack doctor`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::registries::RegistryArgs;
use super::values::reached;
use crate::types::reference::Scope;

const HELP: &str = "\
Examples:
  pack doctor registry.example.com
      The registry itself
  pack doctor registry.example.com/shop/app --push
      A repository; begins an upload there and cancels it";

/// Explain step by step how a registry is reached and what it allows
///
/// Address, proxy, network, certificate, credentials, login, pulling and pushing: the result of each step, and advice
/// for each step that fails. No secret is shown. Exit code 3 if anything fails.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct DoctorArgs {
    /// The registry, or a repository in it
    #[arg(value_name = "REGISTRY[/REPOSITORY]", value_parser = reached)]
    pub scope: Scope,

    /// Begin an upload, and cancel it
    #[arg(long)]
    pub push: bool,

    /// Look for logins only in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// Take `[registry]` from this file, such as a build.toml; it wins over your configuration
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
