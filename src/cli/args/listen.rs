//! `pack listen`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::registries::RegistryArgs;

const HELP: &str = "\
Examples:
  pack listen                        As `listen.toml` says
  pack listen --file /etc/pack/listen.toml
  pack listen --check                Read the settings and the secrets only
Paths of the service:
  POST PATH      Of each `[[source]]`
  GET /healthz   200 as long as the service lives
  GET /readyz    200 if it takes messages, else 503
  GET /metrics   Counters, in the text format of Prometheus
SIGTERM and Ctrl-C end it: nothing new begins, and runs get the time of `grace`.";

/// Run a command, or post on, when a registry or `pack` says that an image was pushed
///
/// Takes the notifications of docker-registry, Harbor and Docker Hub and the events of `pack`, checks the secret,
/// drops duplicates, and keeps the rest on disk before it answers. Each `[[action]]` then runs a command without a
/// shell, or posts the event to another receiver: one run at a time for a tag, the newest image first.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ListenArgs {
    /// The settings of the service
    #[arg(short, long, value_name = "FILE", default_value = "listen.toml", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Check the settings and the secrets, and end
    #[arg(long)]
    pub check: bool,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,
}
