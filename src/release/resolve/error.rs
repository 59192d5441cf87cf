//! The reasons why descriptors are not resolved.

use std::io;
use std::path::PathBuf;

use crate::descriptors::{DescriptorError, ImagePlaceError};
use crate::types::error::{BoxedError, Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::shown::{Foreign, listed, shown_path};

/// Descriptors that cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// A file or directory.
    #[error("cannot read `{}`", shown_path(path))]
    Read {
        /// Its path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A directory without a descriptor.
    #[error("`{}` has no descriptor", shown_path(.0))]
    Empty(PathBuf),
    /// A file that is not of its format.
    #[error("`{name}`: {source}")]
    Descriptor {
        /// The name of the file.
        name: String,
        /// Whether it looks like a template, of which the text is no YAML yet.
        is_template: bool,
        /// The reason.
        source: DescriptorError,
    },
    /// Files that are too large together.
    #[error("the descriptors have more than {0} bytes together, the most that is read at a time")]
    TooLarge(usize),
    /// A place that cannot take the image.
    #[error("`{name}`, line {line}: `{}` cannot be replaced: {source}", Foreign::new(image))]
    Place {
        /// The name of the file.
        name: String,
        /// From 1.
        line: usize,
        /// The image there.
        image: String,
        /// The reason.
        source: ImagePlaceError,
    },
    /// `pack://` before something that is no name.
    #[error("`{name}`, line {line}: `{}` has no name of an image behind `pack://`", Foreign::new(text))]
    NoName {
        /// The name of the file.
        name: String,
        /// From 1.
        line: usize,
        /// The value.
        text: String,
    },
    /// Two places that share a scalar by an alias, and need different values.
    #[error("`{name}`, line {line}: two images share this value by an alias, and need different ones")]
    Shared {
        /// The name of the file.
        name: String,
        /// That of the shared value, from 1.
        line: usize,
    },
    /// Two files with one name in the output.
    #[error("`{one}` and `{other}` would both be written to `{}`", shown_path(place))]
    SamePlace {
        /// The first.
        one: String,
        /// The second.
        other: String,
        /// Where.
        place: PathBuf,
    },
    /// An image that the registry does not have.
    #[error("`{reference}`, at `{name}`, line {line}, is not in its registry")]
    Missing {
        /// The image.
        reference: String,
        /// The name of a file that has it.
        name: String,
        /// From 1.
        line: usize,
        /// Whether the lock has its digest.
        is_locked: bool,
    },
    /// A registry that cannot be asked.
    #[error("the digest of `{reference}`, at `{name}`, line {line}, is not known")]
    Registry {
        /// The image.
        reference: String,
        /// The name of a file that has it.
        name: String,
        /// From 1.
        line: usize,
        /// The reason.
        source: Box<crate::registry::RegistryError>,
    },
    /// A lock of images that cannot be read.
    #[error("`{}` is not a lock of images: {what}", shown_path(path))]
    Lock {
        /// Its path.
        path: PathBuf,
        /// The reason.
        what: String,
    },
    /// A pattern that is none.
    #[error("`{pattern}` is not a pattern: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The reason.
        why: String,
    },
    /// A file that changed since it was read.
    #[error("`{}` was changed by another program meanwhile", shown_path(.0))]
    Changed(PathBuf),
    /// A file that cannot be written.
    #[error("cannot write `{}`", shown_path(path))]
    Write {
        /// Its path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file that cannot be written, and others that could not be put back.
    #[error(
        "cannot write `{}`; these have the new text already: {}",
        shown_path(path),
        listed(done, "", ", ")
    )]
    Half {
        /// Its path.
        path: PathBuf,
        /// The files that could not be put back.
        done: Vec<String>,
        /// The reason.
        source: io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    Other(BoxedError),
}

impl Explain for ResolveError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } => Kind::Registry,
            Self::Registry { source, .. } => source.kind(),
            Self::Other(error) => error.kind(),
            _ => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Read { source, .. } => io_code(source, ErrorCode::FileUnreadable),
            Self::Empty(_) => Some(ErrorCode::FileMissing),
            Self::Descriptor { .. } | Self::Place { .. } | Self::NoName { .. } | Self::Shared { .. } => {
                Some(ErrorCode::DescriptorBroken)
            }
            Self::Lock { .. } => Some(ErrorCode::LockBroken),
            Self::TooLarge(_) => Some(ErrorCode::LimitReached),
            Self::SamePlace { .. } => Some(ErrorCode::OutputConflict),
            Self::Missing { .. } => Some(ErrorCode::ImageNotFound),
            Self::Registry { source, .. } => source.code(),
            Self::Pattern { .. } => Some(ErrorCode::PatternWrong),
            Self::Changed(_) => Some(ErrorCode::FileChanged),
            Self::Write { source, .. } | Self::Half { source, .. } => {
                io_code(source, ErrorCode::FileUnwritable)
            }
            Self::Other(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Empty(_) => Some(
                "descriptors end in .yaml, .yml, .json, .hcl, .nomad, .tf or .tfvars; name another file itself".to_owned(),
            ),
            Self::Descriptor { is_template: true, .. } => {
                Some("render templates first: `helm template … | pack resolve -f -`".to_owned())
            }
            Self::Descriptor { source, .. } => source.hint(),
            Self::Place { source, .. } => source.hint(),
            Self::NoName { .. } => {
                Some("write `pack://` and the name of a member, or the name of an image without a tag".to_owned())
            }
            Self::Shared { .. } => Some("write the value out where the alias stands".to_owned()),
            Self::SamePlace { .. } => Some("name the directory that has both, or use `--in-place`".to_owned()),
            Self::Missing { is_locked: true, .. } => {
                Some("`pack resolve --pin --update` takes the digest that the tag has now".to_owned())
            }
            Self::Registry { source, .. } => source.hint(),
            Self::Lock { .. } => Some(
                "put it back as it was committed, or take either side of a merge, then run `pack resolve --pin`".to_owned(),
            ),
            Self::Changed(_) => Some("nothing was written; run the command again".to_owned()),
            Self::Other(error) => error.hint(),
            _ => None,
        }
    }
}
