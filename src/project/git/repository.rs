//! Where a repository is: its working tree, its own directory, and the one that it shares with other working trees.
//!
//! Found by looking for `.git` in the directories above, and nowhere else: a directory that looks like a bare
//! repository is a directory.

use std::path::{Path, PathBuf};

use super::GitError;
use super::config::{self, Entry, Format};
use crate::runtime::input;

/// A repository with a working tree.
#[derive(Debug)]
pub(super) struct Repository {
    /// The top of the working tree.
    pub(super) top: PathBuf,
    /// What `.git` is or names: HEAD, index.
    pub(super) own: PathBuf,
    /// Objects, branches, configuration. The same, but for additional working trees.
    pub(super) common: PathBuf,
    /// Its configuration.
    pub(super) entries: Vec<Entry>,
    /// How it is kept.
    pub(super) format: Format,
}

/// The most that is read of a file with one line.
pub(super) const MAX_LINE: u64 = 64 << 10;

impl Repository {
    /// The repository that `directory` is in.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub(super) fn around(directory: &Path) -> Result<Option<Self>, GitError> {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let Ok(directory) = std::fs::canonicalize(directory) else { return Ok(None) };
        match directory.ancestors().find(|ancestor| ancestor.join(".git").exists()) {
            Some(top) => Self::at(top).map(Some),
            None => Ok(None),
        }
    }

    /// The repository whose working tree is `top`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn at(top: &Path) -> Result<Self, GitError> {
        let refused = |message: String| GitError::Refused { directory: top.to_owned(), message };
        let own = own_directory(&top.join(".git")).map_err(refused)?;
        let common = match input::read_text(&own.join("commondir"), MAX_LINE) {
            Ok(common) => own.join(common.trim_end_matches(['\n', '\r'])),
            Err(_) => own.clone(),
        };
        let bad_line = |file: &Path, bad: config::BadLine| {
            refused(format!("`{}` is not valid at line {}", file.display(), bad.0))
        };
        let file = common.join("config");
        let mut entries = config::read(&file).map_err(|bad| bad_line(&file, bad))?;
        let format = Format::of(&entries).map_err(refused)?;
        if format.has_worktree_file {
            let file = own.join("config.worktree");
            entries.extend(config::read(&file).map_err(|bad| bad_line(&file, bad))?);
        }
        if format.is_bare && own == common {
            return Err(refused("it has no working tree (`core.bare`)".to_owned()));
        }
        if format.references.is_some() && own != common {
            let message =
                "it keeps its references as a reftable, of which only the first working tree can be read";
            return Err(refused(message.to_owned()));
        }
        Ok(Self { top: top.to_owned(), own, common, entries, format })
    }
}

/// What `.git` is, or what it names: in worktrees and submodules it is a file with a path.
fn own_directory(git: &Path) -> Result<PathBuf, String> {
    if git.is_dir() {
        return Ok(git.to_owned());
    }
    let text = input::read_text(git, MAX_LINE).map_err(|error| format!("`.git` cannot be read: {error}"))?;
    let path = text.strip_prefix("gitdir:").ok_or("`.git` names no directory")?;
    let path = path.trim_start().trim_end_matches(['\n', '\r']);
    Ok(git.parent().unwrap_or(Path::new("/")).join(path))
}
