//! Why something cannot be copied.

use crate::oci::select::SelectError;
use crate::oci::{DocumentError, MAX_CHILDREN};
use crate::runtime::budget::OverBudget;
use crate::runtime::interrupt::Interrupted;
use crate::store::damaged;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// Why something cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source has none for the platform.
    #[error("{place}: {source}")]
    Select {
        /// The source.
        place: String,
        /// Why.
        source: SelectError,
    },
    /// A document is broken.
    #[error("{place}: {digest}: {source}")]
    Document {
        /// The source.
        place: String,
        /// Which.
        digest: Digest,
        /// The fault.
        source: DocumentError,
    },
    /// More than any honest index has.
    #[error("{place}: there are more than {MAX_CHILDREN} manifests to copy")]
    TooMany {
        /// The source.
        place: String,
    },
    /// Documents of more bytes than those of any honest index.
    #[error("{place}: {source}")]
    TooLarge {
        /// The source.
        place: String,
        /// Why.
        source: OverBudget,
    },
    /// The destination was named with another digest.
    #[error("the copy would be {found}, and the destination is named {expected}")]
    OtherDigest {
        /// In the destination's name.
        expected: Digest,
        /// Of what would be copied.
        found: Digest,
    },
    /// A layer that registries do not hold, for a destination that cannot do without.
    #[error("layer {0} is kept by its owner and not with the image, and an archive cannot leave it out")]
    Foreign(Digest),
    /// Somebody else set the name in the meantime.
    #[error("`{name}` was {expected} a moment ago and is not any more")]
    Moved {
        /// The name.
        name: String,
        /// The digest that it resolved to.
        expected: Digest,
    },
    /// A blob whose bytes are not what its digest says.
    #[error("{place}: blob {digest} is damaged: {why}")]
    Damaged {
        /// The source.
        place: String,
        /// Which.
        digest: Digest,
        /// The fault.
        why: String,
    },
    /// The user interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for CopyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Interrupted(_) => Kind::Interrupted,
            Self::Moved { .. } => Kind::Registry,
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Select { source, .. } => source.code(),
            Self::Document { .. } | Self::Damaged { .. } => Some(ErrorCode::ImageDamaged),
            Self::TooMany { .. } | Self::TooLarge { .. } => Some(ErrorCode::LimitReached),
            Self::OtherDigest { .. } => Some(ErrorCode::TagTaken),
            Self::Foreign(_) => Some(ErrorCode::NotAnImage),
            Self::Moved { .. } => Some(ErrorCode::TagMoved),
            Self::Interrupted(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Select { source, .. } => source.hint(),
            Self::OtherDigest { .. } => Some("leave the digest out of the destination's name".to_owned()),
            Self::Foreign(_) => Some("copy to a registry or to `oci:DIR`".to_owned()),
            Self::Damaged { place, .. } => Some(format!(
                "make `{place}` again, or copy from elsewhere; `pack verify {place}` says what else is wrong"
            )),
            Self::Document { .. } => Some(damaged()),
            Self::TooMany { .. } | Self::TooLarge { .. } => {
                Some("copy its images one by one, with `--platform` or by their digests".to_owned())
            }
            Self::Moved { .. } => Some("run it again, or name the image by its digest".to_owned()),
            _ => None,
        }
    }
}
