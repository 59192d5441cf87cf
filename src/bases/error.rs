//! Why a base cannot be used, and what to do.

use std::io;
use std::path::PathBuf;

use crate::formats::untar::UntarError;
use crate::layer::EntryPath;
use crate::oci::MediaType;
use crate::runtime::budget::OverBudget;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Explain, Kind, io_code, kind_behind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{Foreign, shown_path};

/// Why a base cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// `--offline`, and the store does not have it.
    #[error("the base `{0}` is not in the store, and the network must not be used")]
    Offline(String),
    /// A layer of an unknown media type.
    #[error("layer {} of the base `{}` has the media type `{}`, which is not a layer", .0, .1, Foreign::new(.2.as_ref()))]
    NotALayer(Digest, String, MediaType),
    /// A layer cannot be read.
    #[error("layer {layer} of the base `{base}` cannot be read: {source}")]
    Layer {
        /// The base.
        base: String,
        /// The layer.
        layer: Digest,
        /// The reason.
        source: io::Error,
    },
    /// A file of a planned layer cannot be read.
    #[error("cannot read `{}`: {source}", shown_path(path))]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The locked base does not exist any more.
    #[error("`{base}` is pinned at {locked} by `build.lock`, and that is not there any more: {inner}")]
    Gone {
        /// The base.
        base: String,
        /// In the lock.
        locked: Digest,
        /// The error of the registry.
        inner: BoxedError,
    },
    /// The base is not the one that the lock pins.
    #[error("`{base}` is {found} now, and `build.lock` pins {locked}")]
    Moved {
        /// The base.
        base: String,
        /// In the lock.
        locked: Digest,
        /// Found.
        found: Digest,
    },
    /// The lock says of a path what the layers do not say.
    #[error("`build.lock` says that `{path}` of the base `{base}` is {said}; it is {found}")]
    LockDiffers {
        /// The base.
        base: String,
        /// The path.
        path: EntryPath,
        /// The lock's statement.
        said: String,
        /// The layer's content.
        found: String,
        /// Whether the lock was not to be departed from.
        strict: bool,
    },
    /// The lock says of the whole image what its layers do not say.
    #[error("`build.lock` says that the base `{base}` is {said}; it is {found}")]
    SystemDiffers {
        /// The base.
        base: String,
        /// The lock's statement.
        said: String,
        /// The layers' content.
        found: String,
        /// Whether the lock was not to be departed from.
        strict: bool,
    },
    /// A file of users or groups that cannot be read.
    #[error("`{path}` of the base `{base}` cannot be read: it is a link, a directory or larger than 1 MiB")]
    NoAccounts {
        /// The base.
        base: String,
        /// The path.
        path: EntryPath,
    },
    /// The lock says nothing of a base.
    #[error("`build.lock` says nothing of the layers of the base `{0}`")]
    NoFacts(String),
    /// Its documents for all platforms are too large together.
    #[error(transparent)]
    TooMuch(#[from] OverBudget),
}

impl Explain for BaseError {
    fn kind(&self) -> Kind {
        match self {
            Self::Gone { inner, .. } => inner.kind(),
            Self::LockDiffers { strict: true, .. } | Self::SystemDiffers { strict: true, .. } => Kind::Policy,
            _ => kind_behind(self, Kind::Input),
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Offline(_) => Some(ErrorCode::Offline),
            Self::NotALayer(..) | Self::NoAccounts { .. } => Some(ErrorCode::BaseUnusable),
            Self::Layer { source, .. } if UntarError::is_ambiguous(source) => Some(ErrorCode::BaseUnusable),
            Self::Layer { source, .. } => io_code(source, ErrorCode::ImageDamaged),
            Self::File { source, .. } => io_code(source, ErrorCode::FileUnreadable),
            Self::Gone { .. } | Self::Moved { .. } => Some(ErrorCode::BaseMoved),
            Self::LockDiffers { .. } | Self::SystemDiffers { .. } => Some(ErrorCode::LockDisagrees),
            Self::NoFacts(_) => Some(ErrorCode::LockMissing),
            Self::TooMuch(_) => Some(ErrorCode::LimitReached),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Offline(_) => Some("build once with the network, or use `oci:DIR` as the base".into()),
            Self::Layer { source, .. } if UntarError::is_ambiguous(source) => Some(
                "use a base whose layers were made by another tool: tools unpack this one in different ways"
                    .into(),
            ),
            Self::Layer { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                Some("the base is damaged where it is stored; push or copy it there again".into())
            }
            Self::Gone { .. } => Some("`pack update` locks the digest that its name has now".into()),
            Self::Moved { .. } => Some("`pack update` takes the new one".into()),
            Self::LockDiffers { .. } | Self::SystemDiffers { .. } => Some(
                "the lock was edited: put it back as it was committed, or let `pack update` write it again"
                    .into(),
            ),
            Self::NoAccounts { .. } => {
                Some("write numbers in place of names, and users in a file of a `[[layer]]`".into())
            }
            Self::NoFacts(_) => Some("`pack update` writes the right facts".into()),
            _ => None,
        }
    }
}
