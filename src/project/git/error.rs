//! Why a repository could not be read.

use std::io;
use std::path::PathBuf;

use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{Foreign, shown_path};

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
        /// The fault, or the first line of git's message.
        message: String,
    },
    /// There is none.
    #[error("`{}` is in no git repository, so nothing says what changed", shown_path(directory))]
    NoRepository {
        /// The directory.
        directory: PathBuf,
    },
    /// There is no git.
    #[error("`{}` is a git repository, and there is no `git` program in `PATH`", shown_path(directory))]
    NoProgram {
        /// The top of the working tree.
        directory: PathBuf,
    },
    /// The repository does not have a revision.
    #[error(
        "the git repository of `{}` has no commit `{}`{}",
        shown_path(directory),
        Foreign::short(revision, 100),
        if *is_shallow { ": it is a shallow clone" } else { "" }
    )]
    NoRevision {
        /// The top of the working tree.
        directory: PathBuf,
        /// The revision.
        revision: String,
        /// Whether it has only the last commits.
        is_shallow: bool,
    },
    /// git did not come to an end.
    #[error("git takes too long in the repository of `{}`", shown_path(directory))]
    TooLong {
        /// The top of the working tree.
        directory: PathBuf,
    },
    /// git waited for what a named pipe or a device says.
    #[error("git waits for `{}`, which is not a regular file", shown_path(file))]
    Blocked {
        /// The file that it waited for.
        file: PathBuf,
    },
    /// A file of the working tree names a repository that does not know it, and the project is not trusted.
    #[error(
        "`{}` belongs to another git repository, `{}`, which `--untrusted` forbids",
        shown_path(file),
        shown_path(leads_to)
    )]
    Foreign {
        /// The file that leads there.
        file: PathBuf,
        /// Where it leads.
        leads_to: PathBuf,
    },
}

impl Explain for GitError {
    fn kind(&self) -> Kind {
        match self {
            Self::Foreign { .. } => Kind::Policy,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Temporary { source, .. } => io_code(source, ErrorCode::FileUnwritable),
            Self::Foreign { .. } => Some(ErrorCode::UntrustedRefused),
            _ => Some(ErrorCode::GitUnusable),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { directory, .. } | Self::TooLong { directory } => Some(format!(
                "run `git -C {} status` to see what is wrong, if you trust the repository",
                shown_path(directory)
            )),
            Self::NoRepository { .. } => Some("name the members to build with `-p NAME`".to_owned()),
            Self::NoProgram { .. } => Some("install git".to_owned()),
            Self::NoRevision { is_shallow: true, .. } => Some(
                "fetch more of it with `git fetch --depth=1000`, or all of it with `git fetch --unshallow`".to_owned(),
            ),
            Self::NoRevision { is_shallow: false, .. } => {
                Some("`git fetch origin` brings branches and tags; `git log` has the commits that there are".to_owned())
            }
            Self::Temporary { .. } => Some("set `TMPDIR` to a directory that can be written".to_owned()),
            Self::Blocked { file } => Some(format!("remove `{}`", shown_path(file))),
            Self::Foreign { .. } => Some(
                "make it a working tree or a submodule of that repository, which `git worktree repair` does for one \
                 that was moved, or build without `--untrusted` if you trust the project"
                    .to_owned(),
            ),
            Self::Run(_) => None,
        }
    }
}
