//! `pack events`.

use clap::{Args, Subcommand};

use super::format::OutputFormat;
use super::registries::RegistryArgs;

const FLUSH_HELP: &str = "\
Examples:
  pack events flush
  pack build --push && pack events flush    Fails if a receiver was not told
Exit codes:
  0    No event waits
  3    An event still waits, and a warning says why";

/// Show or deliver the events that wait for their receivers
///
/// After a push, a promotion or a rollback the receivers of each `[[webhook]]` get an event. One that cannot be
/// delivered waits in the local store; the next command that pushes tries again, and so does `flush`.
#[derive(Clone, Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct EventsArgs {
    /// The command.
    #[command(subcommand)]
    pub command: EventsCommand,
}

/// The commands of `pack events`.
#[derive(Clone, Debug, Subcommand)]
#[allow(missing_docs, reason = "what each does stands at its arguments")]
pub enum EventsCommand {
    /// List the events that wait, oldest first
    List(OutputFormat),
    Flush(FlushArgs),
}

/// Deliver all events that wait, also those whose next try is not due yet
#[derive(Clone, Debug, Args)]
#[command(after_long_help = FLUSH_HELP)]
pub struct FlushArgs {
    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}
