//! Projects whose packages are not installed: directories that would be applications with them.

use std::path::Path;

use super::error::ArtifactError;
use super::proposal::Proposal;
use crate::layer::EntryPath;

/// A project whose packages are not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UninstalledProject {
    /// The file at its top that shows it.
    pub(super) file: &'static str,
    /// Why it is no application yet.
    pub(super) why: String,
    /// The way to make it one.
    pub(super) hint: String,
}

impl UninstalledProject {
    /// Whether the file that shows it is in the image: where it is left out, the user takes other files of a project.
    pub(super) fn is_in(&self, proposal: &Proposal) -> bool {
        let path = match &proposal.app_root {
            Some(root) => root.join(self.file.as_bytes()),
            None => EntryPath::new(self.file.as_bytes()),
        };
        let Ok(path) = path else { return false };
        let entries = |layer: &super::proposal::ProposedLayer| {
            layer.entries.binary_search_by(|entry| entry.path.cmp(&path)).is_ok()
        };
        proposal.layers.iter().any(entries)
    }

    /// The refusal to copy it as it is.
    pub(super) fn refused(self, path: &Path) -> ArtifactError {
        let hint = format!("{}; `app.kind = \"tree\"` copies the directory as it is", self.hint);
        ArtifactError::Unfit { path: path.to_owned(), why: self.why, hint }
    }

    /// A warning about a directory that is taken for another kind.
    pub(super) fn warning(&self, kind: &str) -> String {
        format!(
            "the artifact is copied as it is, and {}; `app.kind = \"{kind}\"` says that this is meant",
            self.why
        )
    }
}
