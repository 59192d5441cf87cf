//! Obstacles that hold git up for ever: a named pipe or a device in the place of a file that it reads.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// The files of a working tree that git reads in any directory.
const READ_ANYWHERE: [&str; 3] = [".gitignore", ".gitattributes", ".gitmodules"];

/// Looks for such a file in a working tree, and for anything of that kind in the repository's own directories. Stops
/// without an answer when `is_over`.
pub(super) fn find(top: &Path, own: [&Path; 2], is_over: impl Fn() -> bool) -> Option<PathBuf> {
    let is_tree = |name: &std::ffi::OsStr| name != ".git";
    let tree = WalkDir::new(top).into_iter().filter_entry(|entry| is_tree(entry.file_name()));
    let in_tree = tree
        .filter_map(Result::ok)
        .filter(|entry| READ_ANYWHERE.iter().any(|name| entry.file_name() == *name));
    let in_own =
        own.into_iter().flat_map(|directory| WalkDir::new(directory).into_iter().filter_map(Result::ok));
    in_tree
        .chain(in_own)
        .take_while(|_| !is_over())
        .map(walkdir::DirEntry::into_path)
        .find(|path| holds_up(path))
}

/// Whether there is something at `path` that is neither a file nor a directory, behind links too.
fn holds_up(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn pipe(path: &Path) {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    }

    #[test]
    fn only_what_git_reads_holds_it_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let (top, own) = (directory.path(), directory.path().join(".git"));
        let found = || find(top, [&own, &own], || false);
        pipe(&top.join("a/pipe"));
        std::fs::write(top.join(".gitignore"), "x").expect("written");
        std::fs::create_dir(top.join("a/.gitattributes")).expect("made");
        assert_eq!(found(), None);
        pipe(&own.join("refs/heads/main"));
        assert_eq!(found(), Some(own.join("refs/heads/main")));
        pipe(&top.join("a/b/.gitignore"));
        assert_eq!(found(), Some(top.join("a/b/.gitignore")));
        assert_eq!(find(top, [&own, &own], || true), None);
    }
}
