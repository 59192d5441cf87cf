//! The faults of a lock.

use std::io;
use std::path::PathBuf;

use crate::project::config::ConfigError;
use crate::types::error::{Explain, Kind, io_code, text_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Why a lock cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It holds both sides of a merge.
    #[error("`{0}` has an unresolved merge conflict")]
    Conflict(String),
    /// Its text is wrong.
    #[error(transparent)]
    Invalid(ConfigError),
    /// It cannot be read.
    #[error("cannot read `{}`", shown_path(path))]
    Read {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write `{}`", shown_path(path))]
    Write {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Explain for LockError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Conflict(_) | Self::Invalid(_) => Some(ErrorCode::LockBroken),
            Self::Read { source, .. } => text_code(source, ErrorCode::LockBroken),
            Self::Write { source, .. } => io_code(source, ErrorCode::FileUnwritable),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict(_) => Some("take either side, then run `pack update`".to_owned()),
            // Each line has a hint of its own.
            Self::Invalid(error) if error.has_hints() => None,
            Self::Invalid(_) => {
                Some("put it back as it was committed, or remove it and run `pack update`".to_owned())
            }
            Self::Read { .. } | Self::Write { .. } => None,
        }
    }

    fn is_laid_out(&self) -> bool {
        matches!(self, Self::Invalid(error) if error.is_laid_out())
    }
}
