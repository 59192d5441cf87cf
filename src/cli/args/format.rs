//! Whether results are JSON.

use clap::Args;

/// Whether results are JSON.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct OutputFormat {
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}
