//! Why a description cannot be read.

use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;

/// Why a description cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is larger than any that a person wrote.
    #[error("it has more than 1 MiB, the most that is read of such a file")]
    Size,
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
    /// More of something than a person writes.
    #[error("line {line}: the {what} are more than {most}, the most that is taken over")]
    TooMuch {
        /// The line in which it becomes too much.
        line: usize,
        /// The things.
        what: &'static str,
        /// The bound.
        most: &'static str,
    },
    /// Not of the form that its name says.
    #[error("line {line}: it is no {form}: {what}")]
    Syntax {
        /// The form.
        form: &'static str,
        /// Where the fault is.
        line: usize,
        /// The fault.
        what: String,
    },
    /// The settings of the builder are not in it.
    #[error("there is no setting of Jib in it: {0} is missing")]
    NoSettings(&'static str),
    /// No form of a name that is known.
    #[error("no form of this name is known")]
    Form,
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

    fn code(&self) -> Option<ErrorCode> {
        Some(ErrorCode::ImportFailed)
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Instruction { .. } => {
                Some("is it a Dockerfile? A line that goes on ends with a backslash".to_owned())
            }
            Self::Form => Some(
                "name a Dockerfile, `pom.xml`, `build.gradle`, `build.gradle.kts`, `jib.yaml` or `.ko.yaml`"
                    .to_owned(),
            ),
            Self::NoSettings(_) => {
                Some("name the file that configures Jib, such as that of the module".to_owned())
            }
            Self::Empty => Some("a Dockerfile begins with `FROM BASE`".to_owned()),
            _ => None,
        }
    }
}
