//! `oci-archive:FILE` and `docker-archive:FILE`: images in one tar; and `docker`, which loads such a tar.
//!
//! Reading takes one pass over the headers and then serves blobs from their places in the file; nothing is
//! unpacked. Writing makes one file that is both: an OCI image layout with a `manifest.json` beside it, whose
//! paths lead to the same blobs.

mod read;
mod write;

use std::io;
use std::path::PathBuf;

use crate::oci::{DocumentError, ImageError};
use crate::runtime::workers::WorkersError;
use crate::store::{PickError, damaged, is_damage};
use crate::transport::docker::EngineError;
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind, io_code, io_hint, kind_behind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{Foreign, shown_path};

pub use crate::formats::untar::UntarError;
pub use read::Archive;
pub use write::{ArchiveOutput, ArchiveWord};

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Reading or writing failed; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file cannot be written to its place.
    #[error(transparent)]
    Write(io::Error),
    /// A directory, a pipe or a device.
    #[error("`{}` is not a regular file", shown_path(.0))]
    NotAFile(PathBuf),
    /// A compressed tar cannot be read at random.
    #[error("`{}` is compressed with {compression}", shown_path(.path))]
    Compressed {
        /// The file.
        path: PathBuf,
        /// By what.
        compression: &'static str,
    },
    /// Not a tar.
    #[error("`{}` is not a tar that can be read: {source}", shown_path(.path))]
    Tar {
        /// The file.
        path: PathBuf,
        /// Why.
        source: UntarError,
    },
    /// The file ends before a member does.
    #[error("`{}` ends within `{}`", shown_path(.path), Foreign::new(name))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The member.
        name: String,
    },
    /// No OCI archive.
    #[error("`{}` has no `index.json`: it is not an OCI archive", shown_path(.path))]
    NoIndex {
        /// The file.
        path: PathBuf,
        /// Whether it is a Docker archive.
        docker: bool,
    },
    /// No Docker archive.
    #[error("`{}` has no `manifest.json`: it is not a Docker archive", shown_path(.path))]
    NoManifest {
        /// The file.
        path: PathBuf,
        /// Whether it is an OCI archive.
        oci: bool,
    },
    /// The image cannot be told from what the archive lists.
    #[error("{place}: {source}")]
    Pick {
        /// The archive.
        place: String,
        /// Why.
        source: PickError,
    },
    /// A document is broken.
    #[error("{place}: `{}`: {source}", Foreign::new(name))]
    Document {
        /// The archive.
        place: String,
        /// The member.
        name: String,
        /// The fault.
        source: DocumentError,
    },
    /// A document is larger than any honest one.
    #[error("`{}`: `{}` is too large for a document", shown_path(.path), Foreign::new(name))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The member.
        name: String,
    },
    /// The documents are no image.
    #[error("{place}: {source}")]
    Image {
        /// The archive.
        place: String,
        /// Why.
        source: ImageError,
    },
    /// A member is not there.
    #[error("{place}: `{}` is missing", Foreign::new(name))]
    Missing {
        /// The archive.
        place: String,
        /// The member.
        name: String,
    },
    /// A blob has another size than its descriptor.
    #[error("{place}: {digest} has {found} bytes, {expected} were announced")]
    OtherSize {
        /// The archive.
        place: String,
        /// The blob.
        digest: Digest,
        /// Bytes in the archive.
        found: u64,
        /// Bytes in the descriptor.
        expected: u64,
    },
    /// A blob's bytes are not its own.
    #[error("{place}: {source}")]
    Blob {
        /// The archive.
        place: String,
        /// Names the digest.
        source: io::Error,
    },
    /// The configuration does not match the layers.
    #[error("{place}: there are {layers} layers, the configuration has {diff_ids} diff IDs")]
    LayerCount {
        /// The archive.
        place: String,
        /// In `manifest.json`.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// A layer is compressed in a way that no media type names.
    #[error("{place}: the layer `{}` is compressed with {compression}", Foreign::new(name))]
    LayerCompression {
        /// The archive.
        place: String,
        /// The member.
        name: String,
        /// By what.
        compression: &'static str,
    },
    /// There are no threads to write with.
    #[error(transparent)]
    Threads(#[from] WorkersError),
    /// The engine that is to load it does not.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An image was finished before everything it refers to had arrived.
    #[error("{place}: {digest} is referred to and was not written")]
    Incomplete {
        /// The archive.
        place: String,
        /// The missing blob.
        digest: Digest,
    },
}

impl Explain for ArchiveError {
    fn kind(&self) -> Kind {
        match self {
            Self::Incomplete { .. } => Kind::Bug,
            Self::Engine(error) => error.kind(),
            _ => kind_behind(self, Kind::Input),
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Io(source) => io_code(source, ErrorCode::FileUnreadable),
            Self::Write(source) => io_code(source, ErrorCode::FileUnwritable),
            Self::NotAFile(_)
            | Self::Compressed { .. }
            | Self::NoIndex { .. }
            | Self::NoManifest { .. }
            | Self::LayerCompression { .. }
            | Self::Tar { source: UntarError::Header { at: 0, .. }, .. } => Some(ErrorCode::NotAnImage),
            Self::Tar { .. }
            | Self::Truncated { .. }
            | Self::Document { .. }
            | Self::Missing { .. }
            | Self::OtherSize { .. }
            | Self::LayerCount { .. } => Some(ErrorCode::ImageDamaged),
            Self::Pick { source, .. } => Some(source.code()),
            Self::TooLarge { .. } => Some(ErrorCode::LimitReached),
            Self::Image { source, .. } => source.code(),
            Self::Blob { source, .. } if is_damage(source) => Some(ErrorCode::ImageDamaged),
            Self::Blob { source, .. } => io_code(source, ErrorCode::FileUnreadable),
            Self::Threads(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Incomplete { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotAFile(path) if path.is_dir() => {
                Some(format!("an image layout in a directory is written `oci:{}`", shown_path(path)))
            }
            Self::Tar { source: UntarError::Header { at: 0, .. }, .. } => {
                Some("name a tar that `pack`, `skopeo` or `docker save` wrote".to_owned())
            }
            Self::Compressed { .. } => Some("decompress it first".to_owned()),
            Self::NoIndex { docker: true, path } => {
                Some(format!("read it as `docker-archive:{}`", shown_path(path)))
            }
            Self::NoManifest { oci: true, path } => {
                Some(format!("read it as `oci-archive:{}`", shown_path(path)))
            }
            Self::Pick { source, .. } => source.hint(),
            Self::Engine(error) => error.hint(),
            Self::Threads(error) => error.hint(),
            Self::Io(source) if source.kind() == io::ErrorKind::NotFound => {
                Some("check the path, which ends at its first colon".to_owned())
            }
            Self::Truncated { .. }
            | Self::Document { .. }
            | Self::Image { .. }
            | Self::Missing { .. }
            | Self::OtherSize { .. }
            | Self::LayerCount { .. } => Some(damaged()),
            Self::Blob { source, .. } if is_damage(source) => Some(damaged()),
            Self::Io(source) | Self::Write(source) | Self::Blob { source, .. } => {
                io_hint(source).map(str::to_owned)
            }
            _ => None,
        }
    }
}

/// Where a layout keeps a blob.
fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

#[cfg(test)]
mod tests;
