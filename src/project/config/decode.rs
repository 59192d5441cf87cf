//! From untyped values to typed ones, collecting everything that is wrong on the way.
//!
//! `serde` stops at the first error and knows no spans of keys; here a table names each of its keys once,
//! in [`table!`], and that gives its fields, its decoder, the suggestions for a mistyped key, and the list
//! that the example and the reference are checked against.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::node::{TomlNode, TomlTable, TomlValue};
use super::source::{Diagnostic, Sources, Span, Spanned};
use crate::types::error::nearest;
use crate::types::error_code::ErrorCode;

/// A type that a value of a document can become.
pub(crate) trait Decode: Sized {
    /// The value, or `None` after reporting why not.
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self>;

    /// The value when the key is not there; `None` when it must be.
    fn missing() -> Option<Self> {
        None
    }

    /// Adds the keys of the tables in it, dotted, each after `prefix`.
    fn keys(_prefix: &str, _keys: &mut Vec<String>) {}
}

/// A type that is written as a string.
pub(crate) trait FromText: Sized {
    /// Parses the string.
    fn from_text(text: &str) -> Result<Self, Wrong>;
}

/// The fault of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The part that is wrong, if not all.
    pub(crate) part: Option<Range<usize>>,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, part: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The tools of decoding.
pub(crate) struct Decoder<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The keys on the way to the value at hand.
    path: Vec<String>,
    /// All keys of the document's type, dotted, once one is not known.
    keys: OnceCell<Vec<String>>,
    list_keys: fn(&str, &mut Vec<String>),
    /// Whether the value at hand is one of several under its key.
    is_element: bool,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new<T: Decode>(sources: &'a Sources) -> Self {
        Self {
            sources,
            diagnostics: Vec::new(),
            path: Vec::new(),
            keys: OnceCell::new(),
            list_keys: T::keys,
            is_element: false,
        }
    }

    /// Reports and gives `None`, to end a decoder with.
    pub(crate) fn wrong<T>(&mut self, span: Span, wrong: Wrong) -> Option<T> {
        self.diagnostics.push(Diagnostic::of(span, wrong.message, wrong.hint));
        None
    }

    /// Reports that the value is of another type.
    pub(crate) fn mismatch<T>(&mut self, node: &TomlNode, expected: &str, hint: Option<String>) -> Option<T> {
        let each = if self.is_element { "each of " } else { "" };
        let message =
            format!("{each}`{}` must be {expected}, not {}", self.path.join("."), node.value.what());
        self.wrong(node.span, Wrong { message, hint, part: None })
    }

    /// The string, or what was typed where only a flag can have been typed without quotes.
    pub(crate) fn string(&mut self, node: &TomlNode) -> Option<String> {
        match &node.value {
            TomlValue::String(text) => Some(text.clone()),
            TomlValue::Array(_) | TomlValue::Table(_) => self.mismatch(node, "a string", None),
            _ if self.sources.is_typed(node.span) => Some(self.sources.text(node.span).to_owned()),
            _ => {
                let quoted = format!("write `\"{}\"`", self.sources.text(node.span));
                self.mismatch(node, "a string", Some(quoted))
            }
        }
    }

    /// A value that is written as a string.
    pub(crate) fn text<T: FromText>(&mut self, node: &TomlNode) -> Option<T> {
        let text = self.string(node)?;
        match T::from_text(&text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let span = self.part(node.span, &text, wrong.part.as_ref());
                self.wrong(span, wrong)
            }
        }
    }

    /// The span of a part of a string, where it was written as it is, without escapes.
    fn part(&self, span: Span, text: &str, part: Option<&Range<usize>>) -> Span {
        let Some(part) = part else { return span };
        let written = self.sources.text(span);
        if written == text {
            span.part(part)
        } else if written.len() == text.len() + 2 && written.get(1..=text.len()) == Some(text) {
            span.part(&(part.start + 1..part.end + 1))
        } else {
            span
        }
    }

    /// A whole number up to `max`.
    pub(crate) fn number(&mut self, node: &TomlNode, max: u64) -> Option<u64> {
        let TomlValue::Integer(number) = node.value else { return self.mismatch(node, "an integer", None) };
        match u64::try_from(number) {
            Ok(number) if number <= max => Some(number),
            _ => {
                let message = format!("`{}` must be between 0 and {max}", self.path.join("."));
                self.wrong(node.span, Wrong::new(message))
            }
        }
    }

    /// The table, with no other keys than `known`.
    pub(crate) fn table<'n>(&mut self, node: &'n TomlNode, known: &[&str]) -> Option<&'n TomlTable> {
        let TomlValue::Table(table) = &node.value else { return self.mismatch(node, "a table", None) };
        for (key, (span, _)) in table {
            if !known.contains(&key.as_str()) {
                self.unknown(key, *span, known);
            }
        }
        Some(table)
    }

    fn unknown(&mut self, key: &str, span: Span, known: &[&str]) {
        let place = self.path.join(".");
        let message = match &*place {
            "" => format!("unknown key `{key}`"),
            place => format!("unknown key `{key}` in `{place}`"),
        };
        let keys = self.keys.get_or_init(|| {
            let mut keys = Vec::new();
            (self.list_keys)("", &mut keys);
            keys
        });
        let are_elsewhere = keys.iter().filter(|path| path.rsplit('.').next() == Some(key));
        let is_table = |path: &str| {
            let below = |other: &String| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
            keys.iter().any(below)
        };
        // A value is meant more often than a table of that name.
        let elsewhere = are_elsewhere.min_by_key(|path| is_table(path));
        let hint = match (nearest(key, known.iter().copied()), elsewhere) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(path)) => format!("did you mean `{path}`?"),
            (None, None) => format!("the keys are {}", list(known.iter().copied())),
        };
        self.diagnostics.push(Diagnostic {
            message,
            hint: Some(hint),
            span,
            code: ErrorCode::SettingUnknown,
        });
    }

    /// One value of a table.
    pub(crate) fn field<T: Decode>(&mut self, table: &TomlTable, key: &str, at: Span) -> Option<T> {
        self.path.push(key.to_owned());
        let is_element = std::mem::replace(&mut self.is_element, false);
        let value = match table.get(key) {
            Some((_, node)) => T::decode(node, self),
            None => T::missing().or_else(|| {
                let message = format!("`{}` is missing", self.path.join("."));
                self.wrong(at, Wrong::new(message))
            }),
        };
        self.is_element = is_element;
        self.path.pop();
        value
    }
}

/// A key as TOML wants it.
fn quoted_key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !key.is_empty() && key.bytes().all(bare) { key.to_owned() } else { format!("{key:?}") }
}

/// `` `a`, `b` and `c` ``
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl<T: Decode> Decode for Spanned<T> {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        Some(Self { value: T::decode(node, decoder)?, span: node.span })
    }

    fn keys(prefix: &str, keys: &mut Vec<String>) {
        T::keys(prefix, keys);
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        T::decode(node, decoder).map(Some)
    }

    fn missing() -> Option<Self> {
        Some(None)
    }

    fn keys(prefix: &str, keys: &mut Vec<String>) {
        T::keys(prefix, keys);
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let TomlValue::Array(nodes) = &node.value else {
            let hint = match &node.value {
                TomlValue::Table(_) => {
                    format!("write `[[{}]]`, once for each", decoder.path.join("."))
                }
                TomlValue::String(text) => format!("write `[{text:?}]`"),
                _ => format!("write `[{}]`", decoder.sources.text(node.span)),
            };
            return decoder.mismatch(node, "an array", Some(hint));
        };
        let is_element = std::mem::replace(&mut decoder.is_element, true);
        // Not `collect::<Option<_>>()`, which would stop at the first wrong element.
        let values: Vec<Option<T>> = nodes.iter().map(|node| T::decode(node, decoder)).collect();
        decoder.is_element = is_element;
        values.into_iter().collect()
    }

    fn missing() -> Option<Self> {
        Some(Self::new())
    }

    fn keys(prefix: &str, keys: &mut Vec<String>) {
        T::keys(prefix, keys);
    }
}

impl<K: FromText + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let TomlValue::Table(table) = &node.value else { return decoder.mismatch(node, "a table", None) };
        let mut entries = Some(Self::new());
        for (key, (span, node)) in table {
            let name = match K::from_text(key) {
                Ok(name) => Some(name),
                Err(wrong) => decoder.wrong(*span, wrong),
            };
            decoder.path.push(quoted_key(key));
            let value = V::decode(node, decoder);
            decoder.path.pop();
            match (name, value, &mut entries) {
                (Some(name), Some(value), Some(entries)) => drop(entries.insert(name, value)),
                _ => entries = None,
            }
        }
        entries
    }

    fn missing() -> Option<Self> {
        Some(Self::new())
    }

    fn keys(prefix: &str, keys: &mut Vec<String>) {
        V::keys(prefix, keys);
    }
}

/// Artifacts: one path, or one for each platform.
pub(super) fn one_or_many<T: Decode>(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Vec<T>> {
    match &node.value {
        TomlValue::Array(_) => Vec::decode(node, decoder),
        _ => T::decode(node, decoder).map(|value| vec![value]),
    }
}

impl Decode for bool {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            TomlValue::Boolean(boolean) => Some(*boolean),
            _ => decoder.mismatch(node, "`true` or `false`", None),
        }
    }

    fn missing() -> Option<Self> {
        Some(false)
    }
}

impl Decode for u64 {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        // TOML's integers end there.
        decoder.number(node, i64::MAX.unsigned_abs())
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text.contains('\0') {
            true => Err(Wrong::new("a NUL character cannot be part of a setting")),
            false => Ok(text.to_owned()),
        }
    }
}

/// Makes types that are written as strings decodable.
macro_rules! text_values {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::project::config::decode::Decode for $type {
            fn decode(
                node: &$crate::project::config::node::TomlNode,
                decoder: &mut $crate::project::config::decode::Decoder<'_>,
            ) -> Option<Self> {
                decoder.text(node)
            }
        }
    )*};
}
pub(crate) use text_values;

text_values!(String);

/// Defines a table: its struct, its keys, and how it is decoded.
macro_rules! table {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$field_meta:meta])* $key:literal => $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::project::config::decode::Decode for $name {
            fn decode(
                node: &$crate::project::config::node::TomlNode,
                decoder: &mut $crate::project::config::decode::Decoder<'_>,
            ) -> Option<Self> {
                let table = decoder.table(node, &[$($key),*])?;
                // All fields before the first `?`, so that all that is wrong is reported.
                $(let $field = decoder.field::<$type>(table, $key, node.span);)*
                Some(Self { $($field: $field?,)* })
            }

            fn missing() -> Option<Self> {
                Some(Self { $($field: <$type as $crate::project::config::decode::Decode>::missing()?,)* })
            }

            fn keys(prefix: &str, keys: &mut Vec<String>) {
                $(
                    let key = if prefix.is_empty() { $key.to_owned() } else { format!("{prefix}.{}", $key) };
                    keys.push(key.clone());
                    <$type as $crate::project::config::decode::Decode>::keys(&key, keys);
                )*
            }
        }
    };
}
pub(crate) use table;

/// A [`table`] whose fields are written into the keys of caches, each with its key, and whose comments are the
/// descriptions of a schema.
macro_rules! settings_table {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[doc = $doc:literal])+ $key:literal => $field:ident: $type:ty,)*
        }
    ) => {
        $crate::project::config::decode::table! {
            $(#[$meta])*
            $vis struct $name {
                $($(#[doc = $doc])+ $key => $field: $type,)*
            }
        }

        #[cfg(test)]
        impl $crate::project::config::json_schema::JsonSchema for $name {
            fn json_schema() -> serde_json::Value {
                $crate::project::config::json_schema::object(vec![$((
                    $key,
                    concat!($($doc),+),
                    <$type as $crate::project::config::json_schema::JsonSchema>::json_schema(),
                    <$type as $crate::project::config::decode::Decode>::missing().is_none(),
                )),*])
            }
        }

        impl $crate::types::fingerprint::Fingerprint for $name {
            fn add_to(&self, key: &mut $crate::types::digest::KeyBuilder) {
                let Self { $($field),* } = self;
                $(key.field($key, $field);)*
            }
        }
    };
}
pub(crate) use settings_table;
