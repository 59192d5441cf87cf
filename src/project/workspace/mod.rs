//! Workspaces: many images in one checkout, with common settings and one lock.
//!
//! The root is a directory whose `build.toml` has the table `[workspace]`; it describes no image itself. Its members are
//! the directories below it that the patterns of `members` match, each with a `build.toml` of its own. A member's name is
//! that of its directory, and its [document](Member::document) is its build file joined with what the root gives.
//!
//! A member is the same wherever it is built from: in a run of the whole workspace, or by itself, where
//! [`WorkspaceRoot::of_member`] finds the root above it.
//!
//! Invariants: members are in the order of their paths; no two have one name, one directory or one image name.

mod error;
mod member;
mod reads;
mod root;
mod uncommitted;
mod walk;
mod whole;

#[cfg(test)]
pub use error::WorkspaceError;
pub use member::Member;
pub use reads::{ChangeReason, MemberReads, places};
pub use root::WorkspaceRoot;
pub use uncommitted::{MemberChange, UncommittedChanges};
pub use whole::Workspace;

#[cfg(test)]
mod tests;
