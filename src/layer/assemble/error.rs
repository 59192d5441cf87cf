//! Why a layer cannot be built.

use std::io;

use super::super::content::ContentError;
use super::super::estargz::ContentsError;
use super::super::tar::TarError;
use super::super::ztoc::ZtocError;
use crate::runtime::interrupt::Interrupted;
use crate::runtime::workers::WorkersError;
use crate::types::error::{Explain, Kind as ErrorKind, io_code};
use crate::types::error_code::ErrorCode;

/// Why a layer cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// A payload cannot be read.
    #[error("layer `{layer}`: {source}")]
    Content {
        /// The layer.
        layer: String,
        /// The reason.
        source: ContentError,
    },
    /// An entry cannot be written as tar.
    #[error("layer `{layer}`: {source}")]
    Tar {
        /// The layer.
        layer: String,
        /// The reason.
        source: TarError,
    },
    /// There can be no table of contents.
    #[error("layer `{layer}`: {source}")]
    Contents {
        /// The layer.
        layer: String,
        /// The reason.
        source: ContentsError,
    },
    /// There can be none beside it.
    #[error("layer `{layer}`: {source}")]
    Ztoc {
        /// The layer.
        layer: String,
        /// The reason.
        source: ZtocError,
    },
    /// The blob cannot be stored.
    #[error("layer `{layer}`: cannot store the blob: {source}")]
    Store {
        /// The layer.
        layer: String,
        /// The reason.
        source: io::Error,
    },
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// There are no threads to work with.
    #[error(transparent)]
    Threads(#[from] WorkersError),
    /// A worker panicked.
    #[error("layer `{0}`: a worker thread panicked")]
    Panicked(String),
    /// The blob that it begins like turned out to be gone or damaged.
    #[error("layer `{0}`: the blob that it begins like is gone or damaged")]
    NoBeginning(String),
}

impl Explain for LayerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Content { .. }
            | Self::Tar { .. }
            | Self::Contents { .. }
            | Self::Ztoc { .. }
            | Self::Store { .. } => ErrorKind::Input,
            Self::Interrupted(_) => ErrorKind::Interrupted,
            Self::Threads(error) => error.kind(),
            Self::Panicked(_) | Self::NoBeginning(_) => ErrorKind::Bug,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Content { source, .. } => source.code(),
            Self::Tar { .. } => Some(ErrorCode::PathUnfit),
            Self::Contents { .. } | Self::Ztoc { .. } => Some(ErrorCode::LimitReached),
            Self::Store { source, .. } => io_code(source, ErrorCode::StoreUnusable),
            Self::Threads(error) => error.code(),
            Self::Interrupted(_) | Self::Panicked(_) | Self::NoBeginning(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Threads(error) => error.hint(),
            Self::Content { source, .. } => source.hint(),
            Self::Contents { .. } | Self::Ztoc { .. } => Some("`compression = \"gzip\"` has no such limit".into()),
            Self::Store { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, or set PACK_CACHE_DIR to another disk; `pack cache prune` removes what no name needs".into())
            }
            _ => None,
        }
    }
}
