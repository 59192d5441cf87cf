//! `pack login` and `pack logout`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::registries::RegistryArgs;
use super::values::{reached, scope};
use crate::registry::Secret;
use crate::types::reference::Scope;

const LOGIN_HELP: &str = "\
Examples:
  pack login registry.example.com
      Ask for user and password
  pass show registry | pack login registry.example.com -u ci --password-stdin
      In a script; the password is in no argument and no history
  pack login registry.example.com/team -u team-bot --password-stdin < token
      For one part of the registry alone; the longest path wins";

const LOGOUT_HELP: &str = "\
Examples:
  pack logout registry.example.com
  pack logout registry.example.com/team";

/// Store a login for a registry
///
/// Checks the login with the registry, and stores it where `docker login` and `podman login` store theirs: in the
/// configured credential helper, else in the file that has one for this registry, else in Docker's config.json. A
/// login that the registry refuses is not stored. Without `--password-stdin`, the terminal asks for the password.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = LOGIN_HELP)]
pub struct LoginArgs {
    /// The registry, or a path in it
    #[arg(value_name = "REGISTRY[/PATH]", value_parser = reached)]
    pub scope: Scope,

    /// The user; without it, the terminal asks for it
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,

    /// Read the password or token from standard input
    #[arg(long, conflicts_with = "password", requires = "username")]
    pub password_stdin: bool,

    /// The password or token; better given by `--password-stdin`
    ///
    /// Other users of the machine can read arguments while the program runs, and shells store them.
    #[arg(short, long, value_name = "PASSWORD", requires = "username")]
    pub password: Option<Secret>,

    /// Store the login in this file; builds read it with REGISTRY_AUTH_FILE
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

/// Remove the login for a registry
///
/// Removes it from all files and credential helpers that `pack` reads.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = LOGOUT_HELP)]
pub struct LogoutArgs {
    /// The registry, or a path in it
    #[arg(value_name = "REGISTRY[/PATH]", value_parser = scope)]
    pub scope: Scope,

    /// Look only in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
