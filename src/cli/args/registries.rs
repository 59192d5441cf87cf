//! How registries are reached: flags of every command that reaches one.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use crate::types::reference::Registry;

/// How registries are reached, for one command.
#[derive(Clone, Debug, Default, Args)]
pub struct RegistryArgs {
    /// Reach this registry without TLS; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Registry::from_str, help_heading = "Registries")]
    pub plain_http: Vec<Registry>,

    /// Do not check the certificate of this registry; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", value_parser = Registry::from_str, help_heading = "Registries")]
    pub skip_tls_verify: Vec<Registry>,

    /// Trust the certificates in this file, too; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Registries")]
    pub ca_file: Vec<PathBuf>,
}
