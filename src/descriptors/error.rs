//! The reasons why a descriptor is not read.

use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::shown::Foreign;

/// A descriptor that is not read. The caller knows the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Not text.
    #[error("line {line}, column {column}: it is not UTF-8")]
    Encoding {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// Not of its format.
    #[error("line {line}, column {column}: not valid {format}: {}", Foreign::new(what))]
    Syntax {
        /// The format.
        format: &'static str,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// The words of the parser.
        what: String,
    },
    /// JSON that is refused for another reason.
    #[error("not valid JSON: {0}")]
    Json(String),
    /// More than is read of one file.
    #[error("it has more than {most} {what}, the most that is read of one descriptor")]
    TooMuch {
        /// The limit.
        most: usize,
        /// Of what.
        what: &'static str,
    },
    /// One scalar is a whole reference at one place, and a part of one at another, by an alias.
    #[error("line {line}: one value is the whole image at one place, and a part of it at another")]
    TwoUses {
        /// From 1.
        line: usize,
    },
    /// One key twice in a map, with an image of this project.
    #[error("line {line}: the key `{key}` occurs twice in one map")]
    TwoKeys {
        /// From 1, of the second.
        line: usize,
        /// The key.
        key: &'static str,
    },
}

impl Explain for DescriptorError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::TooMuch { .. } => Some(ErrorCode::LimitReached),
            _ => Some(ErrorCode::DescriptorBroken),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { what, .. } if what.contains("tab") => {
                Some("YAML is indented with spaces, never with tabs".to_owned())
            }
            Self::TwoUses { .. } => Some("write the value out where the alias stands".to_owned()),
            Self::TwoKeys { .. } => Some("leave out one of them".to_owned()),
            _ => None,
        }
    }
}
