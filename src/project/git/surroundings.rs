//! The caller's environment for finding facts, because nothing here reads the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment for finding facts.
pub struct Surroundings<'a> {
    /// Where the program `git` is looked for. Relative directories are passed over.
    pub search_path: &'a [PathBuf],
    /// Where a directory can be made that lasts as long as the question.
    pub temporary: &'a Path,
    /// Looks variables up.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether an absolute path is a file that this program writes itself: it makes no tree dirty.
    pub is_ours: &'a dyn Fn(&Path) -> bool,
    /// How long one run of git may take.
    pub patience: Duration,
    /// Whether nothing of the working tree may lead to a repository elsewhere that does not know it.
    pub is_untrusted: bool,
}

impl Surroundings<'_> {
    /// The program `git`.
    pub(super) fn program(&self) -> Option<PathBuf> {
        let is_program =
            |path: &PathBuf| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
        let directories = self.search_path.iter().filter(|directory| directory.is_absolute());
        directories.map(|directory| directory.join("git")).find(is_program)
    }
}
