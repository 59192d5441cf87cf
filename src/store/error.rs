//! Why the store cannot do what was asked.

use std::io;
use std::path::PathBuf;

use super::layout::LayoutError;
use crate::runtime::workers::WorkersError;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Why the store cannot be looked after, or cannot take an image.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A build is running.
    #[error("the cache `{}` is in use by a running build", shown_path(.0))]
    InUse(PathBuf),
    /// It cannot be written.
    #[error("the cache `{}` cannot be written", shown_path(.0))]
    Unusable(PathBuf),
    /// Its index cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Reading or removing failed; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There are no threads to look with.
    #[error(transparent)]
    Threads(#[from] WorkersError),
}

impl Explain for StoreError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::InUse(_) | Self::Unusable(_) => Some(ErrorCode::StoreUnusable),
            Self::Layout(error) => error.code(),
            Self::Io(source) => io_code(source, ErrorCode::StoreUnusable),
            Self::Threads(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::InUse(_) => Some("try again when it has ended".to_owned()),
            Self::Unusable(_) => Some("set `PACK_CACHE_DIR` to a directory that can be written".to_owned()),
            Self::Layout(error) => error.hint(),
            Self::Io(source) if source.kind() == io::ErrorKind::PermissionDenied => Some(
                "let this user read and write all of the store, or set `PACK_CACHE_DIR` to another one"
                    .to_owned(),
            ),
            Self::Io(_) => None,
            Self::Threads(error) => error.hint(),
        }
    }
}
