//! Why a tar is refused.

use std::io;

use crate::types::shown::Foreign;

/// Why a tar cannot be walked.
#[derive(Debug, thiserror::Error)]
pub enum UntarError {
    /// Reading failed, or the tar ends early.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A header is none.
    #[error("there is no tar header at byte {at}: {}", Foreign::new(why))]
    Header {
        /// Where.
        at: u64,
        /// The reason.
        why: String,
    },
    /// Tools do not read an entry alike, so what it is depends on who looks.
    #[error(
        "tools read entry {entry} of the tar, at byte {at}, in different ways: `{field}`: {}",
        Foreign::new(why)
    )]
    Ambiguous {
        /// Its number, from 1.
        entry: u64,
        /// Where the header is.
        at: u64,
        /// The field of the header, or the record, that it is about.
        field: &'static str,
        /// The fault.
        why: String,
    },
    /// Over a limit.
    #[error("the tar has {what}, more than {limit}")]
    Limit {
        /// The resource that ran out.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// GNU's sparse files, whose payload is not their content.
    #[error("`{}` is a sparse file in GNU's format", Foreign::new(.0))]
    Sparse(String),
}

impl UntarError {
    /// The error of a reader of the tar, which keeps this one as its cause.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }

    /// Whether `error` says that tools do not read a tar alike.
    pub(crate) fn is_ambiguous(error: &io::Error) -> bool {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        matches!(inner, Some(Self::Ambiguous { .. }))
    }
}
