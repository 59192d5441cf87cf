//! A value as the text that stands for it, and what it consists of.

use std::borrow::Cow;

use super::error::JsonError;
use super::fold::check_folded;
use super::text::{unescape, value_end};

/// Lists and objects may be nested to this depth.
pub const MAX_DEPTH: usize = 128;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// A list.
    List,
    /// An object.
    Object,
}

impl JsonKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A value of a document that was found to be JSON: the text that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonValue<'a> {
    pub(super) text: &'a str,
}

impl<'a> JsonValue<'a> {
    /// The type of the value.
    #[must_use]
    pub fn kind(self) -> JsonKind {
        match self.text.as_bytes().first() {
            Some(b'"') => JsonKind::String,
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::List,
            Some(b't' | b'f') => JsonKind::Bool,
            Some(b'n') | None => JsonKind::Null,
            Some(_) => JsonKind::Number,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == JsonKind::Null
    }

    /// The text that stands for it in the document.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.text
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        (self.kind() == JsonKind::String).then(|| unescape(self.text.as_bytes()))
    }

    /// About how many values it consists of: the commas that are not in strings, and one more.
    #[must_use]
    pub fn count(self) -> usize {
        let bytes = self.text.as_bytes();
        let (mut at, mut count) = (0, 1);
        while let Some(byte) = bytes.get(at) {
            count += usize::from(*byte == b',');
            at = if *byte == b'"' { value_end(bytes, at) } else { at + 1 };
        }
        count
    }

    /// The items of a list; none of anything else.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let mut parts = ValueParts::of(self, JsonKind::List);
        std::iter::from_fn(move || parts.value())
    }

    /// The members of an object, in the order of the text; none of anything else.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        self.keyed().map(|(key, value)| (unescape(key.text.as_bytes()), value))
    }

    /// The members of an object, with each key as it is written.
    pub fn keyed(self) -> impl Iterator<Item = (Self, Self)> {
        let mut parts = ValueParts::of(self, JsonKind::Object);
        std::iter::from_fn(move || Some((parts.value()?, parts.value()?)))
    }

    /// Refuses two keys of one object that are the same to Go, at any depth.
    pub(super) fn check_folded(self) -> Result<(), JsonError> {
        match self.kind() {
            JsonKind::Object => {
                let members: Vec<_> = self.members().collect();
                check_folded(members.iter().map(|(key, _)| &**key))?;
                members.iter().try_for_each(|(key, value)| value.check_folded().map_err(|it| it.below(key)))
            }
            JsonKind::List => {
                let items = self.items().enumerate();
                let mut checked = items.map(|(at, item)| item.check_folded().map_err(|it| it.at(at)));
                checked.try_for_each(|checked| checked)
            }
            _ => Ok(()),
        }
    }

    /// Writes it without space, members by key and strings alike however they were escaped.
    pub(super) fn write(self, out: &mut String) {
        match self.kind() {
            JsonKind::String => out.push_str(&quoted(&unescape(self.text.as_bytes()))),
            JsonKind::List => {
                out.push('[');
                for (at, item) in self.items().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    item.write(out);
                }
                out.push(']');
            }
            JsonKind::Object => {
                let mut members: Vec<_> = self.members().collect();
                members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
                out.push('{');
                for (at, (key, value)) in members.into_iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    out.push_str(&quoted(&key));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            JsonKind::Null | JsonKind::Bool | JsonKind::Number => out.push_str(self.text),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// The parts of a list or object, whatever stands between them.
struct ValueParts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> ValueParts<'a> {
    fn of(value: JsonValue<'a>, kind: JsonKind) -> Self {
        Self { text: value.text, at: if value.kind() == kind { 1 } else { value.text.len() } }
    }

    fn value(&mut self) -> Option<JsonValue<'a>> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')) {
            self.at += 1;
        }
        if matches!(bytes.get(self.at), None | Some(b']' | b'}')) {
            return None;
        }
        let end = value_end(bytes, self.at);
        let value = self.text.get(self.at..end)?;
        self.at = end;
        Some(JsonValue { text: value })
    }
}
