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

/// The uncommitted changes in the repository of a workspace.
#[derive(Clone, Debug)]
pub struct UncommittedChanges {
    workspace: Workspace,
    files: ChangedFiles,
    /// Whether they count for all members.
    are_shared: bool,
}

impl UncommittedChanges {
    /// The changes `files` in the repository of a workspace.
    #[must_use]
    pub fn new(workspace: Workspace, files: ChangedFiles) -> Self {
        let directories: BTreeSet<PathBuf> =
            workspace.members().iter().map(|member| member.directory().to_owned()).collect();
        let are_shared = !files.are_all_below(&directories);
        Self { workspace, files, are_shared }
    }

    /// Whether any of them counts for the member with this build file, which has these settings.
    #[must_use]
    pub fn concern(&self, build_file: &Path, settings: &Settings) -> bool {
        let member = self.workspace.members().iter().find(|member| member.build_file() == build_file);
        let Some(member) = member.filter(|_| !self.are_shared) else { return true };
        MemberReads::of(self.workspace.root(), member, settings).changed_file(&self.files).is_some()
    }
}
