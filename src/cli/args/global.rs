//! Flags of every command.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::super::printer::ColorChoice;
use super::values::threads;

/// Flags of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show each request to a registry; twice to show headers as well
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// When to use colour; colour never carries meaning
    ///
    /// `auto` colours on a terminal unless `NO_COLOR` is set, and anywhere if `CLICOLOR_FORCE` is.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    pub color: ColorChoice,

    /// The local store of blobs and memos [env: PACK_CACHE_DIR] [default: ~/.cache/pack]
    ///
    /// Without it, `PACK_CACHE_DIR`, then `$XDG_CACHE_HOME/pack`, then `~/.cache/pack`. You may delete it at any
    /// time: the next build is slower and gives the same image.
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache_dir: Option<PathBuf>,

    /// Use this many threads [env: PACK_JOBS] [default: one per core]
    ///
    /// At most 16 for each processor. The image is the same for every number.
    #[arg(short, long, global = true, value_name = "N", value_parser = threads)]
    pub jobs: Option<NonZeroUsize>,
}
