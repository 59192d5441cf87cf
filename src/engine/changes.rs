//! The changes of what a build reads, one set of them after the other.
//!
//! A set is over when nothing has happened for a moment and no file is open for writing any more, so that neither an editor
//! that replaces a file nor a jar that is half written starts a build for each step.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::reads::BuildReads;
use super::watched::{WatchedPaths, WatchedPathsError};
use crate::runtime::interrupt::Interrupt;
use crate::runtime::watcher::{DirectoryChange, DirectoryChangeKind, DirectoryWatcher, WatchError};
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::stamp::Stamp;

/// How long nothing must happen before a set is over.
const QUIET: Duration = Duration::from_millis(20);
/// The same while a file that the settings name is not there: a build tool removes it before it makes it again.
const WHILE_MISSING: Duration = Duration::from_secs(1);
/// The longest time that a set takes, and the longest wait for a file that is open for writing.
const LONGEST: Duration = Duration::from_secs(10);
/// How often the user's wish to stop is looked for.
const GLANCE: Duration = Duration::from_millis(100);
/// How many paths of a set are kept.
const MOST_PATHS: usize = 100;

/// Hears of the changes of what a build reads.
pub struct ChangeFeed {
    watcher: DirectoryWatcher,
    watched: Option<WatchedPaths>,
    /// A file that builds write, and its stamp after the last one.
    own: Option<(PathBuf, Option<Stamp>)>,
    /// Files that are open for writing.
    open: BTreeSet<PathBuf>,
    /// Those that stayed open for too long, such as logs. They are not waited for again before they are closed.
    lasting: BTreeSet<PathBuf>,
}

/// Changes that count, which belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// The first paths.
    pub paths: BTreeSet<PathBuf>,
    /// How many more there are, at least.
    pub more: usize,
    /// Whether other directories may have to be watched now.
    pub moves_watches: bool,
}

/// Why changes cannot be heard of.
#[derive(Debug, thiserror::Error)]
pub enum ChangeFeedError {
    /// The system gives no watches.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// There is too much to watch.
    #[error(transparent)]
    Paths(#[from] WatchedPathsError),
}

impl Explain for ChangeFeedError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Watch(error) => error.code(),
            Self::Paths(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Watch(error) => error.hint(),
            Self::Paths(error) => error.hint(),
        }
    }
}

impl ChangeSet {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.more == 0
    }

    /// Adds what changed later.
    pub fn extend(&mut self, later: Self) {
        let Self { paths, more, moves_watches } = later;
        for path in paths {
            self.add(&path);
        }
        self.more += more;
        self.moves_watches |= moves_watches;
    }

    fn add(&mut self, path: &Path) {
        if self.paths.contains(path) {
            return;
        }
        if self.paths.len() < MOST_PATHS {
            self.paths.insert(path.to_owned());
        } else {
            self.more += 1;
        }
    }
}

impl ChangeFeed {
    /// One that hears of nothing yet. Builds write `own` themselves.
    ///
    /// # Errors
    /// When the system gives no watcher.
    pub fn new(own: Option<&Path>) -> Result<Self, ChangeFeedError> {
        let own = own.map(|path| (super::own::real_path(path), None));
        let (open, lasting) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { watcher: DirectoryWatcher::new()?, watched: None, own, open, lasting })
    }

    /// Hears of these paths from now on, and of no others. Everything that happens later is told.
    ///
    /// # Errors
    /// When they cannot be watched.
    pub fn follow(&mut self, reads: &BuildReads, project: &Path) -> Result<(), ChangeFeedError> {
        // A directory that is made in between is found by the next look.
        for _ in 0..3 {
            let watched = WatchedPaths::new(reads, project)?;
            let is_the_same =
                self.watched.as_ref().is_some_and(|before| before.directories() == watched.directories());
            self.watcher.watch(watched.directories())?;
            self.watched = Some(watched);
            if is_the_same {
                break;
            }
        }
        Ok(())
    }

    /// How many directories are watched.
    #[must_use]
    pub fn directories(&self) -> usize {
        self.watcher.count()
    }

    /// Notes that a build is over: the file that it wrote is no change.
    pub fn note_own(&mut self) {
        if let Some((path, seen)) = &mut self.own {
            *seen = stamp(path);
        }
    }

    /// The next set of changes that begins within `time`; `None` if none does, or if the user wants to stop.
    ///
    /// # Errors
    /// When the system fails.
    pub fn next(
        &mut self,
        time: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<Option<ChangeSet>, ChangeFeedError> {
        let begun = Instant::now();
        let mut set = ChangeSet::default();
        while set.is_empty() {
            let rest = time.map_or(GLANCE, |time| time.saturating_sub(begun.elapsed()).min(GLANCE));
            if interrupt.is_triggered() {
                return Ok(None);
            }
            let changes = self.watcher.wait(rest)?;
            self.take(&changes, &mut set);
            if set.is_empty() && time.is_some_and(|time| begun.elapsed() >= time) {
                return Ok(None);
            }
        }
        self.settle(&mut set, interrupt)?;
        Ok((!interrupt.is_triggered()).then_some(set))
    }

    fn settle(&mut self, set: &mut ChangeSet, interrupt: &Interrupt) -> Result<(), ChangeFeedError> {
        let begun = Instant::now();
        let mut last = begun;
        while begun.elapsed() < LONGEST && !interrupt.is_triggered() {
            let rest = self.patience(set).saturating_sub(last.elapsed());
            if rest.is_zero() {
                break;
            }
            let changes = self.watcher.wait(rest.min(GLANCE))?;
            if self.take(&changes, set) {
                last = Instant::now();
            }
        }
        if self.lasting.len() >= MOST_PATHS {
            self.lasting.clear();
        }
        self.lasting.append(&mut self.open);
        Ok(())
    }

    fn patience(&mut self, set: &ChangeSet) -> Duration {
        let is_missing = |path: &PathBuf| std::fs::symlink_metadata(path).is_err();
        let is_named = |path: &&PathBuf| self.watched.as_ref().is_some_and(|watched| watched.is_named(path));
        if set.paths.iter().filter(is_named).any(is_missing) {
            return WHILE_MISSING;
        }
        self.open.retain(|path| !is_missing(path));
        if self.open.is_empty() { QUIET } else { LONGEST }
    }

    /// Takes the changes that count, and says whether there were any.
    fn take(&mut self, changes: &[DirectoryChange], set: &mut ChangeSet) -> bool {
        let Some(watched) = &self.watched else { return false };
        let mut is_any = false;
        for DirectoryChange { path, kind, is_dir } in changes {
            match kind {
                DirectoryChangeKind::Lost => {
                    set.more += 1;
                    (set.moves_watches, is_any) = (true, true);
                    continue;
                }
                DirectoryChangeKind::Gone => set.moves_watches = true,
                DirectoryChangeKind::Written | DirectoryChangeKind::Closed | DirectoryChangeKind::Changed => {
                }
            }
            if !watched.counts(path, *is_dir) || self.is_own(path) {
                continue;
            }
            match kind {
                DirectoryChangeKind::Written => {
                    if self.open.len() < MOST_PATHS && !self.lasting.contains(path) {
                        self.open.insert(path.clone());
                    }
                }
                DirectoryChangeKind::Closed => {
                    self.open.remove(path);
                    self.lasting.remove(path);
                }
                DirectoryChangeKind::Changed | DirectoryChangeKind::Gone | DirectoryChangeKind::Lost => {}
            }
            // A regular file that took the place of another is found where that was.
            let is_file = || std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
            set.moves_watches |= *is_dir || watched.describes(path) || (watched.is_named(path) && !is_file());
            set.add(path);
            is_any = true;
        }
        is_any
    }

    fn is_own(&self, path: &Path) -> bool {
        self.own.as_ref().is_some_and(|(own, seen)| own == path && *seen == stamp(own))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::symlink_metadata(path).ok().map(|metadata| Stamp::of(&metadata))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::reads::{ReadPath, ReadRole};
    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(10));
    const NEVER: Option<Duration> = Some(Duration::from_millis(200));

    struct Fixture {
        _directory: tempfile::TempDir,
        root: PathBuf,
        feed: ChangeFeed,
        reads: BuildReads,
        interrupt: Interrupt,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let root = directory.path().canonicalize().expect("there");
            let mut reads = BuildReads::described_by(&[root.join("build.toml")], None);
            let (path, role) = (root.join("libs/app.jar"), ReadRole::Artifact);
            reads.paths.push(ReadPath { path, role, is_pattern: false, tree: None });
            let lock = root.join("build.lock");
            reads.paths.push(ReadPath {
                path: lock.clone(),
                role: ReadRole::Lock,
                is_pattern: false,
                tree: None,
            });
            fs::create_dir(root.join("libs")).expect("made");
            fs::write(root.join("libs/app.jar"), "1").expect("written");
            let feed = ChangeFeed::new(Some(&lock)).expect("a watcher");
            let mut fixture =
                Self { _directory: directory, root, feed, reads, interrupt: Interrupt::default() };
            fixture.follow();
            fixture
        }

        fn follow(&mut self) {
            self.feed.follow(&self.reads, &self.root).expect("watched");
        }

        fn next(&mut self, time: Option<Duration>) -> Option<ChangeSet> {
            self.feed.next(time, &self.interrupt).expect("no fault")
        }

        fn write(&self, path: &str, text: &str) {
            fs::write(self.root.join(path), text).expect("written");
        }
    }

    #[test]
    fn changes_that_belong_together_are_one_set() {
        let mut fixture = Fixture::new();
        fixture.write("other", "1");
        assert_eq!(fixture.next(NEVER), None);
        fixture.write("libs/app.jar.tmp", "2");
        fs::rename(fixture.root.join("libs/app.jar.tmp"), fixture.root.join("libs/app.jar")).expect("moved");
        fixture.write("build.toml", "2");
        let set = fixture.next(SOON).expect("a change");
        let paths: Vec<PathBuf> = set.paths.into_iter().collect();
        assert_eq!(paths, [fixture.root.join("build.toml"), fixture.root.join("libs/app.jar")]);
        assert!(set.moves_watches);
        assert_eq!(fixture.next(NEVER), None);
    }

    #[test]
    fn a_file_that_is_open_is_waited_for() {
        use std::io::Write as _;
        let mut fixture = Fixture::new();
        let mut file = fs::File::create(fixture.root.join("libs/app.jar")).expect("open");
        let writer = std::thread::spawn(move || {
            for _ in 0..4 {
                file.write_all(b"part").expect("written");
                std::thread::sleep(Duration::from_millis(100));
            }
            // A slow disk.
            std::thread::sleep(Duration::from_secs(1));
        });
        fixture.write("build.toml", "2");
        let set = fixture.next(SOON).expect("a change");
        assert!(
            writer.is_finished() || fs::read(fixture.root.join("libs/app.jar")).expect("there").len() == 16
        );
        writer.join().expect("no panic");
        assert_eq!((set.paths.len(), fixture.next(NEVER)), (2, None));
    }

    #[test]
    fn directories_that_are_made_again_are_followed() {
        let mut fixture = Fixture::new();
        fs::rename(fixture.root.join("libs"), fixture.root.join("old")).expect("moved");
        let set = fixture.next(SOON).expect("a change");
        assert!(set.moves_watches);
        fixture.follow();
        fs::create_dir(fixture.root.join("libs")).expect("made");
        fixture.next(SOON).expect("a change");
        fixture.follow();
        fixture.write("libs/app.jar", "3");
        assert!(!fixture.next(SOON).expect("a change").is_empty());
    }

    #[test]
    fn a_lock_that_the_build_wrote_is_no_change() {
        let mut fixture = Fixture::new();
        fixture.write(".build.lock.Ab12", "1");
        fs::rename(fixture.root.join(".build.lock.Ab12"), fixture.root.join("build.lock")).expect("moved");
        fixture.feed.note_own();
        assert_eq!(fixture.next(NEVER), None);
        fixture.write("build.lock", "another");
        assert!(fixture.next(SOON).is_some());
    }

    #[test]
    fn the_wish_to_stop_ends_waiting() {
        let mut fixture = Fixture::new();
        fixture.interrupt.trigger();
        assert_eq!(fixture.next(None), None);
    }
}
