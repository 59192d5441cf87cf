//! `build.lock`: which bytes a base's name meant, committed beside the build file.
//!
//! For each base: the digest behind its reference, the manifest of each platform, and of each ancestor
//! directory of the application its owner and mode in the base, which no build then has to download a
//! layer for. Of a base in a registry its small documents stand there as well, so that a machine with an
//! empty store need not ask for them.
//!
//! - The same lock gives the same text: sorted, one fact a line, for review and for merging.
//! - Only `reference` and `digest` are decisions. The rest are facts derived from the digest, and a checksum binds
//!   them to it: if a person or a dependency bot edits the digest, the stale facts are dropped on reading and derived
//!   again. A fact that was edited is dropped as well.

mod change;
mod decode;
mod encode;
mod error;
mod facts;
mod file;

pub use error::LockError;
pub use facts::{Ancestor, BaseFacts, LockedBase, LockedPlatform, MAX_CONTENT, SystemFacts};
pub use file::{FILE_NAME, Lock, MAX_LOCK, is_unfinished, unfinished};

#[cfg(test)]
mod tests;
