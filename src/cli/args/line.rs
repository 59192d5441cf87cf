//! The whole command line.

use clap::Parser;
use clap::builder::styling::{AnsiColor, Styles};

use super::super::printer;
use super::super::topics;
use super::command::Command;
use super::global::Global;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0    Done
  1    Something is wrong with the input: a file, a setting, an artifact
  2    The command line cannot be understood
  3    A registry or the network failed
  4    A policy refused, such as `--locked`
  70   A bug in `pack`
  130  Interrupted";

/// Assemble reproducible OCI images from finished artifacts, without a daemon, and push only what changed
#[derive(Clone, Debug, Parser)]
#[command(
    name = "pack",
    version,
    styles = STYLES,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = topics::list(),
    after_long_help = format!("{}\n\n{EXIT_CODES}", topics::list()),
)]
pub struct Cli {
    /// For every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The printer's options.
    #[must_use]
    pub const fn printer_options(&self) -> printer::PrinterOptions {
        printer::PrinterOptions {
            quiet: self.global.quiet,
            verbose: self.global.verbose,
            color: self.global.color,
        }
    }
}
