//! A scalar that can be replaced, in the way that it is written.

use std::ops::Range;

use super::splice::TextEdit;

/// The way that a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarSpelling {
    /// YAML without quotes.
    Plain,
    /// YAML within `'`.
    Single,
    /// YAML within `"`.
    Double,
    /// A block of YAML, behind `|` or `>`.
    Block,
    /// A string of JSON or HCL within `"`.
    Quoted,
    /// A number or word of JSON.
    Word,
    /// A part of a text.
    Bare,
}

impl ScalarSpelling {
    /// The text between the quotes.
    pub(super) fn inner(self, raw: &str) -> &str {
        match self {
            Self::Single | Self::Double | Self::Quoted => {
                raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
            }
            Self::Plain | Self::Block | Self::Word | Self::Bare => raw,
        }
    }
}

/// A scalar that can be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalarSlot {
    /// Where it is, with its quotes.
    pub range: Range<usize>,
    /// Its value.
    pub value: String,
    pub(super) spelling: ScalarSpelling,
}

impl ScalarSlot {
    /// The change that gives the scalar another value, which has only characters of references; `None` if it has it
    /// already, and an error if there is no place for it in `text`.
    pub(super) fn edit(&self, value: &str, text: &str) -> Result<Option<TextEdit>, NoPlace> {
        if self.value == value {
            return Ok(None);
        }
        let range = self.range.clone();
        let edit = |range, text| Ok(Some(TextEdit { range, text }));
        match self.spelling {
            ScalarSpelling::Plain if range.is_empty() => {
                // Nothing is written behind the colon of the key; the parser points before it.
                match text.as_bytes().get(range.start) {
                    Some(b':') => edit(range.start + 1..range.start + 1, format!(" \"{value}\"")),
                    _ => Err(NoPlace),
                }
            }
            ScalarSpelling::Plain if is_plain(value) => edit(range, value.to_owned()),
            ScalarSpelling::Single => edit(range, format!("'{value}'")),
            ScalarSpelling::Plain
            | ScalarSpelling::Double
            | ScalarSpelling::Quoted
            | ScalarSpelling::Word => edit(range, format!("\"{value}\"")),
            ScalarSpelling::Bare => edit(range, value.to_owned()),
            ScalarSpelling::Block => {
                let raw = text.get(range.clone()).unwrap_or_default();
                let bare = raw.trim();
                if bare.is_empty() || bare != self.value.trim() {
                    return Err(NoPlace);
                }
                let start = range.start + (raw.len() - raw.trim_start().len());
                edit(start..start + bare.len(), value.to_owned())
            }
        }
    }
}

/// There is nothing in the text that could be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

/// Whether YAML reads a value of a reference as this text without quotes, in all versions and in flow style too. A tag
/// may be a number, a date or a word such as `off`.
fn is_plain(value: &str) -> bool {
    let first = value.bytes().next();
    let has_letter_and_colon = first.is_some_and(|first| first.is_ascii_alphabetic()) && value.contains(':');
    first.is_some_and(|first| first.is_ascii_alphanumeric())
        && (value.contains('/') || value.contains('@') || has_letter_and_colon)
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte))
        && !value.ends_with(':')
}
