//! The user's project: settings, the lock of its base, what git says, the workspace that it belongs to.

pub mod config;
pub mod git;
pub mod lock;
pub mod workspace;
