//! `pack doctor`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::registries::RegistryArgs;
use super::values::reached;
use crate::types::reference::Scope;

const HELP: &str = "\
Examples:
  pack doctor
      This machine: store, logins, configuration, disk, git, engine
  pack doctor registry.example.com
      The registry itself
  pack doctor registry.example.com/shop/app --push
      A repository; begins an upload there and cancels it";

/// Explain step by step how a registry is reached and what it allows, or what this machine lacks
///
/// Of a registry: address, proxy, network, certificate, credentials, login, pulling and pushing. Without one, this machine: clock, store,
/// temporary files, configuration, credentials, git and engine. The result of each step, and advice for each step that
/// fails. No secret is shown, and nothing is changed. Exit code 3 if a registry's step fails, 1 if one of this machine does.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct DoctorArgs {
    /// The registry, or a repository in it; without one, this machine is examined
    #[arg(value_name = "REGISTRY[/REPOSITORY]", value_parser = reached)]
    pub scope: Option<Scope>,

    /// Begin an upload, and cancel it
    #[arg(long, requires = "scope")]
    pub push: bool,

    /// Look for logins only in this file
    #[arg(long, requires = "scope", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// Take `[registry]` from this file, such as a build.toml; it wins over your configuration
    #[arg(short, long, requires = "scope", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
