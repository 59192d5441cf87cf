//! Why the files of an image cannot be listed.

use std::io;

use crate::runtime::budget::OverBudget;
use crate::runtime::interrupt::Interrupted;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, kind_behind};

/// Why the files of an image cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A layer cannot be read.
    #[error("{place}: layer {layer}: {source}")]
    Layer {
        /// The image.
        place: String,
        /// The layer.
        layer: Digest,
        /// Why.
        source: io::Error,
    },
    /// The image has too many files.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for FilesError {
    fn kind(&self) -> Kind {
        match self {
            Self::Interrupted(_) => Kind::Interrupted,
            Self::OverBudget(_) => Kind::Input,
            // A registry that failed in the middle of a layer says so itself.
            Self::Layer { source, .. } => kind_behind(source, Kind::Input),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Layer { .. } => Some("`pack verify` lists the problems of an image".to_owned()),
            Self::OverBudget(_) | Self::Interrupted(_) => None,
        }
    }
}
