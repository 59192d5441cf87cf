//! What git says about a directory: commit, branch, time, uncommitted changes, origin.
//!
//! Outside a repository, where there is no commit, or where `git` is not installed there are no facts and
//! no error; a repository that git refuses to read is an error, because silence would change tags and
//! labels. No process is started outside a repository; inside one, two are, side by side. The caller
//! passes the environment in, and only a few variables of it reach git.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use url::Url;

use crate::error::{Explain, Kind};
use crate::shown::{Foreign, shown_path};

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

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// git could not be run, though it is there.
    #[error("cannot run git")]
    Run(#[source] io::Error),
    /// git refused.
    #[error(
        "git cannot read the repository of `{}`: {}",
        shown_path(directory),
        Foreign::short(message, 500)
    )]
    Refused {
        /// The directory that was asked about.
        directory: PathBuf,
        /// The first line of what git said.
        message: String,
    },
}

impl Explain for GitError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { message, .. } if message.contains("dubious ownership") => Some(
                "run `git config --global --add safe.directory DIRECTORY` with the directory above"
                    .to_owned(),
            ),
            Self::Refused { .. } => Some("run `git status` there to see what is wrong".to_owned()),
            Self::Run(_) => None,
        }
    }
}

/// What git needs to find itself and the user's `safe.directory`; everything else could change its answers.
const VARIABLES: [&str; 6] =
    ["PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// Asks git about `directory`. `environment` looks variables up.
///
/// # Errors
/// When there is a repository that git cannot read.
pub fn facts(
    directory: &Path,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<GitFacts>, GitError> {
    let Some(git_directory) = find_repository(directory) else { return Ok(None) };
    let status_arguments = ["status", "--porcelain=v2", "--branch", "--untracked-files=normal", "-z"];
    // Started before the other is waited for: each takes milliseconds.
    let status = start(directory, environment, &status_arguments);
    let log = start(directory, environment, &["log", "-1", "--no-show-signature", "--format=%H %ct"]);
    let (status, log) = match (finish(status), finish(log)) {
        (Ok(status), Ok(log)) => (status, log),
        (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        (Err(error), _) | (_, Err(error)) => return Err(GitError::Run(error)),
    };
    let status = Status::parse(&succeeded(directory, &status)?);
    if status.is_unborn {
        return Ok(None);
    }
    let log = succeeded(directory, &log)?;
    let Some((commit, time)) = log.trim().split_once(' ') else {
        return Err(GitError::Refused {
            directory: directory.to_owned(),
            message: "it has no commit".to_owned(),
        });
    };
    Ok(Some(GitFacts {
        commit: commit.to_owned(),
        branch: status.branch,
        // Before 1970 is possible in a commit and in nothing that we write.
        time: time.parse().unwrap_or(0),
        dirty: status.dirty,
        origin: origin(&git_directory),
    }))
}

/// The `.git` of the repository that `directory` is in.
fn find_repository(directory: &Path) -> Option<PathBuf> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let directory = fs_err::canonicalize(directory).ok()?;
    directory.ancestors().map(|ancestor| ancestor.join(".git")).find(|git| git.exists())
}

fn start(
    directory: &Path,
    environment: &dyn Fn(&str) -> Option<OsString>,
    arguments: &[&str],
) -> io::Result<Child> {
    let mut command = Command::new("git");
    command.env_clear();
    for name in VARIABLES {
        if let Some(value) = environment(name) {
            command.env(name, value);
        }
    }
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    command
        // Messages are compared, and the index is not ours to refresh.
        .envs([("LC_ALL", "C"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0")])
        .arg("-C")
        .arg(directory)
        // A repository's own configuration must not make us run its programs.
        .args(["-c", "core.fsmonitor=false", "-c", "status.relativePaths=false"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn finish(child: io::Result<Child>) -> io::Result<Output> {
    child?.wait_with_output()
}

fn succeeded(directory: &Path, output: &Output) -> Result<String, GitError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let line = message.lines().next().unwrap_or("it gave no reason");
    let message = line.trim_start_matches("fatal: ").to_owned();
    Err(GitError::Refused { directory: directory.to_owned(), message })
}

/// What `git status --porcelain=v2 --branch -z` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    is_unborn: bool,
    branch: Option<String>,
    dirty: bool,
}

impl Status {
    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.split('\0').filter(|line| !line.is_empty()) {
            match line.strip_prefix("# ").map(|header| header.split_once(' ').unwrap_or((header, ""))) {
                Some(("branch.oid", oid)) => status.is_unborn = oid == "(initial)",
                Some(("branch.head", head)) => {
                    status.branch = (head != "(detached)").then(|| head.to_owned());
                }
                Some(_) => {}
                None => status.dirty = true,
            }
        }
        status
    }
}

/// The address of `origin`, read from the configuration: a third process would cost more than all of this.
fn origin(git_directory: &Path) -> Option<String> {
    public_url(&origin_of(&fs_err::read_to_string(common_directory(git_directory)?.join("config")).ok()?)?)
}

/// Where the configuration is: in worktrees and submodules `.git` is a file that names a directory.
fn common_directory(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    let text = fs_err::read_to_string(git).ok()?;
    let directory = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    match fs_err::read_to_string(directory.join("commondir")) {
        Ok(common) => Some(directory.join(common.trim())),
        Err(_) => Some(directory),
    }
}

/// `url` of `[remote "origin"]`, the last one as git has it; quotes and comments are not resolved.
fn origin_of(config: &str) -> Option<String> {
    let mut in_origin = false;
    let mut found = None;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            in_origin = line == "[remote \"origin\"]";
        } else if let (true, Some((key, value))) = (in_origin, line.split_once('='))
            && key.trim().eq_ignore_ascii_case("url")
        {
            found = Some(value.trim().to_owned());
        }
    }
    found
}

/// One address for every way to clone the same repository, so that the label does not depend on it:
/// `https`, no credentials, no `.git`. A path on this machine is nobody else's business.
fn public_url(remote: &str) -> Option<String> {
    let (host, path) = if remote.contains("://") {
        let url = Url::parse(remote).ok()?;
        let host = url.host_str()?.to_owned();
        match (url.scheme(), url.port()) {
            // The port of git's daemon or ssh is not that of the web site.
            ("ssh" | "git" | "git+ssh" | "ssh+git", _) | ("https" | "http", None) => {
                (host, url.path().to_owned())
            }
            ("https" | "http", Some(port)) => (format!("{host}:{port}"), url.path().to_owned()),
            _ => return None,
        }
    } else {
        // `user@host:path`, unless a slash comes first: then it is a path with a colon in it.
        let (host, path) = remote.split_once(':').filter(|(host, _)| !host.contains('/'))?;
        let host = host.rsplit('@').next()?;
        // One letter is a drive, not a host.
        if host.len() < 2 || path.is_empty() {
            return None;
        }
        (host.to_owned(), path.to_owned())
    };
    let path = path.trim_matches('/').trim_end_matches(".git");
    let scheme = if remote.starts_with("http://") { "http" } else { "https" };
    let url = Url::parse(&format!("{scheme}://{host}/{path}")).ok()?;
    (!path.is_empty()).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<OsString> {
        match name {
            "PATH" => Some("/usr/local/bin:/usr/bin:/bin".into()),
            "GIT_CONFIG_GLOBAL" => Some("/dev/null".into()),
            "GIT_CONFIG_NOSYSTEM" => Some("1".into()),
            _ => None,
        }
    }

    fn git(directory: &Path, arguments: &[&str]) {
        let time = "2024-01-31T12:00:00Z";
        let status = Command::new("git")
            .arg("-C")
            .arg(directory)
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .envs([("GIT_AUTHOR_DATE", time), ("GIT_COMMITTER_DATE", time)])
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .output()
            .expect("git runs");
        assert!(status.status.success(), "{arguments:?}: {status:?}");
    }

    #[test]
    fn a_repository_gives_its_facts() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        assert_eq!(facts(path, &environment).expect("no error"), None);
        git(path, &["init", "-q"]);
        assert_eq!(facts(path, &environment).expect("no error"), None, "no commit yet");
        git(path, &["commit", "-q", "--allow-empty", "-m", "a"]);
        git(path, &["remote", "add", "origin", "git@example.com:shop/bookstore.git"]);
        let clean = facts(path, &environment).expect("no error").expect("facts");
        assert_eq!(clean.commit.len(), 40);
        assert_eq!(clean.short().len(), 12);
        assert_eq!((clean.branch.as_deref(), clean.time, clean.dirty), (Some("main"), 1_706_702_400, false));
        assert_eq!(clean.origin.as_deref(), Some("https://example.com/shop/bookstore"));

        fs_err::create_dir(path.join("sub")).expect("made");
        fs_err::write(path.join("sub/file"), "x").expect("written");
        let dirty = facts(&path.join("sub"), &environment).expect("no error").expect("facts");
        assert!(dirty.dirty);
        fs_err::write(path.join(".gitignore"), "sub/").expect("written");
        git(path, &["add", ".gitignore"]);
        git(path, &["commit", "-q", "-m", "b"]);
        git(path, &["checkout", "-q", "--detach"]);
        let detached = facts(path, &environment).expect("no error").expect("facts");
        assert_eq!((detached.branch, detached.dirty), (None, false));

        let tree = path.join("sub/tree");
        git(path, &["worktree", "add", "-q", "-b", "other", &tree.to_string_lossy()]);
        let other = facts(&tree, &environment).expect("no error").expect("facts");
        assert_eq!(other.branch.as_deref(), Some("other"));
        assert_eq!(other.origin.as_deref(), Some("https://example.com/shop/bookstore"));
    }

    #[test]
    fn without_git_there_are_no_facts_and_a_broken_repository_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        fs_err::create_dir(directory.path().join(".git")).expect("made");
        let nowhere = |name: &str| (name == "PATH").then(|| OsString::from("/nonexistent"));
        assert_eq!(facts(directory.path(), &nowhere).expect("no error"), None);
        let error = facts(directory.path(), &environment).expect_err("not a repository");
        assert!(error.hint().is_some(), "{error}");
    }

    #[test]
    fn addresses_are_public_and_the_same_for_every_way_to_clone() {
        for remote in [
            "https://example.com/shop/bookstore",
            "https://example.com/shop/bookstore.git",
            "https://user:secret@example.com/shop/bookstore.git/",
            "git@example.com:shop/bookstore.git",
            "example.com:/shop/bookstore",
            "ssh://git@example.com:2222/shop/bookstore.git",
            "git://example.com/shop/bookstore",
        ] {
            assert_eq!(public_url(remote).as_deref(), Some("https://example.com/shop/bookstore"), "{remote}");
        }
        assert_eq!(
            public_url("http://localhost:3000/a/b?token=x#y").as_deref(),
            Some("http://localhost:3000/a/b")
        );
        for remote in
            ["", "/srv/git/x.git", "../x", "file:///srv/x", "C:/x", "./a:b", "https://example.com", ":x"]
        {
            assert_eq!(public_url(remote), None, "{remote}");
        }
    }

    #[test]
    fn the_configuration_is_read_as_git_reads_it() {
        let config = "[core]\n\turl = no\n[remote \"upstream\"]\n\turl = no\n[remote \"origin\"]\n\tfetch = x\n\tURL = yes\n[branch \"x\"]\n\turl = no\n";
        assert_eq!(origin_of(config).as_deref(), Some("yes"));
        assert_eq!(origin_of(""), None);
    }

    #[test]
    fn status_is_parsed() {
        let parse = Status::parse;
        assert!(parse("# branch.oid (initial)\0# branch.head main\0").is_unborn);
        assert!(parse("# branch.oid a\0# branch.head main\0? # x\0").dirty);
        assert_eq!(parse("# branch.oid a\0# branch.head (detached)\0"), Status::default());
    }
}
