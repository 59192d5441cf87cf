//! Why a description cannot be read.

use crate::types::error::{Explain, Kind};

/// Why a description cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is larger than any that a person wrote.
    #[error("it has {0} bytes, and at most 1 MiB is read")]
    Size(usize),
    /// Not an instruction.
    #[error("line {line}: there is no instruction `{word}`")]
    Instruction {
        /// Where it is.
        line: usize,
        /// The word in its place.
        word: String,
    },
    /// An instruction that lacks something or has too much.
    #[error("line {line}: `{instruction}` {why}")]
    Wrong {
        /// Where it is.
        line: usize,
        /// The instruction.
        instruction: String,
        /// The fault.
        why: String,
    },
    /// A text that ends before its last line.
    #[error("line {line}: no line `{end}` ends the text that begins here")]
    Open {
        /// Where it begins.
        line: usize,
        /// The line that would end it.
        end: String,
    },
    /// More of something than a Dockerfile of a person has.
    #[error("line {line}: the {what} are more than {most}, the most that is taken over")]
    TooMuch {
        /// The line in which it becomes too much.
        line: usize,
        /// The things.
        what: &'static str,
        /// The bound.
        most: &'static str,
    },
    /// No stage.
    #[error("there is no `FROM` in it")]
    Empty,
    /// A stage that is asked for and not there.
    #[error("there is no stage `{0}` in it")]
    NoStage(String),
}

impl Explain for ImportError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Instruction { .. } => {
                Some("is it a Dockerfile? A line that goes on ends with a backslash".to_owned())
            }
            Self::Empty => Some("a Dockerfile begins with `FROM BASE`".to_owned()),
            _ => None,
        }
    }
}
