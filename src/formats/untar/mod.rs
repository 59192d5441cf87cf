//! Walks the headers of a tar of unknown origin, within limits.
//!
//! Container tools read a layer with Go's reader, people with GNU tar or Python, and a header can be written so that
//! each of them sees another file. Where they read the same, this walk reads it too; where they differ, or one of
//! them refuses, the walk refuses the entry, with its number, its place and the field ([`UntarError::Ambiguous`]). A
//! differential test holds the walk to this. Payloads are skipped or handed on, never kept.

#[cfg(test)]
mod differential;
mod entry;
mod error;
mod header;
mod input;
mod limits;
mod records;
mod sparse;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use entry::TarEntry;
pub use error::UntarError;
pub(crate) use header::BLOCK;
pub(crate) use input::{ReadThrough, SeekInput, Skip};
#[cfg(test)]
pub(crate) use limits::Limits;
pub(crate) use limits::{ARCHIVE, ARTIFACT, LAYER};
pub(crate) use walk::TarWalk;
