//! The faults of a workspace.

use std::io;
use std::path::PathBuf;

use crate::project::config::ConfigError;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Why there is no workspace, or not the member that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// A build file is wrong, or what it says of the workspace.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// There is no root.
    #[error("`{}` is in no workspace", shown_path(.0))]
    NoRoot(PathBuf),
    /// The nearest root does not list a build file below it.
    #[error(
        "`{}` lies below the workspace of `{}`, which does not list it as a member",
        shown_path(build_file),
        shown_path(root)
    )]
    Unlisted {
        /// The build file.
        build_file: PathBuf,
        /// The root's build file.
        root: PathBuf,
        /// The directory, relative to the root.
        place: String,
    },
    /// Another user could decide about this user's images.
    #[error(
        "`{}` is the root of a workspace above `{}`, and belongs to another user",
        shown_path(root),
        shown_path(below)
    )]
    Foreign {
        /// The root's build file.
        root: PathBuf,
        /// The directory that it would be the root for.
        below: PathBuf,
    },
    /// No member has this name.
    #[error("no member of the workspace is called `{name}`")]
    NoMember {
        /// The name, or the pattern of names.
        name: String,
        /// The name that was probably meant.
        near: Option<String>,
        /// Some of the names that there are.
        known: Vec<String>,
    },
    /// No member matches a pattern.
    #[error("the pattern `{pattern}` matches no member of the workspace")]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Some of the names that there are.
        known: Vec<String>,
    },
    /// The root itself was named.
    #[error("`{0}` is the root of the workspace, and no member of it")]
    RootAsMember(String),
    /// A directory in which members are was named.
    #[error("`{pattern}` is a directory with members in it, and no member itself")]
    Directory {
        /// The text that names it.
        pattern: String,
        /// The pattern that matches the members.
        better: String,
    },
    /// The directory is no member.
    #[error("`{place}` is no member of the workspace: `exclude` leaves it out")]
    Excluded {
        /// The directory, relative to the root.
        place: String,
        /// Whether it can be built by itself.
        has_build_file: bool,
    },
    /// A pattern of names that is none.
    #[error("`{pattern}` is not a pattern of names: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        why: String,
    },
    /// The name of a directory is no text.
    #[error("the name of `{}` is not UTF-8, so it cannot be the name of a member", shown_path(.0))]
    Name(PathBuf),
    /// The build files together are too large.
    #[error(
        "the build files of the members have so many values that reading them would take more than {most} MB of memory"
    )]
    Costly {
        /// The most, in megabytes.
        most: u64,
    },
    /// A directory cannot be looked at.
    #[error("cannot read `{}`: {source}", shown_path(path))]
    Read {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Explain for WorkspaceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(error) => error.kind(),
            Self::Pattern { .. } => Kind::Usage,
            Self::Foreign { .. } => Kind::Policy,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Invalid(error) => error.code(),
            Self::NoRoot(_) | Self::Unlisted { .. } | Self::Foreign { .. } => {
                Some(ErrorCode::WorkspaceUnclear)
            }
            Self::NoMember { .. }
            | Self::NoMatch { .. }
            | Self::RootAsMember(_)
            | Self::Directory { .. }
            | Self::Excluded { .. } => Some(ErrorCode::MemberUnknown),
            Self::Pattern { .. } => Some(ErrorCode::PatternWrong),
            Self::Name(_) => Some(ErrorCode::PathUnfit),
            Self::Costly { .. } => Some(ErrorCode::LimitReached),
            Self::Read { source, .. } => io_code(source, ErrorCode::FileUnreadable),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid(error) => error.hint(),
            Self::NoRoot(_) => Some(
                "write a table `[workspace]` with `members = [\"services/*\"]` into the `build.toml` at its root"
                    .to_owned(),
            ),
            Self::Unlisted { place, .. } => Some(format!(
                "add `\"{place}\"` to `members` of `[workspace]`, or to `exclude` for an image of its own"
            )),
            Self::Foreign { .. } => {
                Some("move the project, or give both files to the same user with `chown`".to_owned())
            }
            Self::NoMember { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::NoMember { known, .. } | Self::NoMatch { known, .. } if known.is_empty() => {
                Some("the workspace has no members".to_owned())
            }
            Self::NoMember { known, .. } | Self::NoMatch { known, .. } => {
                Some(format!("its members are {}", known.join(", ")))
            }
            Self::RootAsMember(_) => Some("`*` matches all members".to_owned()),
            Self::Directory { better, .. } => Some(format!("`{better}` matches the members in it")),
            Self::Excluded { place, has_build_file: true } => Some(format!(
                "remove it from `exclude` of `[workspace]`; `pack build {place}` at the root builds it by itself"
            )),
            Self::Excluded { .. } => Some("remove it from `exclude` of `[workspace]`".to_owned()),
            Self::Pattern { .. } => Some("`*` stands for any text, `?` for one character".to_owned()),
            Self::Name(_) => Some("rename the directory, or add it to `exclude`".to_owned()),
            Self::Costly { .. } => Some(
                "each member takes what `[workspace]` gives: write less there, or make two workspaces of it".to_owned(),
            ),
            Self::Read { .. } => None,
        }
    }

    fn is_laid_out(&self) -> bool {
        matches!(self, Self::Invalid(error) if error.is_laid_out())
    }
}
