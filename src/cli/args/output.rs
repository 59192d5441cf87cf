//! `pack completions` and `pack man`: what is derived from these definitions.

use std::path::PathBuf;

use clap::{Args, ValueHint};

const COMPLETIONS_HELP: &str = "\
Examples:
  pack completions bash > ~/.local/share/bash-completion/completions/pack
  pack completions zsh > ~/.zfunc/_pack
  pack completions fish > ~/.config/fish/completions/pack.fish";

const MAN_HELP: &str = "\
Examples:
  pack man | man -l -            The page of `pack`
  pack man cache prune           The page of a command
  pack man --dir /usr/local/share/man/man1";

/// Print completions for a shell
#[derive(Clone, Copy, Debug, Args)]
#[command(after_long_help = COMPLETIONS_HELP)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Print a manual page, or write all of them
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = MAN_HELP)]
pub struct ManArgs {
    /// The command whose page to print [default: `pack` itself]
    pub command: Vec<String>,

    /// Write all pages into this directory instead
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "command")]
    pub dir: Option<PathBuf>,
}
