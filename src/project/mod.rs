//! The user's project: settings, the lock of its base, what git says, the workspace that it belongs to, the
//! part of it that one of several machines builds, and their results.

pub mod config;
pub mod git;
pub mod lock;
pub mod results;
pub mod shard;
pub mod workspace;
