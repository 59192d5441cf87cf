//! An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/` (image specification,
//! `image-layout.md`).
//!
//! Invariants:
//! - `index.json` changes under a lock, by rename: readers see the old one or the new one, and of two
//!   writers neither loses the other's names. Where the file system has no locks, the last writer wins.
//! - A name is set after everything it reaches is stored; setting it is the one step that makes an image
//!   visible.
//! - A directory that holds something else is never written to.

mod directory;
mod error;
mod names;
#[cfg(test)]
mod tests;

pub(crate) use directory::is_complete;
pub use directory::{Layout, OCI_LAYOUT};
pub use error::LayoutError;
pub(crate) use error::{damaged, is_damage};
pub use names::{CONTAINERD_NAME, EntryName, PickError, REF_NAME, name_of, pick};
pub(crate) use names::{empty_index, enter};
