//! Why a text is not read, with the place in it.

use std::fmt;

use crate::types::shown::shown;

/// A place in a document is shown with at most this many bytes.
const MAX_SHOWN: usize = 200;

/// Why a text is not read. Boxed: errors are passed on through many layers, and most readings have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(Box<JsonErrorDetail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct JsonErrorDetail {
    /// The keys and positions that lead to the value, from the document's root.
    path: String,
    why: JsonFault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JsonFault {
    Syntax { line: usize, column: usize, what: &'static str },
    Values(usize),
    Twice,
    Folded { one: String, other: String },
    Spelling { known: &'static str },
    Missing,
    Kind { found: &'static str, wanted: String },
    Refused(String),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = || cut(&self.0.path);
        match &self.0.why {
            JsonFault::Syntax { line, column, what } => {
                write!(f, "not valid JSON: {what} at line {line}, column {column}")
            }
            JsonFault::Values(limit) => write!(f, "it has more than {limit} values"),
            JsonFault::Twice => write!(f, "the key `{}` occurs twice", place()),
            JsonFault::Folded { one, other } => {
                let of = if self.0.path.is_empty() { String::new() } else { format!(" of `{}`", place()) };
                let (one, other) = (cut(one), cut(other));
                write!(f, "the keys `{one}` and `{other}`{of} are the same to tools that ignore case")
            }
            JsonFault::Spelling { known } => {
                write!(
                    f,
                    "the key `{}` is `{known}` to tools that ignore case; it must be written so",
                    place()
                )
            }
            JsonFault::Missing => write!(f, "`{}` is missing", place()),
            JsonFault::Kind { found, wanted } if self.0.path.is_empty() => {
                write!(f, "the document is {found}; it must be {wanted}")
            }
            JsonFault::Kind { found, wanted } => write!(f, "`{}` is {found}; it must be {wanted}", place()),
            JsonFault::Refused(why) => write!(f, "`{}`: {why}", place()),
        }
    }
}

impl std::error::Error for JsonError {}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_SHOWN);
    let rest = if end < text.len() { "…" } else { "" };
    format!("{}{rest}", shown(&text.as_bytes()[..end]))
}

impl JsonError {
    pub(super) fn new(why: JsonFault) -> Self {
        Self(Box::new(JsonErrorDetail { path: String::new(), why }))
    }

    /// A value of the right kind that is not what it should be; `why` is shown after its place.
    #[must_use]
    pub fn refused(why: impl fmt::Display) -> Self {
        Self::new(JsonFault::Refused(why.to_string()))
    }

    /// The same of the member `key` of an object.
    #[must_use]
    pub fn below(mut self, key: &str) -> Self {
        // The depth bounds the number of parts, and `cut` bounds each.
        let key = &key[..key.floor_char_boundary(MAX_SHOWN)];
        let dot = if self.0.path.is_empty() || self.0.path.starts_with('[') { "" } else { "." };
        self.0.path = format!("{key}{dot}{}", self.0.path);
        self
    }

    pub(super) fn at(mut self, position: usize) -> Self {
        let dot = if self.0.path.is_empty() || self.0.path.starts_with('[') { "" } else { "." };
        self.0.path = format!("[{position}]{dot}{}", self.0.path);
        self
    }

    /// Whether the text may be JSON, and has more values than are read.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        matches!(self.0.why, JsonFault::Values(_))
    }

    /// Where the text stops being JSON, if it does.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        match self.0.why {
            JsonFault::Syntax { line, column, .. } => Some((line, column)),
            _ => None,
        }
    }
}
