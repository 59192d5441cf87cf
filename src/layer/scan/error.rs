//! Why a tree cannot be packaged, and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::options::IGNORE_FILE;
use crate::layer::EntryPathError;
use crate::runtime::budget::OverBudget;
use crate::runtime::workers::WorkersError;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{shown, shown_path};

/// A symbolic link on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub path: PathBuf,
    /// The target, as written.
    pub target: Vec<u8>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to `{}`", shown_path(&self.path), shown(&self.target))
    }
}

/// How many of many things are named one by one.
const NAMED: usize = 10;

/// `a, b, c`, and how many more there are where there are many.
pub(super) fn listed<T: fmt::Display>(things: &[T]) -> String {
    let named: Vec<String> = things.iter().take(NAMED).map(T::to_string).collect();
    let rest = things.len().saturating_sub(NAMED);
    if rest == 0 { named.join(", ") } else { format!("{} and {rest} more", named.join(", ")) }
}

/// `one` of a single link, else how many there are and `many`.
fn links_that(links: &[Link], one: &str, many: &str) -> String {
    match links {
        [link] => format!("the symbolic link {link} {one}"),
        links => format!("{} symbolic links {many}: {}", links.len(), listed(links)),
    }
}

/// Why a tree cannot be packaged.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The system refused.
    #[error("cannot {action} `{}`", shown_path(path))]
    Io {
        /// The attempted action.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The root is something else.
    #[error("`{}` is not a directory", shown_path(path))]
    NotADirectory {
        /// The root.
        path: PathBuf,
    },
    /// A name that means a deletion in a layer.
    #[error("`{}` has a name that means a deletion in an image layer", shown_path(path))]
    Whiteout {
        /// The file.
        path: PathBuf,
    },
    /// A socket.
    #[error("`{}` is a socket, which cannot be in an image", shown_path(path))]
    Socket {
        /// The socket.
        path: PathBuf,
    },
    /// A device or named pipe.
    #[error("`{}` is a {kind}, not a file, a directory or a link", shown_path(path))]
    Special {
        /// The file.
        path: PathBuf,
        /// The kind of file.
        kind: &'static str,
    },
    /// Symbolic links out of the tree; never none.
    #[error("{}", links_that(links, "leads out of its tree", "lead out of their tree"))]
    LinksLeave {
        /// The links.
        links: Vec<Link>,
        /// Whether an absolute target would be taken.
        absolute: bool,
    },
    /// Symbolic links to paths of this machine; never none.
    #[error("{}", links_that(links, "leads to a path of this machine", "lead to paths of this machine"))]
    LinksToMachine {
        /// The links.
        links: Vec<Link>,
    },
    /// There are no threads to look with.
    #[error(transparent)]
    Threads(#[from] WorkersError),
    /// A glob that is none.
    #[error("`{}`{} is not a glob: {why}", shown(pattern.as_bytes()), origin.as_ref().map(|origin| format!(" in `{}`", shown_path(origin))).unwrap_or_default())]
    Glob {
        /// As written.
        pattern: String,
        /// The file that it is in.
        origin: Option<PathBuf>,
        /// The reason.
        why: String,
    },
    /// An ignore file that is no text.
    #[error("`{}` is not a list of patterns: {why}", shown_path(path))]
    NotPatterns {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// More globs, or longer ones, than are compiled and matched.
    #[error(transparent)]
    TooMuch(#[from] OverBudget),
    /// More paths, or longer ones, than an image may have.
    #[error(
        "the paths in `{}` take more than {} MiB, the most that an image may have, with 200 bytes for each file",
        shown_path(path),
        bound >> 20
    )]
    Paths {
        /// The root.
        path: PathBuf,
        /// The most that they may take, in bytes.
        bound: u64,
    },
    /// Nothing matches.
    #[error("nothing in `{}` matches {}", shown_path(path), listed(&quoted(patterns)))]
    NothingIncluded {
        /// The root.
        path: PathBuf,
        /// The globs.
        patterns: Vec<String>,
        /// How those globs are written that are the names of files there.
        literally: Vec<String>,
    },
    /// A name that cannot be in an image; no file system has one.
    #[error("`{}` cannot be in an image", shown_path(path))]
    Name {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: EntryPathError,
    },
}

/// Patterns as messages have them.
pub(super) fn quoted(patterns: &[String]) -> Vec<String> {
    patterns.iter().map(|pattern| format!("`{}`", shown(pattern.as_bytes()))).collect()
}

/// The result of an action on a path that the system refused.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ScanError {
    move |source| ScanError::Io { action, path: path.to_owned(), source }
}

impl Explain for ScanError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Io { source, .. } => io_code(source, ErrorCode::FileUnreadable),
            Self::NotADirectory { .. } => Some(ErrorCode::SettingWrong),
            Self::Whiteout { .. } | Self::Socket { .. } | Self::Special { .. } | Self::Name { .. } => {
                Some(ErrorCode::PathUnfit)
            }
            Self::LinksLeave { .. } | Self::LinksToMachine { .. } => Some(ErrorCode::PathOutside),
            Self::Threads(error) => error.code(),
            Self::Glob { .. } | Self::NotPatterns { .. } | Self::NothingIncluded { .. } => {
                Some(ErrorCode::PatternWrong)
            }
            Self::TooMuch(_) | Self::Paths { .. } => Some(ErrorCode::LimitReached),
        }
    }

    fn hint(&self) -> Option<String> {
        let leave_out = format!("leave it out with a line in `{IGNORE_FILE}`");
        let hint = match self {
            Self::Threads(error) => return error.hint(),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => format!("make it readable, or {leave_out}"),
                io::ErrorKind::NotFound => {
                    "check the path; or the tree was changed while it was read".to_owned()
                }
                _ => return None,
            },
            Self::NotADirectory { .. } => "give the path of a directory".to_owned(),
            Self::Whiteout { .. } => format!("rename it, or {leave_out}"),
            Self::Socket { .. } => format!("remove it, or {leave_out}"),
            Self::Special { .. } => format!(
                "{leave_out}; or take devices and named pipes as they are, with `keep-modes = true` in `files` of a `[[layer]]`"
            ),
            Self::LinksLeave { links, absolute } => format!(
                "replace {} with the file it leads to{}, or leave it out with a line in `{IGNORE_FILE}`",
                if links.len() == 1 { "the link" } else { "each link" },
                if *absolute { " or with an absolute target, which means a path in the image" } else { "" }
            ),
            Self::LinksToMachine { links } => format!(
                "make {} relative to its link, or leave the link out with a line in `{IGNORE_FILE}`",
                if links.len() == 1 { "the target" } else { "each target" }
            ),
            Self::Glob { .. } => {
                "`*` and `?` match within a name, `**` across names; `[[]`, `[{]` and `[}]` are the brackets themselves".to_owned()
            }
            Self::NotPatterns { .. } => "save it as UTF-8, one pattern a line".to_owned(),
            Self::TooMuch(_) => {
                "name directories instead of the files in them, or use fewer patterns with wildcards".to_owned()
            }
            Self::Paths { .. } => {
                format!("leave out what the image does not need, with `exclude` or a line in `{IGNORE_FILE}`")
            }
            Self::NothingIncluded { literally, .. } if !literally.is_empty() => {
                format!("`[…]` is one of several characters, `{{…}}` one of several texts: write {} for the name itself", listed(&quoted(literally)))
            }
            Self::NothingIncluded { .. } => {
                "globs match the whole path below the root; begin one with `**/` to match at any depth".to_owned()
            }
            Self::Name { .. } => return None,
        };
        Some(hint)
    }
}
