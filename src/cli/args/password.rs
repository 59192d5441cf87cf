//! The password of a private key: never an argument.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Where the password of a private key comes from: without a flag, `COSIGN_PASSWORD`, else the terminal.
#[derive(Clone, Debug, Default, Args)]
pub struct PasswordArgs {
    /// Read the password of the private key from this file [default: COSIGN_PASSWORD, else the terminal asks]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "password_stdin")]
    pub password_file: Option<PathBuf>,

    /// Read the password of the private key from standard input
    #[arg(long)]
    pub password_stdin: bool,
}
