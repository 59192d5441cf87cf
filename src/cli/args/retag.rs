//! The argument about tags that are taken.

use clap::Args;

/// The argument about tags that are taken.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct RetagArgs {
    /// Move a tag of the registry that resolves to another image
    ///
    /// Without it such a tag is refused before anything is sent, with exit code 4. `latest` always moves, and so do
    /// names in layouts, archives and the local store.
    #[arg(long, help_heading = "Output")]
    pub allow_retag: bool,
}
