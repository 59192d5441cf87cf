//! Where a repository is: its working tree, its own directory, and the one that it shares with other working trees.
//!
//! Found by looking for `.git` in the directories above, and nowhere else: a directory that looks like a bare
//! repository is a directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::entry::GitConfigEntry;
use super::error::GitError;
use super::format::RepositoryFormat;
use super::settings::ConfigReader;
use crate::runtime::input;

/// Where the parts of a repository are.
#[derive(Clone, Debug)]
pub(super) struct RepositoryPaths {
    /// The top of the working tree.
    pub(super) top: PathBuf,
    /// The paths that `.git` is or names: HEAD, index.
    pub(super) own: PathBuf,
    /// Objects, branches, configuration. The same, but for additional working trees.
    pub(super) common: PathBuf,
}

/// A repository with a working tree.
#[derive(Debug)]
pub(super) struct GitRepository {
    /// Where it is.
    pub(super) place: RepositoryPaths,
    /// Its configuration.
    pub(super) entries: Vec<GitConfigEntry>,
    /// How it is kept.
    pub(super) format: RepositoryFormat,
}

/// The most that is read of a file with one line.
pub(super) const MAX_LINE: u64 = 64 << 10;

impl RepositoryPaths {
    /// The repository that `directory` is in.
    ///
    /// # Errors
    /// When there is one that cannot be found from its `.git`.
    pub(super) fn around(directory: &Path) -> Result<Option<Self>, GitError> {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let Ok(directory) = std::fs::canonicalize(directory) else { return Ok(None) };
        match directory.ancestors().find(|ancestor| has_repository(&ancestor.join(".git"))) {
            Some(top) => Self::at(top).map(Some),
            None => Ok(None),
        }
    }

    /// The repository whose working tree is `top`.
    ///
    /// # Errors
    /// When it cannot be found from its `.git`.
    pub(super) fn at(top: &Path) -> Result<Self, GitError> {
        let own = own_directory(&top.join(".git"))
            .map_err(|message| GitError::Refused { directory: top.to_owned(), message })?;
        let common = match input::read_text(&own.join("commondir"), MAX_LINE) {
            Ok(common) => own.join(common.trim_end_matches(['\n', '\r'])),
            Err(_) => own.clone(),
        };
        Ok(Self { top: top.to_owned(), own, common })
    }
}

impl GitRepository {
    /// Reads how the repository at `place` is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(place: RepositoryPaths, reader: &ConfigReader<'_>) -> Result<Self, GitError> {
        let refused = |message: String| GitError::Refused { directory: place.top.clone(), message };
        let mut entries = reader.file(&place.top, &place.common.join("config"))?;
        let format = RepositoryFormat::of(&entries).map_err(refused)?;
        if format.has_worktree_file {
            entries.extend(reader.file(&place.top, &place.own.join("config.worktree"))?);
        }
        if format.is_bare && place.own == place.common {
            return Err(refused("it has no working tree (`core.bare`)".to_owned()));
        }
        if format.references.is_some() && place.own != place.common {
            let message =
                "it keeps its references as a reftable, of which only the first working tree can be read";
            return Err(refused(message.to_owned()));
        }
        Ok(Self { place, entries, format })
    }

    /// The address that it came from: `url` of `[remote "origin"]`, the last one as git has it.
    pub(super) fn origin(&self) -> Option<String> {
        origin(&self.entries)
    }

    /// Where it says that its working tree is, as a submodule does.
    pub(super) fn work_tree(&self) -> Option<&Path> {
        let entry = self.entries.iter().rev().find(|entry| entry.is("core", None, "worktree"))?;
        Some(Path::new(OsStr::from_bytes(entry.value.as_deref()?)))
    }
}

fn origin(entries: &[GitConfigEntry]) -> Option<String> {
    let url = entries.iter().rev().find(|entry| entry.is("remote", Some(b"origin"), "url"))?;
    String::from_utf8(url.value.clone()?).ok()
}

/// Whether there is something of a repository. Git passes over an empty directory, which containers have where a `.git` is kept from them.
fn has_repository(git: &Path) -> bool {
    git.exists() && !std::fs::read_dir(git).is_ok_and(|mut entries| entries.next().is_none())
}

/// The directory that `.git` is or names: in worktrees and submodules it is a file with a path.
fn own_directory(git: &Path) -> Result<PathBuf, String> {
    if git.is_dir() {
        return Ok(git.to_owned());
    }
    let text = input::read_text(git, MAX_LINE).map_err(|error| format!("`.git` cannot be read: {error}"))?;
    let path = text.strip_prefix("gitdir:").ok_or("`.git` names no directory")?;
    let path = path.trim_start().trim_end_matches(['\n', '\r']);
    Ok(git.parent().unwrap_or(Path::new("/")).join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_the_last_one() {
        let records = [
            "remote.upstream.url\nno",
            "remote.origin.url\nno",
            "remote.origin.url\nyes",
            "branch.x.url\nno",
        ];
        let entries: Vec<GitConfigEntry> =
            records.iter().map(|record| GitConfigEntry::parse(record.as_bytes())).collect();
        assert_eq!(origin(&entries).as_deref(), Some("yes"));
        assert_eq!(origin(&[]), None);
    }
}
