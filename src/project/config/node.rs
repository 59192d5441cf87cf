//! The values of a document before they are typed, with their spans.

use std::collections::BTreeMap;

use super::source::Span;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct TomlNode {
    pub(crate) span: Span,
    pub(crate) value: TomlValue,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(crate) enum TomlValue {
    String(String),
    /// Saturated where it does not fit: no setting comes near.
    Integer(i128),
    Float,
    Boolean(bool),
    Datetime(toml::value::Datetime),
    Array(Vec<TomlNode>),
    Table(TomlTable),
}

/// A table: its values, and where their keys stand.
pub(crate) type TomlTable = BTreeMap<String, (Span, TomlNode)>;

impl TomlValue {
    /// Its kind, with an article.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}
