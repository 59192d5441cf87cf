//! Uncommitted changes, and the members that they are about.
//!
//! git does not tell which sources an artifact was made of, so a change in no member's directory counts for all members: it
//! may be that of a library that they share. A change in the directory of one member counts for that member, and for those
//! whose settings name what changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::reads::MemberReads;
use super::whole::Workspace;
use crate::project::config::Settings;
use crate::project::git::ChangedFiles;

/// The uncommitted change that counts for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// There is none.
    None,
    /// There may be one, and it is not listed: submodules do not tell their files.
    Unlisted,
    /// This path, from the top of the repository.
    Path(PathBuf),
}

impl From<Option<PathBuf>> for MemberChange {
    fn from(path: Option<PathBuf>) -> Self {
        path.map_or(Self::None, Self::Path)
    }
}

/// The uncommitted changes in the repository of a workspace.
#[derive(Clone, Debug)]
pub struct UncommittedChanges {
    workspace: Workspace,
    files: ChangedFiles,
    /// The one that counts for all members.
    shared: MemberChange,
}

impl UncommittedChanges {
    /// The changes `files` in the repository of a workspace.
    #[must_use]
    pub fn new(workspace: Workspace, files: ChangedFiles) -> Self {
        let directories: BTreeSet<PathBuf> =
            workspace.members().iter().map(|member| member.directory().to_owned()).collect();
        let shared = match files.first_outside(&directories) {
            None if files.may_be_unlisted() => MemberChange::Unlisted,
            path => path.into(),
        };
        Self { workspace, files, shared }
    }

    /// The change that counts for the member with this build file, which has these settings.
    #[must_use]
    pub fn of(&self, build_file: &Path, settings: &Settings) -> MemberChange {
        let member = self.workspace.members().iter().find(|member| member.build_file() == build_file);
        let own = member.and_then(|member| {
            MemberReads::of(self.workspace.root(), member, settings).changed_file(&self.files)
        });
        match (own, member) {
            (Some(path), _) => MemberChange::Path(path),
            (None, Some(_)) => self.shared.clone(),
            (None, None) => MemberChange::Unlisted,
        }
    }
}
