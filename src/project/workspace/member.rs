//! One member of a workspace.

use std::path::{Path, PathBuf};

use crate::project::config::Document;

/// One member: a directory with a build file, below the root.
#[derive(Clone, Debug)]
pub struct Member {
    /// The name of its directory.
    pub(super) name: String,
    /// Its directory relative to the root, with `/` between the parts.
    pub(super) place: String,
    /// Its build file.
    pub(super) build_file: PathBuf,
    /// Its settings, with those that the root gives.
    pub(super) document: Document,
}

impl Member {
    /// The name, which no other member has.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory relative to the root, with `/` between the parts.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Its build file.
    #[must_use]
    pub fn build_file(&self) -> &Path {
        &self.build_file
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.build_file.parent().unwrap_or(Path::new("/"))
    }

    /// Its build file, joined with what the root of the workspace gives.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }
}
