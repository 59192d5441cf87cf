//! The words of an import besides its build file.

use std::fmt;

use crate::types::shown::one_line;

/// How much a [`Remark`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The image is the same once the reader has done or checked what it says.
    Check,
    /// Something is not in the image.
    Left,
}

/// Something that the reader of a new build file must know, and the line that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// The file with that line, if it is not the one that was named.
    pub file: Option<String>,
    /// How much it matters.
    pub weight: Weight,
    /// The text: a fact, and mostly an advice.
    pub text: String,
}

impl Remark {
    pub(super) fn left(line: usize, text: impl Into<String>) -> Self {
        Self { line, file: None, weight: Weight::Left, text: text.into() }
    }

    pub(super) fn check(line: usize, text: impl Into<String>) -> Self {
        Self { line, file: None, weight: Weight::Check, text: text.into() }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "`{}`, ", one_line(file))?;
        }
        // Words of the file are in it.
        write!(f, "line {}: {}", self.line, one_line(&self.text))
    }
}
