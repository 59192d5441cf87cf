//! The directories to watch for what a build reads, and which changes in them count.
//!
//! A file is watched in its directory, because editors and build tools replace it by another of its name. Every link on
//! the way to a path counts, and so does every directory from the project down: it may be removed and made again. Within
//! a tree a change counts if a scan would find the path. A file that an editor writes beside another while it saves that never counts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::own::real_path;
use super::reads::{BuildReads, ReadRole};
use crate::artifact::{before_pattern, fits_beginning};
use crate::layer::scan::TreeSelection;
use crate::project::lock;
use crate::project::workspace::places;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// The most directories that are watched: the system's own bound is often lower.
const MOST_DIRECTORIES: usize = 1 << 17;

/// The paths that are watched.
pub struct WatchedPaths {
    /// Paths that count by themselves, each in its real directory.
    points: BTreeSet<PathBuf>,
    /// Those of them that decide which paths are watched.
    describing: BTreeSet<PathBuf>,
    trees: Vec<WatchedTree>,
    patterns: Vec<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

/// A tree, by its real root.
struct WatchedTree {
    root: PathBuf,
    /// `None` if its ignore file cannot be read: everything counts then.
    selection: Option<TreeSelection>,
}

/// Why the paths cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchedPathsError {
    /// There are too many directories.
    #[error("cannot watch `{}`: it has more than {MOST_DIRECTORIES} directories", shown_path(.0))]
    TooMany(PathBuf),
}

impl Explain for WatchedPathsError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::LimitReached)
    }

    fn hint(&self) -> Option<String> {
        Some("leave directories out with `exclude` or `.packignore`".to_owned())
    }
}

impl WatchedPaths {
    /// For these paths of the project in the directory `project`.
    ///
    /// # Errors
    /// When there are too many directories.
    pub fn new(reads: &BuildReads, project: &Path) -> Result<Self, WatchedPathsError> {
        let mut watched = Self {
            points: BTreeSet::new(),
            describing: BTreeSet::new(),
            trees: Vec::new(),
            patterns: Vec::new(),
            directories: BTreeSet::new(),
        };
        let project = real_path(project);
        for read in &reads.paths {
            if read.is_pattern {
                watched.add_pattern(&read.path, &project);
                continue;
            }
            let describes = matches!(read.role, ReadRole::BuildFile | ReadRole::Lock | ReadRole::IgnoreFile);
            watched.add_point(&read.path, &project, describes);
            if let Some(options) = &read.tree {
                let root = real_path(&read.path);
                let selection = TreeSelection::new(&root, options, reads.left_out()).ok();
                watched.add_tree(WatchedTree { root, selection })?;
            }
        }
        for point in &watched.points {
            // The nearest directory that is there: in it the next one comes to be.
            let above = point.ancestors().skip(1).find(|above| above.is_dir());
            watched.directories.extend(above.map(Path::to_owned));
        }
        Ok(watched)
    }

    fn add_point(&mut self, path: &Path, project: &Path, describes: bool) {
        for place in places(path) {
            for above in place.ancestors().skip(1) {
                if above.starts_with(project) || !above.exists() {
                    self.points.insert(above.to_owned());
                }
            }
            if describes {
                self.describing.insert(place.clone());
            }
            self.points.insert(place);
        }
    }

    /// A pattern is watched in each directory that its beginning fits.
    fn add_pattern(&mut self, pattern: &Path, project: &Path) {
        let Some(before) = before_pattern(pattern) else { return };
        let real = real_path(&before);
        let rest = pattern.strip_prefix(&before).unwrap_or(Path::new(""));
        let depth = rest.components().count();
        self.add_point(&before, project, false);
        let pattern = real.join(rest);
        let walk = WalkDir::new(&real).max_depth(depth.saturating_sub(1)).into_iter();
        let directories =
            walk.filter_entry(|entry| entry.file_type().is_dir() && fits_beginning(&pattern, entry.path()));
        let found = directories.filter_map(|entry| Some(entry.ok()?.into_path()));
        self.directories.extend(found.take(MOST_DIRECTORIES));
        self.patterns.push(pattern);
    }

    fn add_tree(&mut self, tree: WatchedTree) -> Result<(), WatchedPathsError> {
        let enters = |path: &Path| {
            let relative = path.strip_prefix(&tree.root).unwrap_or(Path::new(""));
            // With too many names for the patterns the build itself fails.
            tree.selection.as_ref().is_none_or(|selection| selection.enters(relative).unwrap_or(true))
        };
        let walk = WalkDir::new(&tree.root).into_iter();
        let walk = walk.filter_entry(|entry| entry.file_type().is_dir() && enters(entry.path()));
        // A directory that cannot be read is the build's to tell.
        for entry in walk.filter_map(Result::ok) {
            if self.directories.len() >= MOST_DIRECTORIES {
                return Err(WatchedPathsError::TooMany(tree.root));
            }
            self.directories.insert(entry.into_path());
        }
        self.trees.push(tree);
        Ok(())
    }

    /// The directories to watch, by their real paths.
    #[must_use]
    pub const fn directories(&self) -> &BTreeSet<PathBuf> {
        &self.directories
    }

    /// Whether a change of a path, in its real directory, counts.
    #[must_use]
    pub fn counts(&self, path: &Path, is_dir: bool) -> bool {
        if self.points.contains(path) {
            return true;
        }
        if path.file_name().is_some_and(is_of_editor) {
            return false;
        }
        let of_tree = |tree: &WatchedTree| match path.strip_prefix(&tree.root) {
            Err(_) => false,
            Ok(relative) if relative == Path::new("") => true,
            Ok(relative) => tree.selection.as_ref().is_none_or(|selection| {
                let takes = selection.takes(relative, is_dir).unwrap_or(true);
                takes || (is_dir && selection.takes_below(relative).unwrap_or(true))
            }),
        };
        self.trees.iter().any(of_tree) || self.patterns.iter().any(|pattern| fits_beginning(pattern, path))
    }

    /// Whether a path that counts is no part of a tree, and so a file that was named or a directory above one.
    #[must_use]
    pub fn is_named(&self, path: &Path) -> bool {
        self.points.contains(path)
    }

    /// Whether other paths may have to be watched after a change of `path`.
    #[must_use]
    pub fn describes(&self, path: &Path) -> bool {
        self.describing.contains(path)
    }
}

/// Whether an editor gives this name to what it writes beside a file: vim, Emacs, IntelliJ, Kate, gedit, and backups. So does
/// `pack` to a file that it is about to rename.
fn is_of_editor(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let ends = |ending: &[u8]| name.ends_with(ending);
    name == b"4913"
        || ends(b"~")
        || ends(b"___jb_tmp___")
        || ends(b"___jb_old___")
        || name.starts_with(b".#")
        || name.starts_with(b".goutputstream-")
        || name.starts_with(b".pack-")
        || lock::is_unfinished(OsStr::from_bytes(name))
        || (name.starts_with(b"#") && ends(b"#"))
        || (name.starts_with(b".") && (ends(b".swp") || ends(b".swo") || ends(b".swx") || ends(b".kate-swp")))
}

#[cfg(test)]
mod tests {
    use super::super::reads::ReadPath;
    use super::*;
    use crate::layer::ScanOptions;

    fn watched(root: &Path, paths: &[(&str, bool)]) -> WatchedPaths {
        let mut reads = BuildReads::described_by(&[root.join("build.toml")], None);
        for (path, is_pattern) in paths {
            let path = root.join(path);
            let options = ScanOptions { exclude: vec!["out".to_owned()], ..ScanOptions::default() };
            let tree = path.is_dir().then_some(options);
            reads.paths.push(ReadPath { path, role: ReadRole::Artifact, is_pattern: *is_pattern, tree });
        }
        WatchedPaths::new(&reads, root).expect("few directories")
    }

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().canonicalize().expect("there");
        (directory, root)
    }

    #[test]
    fn a_tree_is_watched_without_what_is_left_out() {
        let (_directory, root) = directory();
        for dir in ["app/a/b", "app/out/x"] {
            std::fs::create_dir_all(root.join(dir)).expect("made");
        }
        let watched = watched(&root, &[("app", false)]);
        let has = |path: &str| watched.directories().contains(&root.join(path));
        assert!(has("") && has("app") && has("app/a/b") && !has("app/out") && !has("app/out/x"));
        let counts = |path: &str, is_dir| watched.counts(&root.join(path), is_dir);
        assert!(counts("app/a/x.class", false) && counts("app/new", true) && counts("app", true));
        assert!(counts("build.toml", false) && watched.describes(&root.join("build.toml")));
        assert!(!counts("app/out/x", false) && !counts("other", false) && !counts("app.war", false));
        for temporary in
            ["4913", "x.java~", ".x.java.swp", "x.java___jb_tmp___", ".#x.java", "#x.java#", ".pack-Ab12"]
        {
            assert!(!counts(&format!("app/a/{temporary}"), false), "{temporary}");
        }
    }

    #[test]
    fn a_missing_path_is_awaited_where_it_will_be() {
        let (_directory, root) = directory();
        let watched = watched(&root, &[("build/libs/app.jar", false)]);
        assert!(watched.directories().contains(&root));
        let counts = |path: &str| watched.counts(&root.join(path), true);
        assert!(counts("build") && counts("build/libs") && counts("build/libs/app.jar"));
        assert!(!counts("build/classes"));
    }

    #[test]
    fn every_link_on_the_way_counts() {
        let (_directory, root) = directory();
        std::fs::create_dir_all(root.join("releases/1")).expect("made");
        std::fs::write(root.join("releases/1/app.jar"), "").expect("written");
        std::os::unix::fs::symlink("releases/1", root.join("current")).expect("linked");
        let watched = watched(&root, &[("current/app.jar", false)]);
        let counts = |path: &str| watched.counts(&root.join(path), false);
        assert!(counts("current") && counts("releases/1/app.jar") && !counts("releases/2/app.jar"));
        assert!(watched.directories().contains(&root.join("releases/1")));
    }

    #[test]
    fn a_pattern_is_watched_where_it_begins() {
        let (_directory, root) = directory();
        std::fs::create_dir_all(root.join("build/libs")).expect("made");
        let watched = watched(&root, &[("build/libs/app-{version}.jar", true)]);
        assert!(watched.directories().contains(&root.join("build/libs")));
        let counts = |path: &str| watched.counts(&root.join(path), false);
        assert!(counts("build/libs/app-1.jar") && !counts("build/libs/lib.jar") && !counts("build/x"));
    }
}
