//! Why a layout cannot be used.

use std::io;
use std::path::PathBuf;

use super::names::PickError;
use crate::oci::DocumentError;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, io_code, io_hint, kind_behind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Why a layout cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Reading or writing failed; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The directory cannot be written to.
    #[error(transparent)]
    Write(io::Error),
    /// The directory does not exist.
    #[error("there is no directory `{}`", shown_path(.0))]
    NoDirectory(PathBuf),
    /// The same, where a name follows it, which may be the rest of the path.
    #[error("there is no directory `{}`: a path ends at its first colon", shown_path(.0))]
    NoDirectoryBefore(PathBuf),
    /// Nothing says that the directory is a layout.
    #[error("`{}` is not an OCI image layout: {why}", shown_path(.dir))]
    NotALayout {
        /// The directory.
        dir: PathBuf,
        /// The missing or wrong part.
        why: String,
    },
    /// A file has the path.
    #[error("`{}` is a file, and an OCI image layout is a directory", shown_path(.0))]
    File(PathBuf),
    /// A part of the path is a file.
    #[error("there is no directory `{}`: `{}` is a file", shown_path(.path), shown_path(.file))]
    BelowFile {
        /// The layout.
        path: PathBuf,
        /// The part.
        file: PathBuf,
    },
    /// There is something else in the directory that was to become a layout.
    #[error("`{}` is not empty and not an OCI image layout", shown_path(.0))]
    NotEmpty(PathBuf),
    /// A directory of a layout that is to be written is elsewhere.
    #[error("`{}` is a link, and blobs are written through none", shown_path(.0))]
    Linked(PathBuf),
    /// The index is damaged.
    #[error("`{}`: {source}", shown_path(.path))]
    Index {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: DocumentError,
    },
    /// The image cannot be told from the index.
    #[error("{place}: {source}")]
    Pick {
        /// The layout or archive.
        place: String,
        /// Why.
        source: PickError,
    },
    /// A blob that is linked to is missing or damaged.
    #[error("{place}: {source}")]
    Blob {
        /// The layout or archive.
        place: String,
        /// Names the digest.
        source: io::Error,
    },
    /// A manifest or index cannot be trusted.
    #[error("{place}: {digest}: {source}")]
    Document {
        /// The layout or archive.
        place: String,
        /// Which one.
        digest: Digest,
        /// The fault.
        source: DocumentError,
    },
}

/// The hint about an image that is damaged in its place.
pub(crate) fn damaged() -> String {
    "build or copy the image there again, or use another copy of it".to_owned()
}

/// Whether a blob cannot be read because it is not there or not what it should be.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
    )
}

impl Explain for LayoutError {
    fn kind(&self) -> Kind {
        kind_behind(self, Kind::Input)
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Io(source) => io_code(source, ErrorCode::FileUnreadable),
            Self::Write(source) => io_code(source, ErrorCode::FileUnwritable),
            Self::NoDirectory(_) | Self::NoDirectoryBefore(_) | Self::BelowFile { .. } => {
                Some(ErrorCode::FileMissing)
            }
            Self::NotALayout { .. } | Self::File(_) => Some(ErrorCode::NotAnImage),
            Self::NotEmpty(_) | Self::Linked(_) => Some(ErrorCode::FileUnwritable),
            Self::Index { .. } | Self::Document { .. } => Some(ErrorCode::ImageDamaged),
            Self::Pick { source, .. } => Some(source.code()),
            Self::Blob { source, .. } if is_damage(source) => Some(ErrorCode::ImageDamaged),
            Self::Blob { source, .. } => io_code(source, ErrorCode::FileUnreadable),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotEmpty(_) => {
                Some("name a new or empty directory, or one that already is an OCI layout".to_owned())
            }
            Self::Linked(_) => Some("remove the link, or name another directory".to_owned()),
            Self::File(path) => {
                let path = shown_path(path);
                Some(format!("write `oci-archive:{path}`, or `docker-archive:{path}` for what `docker save` wrote"))
            }
            Self::NoDirectory(_) | Self::BelowFile { .. } => Some("check the path".to_owned()),
            Self::NoDirectoryBefore(_) => Some(
                "check the path; a directory with a colon in its path must be renamed, or be reached through a link without one"
                    .to_owned(),
            ),
            Self::Pick { source, .. } => source.hint(),
            Self::Index { .. } | Self::Document { .. } => Some(damaged()),
            Self::Blob { source, .. } if is_damage(source) => Some(damaged()),
            Self::Io(source) | Self::Write(source) | Self::Blob { source, .. } => io_hint(source).map(str::to_owned),
            _ => None,
        }
    }
}
