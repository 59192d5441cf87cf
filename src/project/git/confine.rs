//! Keeps a working tree that is not trusted to its own repository.
//!
//! `.git` can be a file that names a directory anywhere, as in working trees and submodules; it can be a link; and what
//! lies in it can be links. So a stranger's archive could name another repository of the user, whose branch and commit
//! would then be in tags and labels. Such a repository knows nothing of the tree, and that is the difference: git notes
//! in it where its working trees and submodules are. Objects are not looked at: who does not know the hash of a
//! commit cannot name it.

use std::path::{Path, PathBuf};

use super::error::GitError;
use super::repository::GitRepository;
use crate::runtime::input;

/// Files of a repository's directory that are read and could lead away from it.
const OF_WORKING_TREE: [&str; 4] = ["HEAD", "index", "config.worktree", "info/sparse-checkout"];
const OF_ALL: [&str; 6] = ["config", "refs", "reftable", "packed-refs", "objects", "info"];
/// How many references may name each other.
const MOST_REFERENCES: usize = 5;

/// Asks whether all that is read of `repository` lies below `root`, or belongs to a repository that knows the tree.
///
/// # Errors
/// When it does not.
pub(super) fn check(repository: &GitRepository, root: &Path) -> Result<(), GitError> {
    let place = &repository.place;
    let git = place.top.join(".git");
    let Some(own) = real(&place.own) else { return Ok(()) };
    if !own.starts_with(root) {
        return if knows(repository, &own) {
            Ok(())
        } else {
            Err(GitError::Foreign { file: git, leads_to: own })
        };
    }
    let files = OF_WORKING_TREE.iter().map(|name| place.own.join(name));
    let shared = OF_ALL.iter().map(|name| place.common.join(name));
    let all = std::iter::once(place.common.clone()).chain(files).chain(shared).chain(references(repository));
    for file in all {
        if let Some(leads_to) = real(&file).filter(|real| !real.starts_with(root)) {
            return Err(GitError::Foreign { file, leads_to });
        }
    }
    Ok(())
}

/// Where a path leads; `None` where nothing is.
fn real(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

/// Whether the git directory `own` says that the working tree is one of its own: `gitdir` in that of a working tree,
/// `core.worktree` in that of a submodule.
fn knows(repository: &GitRepository, own: &Path) -> bool {
    let place = &repository.place;
    let git = real(&place.top.join(".git"));
    let line = input::read_text(&own.join("gitdir"), super::repository::MAX_LINE).ok();
    let back = line.and_then(|line| real(&own.join(line.trim_end_matches(['\n', '\r']))));
    if back.is_some() && back == git {
        return true;
    }
    let tree = repository.work_tree().and_then(|tree| real(&own.join(tree)));
    tree.is_some() && tree == real(&place.top)
}

/// The files of the references that HEAD names, one after the other.
fn references(repository: &GitRepository) -> Vec<PathBuf> {
    let place = &repository.place;
    let mut files = Vec::new();
    let mut next = place.own.join("HEAD");
    while files.len() < MOST_REFERENCES {
        let Ok(text) = input::read_text(&next, super::repository::MAX_LINE) else { break };
        let Some(name) = text.strip_prefix("ref:") else { break };
        next = place.common.join(name.trim());
        files.push(next.clone());
    }
    files
}
