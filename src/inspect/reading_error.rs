//! Why the layers of an image cannot be read.

use std::io;

use crate::oci::Descriptor;
use crate::runtime::interrupt::{Interrupt, Interrupted};
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, io_code, kind_behind};
use crate::types::error_code::ErrorCode;

/// Why a layer or another blob of an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// The bytes, or the way to them, are wrong.
    #[error("{place}: layer {layer}: {source}")]
    Layer {
        /// The image.
        place: String,
        /// The layer.
        layer: Digest,
        /// Why.
        source: io::Error,
    },
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ReadingError {
    /// That of a layer of the image in `place`: the end of reading is no fault of a layer if the user asked for it.
    pub(super) fn of(place: String, layer: &Descriptor, interrupt: &Interrupt, source: io::Error) -> Self {
        match interrupt.check() {
            Err(interrupted) => Self::Interrupted(interrupted),
            Ok(()) => Self::Layer { place, layer: layer.digest, source },
        }
    }
}

impl Explain for ReadingError {
    fn kind(&self) -> Kind {
        match self {
            Self::Interrupted(_) => Kind::Interrupted,
            // A registry that failed in the middle of a layer says so itself.
            Self::Layer { source, .. } => kind_behind(source, Kind::Input),
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Interrupted(_) => None,
            Self::Layer { source, .. } => io_code(source, ErrorCode::ImageDamaged),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Layer { .. } => Some("`pack verify` lists the problems of an image".to_owned()),
            Self::Interrupted(_) => None,
        }
    }
}
