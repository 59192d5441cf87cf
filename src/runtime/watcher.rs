//! Hears of changes in directories: inotify, directory by directory.
//!
//! It tells what the system tells and decides nothing: which names count is up to its caller. A name is told in the
//! directory that was asked for, so a caller asks for directories by their real paths. A directory that is not there, or
//! that cannot be read, is passed by.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::deadline;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Bytes of changes that are read at once.
const BUFFER: usize = 64 << 10;
/// The most changes that one call returns: more of them say nothing new, and only count as lost.
const MOST_CHANGES: usize = 16_384;

/// Hears of changes in directories.
#[derive(Debug)]
pub struct DirectoryWatcher {
    descriptor: OwnedFd,
    /// By the number of the watch.
    directories: BTreeMap<i32, PathBuf>,
    numbers: BTreeMap<PathBuf, i32>,
}

/// Something that happened in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryChange {
    /// The path; empty if changes were lost.
    pub path: PathBuf,
    /// The kind.
    pub kind: DirectoryChangeKind,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryChangeKind {
    /// A file was written to, and is perhaps still open.
    Written,
    /// A file that was open for writing was closed.
    Closed,
    /// Something was made, removed, moved, or has other attributes.
    Changed,
    /// A watched directory itself was removed or moved.
    Gone,
    /// The system lost changes: anything may have changed.
    Lost,
}

/// Why changes cannot be heard of.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system gives no more watches to this user.
    #[error(
        "cannot watch `{}`: this user has reached the limit of watched directories, and {watched} are watched here",
        shown_path(path)
    )]
    TooMany {
        /// The directory.
        path: PathBuf,
        /// How many are watched.
        watched: usize,
    },
    /// The system gives no more watchers to this user.
    #[error("cannot watch files: this user has reached the limit of watchers")]
    TooManyWatchers(#[source] io::Error),
    /// Anything else.
    #[error("cannot watch files")]
    System(#[source] io::Error),
}

impl Explain for WatchError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::TooMany { .. } | Self::TooManyWatchers(_) => Some(ErrorCode::SystemLimit),
            Self::System(source) => io_code(source, ErrorCode::FileUnreadable),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::TooMany { .. } => Some(
                "raise the limit with `sudo sysctl fs.inotify.max_user_watches=524288`, or leave directories out with \
                 `.packignore`"
                    .to_owned(),
            ),
            Self::TooManyWatchers(_) => {
                Some("raise the limit with `sudo sysctl fs.inotify.max_user_instances=1024`".to_owned())
            }
            Self::System(_) => None,
        }
    }
}

impl DirectoryWatcher {
    /// One that watches nothing yet.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn new() -> Result<Self, WatchError> {
        let descriptor =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|error| match error {
                Errno::MFILE => WatchError::TooManyWatchers(error.into()),
                error => WatchError::System(error.into()),
            })?;
        Ok(Self { descriptor, directories: BTreeMap::new(), numbers: BTreeMap::new() })
    }

    /// Watches these directories, by their real paths, and no others.
    ///
    /// # Errors
    /// When the system gives no more watches.
    pub fn watch(&mut self, directories: &BTreeSet<PathBuf>) -> Result<(), WatchError> {
        let unwanted: Vec<(PathBuf, i32)> = self
            .numbers
            .iter()
            .filter(|(path, _)| !directories.contains(*path))
            .map(|(path, number)| (path.clone(), *number))
            .collect();
        for (path, number) in unwanted {
            self.numbers.remove(&path);
            self.directories.remove(&number);
            // The system has forgotten it already if the directory is gone.
            let _ = inotify::remove_watch(&self.descriptor, number);
        }
        // Also those that are watched: a directory may have been removed, and another made in its place.
        directories.iter().try_for_each(|path| self.add(path))
    }

    /// How many directories are watched.
    #[must_use]
    pub fn count(&self) -> usize {
        self.directories.len()
    }

    fn add(&mut self, path: &Path) -> Result<(), WatchError> {
        let flags = WatchFlags::ATTRIB
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MODIFY
            | WatchFlags::MOVE_SELF
            | WatchFlags::MOVE
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        let number = match inotify::add_watch(&self.descriptor, path, flags) {
            Ok(number) => number,
            Err(Errno::NOSPC) => {
                return Err(WatchError::TooMany { path: path.to_owned(), watched: self.count() });
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP | Errno::NAMETOOLONG) => {
                return Ok(());
            }
            Err(error) => return Err(WatchError::System(error.into())),
        };
        if let Some(before) = self.numbers.insert(path.to_owned(), number)
            && before != number
        {
            self.directories.remove(&before);
        }
        self.directories.insert(number, path.to_owned());
        Ok(())
    }

    /// The changes that are known by now, or the next ones within `time`; none if there were none.
    ///
    /// # Errors
    /// When the system fails.
    pub fn wait(&mut self, time: Duration) -> Result<Vec<DirectoryChange>, WatchError> {
        let end = deadline::after(time);
        loop {
            let changes = self.read()?;
            let rest = end.saturating_duration_since(Instant::now());
            if !changes.is_empty() || rest.is_zero() {
                return Ok(changes);
            }
            let mut descriptors = [PollFd::new(&self.descriptor, PollFlags::IN)];
            let rest = Timespec::try_from(rest).ok();
            match poll(&mut descriptors, rest.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(WatchError::System(error.into())),
            }
        }
    }

    fn read(&mut self) -> Result<Vec<DirectoryChange>, WatchError> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.descriptor, &mut buffer);
        let mut changes: Vec<DirectoryChange> = Vec::new();
        let lost =
            || DirectoryChange { path: PathBuf::new(), kind: DirectoryChangeKind::Lost, is_dir: false };
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(changes),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(WatchError::System(error.into())),
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.push(lost());
                continue;
            }
            let number = event.wd();
            if flags.contains(ReadFlags::IGNORED) {
                if let Some(path) = self.directories.remove(&number)
                    && self.numbers.get(&path) == Some(&number)
                {
                    self.numbers.remove(&path);
                }
                continue;
            }
            let Some(directory) = self.directories.get(&number) else { continue };
            let path = match event.file_name() {
                Some(name) => directory.join(OsStr::from_bytes(name.to_bytes())),
                None => directory.clone(),
            };
            let kind = if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT)
            {
                DirectoryChangeKind::Gone
            } else if flags.contains(ReadFlags::CLOSE_WRITE) {
                DirectoryChangeKind::Closed
            } else if flags.contains(ReadFlags::MODIFY) {
                DirectoryChangeKind::Written
            } else {
                DirectoryChangeKind::Changed
            };
            let change = DirectoryChange { path, kind, is_dir: flags.contains(ReadFlags::ISDIR) };
            if changes.last() == Some(&change) {
                continue;
            }
            if changes.len() < MOST_CHANGES {
                changes.push(change);
            } else if changes.len() == MOST_CHANGES {
                changes.push(lost());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn names(changes: &[DirectoryChange]) -> BTreeSet<&OsStr> {
        changes.iter().filter_map(|change| change.path.file_name()).collect()
    }

    #[test]
    fn changes_are_told_by_path_and_kind() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("there");
        let mut watcher = DirectoryWatcher::new().expect("a watcher");
        watcher.watch(&[root.clone(), root.join("none")].into()).expect("watched");
        assert_eq!(watcher.count(), 1);
        assert_eq!(watcher.wait(Duration::ZERO).expect("no fault"), []);
        fs::write(root.join("a"), "1").expect("written");
        fs::create_dir(root.join("d")).expect("made");
        let changes = watcher.wait(SOON).expect("no fault");
        let has = |name: &str, kind, is_dir| {
            changes.contains(&DirectoryChange { path: root.join(name), kind, is_dir })
        };
        assert!(
            has("a", DirectoryChangeKind::Written, false) && has("a", DirectoryChangeKind::Closed, false),
            "{changes:?}"
        );
        assert!(has("d", DirectoryChangeKind::Changed, true), "{changes:?}");
    }

    #[test]
    fn a_directory_that_was_made_again_is_watched_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().canonicalize().expect("there").join("inner");
        let wanted: BTreeSet<PathBuf> = [inner.clone()].into();
        fs::create_dir(&inner).expect("made");
        let mut watcher = DirectoryWatcher::new().expect("a watcher");
        watcher.watch(&wanted).expect("watched");
        fs::remove_dir(&inner).expect("removed");
        fs::create_dir(&inner).expect("made");
        // Before it has heard that the first one is gone.
        watcher.watch(&wanted).expect("watched");
        fs::write(inner.join("a"), "1").expect("written");
        let changes = watcher.wait(SOON).expect("no fault");
        assert!(changes.iter().any(|change| change.path == inner.join("a")), "{changes:?}");
        assert_eq!(watcher.count(), 1);
        watcher.watch(&BTreeSet::new()).expect("nothing");
        fs::write(inner.join("b"), "1").expect("written");
        let later = watcher.wait(Duration::from_millis(50)).expect("no fault");
        assert!(!names(&later).contains(OsStr::new("b")) && watcher.count() == 0, "{later:?}");
    }

    #[test]
    fn a_flood_is_lost_and_not_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("there");
        let mut watcher = DirectoryWatcher::new().expect("a watcher");
        watcher.watch(&[root.clone()].into()).expect("watched");
        for number in 0..12_000 {
            fs::write(root.join(number.to_string()), "").expect("written");
        }
        let changes = watcher.wait(SOON).expect("no fault");
        assert!(changes.iter().any(|change| change.kind == DirectoryChangeKind::Lost));
        assert!(changes.len() <= MOST_CHANGES + 1);
    }
}
