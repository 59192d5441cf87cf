//! Which files changed since a revision, committed or not.
//!
//! git compares the working tree with the revision, and runs no filter for it: a file under one whose size or times are not
//! those of the index counts as changed. Files that git does not look at are told apart from those that did not change: ignored
//! files, files that the index says not to look at (`assume-unchanged`, `skip-worktree`), submodules, and all that lies
//! outside of the repository.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::changes::{may_have_submodules, object};
use super::confine;
use super::error::GitError;
use super::process::Running;
use super::repository::{GitRepository, RepositoryPaths};
use super::settings::ConfigReader;
use super::stand_in::{Git, GitQuery};
use super::surroundings::Surroundings;

/// The longest revision that is asked for.
const MAX_REVISION: usize = 1024;

/// The answer of git about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeState {
    /// Nothing at or below it changed.
    Same,
    /// This path, relative to the top of the repository, changed.
    Changed(PathBuf),
    /// git does not look at it, or not at this path below it.
    Unseen(PathBuf),
}

/// The files that changed since a revision.
#[derive(Clone, Debug, Default)]
pub struct ChangedFiles {
    /// The top of the working tree, without links.
    top: PathBuf,
    changed: PathSet,
    unseen: PathSet,
    /// The file that was asked for, as it was then.
    then: Option<Vec<u8>>,
    /// Whether there are submodules, whose changes are not listed.
    has_submodules: bool,
}

impl ChangedFiles {
    /// The answer of git about a path, which is absolute and without links.
    #[must_use]
    pub fn state(&self, path: &Path) -> ChangeState {
        let Ok(below) = path.strip_prefix(&self.top) else { return ChangeState::Unseen(path.to_owned()) };
        match (self.changed.touches(below), self.unseen.touches(below)) {
            (Some(changed), _) => ChangeState::Changed(changed),
            (None, Some(unseen)) => ChangeState::Unseen(unseen),
            (None, None) => ChangeState::Same,
        }
    }

    /// The first path at or below `path` that changed, as far as git sees.
    #[must_use]
    pub fn changed_below(&self, path: &Path) -> Option<PathBuf> {
        self.changed.touches(path.strip_prefix(&self.top).ok()?)
    }

    /// The first path that changed and lies below none of `directories`, which are absolute and without links.
    #[must_use]
    pub fn first_outside(&self, directories: &BTreeSet<PathBuf>) -> Option<PathBuf> {
        let is_outside = |path: &&Vec<u8>| {
            let path = self.top.join(super::process::path_of(path));
            !path.ancestors().any(|above| directories.contains(above))
        };
        let path = self.changed.0.iter().find(is_outside)?;
        Some(super::process::path_of(path).to_owned())
    }

    /// Whether something may have changed that is not listed.
    #[must_use]
    pub fn may_be_unlisted(&self) -> bool {
        self.has_submodules || self.changed.0.is_empty()
    }

    /// The content that the file had which was asked for; `None` where there was none.
    #[must_use]
    pub fn then(&self) -> Option<&[u8]> {
        self.then.as_deref()
    }
}

/// Paths relative to the top, without `/` at their ends.
#[derive(Clone, Debug, Default)]
struct PathSet(BTreeSet<Vec<u8>>);

impl PathSet {
    fn add(&mut self, path: &[u8]) {
        self.0.insert(path.strip_suffix(b"/").unwrap_or(path).to_vec());
    }

    /// A path of the set that is `path`, lies below it, or that it lies below.
    fn touches(&self, path: &Path) -> Option<PathBuf> {
        let found = |bytes: &[u8]| Some(super::process::path_of(bytes).to_owned());
        let bytes = path.as_os_str().as_bytes();
        if bytes.is_empty() {
            return self.0.first().and_then(|first| found(first));
        }
        for above in path.ancestors().filter(|above| !above.as_os_str().is_empty()) {
            let above = above.as_os_str().as_bytes();
            if self.0.contains(above) {
                return found(above);
            }
        }
        let start = [bytes, b"/"].concat();
        let next = self.0.range::<[u8], _>((Bound::Included(&start[..]), Bound::Unbounded)).next()?;
        next.starts_with(&start).then(|| found(next)).flatten()
    }
}

/// The top of the working tree that `directory` is in, without links.
///
/// # Errors
/// When there is a repository that cannot be found from its `.git`.
pub fn top_of(directory: &Path) -> Result<Option<PathBuf>, GitError> {
    Ok(RepositoryPaths::around(directory)?.map(|place| place.top))
}

/// Asks git what changed since `revision` in the repository of `directory`, and what `file` in it was then.
///
/// # Errors
/// When there is no repository or no git, the revision is not there, or the repository cannot be read.
pub fn changed_since(
    directory: &Path,
    revision: &str,
    file: &Path,
    around: &Surroundings<'_>,
) -> Result<ChangedFiles, GitError> {
    let place = RepositoryPaths::around(directory)?
        .ok_or_else(|| GitError::NoRepository { directory: directory.to_owned() })?;
    let program = around.program().ok_or_else(|| GitError::NoProgram { directory: place.top.clone() })?;
    let root = place.top.clone();
    let is_shallow = place.common.join("shallow").exists();
    let reader = ConfigReader::new(&program, around)?;
    let user = reader.ask_user()?;
    let repository = GitRepository::read(place, &reader)?;
    // Their warnings are told with the facts.
    let user = user.settings(&mut Vec::new())?;
    if around.is_untrusted {
        confine::check(&repository, &root)?;
    }
    let asker = GitQuery { program: &program, around, reader: &reader, user: &user, root: &root };
    let git = Git::new(&asker, &repository)?;
    let commit = commit_of(&git, revision)?.ok_or_else(|| GitError::NoRevision {
        directory: root.clone(),
        revision: revision.to_owned(),
        is_shallow,
    })?;
    let top = std::fs::canonicalize(&root).unwrap_or_else(|_| root.clone());
    let (mut changed, mut unseen) = (PathSet::default(), PathSet::default());
    // Started before the first is waited for: each looks at the whole tree.
    let diff = git.start(
        &[
            "diff",
            "--name-only",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--ignore-submodules=dirty",
            &commit,
            "--",
        ],
        &[],
    )?;
    let untracked = git.start(&["ls-files", "--others", "--exclude-standard", "-z"], &[])?;
    let ignored =
        git.start(&["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"], &[])?;
    let flags = git.start(&["ls-files", "-v", "-z"], &[])?;
    each(diff, |path| changed.add(path))?;
    each(untracked, |path| changed.add(path))?;
    each(ignored, |path| unseen.add(path))?;
    each(flags, |record| {
        if let [flag, b' ', path @ ..] = record
            && (flag.is_ascii_lowercase() || *flag == b'S')
        {
            unseen.add(path);
        }
    })?;
    let mut has_submodules = false;
    if may_have_submodules(&repository).map_err(GitError::Run)? {
        each(git.start(&["ls-files", "--stage", "-z"], &[])?, |record| {
            if let (true, Some(tab)) = (record.starts_with(b"160000 "), memchr::memchr(b'\t', record)) {
                unseen.add(&record[tab + 1..]);
                has_submodules = true;
            }
        })?;
    }
    let then = match file.strip_prefix(&top).ok().and_then(Path::to_str) {
        Some(below) if !below.contains('\n') => blob(&git, &format!("{commit}:{below}"))?,
        _ => None,
    };
    Ok(ChangedFiles { top, changed, unseen, then, has_submodules })
}

/// Asks git what is not as committed in the repository of `directory`, but for files that this program writes itself.
///
/// # Errors
/// As for [`changed_since`].
pub fn uncommitted(directory: &Path, around: &Surroundings<'_>) -> Result<ChangedFiles, GitError> {
    let mut files = changed_since(directory, "HEAD", Path::new(""), around)?;
    let top = files.top.clone();
    files.changed.0.retain(|path| !(around.is_ours)(&top.join(super::process::path_of(path))));
    Ok(files)
}

fn each(mut running: Running, mut take: impl FnMut(&[u8])) -> Result<(), GitError> {
    while let Some(record) = running.record(0)? {
        take(&record);
    }
    running.finish()
}

/// The full hash of the commit that a revision names. It is given on stdin, where nothing is taken for an option.
fn commit_of(git: &Git<'_>, revision: &str) -> Result<Option<String>, GitError> {
    if revision.is_empty() || revision.len() > MAX_REVISION || revision.chars().any(char::is_control) {
        return Ok(None);
    }
    let mut running =
        git.start(&["cat-file", "--batch-check"], format!("{revision}^{{commit}}\n").as_bytes())?;
    let record = running.record(b'\n')?.unwrap_or_default();
    running.stop();
    let text = String::from_utf8_lossy(&record);
    let fields: Vec<&str> = text.split(' ').collect();
    Ok(match fields[..] {
        [hash, "commit", _] if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => Some(hash.to_owned()),
        _ => None,
    })
}

/// The content of a file in a commit; `None` where there is none.
fn blob(git: &Git<'_>, name: &str) -> Result<Option<Vec<u8>>, GitError> {
    let mut running = git.start(&["cat-file", "--batch"], format!("{name}\n").as_bytes())?;
    let most = usize::try_from(crate::project::lock::MAX_LOCK).unwrap_or(usize::MAX);
    let found = object(&mut running, b"blob", most)?;
    running.stop();
    Ok(found.map(|(_, bytes)| bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_touched_from_above_and_from_below() {
        let mut set = PathSet::default();
        for path in ["a/b/c", "a/bb", "d/"] {
            set.add(path.as_bytes());
        }
        let touches = |path: &str| set.touches(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(touches("a/b").as_deref(), Some("a/b/c"));
        assert_eq!(touches("a/b/c").as_deref(), Some("a/b/c"));
        assert_eq!(touches("a/b/c/x").as_deref(), Some("a/b/c"));
        assert_eq!(touches("d/e").as_deref(), Some("d"));
        assert_eq!(touches("").as_deref(), Some("a/b/c"));
        assert_eq!((touches("a/b/d"), touches("e"), touches("a/b/cc")), (None, None, None));
    }
}
