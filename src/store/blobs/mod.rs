//! A directory of blobs, each under the name of its digest: `blobs/sha256/<hex>`.
//!
//! Invariants:
//! - A blob appears under its name by rename, whole or not at all. Several processes may write the same
//!   one: the last rename wins and the bytes are the same.
//! - A name proves nothing about the bytes behind it, which may be torn, damaged or poisoned. Every reader of a blob
//!   checks it: [`Blobs::reader`] does, [`Blobs::open`] and `Blobs::content` leave it to the caller.
//! - The local store's blobs heal: one that turns out damaged on reading is moved aside, and is a miss the
//!   next time. They also spill: what does not fit goes to a throw-away directory, for this run only.
//! - A writer that is dropped, or that fails, leaves nothing behind. A killed process can leave a file whose name
//!   starts with `.tmp-`; it disturbs no other process, and the next prune removes it.

mod directory;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(super) use directory::Spill;
pub use directory::{BlobFile, Blobs};
pub use writer::BlobWriter;
