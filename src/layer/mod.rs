//! Layers: from planned entries to a reproducible blob.

mod entry;
pub mod scan;

pub use entry::{
    Content, ContentSource, DEFAULT_MTIME, Entry, EntryKind, EntryPath, EntryPathError, Metadata, Stamp,
};
pub(crate) use scan::{shown, shown_path};
