//! The results of a run of a workspace, as a file: what a shard hands on, and what the shards of a run are put together to.
//!
//! Shards write to one registry and share no other place. So the results of each carry all that the run as a whole has
//! to know: how each member ended, its image, what it cost, and what was learned for `build.lock`.
//!
//! Invariants: a document says no time of day, so no clock can make it wrong. Documents of different commits, settings or
//! versions are never put together, and a member never has two results.

mod document;
mod end;
mod error;
mod merge;
mod version;

pub use document::{ImageFacts, LOCKED, MemberRecord, RunResults, ShardSet};
pub use end::MemberEnd;
pub use merge::{MergedRun, merge};
pub use version::SCHEMA_VERSION;

#[cfg(test)]
mod tests;
