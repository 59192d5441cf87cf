//! `pack key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::format::OutputFormat;
use super::password::PasswordArgs;

const GENERATE_HELP: &str = "\
Examples:
  pack key generate
      Ask for a password, and write pack.key and pack.pub
  pack key generate --output release --password-file password.txt";

const PUBLIC_HELP: &str = "\
Examples:
  pack key public cosign.key > cosign.pub
  openssl dgst -sha256 -verify <(pack key public pack.key) …";

/// Make a key that signs images, or show its public key
#[derive(Clone, Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct KeyArgs {
    /// The command.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// The commands of `pack key`.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "what each does stands at its arguments")]
pub enum KeyCommand {
    Generate(GenerateArgs),
    Public(PublicArgs),
}

/// Make a key: a private one under a password, and its public one
///
/// The key is for ECDSA on the curve P-256. The file of the private key is encrypted as cosign does it, so that both
/// programs can use it. Files that are there are not replaced.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = GENERATE_HELP)]
pub struct GenerateArgs {
    /// Write PREFIX.key and PREFIX.pub
    #[arg(short, long, value_name = "PREFIX", value_hint = ValueHint::FilePath, default_value = "pack")]
    pub output: PathBuf,

    /// The password.
    #[command(flatten)]
    pub password: PasswordArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

/// Print the public key of a private or public key
#[derive(Clone, Debug, Args)]
#[command(after_long_help = PUBLIC_HELP)]
pub struct PublicArgs {
    /// The key
    #[arg(value_name = "KEY", value_hint = ValueHint::FilePath)]
    pub key: PathBuf,

    /// The password.
    #[command(flatten)]
    pub password: PasswordArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
