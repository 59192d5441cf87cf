//! Layers: from planned entries to a reproducible blob.

mod entry;

pub use entry::{
    Content, ContentSource, DEFAULT_MTIME, Entry, EntryKind, EntryPath, EntryPathError, Metadata, Stamp,
};
