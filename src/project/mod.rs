//! The user's project: settings, the lock of its base, what git says.

pub mod config;
pub mod git;
pub mod lock;
