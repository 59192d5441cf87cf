//! The faults of entries that cannot be placed.

use std::fmt;

use crate::layer::{EntryPath, EntryPathError};
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown;

/// How many directories a path may lie in: each is a step of the placer's own.
pub(super) const MAX_DEPTH: usize = 500;

/// Why entries cannot be placed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The base cannot be read.
    #[error("{0}")]
    Base(BoxedError),
    /// There is a file where a directory is needed.
    #[error("{path} is a file in {holder}, and {}", NeedText(path, needed))]
    NotADirectory {
        /// The file.
        path: EntryPath,
        /// Who has it.
        holder: String,
        /// The path that needs a directory there.
        needed: EntryPath,
    },
    /// A directory is in the place of something else.
    #[error("{path} is a directory in {holder}: {with} in its place would remove all that is in it")]
    ReplacesDirectory {
        /// As the entry's path is written.
        path: EntryPath,
        /// Who has it.
        holder: String,
        /// The kind of thing that would be in its place.
        with: &'static str,
    },
    /// Links that lead around or out.
    #[error("the link {0} in {1} leads nowhere: {2}")]
    Link(EntryPath, String, &'static str),
    /// Two entries for one path.
    #[error("{path} would be two things{}", WrittenText(path, written))]
    Twice {
        /// The path, links followed.
        path: EntryPath,
        /// As they are written.
        written: [EntryPath; 2],
    },
    /// A directory with two owners or modes.
    #[error("the directory {path} would have two owners or modes{}", WrittenText(path, written))]
    Contested {
        /// The path, links followed.
        path: EntryPath,
        /// As they are written.
        written: [EntryPath; 2],
    },
    /// A path that no file system takes, and that would cost a step of memory for each directory.
    #[error("`{}` lies in more than {MAX_DEPTH} directories", cut(.0))]
    TooDeep(EntryPath),
    /// A path behind a link has no valid form.
    #[error(transparent)]
    Path(#[from] EntryPathError),
}

/// The beginning of a long path.
fn cut(path: &EntryPath) -> String {
    let bytes = path.as_bytes();
    let text = shown(&bytes[..bytes.len().min(100)]);
    format!("/{text}…")
}

/// Says what a directory is needed for.
struct NeedText<'a>(&'a EntryPath, &'a EntryPath);

impl fmt::Display for NeedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            f.write_str("must be a directory")
        } else {
            write!(f, "{} must go below it", self.1)
        }
    }
}

/// Says how a path is written, if links of the base turn two paths into one.
struct WrittenText<'a>(&'a EntryPath, &'a [EntryPath; 2]);

impl fmt::Display for WrittenText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.1;
        if one == self.0 && other == self.0 {
            return Ok(());
        }
        write!(f, ": by links of the base, {one} and {other} are the same")
    }
}

impl Explain for PlaceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Base(error) => error.kind(),
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Base(error) => error.code(),
            Self::NotADirectory { .. }
            | Self::ReplacesDirectory { .. }
            | Self::Twice { .. }
            | Self::Contested { .. } => Some(ErrorCode::PathConflict),
            Self::Link(..) => Some(ErrorCode::BaseUnusable),
            Self::TooDeep(_) | Self::Path(_) => Some(ErrorCode::PathUnfit),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Base(error) => return error.hint(),
            Self::ReplacesDirectory { path, with, .. } if *with == "a file" => {
                format!("to put the file into it, write the file's own path, such as `{path}/NAME`")
            }
            Self::NotADirectory { .. } | Self::ReplacesDirectory { .. } => {
                "choose another path, or a base without it".to_owned()
            }
            Self::Contested { .. } => "make both the same".to_owned(),
            Self::TooDeep(_) => "choose a shorter path".to_owned(),
            Self::Link(..) | Self::Twice { .. } | Self::Path(_) => return None,
        })
    }
}

impl PlaceError {
    /// The paths that it is about, as they are written.
    #[must_use]
    pub fn paths(&self) -> Vec<&EntryPath> {
        match self {
            Self::NotADirectory { needed: path, .. } | Self::ReplacesDirectory { path, .. } => vec![path],
            Self::Twice { written, .. } | Self::Contested { written, .. } => written.iter().collect(),
            Self::Base(_) | Self::Link(..) | Self::TooDeep(_) | Self::Path(_) => Vec::new(),
        }
    }
}
