//! Zip archives (PKWARE APPNOTE 6.3), read only, with every name and size checked before use.
//!
//! The central directory is the only truth: local headers serve to find where the data begins, and must not say anything
//! else of an entry than the directory does, since some readers believe them. Data descriptors, prefixed bytes (executable
//! jars) and comments need no special care. An archive that programs do not read alike is refused; `differential` compares them.
//!
//! Invariants of an open [`ZipArchive`]:
//! - every name is relative and normal, so joined to a root it stays below that root; no file or symbolic link occurs
//!   twice, and nothing lies below one; a directory that is listed again is one entry;
//! - names, with those of the directories that they imply, have at most `MAX_NAME` bytes each and `MAX_NAMES`
//!   together, so that what is made of them is bounded;
//! - entries use no method but stored and deflate, are not encrypted, and do not overlap;
//! - a reader gives exactly the declared bytes or an error: size and CRC-32 are verified, output never
//!   exceeds the declared size, and an archive that was changed since it was opened is noticed.
//!
//! Nothing here extracts or follows links. A [`Repacked`] archive is made of another one's entries while it is read. A tar
//! archive becomes an archive of this form with stored entries, in a nameless file, under the same invariants: see
//! [`ZipArchive::from_tar`].

mod archive;
#[cfg(test)]
mod differential;
mod directory;
mod entry;
mod error;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fixture;
mod inflate;
mod names;
mod reader;
mod repack;
mod tarball;
#[cfg(test)]
mod tests;

pub use archive::ZipArchive;
#[cfg(test)]
use entry::MAX_NAME;
pub use entry::{ArchiveEntryKind, Method};
pub use error::{EntryProblem, ZipError};
pub use reader::EntryReader;
pub use repack::{Repacked, RepackedContent, RepackedEntry};
