//! Every entry of every layer of an image: which layer has it, and which later layer replaces or removes it.
//!
//! Names, sizes, modes and owners are kept, and no content. Whiteouts are about the layers below, as runtimes read them, wherever
//! in their layer they stand. Whether the blobs are what their digests say is for `verify` to tell.

mod entry;
mod links;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use entry::{EntryState, FileEntry, FileKind, FileMode};
pub use tree::{FilesOptions, ImageFiles, LayerTotals, PathTotals};
pub use walk::FileRow;
