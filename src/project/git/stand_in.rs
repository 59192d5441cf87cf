//! The directory that stands for a repository's, in which git works.
//!
//! It has our configuration, HEAD, and links to the repository's branches and patterns; objects, index and working tree are
//! the repository's, by variables. So git never acts on the repository's configuration, has no hook, no remote to fetch
//! from, no filter, and does not ask who owns what: there is nothing of the owner's that it could run.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::error::GitError;
use super::own::GivenConfig;
use super::process::{Program, Running};
use super::repository::{GitRepository, MAX_LINE, RepositoryPaths};
use super::settings::{ConfigReader, UserSettings};
use super::surroundings::Surroundings;
use crate::runtime::input;

/// The state that all repositories of one question share: a working tree, and the submodules in it.
#[derive(Clone, Copy)]
pub(super) struct GitQuery<'a> {
    /// git.
    pub(super) program: &'a Path,
    /// The caller's surroundings.
    pub(super) around: &'a Surroundings<'a>,
    /// Reads configurations.
    pub(super) reader: &'a ConfigReader<'a>,
    /// The user's settings.
    pub(super) user: &'a UserSettings,
    /// The top of the outermost working tree.
    pub(super) root: &'a Path,
}

/// git, for one repository.
pub(super) struct Git<'a> {
    program: &'a Path,
    place: &'a RepositoryPaths,
    variables: Vec<(String, OsString)>,
    patience: Duration,
    /// Removed with this.
    stand_in: TempDir,
}

impl<'a> Git<'a> {
    /// Makes the directory that stands for the repository's.
    ///
    /// # Errors
    /// When it cannot be made, or the repository has something in the place of a file.
    pub(super) fn new(asker: &GitQuery<'a>, repository: &'a GitRepository) -> Result<Self, GitError> {
        let GitQuery { program, around, user, .. } = *asker;
        let stand_in = tempfile::Builder::new().prefix("pack-git-").tempdir_in(around.temporary);
        let stand_in = stand_in
            .map_err(|source| GitError::Temporary { directory: around.temporary.to_owned(), source })?;
        let GitRepository { place, entries, format } = repository;
        let RepositoryPaths { top, own, common } = place;
        let refused = |message: String| GitError::Refused { directory: top.clone(), message };
        let at = |name: &str| stand_in.path().join(name);
        let temporary = |source| GitError::Temporary { directory: around.temporary.to_owned(), source };
        let head = input::read(&own.join("HEAD"), MAX_LINE)
            .map_err(|error| refused(format!("`HEAD` cannot be read: {error}")))?;
        std::fs::write(at("HEAD"), head).map_err(temporary)?;
        let home = (around.variable)("HOME").map(PathBuf::from);
        let all = user.files.iter().chain(entries).chain(&user.given);
        let config = GivenConfig::new(all, format, home.as_deref(), top).to_bytes();
        std::fs::write(at("config"), config).map_err(temporary)?;
        std::fs::create_dir(at("info")).map_err(temporary)?;
        let links = [
            (common.join("info/exclude"), "info/exclude"),
            (common.join("info/attributes"), "info/attributes"),
            (own.join("info/sparse-checkout"), "info/sparse-checkout"),
            (common.join("packed-refs"), "packed-refs"),
        ];
        for (file, name) in links {
            match input::open(&file) {
                Ok(_) => std::os::unix::fs::symlink(&file, at(name)).map_err(temporary)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refused(format!("`{}` cannot be read: {error}", file.display()))),
            }
        }
        let references: &[&str] = if format.references.is_some() { &["refs", "reftable"] } else { &["refs"] };
        for name in references {
            std::os::unix::fs::symlink(common.join(name), at(name)).map_err(temporary)?;
        }
        for file in [own.join("index"), common.join("objects/info/alternates")] {
            if let Err(error) = input::open(&file)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(refused(format!("`{}` cannot be read: {error}", file.display())));
            }
        }
        let path = std::env::join_paths(around.search_path).unwrap_or_default();
        let mut variables: Vec<(&str, OsString)> = vec![
            ("PATH", path),
            ("GIT_DIR", stand_in.path().into()),
            ("GIT_WORK_TREE", top.into()),
            ("GIT_INDEX_FILE", own.join("index").into()),
            ("GIT_OBJECT_DIRECTORY", common.join("objects").into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_SYSTEM", "/dev/null".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            // Replaced or fetched objects would give another answer on another machine.
            ("GIT_NO_REPLACE_OBJECTS", "1".into()),
            ("GIT_NO_LAZY_FETCH", "1".into()),
            // Messages are shown, and the index is not ours to refresh.
            ("LC_ALL", "C".into()),
            ("GIT_OPTIONAL_LOCKS", "0".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
        ];
        // Where the patterns of what the user never wants to see are.
        for name in ["HOME", "XDG_CONFIG_HOME"] {
            variables.extend((around.variable)(name).map(|value| (name, value)));
        }
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { program, place, variables, patience: around.patience, stand_in })
    }

    /// Starts git with `input` on stdin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, arguments: &[&str], input: &[u8]) -> Result<Running, GitError> {
        let RepositoryPaths { top, own, common } = self.place;
        let program = Program {
            path: self.program,
            directory: top,
            top,
            files: self.stand_in.path(),
            variables: &self.variables,
            patience: self.patience,
            read: Some([own, common]),
        };
        program.start(arguments, input)
    }
}
