//! `pack serve`: the images of the local store as a registry that others pull from and cannot change.
//!
//! ```text
//! HTTP ─► connections ─► server ─► answer ─► catalog ─► store, or the registry of a base
//! ```
//!
//! The distribution specification's pull and content discovery: manifests, blobs with ranges, tags and referrers, for GET
//! and HEAD. Invariants:
//! - It serves what a name of the store reaches, and documents that refer to that; nothing else that lies in the store.
//! - A path of a request never becomes a path of the disk: a blob is found by a parsed digest.
//! - HEAD answers as GET does, without the body.
//! - On a loopback address it answers only those who asked for a loopback address: a page in a browser cannot read images by
//!   a name that it lets resolve to this machine.
//! - Everything is bounded: connections, heads, times, documents.

mod answer;
mod catalog;
pub mod connections;
mod query;
mod server;

pub use server::{ServeOptions, run};
