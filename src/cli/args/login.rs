//! `pack login` and `pack logout`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::format::Format;
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

/// Keep a login for a registry
///
/// Asks the registry whether the login is good, and keeps it where `docker login` and `podman login` keep
/// theirs: in the credential helper that is configured, else in the file that has one for this registry, else
/// in Docker's config.json. Nothing is kept when the registry refuses it. Without `--password-stdin` the
/// password is asked for on the terminal.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = LOGIN_HELP)]
pub struct LoginArgs {
    /// The registry, or a path in it
    #[arg(value_name = "REGISTRY[/PATH]", value_parser = reached)]
    pub scope: Scope,

    /// The user; asked for on the terminal where not given
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,

    /// Read the password or token from standard input
    #[arg(long, conflicts_with = "password", requires = "username")]
    pub password_stdin: bool,

    /// The password or token; better given by `--password-stdin`
    ///
    /// Other users of the machine can read arguments while the program runs, and shells keep them.
    #[arg(short, long, value_name = "PASSWORD", requires = "username")]
    pub password: Option<Secret>,

    /// Keep the login in this file; builds read it with REGISTRY_AUTH_FILE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// Take `[registry]` from this file, such as a build.toml; it counts more than your configuration
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}

/// Remove the login for a registry
///
/// Removes it from all files and credential helpers that logins are looked for in.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = LOGOUT_HELP)]
pub struct LogoutArgs {
    /// The registry, or a path in it
    #[arg(value_name = "REGISTRY[/PATH]", value_parser = scope)]
    pub scope: Scope,

    /// Look in this file alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authfile: Option<PathBuf>,

    /// The format of the result.
    #[command(flatten)]
    pub format: Format,
}
