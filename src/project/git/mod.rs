//! Git's facts about a directory: commit, branch, time, uncommitted changes, origin; and what changed since a revision.
//!
//! A repository may come from anybody, so nothing of it is run: no filter, hook, pager, monitor or helper that its
//! configuration names, and nothing is fetched. That holds by construction and not by a list of keys. The repository
//! is found here (`repository`): it is the nearest `.git` above, never a directory that only looks like a repository.
//! git reads its configuration as text alone (`settings`), and then works in a directory of our own that stands for
//! the repository's (`stand_in`), with a configuration that is written here (`own`), so that it acts on no other. Who
//! owns the repository makes no difference then, and `safe.directory` is not asked. `changes` decides about files
//! that git would run a filter for.
//!
//! Outside a repository and where there is no commit there are no facts and no error; a repository that cannot be
//! read is an error, because silence would change tags and labels; where `git` is not installed, a warning says the
//! same. No process is started outside a repository; inside one, two are for the configuration and then two for the
//! facts, side by side, and more only where times differ or there are submodules. The caller passes the environment in.

mod changed;
mod changes;
mod confine;
mod entry;
mod error;
mod facts;
mod format;
mod obstacle;
mod origin;
mod own;
mod process;
mod repository;
mod settings;
mod stand_in;
mod surroundings;

pub use changed::{ChangeState, ChangedFiles, changed_since, top_of, uncommitted};
pub use facts::{GitFacts, facts};
pub use surroundings::Surroundings;

#[cfg(test)]
mod tests;
