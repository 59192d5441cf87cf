//! Why images cannot be compared.

use std::io;

use crate::runtime::budget::OverBudget;
use crate::runtime::interrupt::Interrupted;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, kind_behind};

/// Why images cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
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
    /// The images are too much to compare.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for DiffError {
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
            Self::OverBudget(_) => Some("`--platform` compares the images of one platform alone".to_owned()),
            Self::Interrupted(_) => None,
        }
    }
}
