//! The password of a private key: never an argument.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Where the password of a private key comes from: without a flag, `COSIGN_PASSWORD`, else the terminal.
#[derive(Clone, Debug, Default, Args)]
pub struct PasswordArgs {
    /// Read the password of the private key from this file [default: COSIGN_PASSWORD, else the terminal asks]
    ///
    /// Of several keys, one file is the password of all; else there is one for each, in the order of the keys.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "password_stdin")]
    pub password_file: Vec<PathBuf>,

    /// Read the password of the private key from standard input; of several keys, a line each
    #[arg(long)]
    pub password_stdin: bool,
}
