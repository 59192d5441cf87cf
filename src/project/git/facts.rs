//! The facts of a commit, and how they are asked for.

use std::path::{Path, PathBuf};

use super::changes;
use super::confine;
use super::error::GitError;
use super::origin;
use super::repository::{GitRepository, RepositoryPaths};
use super::settings::ConfigReader;
use super::stand_in::{Git, GitQuery};
use super::surroundings::Surroundings;
use crate::types::time::LAST_SECOND;

/// Git's facts about a directory.
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
    /// The first such path, from the top of the repository, where it is known. It is for messages alone.
    pub first_change: Option<PathBuf>,
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

/// The answer of git.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitAnswer {
    /// The facts, where there is a commit.
    pub facts: Option<GitFacts>,
    /// Warnings about them for the user.
    pub warnings: Vec<String>,
}

/// The longest commit that is read.
const MAX_COMMIT: usize = 4 << 20;

/// Asks git about `directory`.
///
/// # Errors
/// When there is a repository that cannot be read.
pub fn facts(directory: &Path, around: &Surroundings<'_>) -> Result<GitAnswer, GitError> {
    let Some(place) = RepositoryPaths::around(directory)? else { return Ok(GitAnswer::default()) };
    let Some(program) = around.program() else {
        let warning = format!(
            "`{}` is a git repository, and there is no `git` program in `PATH`: tags and labels do not name the commit; \
             install git to have them as on other machines",
            place.top.display()
        );
        return Ok(GitAnswer { facts: None, warnings: vec![warning] });
    };
    let root = place.top.clone();
    let reader = ConfigReader::new(&program, around)?;
    // Started before the other is waited for: each takes milliseconds.
    let user = reader.ask_user()?;
    let repository = GitRepository::read(place, &reader)?;
    let mut warnings = Vec::new();
    let user = user.settings(&mut warnings)?;
    if around.is_untrusted {
        confine::check(&repository, &root)?;
    }
    let asker = GitQuery { program: &program, around, reader: &reader, user: &user, root: &root };
    let git = Git::new(&asker, &repository)?;
    let mut asked = git.start(&["cat-file", "--batch"], b"HEAD\n")?;
    let status = changes::status(&git, &repository, around)?;
    let Some(commit) = status.commit else { return Ok(GitAnswer { facts: None, warnings }) };
    let refused = |message: &str| GitError::Refused {
        directory: repository.place.top.clone(),
        message: message.to_owned(),
    };
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
    let change = changes::first_change(&git, &repository, &asker, &status.changes, &mut warnings)?;
    let origin = repository.origin().and_then(|url| origin::public_url(&url));
    let facts = GitFacts {
        commit,
        branch: status.branch,
        time,
        dirty: change.is_some(),
        first_change: change.flatten(),
        origin,
    };
    Ok(GitAnswer { facts: Some(facts), warnings })
}

/// The committer's time of a commit in seconds since the epoch; 0 for one before 1970, which nothing that we write can say.
fn committed_at(commit: &[u8]) -> u64 {
    let mut headers = commit.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let line = headers.find_map(|line| line.strip_prefix(b"committer ")).unwrap_or_default();
    // `NAME <ADDRESS> SECONDS ZONE`
    let seconds = line.rsplit(|byte| *byte == b' ').nth(1).unwrap_or_default();
    std::str::from_utf8(seconds).ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}
