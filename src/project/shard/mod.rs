//! Which of several machines builds which members of a workspace.
//!
//! The machines never talk to each other: each computes the same partition from what all of them have, the names of
//! the members and the measures of an earlier run in a file. No local store has a part in it.
//!
//! Invariants: each member is in exactly one shard. The partition does not depend on the order of the members, and only
//! whole numbers decide.

mod choice;
mod costs;
mod error;
mod found;
mod partition;
mod share;
mod system;

pub use choice::ShardChoice;
pub use costs::MemberCosts;
pub use error::ShardError;
pub use found::found_shard;
pub use partition::partition;
pub use share::Shard;

#[cfg(test)]
mod tests;
