//! A copy as an instruction says it: its sources and its place in the image.

use std::rc::Rc;

use super::super::paths::plain_path;

/// Where files are copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CopySource {
    /// The project.
    Context,
    /// A stage above, by its number.
    Stage(usize),
    /// Another image.
    Image(String),
}

/// One instruction that copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) line: usize,
    pub(super) sources: Vec<String>,
    pub(super) source: CopySource,
    /// The path in the image.
    pub(super) to: String,
    /// Whether that is a directory that files are put into.
    pub(super) into: bool,
    /// Whether its path begins at a working directory that is not known.
    pub(super) is_adrift: bool,
    pub(super) owner: Option<String>,
    pub(super) mode: Option<String>,
    /// The owner of the file or directory at the path alone, by `chown` without `-R`.
    pub(super) own_owner: Option<String>,
    /// The mode of it, by `chmod`.
    pub(super) own_mode: Option<String>,
    pub(super) exclude: Rc<Vec<String>>,
}

impl Copy {
    /// Whether what is copied lies at a path or below it.
    pub(super) fn is_at_or_below(&self, path: &str) -> bool {
        is_below(&self.to, path) || self.is_file_at(path)
    }

    /// Whether it puts a single file at a path.
    pub(super) fn is_file_at(&self, path: &str) -> bool {
        match self.into {
            true => self.sources.iter().any(|source| join(&self.to, file_name(source)) == path),
            false => self.to == path,
        }
    }
}

pub(super) fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

pub(super) fn join(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

pub(super) fn has_wildcard(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// A path of the project as it is written in a build file: `.` or relative, without `.` in it.
pub(super) fn in_project(path: &str) -> String {
    let path = plain_path(path);
    if path.is_empty() { ".".to_owned() } else { path }
}

/// Whether a path is another one or below it.
pub(super) fn is_below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || other == "/")
}
