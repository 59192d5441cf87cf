//! The local store: blobs that were built or fetched, names of local images, and memos.
//!
//! ```text
//! <store>/oci-layout, index.json, blobs/sha256/<hex>   a valid OCI image layout: the truth
//! <store>/memo/<namespace>-<hex>                       records of finished steps; disposable
//! <store>/locks/lease                                  held shared by builds, exclusively by a prune
//! <store>/CACHEDIR.TAG, .gitignore                     tell backup programs and git to pass by
//! ```
//!
//! Invariants:
//! - The store never fails a build and never changes an image. A file that it cannot read is a miss; a file that it
//!   cannot write is not remembered. The first such trouble is told once, as a warning.
//! - Any file can vanish or be damaged at any moment.
//!
//! The module keeps no policy: what is stored under which key is the caller's business.

mod blobs;
mod damage;
mod error;
mod files;
mod handle;
mod layout;
mod memo;
mod prune;
mod scratch;

pub use crate::runtime::atomic::Durability;
pub use blobs::{BlobWriter, Blobs};
pub use damage::Damage;
pub use error::StoreError;
pub(crate) use files::{at, persist, temporary_in};
pub use handle::Store;
pub use layout::{
    CONTAINERD_NAME, EntryName, Layout, LayoutError, OCI_LAYOUT, PickError, REF_NAME, name_of, pick,
};
pub(crate) use layout::{damaged, empty_index, enter, is_complete, is_damage};
#[cfg(any(test, feature = "testing"))]
pub(crate) use memo::fuzz;
pub use prune::{PruneOptions, PruneResult};
pub use scratch::{Scratch, ScratchSweep, sweep};
