//! What git says about a directory: commit, branch, time, uncommitted changes, origin.
//!
//! A repository may come from anybody, so nothing of it is run: no filter, hook, pager, monitor or helper that its
//! configuration names, and nothing is fetched. That holds by construction and not by a list of keys. The repository is found
//! here (`repository`): it is the nearest `.git` above, never a directory that only looks like a repository. git then
//! works in a directory of our own that stands for the repository's (`process`), with a configuration that is
//! written here (`config`), so that it does not read the repository's. Who owns the repository makes no difference
//! then, and `safe.directory` is not asked. What git would have run a filter for is decided in `changes`.
//!
//! Outside a repository and where there is no commit there are no facts and no error; a repository that cannot be
//! read is an error, because silence would change tags and labels; where `git` is not installed, a warning says the
//! same. No process is started outside a repository; inside one, two are, side by side, and more only where
//! times differ or there are submodules. The caller passes the environment in.

mod changes;
mod config;
mod origin;
mod process;
mod repository;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::process::Git;
use self::repository::Repository;
use crate::types::error::{Explain, Kind};
use crate::types::shown::{Foreign, shown_path};
use crate::types::time::LAST_SECOND;

/// What git says about a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitFacts {
    /// The full hash of HEAD.
    pub commit: String,
    /// The branch; none when HEAD is detached.
    pub branch: Option<String>,
    /// The committer's time in seconds since the epoch.
    pub time: u64,
    /// Whether anything is changed or untracked, ignored files aside.
    pub dirty: bool,
    /// Where the repository came from, as an address without credentials.
    pub origin: Option<String>,
}

/// Digits of a short hash. git's own abbreviation grows with the repository, so the same commit would get
/// different tags in a full and in a shallow clone; twelve are enough for the largest repositories known.
const SHORT: usize = 12;

impl GitFacts {
    /// The first twelve digits of the commit.
    #[must_use]
    pub fn short(&self) -> &str {
        self.commit.get(..SHORT).unwrap_or(&self.commit)
    }
}

/// What facts are found with.
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
}

/// What came of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The facts, where there is a commit.
    pub facts: Option<GitFacts>,
    /// What the user should know of them.
    pub warnings: Vec<String>,
}

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// git could not be run, though it is there.
    #[error("cannot run git")]
    Run(#[source] io::Error),
    /// There is no place for the directory that stands for the repository's.
    #[error("cannot make a temporary directory in `{}`: {source}", shown_path(directory))]
    Temporary {
        /// Where.
        directory: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The repository cannot be read.
    #[error(
        "cannot read the git repository of `{}`: {}",
        shown_path(directory),
        Foreign::short(message, 500)
    )]
    Refused {
        /// The top of the working tree.
        directory: PathBuf,
        /// What is wrong with it, or the first line of what git said.
        message: String,
    },
    /// git did not come to an end.
    #[error("git takes too long in the repository of `{}`", shown_path(directory))]
    TooLong {
        /// The top of the working tree.
        directory: PathBuf,
    },
}

impl Explain for GitError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { directory, .. } | Self::TooLong { directory } => Some(format!(
                "run `git -C {} status` to see what is wrong, if you trust the repository",
                shown_path(directory)
            )),
            Self::Temporary { .. } => Some("set `TMPDIR` to a directory that can be written".to_owned()),
            Self::Run(_) => None,
        }
    }
}

/// The longest commit that is read.
const MAX_COMMIT: usize = 4 << 20;

/// Asks git about `directory`.
///
/// # Errors
/// When there is a repository that cannot be read.
pub fn facts(directory: &Path, around: &Surroundings<'_>) -> Result<Answer, GitError> {
    let Some(repository) = Repository::around(directory)? else { return Ok(Answer::default()) };
    let Some(program) = process::find_program("git", around.search_path) else {
        let warning = format!(
            "`{}` is a git repository, and there is no `git` program in `PATH`: tags and labels do not name the commit; \
             install git to have them as on other machines",
            repository.top.display()
        );
        return Ok(Answer { facts: None, warnings: vec![warning] });
    };
    let git = Git::new(&program, &repository, around)?;
    // Started before the other is waited for: each takes milliseconds.
    let mut asked = git.start(&["cat-file", "--batch"], b"HEAD\n")?;
    let status = changes::status(&git, &repository, around)?;
    let Some(commit) = status.commit else { return Ok(Answer::default()) };
    let refused =
        |message: &str| GitError::Refused { directory: repository.top.clone(), message: message.to_owned() };
    let (head, text) = changes::object(&mut asked, b"commit", MAX_COMMIT)?
        .ok_or_else(|| refused("its commit cannot be read"))?;
    asked.finish()?;
    if head != commit {
        return Err(refused("another commit was checked out while it was read"));
    }
    let time = committed_at(&text);
    if time > LAST_SECOND {
        return Err(refused("its commit is of a time after the year 9999"));
    }
    let mut warnings = Vec::new();
    let dirty = changes::is_changed(&git, &repository, around, &program, &status.changes, &mut warnings)?;
    let origin = config::origin(&repository.entries).and_then(|url| origin::public_url(&url));
    let facts = GitFacts { commit, branch: status.branch, time, dirty, origin };
    Ok(Answer { facts: Some(facts), warnings })
}

/// The committer's time of a commit in seconds since the epoch; 0 for one before 1970, which nothing that we write can say.
fn committed_at(commit: &[u8]) -> u64 {
    let mut headers = commit.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = headers.find_map(|line| line.strip_prefix(b"committer ")).unwrap_or_default();
    // `NAME <ADDRESS> SECONDS ZONE`
    let seconds = line.rsplit(|byte| *byte == b' ').nth(1).unwrap_or_default();
    std::str::from_utf8(seconds).ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
