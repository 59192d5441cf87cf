//! A copy of a project whose files are made in the reverse order.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::super::super::format;
use crate::project::git;
use crate::runtime::interrupt::Interrupt;
use crate::types::shown::shown_path;

/// A larger project is not copied.
const MOST_BYTES: u64 = 512 << 20;
const MOST_FILES: usize = 100_000;
/// Bits of modes that a checkout under the umask 077 has not.
const MASKED: u32 = 0o077;

/// The directory or file that a copy is made of: the whole working tree, if git has one here, since the image names its commit.
///
/// # Errors
/// Why there can be none.
pub(super) fn root_of(path: &Path) -> Result<PathBuf, String> {
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    match git::top_of(directory).map_err(|error| error.to_string())? {
        Some(top) if top.join(".git").is_dir() => Ok(top),
        Some(top) => {
            Err(format!("the repository of `{}` is elsewhere, and knows only one place", shown_path(&top)))
        }
        None => Ok(path.to_owned()),
    }
}

/// Copies `from`, a directory or a file, without `except`.
///
/// # Errors
/// Why it cannot be copied.
pub(super) fn copy(from: &Path, to: &Path, except: &Path, interrupt: &Interrupt) -> Result<(), String> {
    let mut entries: Vec<DirEntry> = Vec::new();
    let mut bytes = 0_u64;
    let walk = WalkDir::new(from).follow_links(false).follow_root_links(false).into_iter();
    for entry in walk.filter_entry(|entry| entry.path() != except) {
        let entry = entry.map_err(|error| format!("it cannot be read: {error}"))?;
        let kind = entry.file_type();
        if !kind.is_dir() && !kind.is_file() && !kind.is_symlink() {
            return Err(format!("`{}` is no file, directory or link", shown_path(entry.path())));
        }
        if kind.is_file() {
            let metadata = entry.metadata().map_err(|error| format!("it cannot be read: {error}"))?;
            bytes = bytes.saturating_add(metadata.len());
        }
        if bytes > MOST_BYTES {
            return Err(format!("it has more than {}", format::bytes(MOST_BYTES)));
        }
        entries.push(entry);
        if entries.len() > MOST_FILES {
            return Err(format!("it has more than {MOST_FILES} files"));
        }
    }
    let mut copied = Copied { links: BTreeMap::new() };
    for entry in entries.iter().rev() {
        interrupt.check().map_err(|error| error.to_string())?;
        let relative = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let target = if relative.as_os_str().is_empty() { to.to_owned() } else { to.join(relative) };
        copied
            .entry(entry, &target)
            .map_err(|error| format!("`{}` cannot be copied: {error}", shown_path(entry.path())))?;
    }
    Ok(())
}

/// The files so far that have several names, by device and inode.
struct Copied {
    links: BTreeMap<(u64, u64), PathBuf>,
}

impl Copied {
    fn entry(&mut self, entry: &DirEntry, target: &Path) -> io::Result<()> {
        let metadata = entry.metadata()?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let mode = metadata.permissions().mode() & 0o7777 & !MASKED;
        if metadata.is_symlink() {
            return symlink(fs::read_link(entry.path())?, target);
        }
        if metadata.is_dir() {
            fs::create_dir_all(target)?;
            attributes(entry.path(), target);
            // Its owner must be able to remove what is in it.
            return fs::set_permissions(target, fs::Permissions::from_mode(mode | 0o700));
        }
        let file = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1
            && let Some(first) = self.links.get(&file)
        {
            return fs::hard_link(first, target);
        }
        fs::copy(entry.path(), target)?;
        attributes(entry.path(), target);
        fs::set_permissions(target, fs::Permissions::from_mode(mode))?;
        self.links.insert(file, target.to_owned());
        Ok(())
    }
}

/// Copies extended attributes, as far as this user and this file system can.
fn attributes(from: &Path, to: &Path) {
    for name in xattr::list(from).into_iter().flatten() {
        if let Ok(Some(value)) = xattr::get(from, &name) {
            let _ = xattr::set(to, &name, &value);
        }
    }
}

/// The first path that a user without rights cannot read: of `path`, what is below it, and the directories above.
pub(super) fn unreadable(path: &Path) -> Option<PathBuf> {
    let lacks =
        |path: &Path, bits: u32| fs::metadata(path).is_ok_and(|it| it.permissions().mode() & bits != bits);
    if let Some(above) = path.ancestors().skip(1).find(|above| lacks(above, 0o001)) {
        return Some(above.to_owned());
    }
    let below = WalkDir::new(path).follow_links(false).into_iter().filter_map(Result::ok);
    let blocked = |entry: &DirEntry| match entry.file_type() {
        kind if kind.is_dir() => lacks(entry.path(), 0o005),
        kind if kind.is_file() => lacks(entry.path(), 0o004),
        _ => false,
    };
    below.into_iter().find(blocked).map(DirEntry::into_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_files_with_the_modes_of_a_strict_umask() {
        let directory = tempfile::tempdir().expect("a directory");
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("sub/skipped")).expect("made");
        fs::write(from.join("sub/a"), "a").expect("written");
        fs::write(from.join("sub/skipped/b"), "b").expect("written");
        fs::set_permissions(from.join("sub/a"), fs::Permissions::from_mode(0o755)).expect("set");
        fs::hard_link(from.join("sub/a"), from.join("hard")).expect("linked");
        symlink("sub/a", from.join("soft")).expect("linked");
        copy(&from, &to, &from.join("sub/skipped"), &Interrupt::default()).expect("copied");
        let mode = |path: &str| fs::metadata(to.join(path)).expect("there").mode() & 0o7777;
        assert_eq!((mode("sub/a"), mode("sub")), (0o700, 0o700));
        assert_eq!(fs::metadata(to.join("hard")).expect("there").nlink(), 2);
        assert_eq!(fs::read_link(to.join("soft")).expect("a link"), Path::new("sub/a"));
        assert!(!to.join("sub/skipped").exists());
    }

    #[test]
    fn what_others_cannot_read_is_found() {
        let directory = tempfile::tempdir_in("/tmp").expect("a directory");
        let project = directory.path().join("project");
        fs::create_dir(&project).expect("made");
        fs::write(project.join("file"), "").expect("written");
        let set =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        set(&project, 0o755);
        set(&project.join("file"), 0o644);
        set(directory.path(), 0o700);
        assert_eq!(unreadable(&project).as_deref(), Some(directory.path()));
        set(directory.path(), 0o711);
        assert_eq!(unreadable(&project), None);
        set(&project.join("file"), 0o640);
        assert_eq!(unreadable(&project), Some(project.join("file")));
    }
}
