//! From values to types: what Go reads as a map, as a number.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::check::{parse, parse_within};
use super::error::{JsonError, JsonFault};
use super::value::{JsonKind, JsonValue};

/// Reads `bytes` as a `T`.
///
/// # Errors
/// As for [`parse`], and when the value is no `T`.
pub fn decode<T: FromJson>(bytes: &[u8]) -> Result<T, JsonError> {
    T::decode(parse(bytes)?)
}

/// As [`decode`], of a text of at most `values` values: they are counted before any of them is decoded.
///
/// # Errors
/// As for [`decode`], and when there are more.
pub fn decode_within<T: FromJson>(bytes: &[u8], values: usize) -> Result<T, JsonError> {
    T::decode(parse_within(bytes, values)?)
}

/// A type that can be read from a value.
pub trait FromJson: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When the value is something else.
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError>;

    /// The type that the value must have, with an article.
    fn wanted() -> String {
        "an object".to_owned()
    }

    /// The plural of that type.
    fn several() -> String {
        "values".to_owned()
    }

    /// The value of `null` in a map, if it has one: Go has an entry then, with nothing in it.
    fn of_null() -> Option<Self> {
        None
    }

    /// The error that `value` is something else.
    fn wrong(value: JsonValue<'_>) -> JsonError {
        JsonError::new(JsonFault::Kind { found: value.kind().name(), wanted: Self::wanted() })
    }
}

impl FromJson for String {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        value.as_str().map(Cow::into_owned).ok_or_else(|| Self::wrong(value))
    }
    fn wanted() -> String {
        "a string".to_owned()
    }
    fn several() -> String {
        "strings".to_owned()
    }
    fn of_null() -> Option<Self> {
        Some(Self::new())
    }
}

impl FromJson for bool {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        if value.kind() == JsonKind::Bool { Ok(value.text == "true") } else { Err(Self::wrong(value)) }
    }
    fn wanted() -> String {
        "`true` or `false`".to_owned()
    }
}

/// As Go reads a number that is no fraction and not negative: up to 2⁶³ − 1.
impl FromJson for u64 {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        if value.kind() != JsonKind::Number {
            return Err(Self::wrong(value));
        }
        let digits = if value.text == "-0" { "0" } else { value.text };
        let found = "a number that is negative, a fraction or too large";
        let wrong = || JsonError::new(JsonFault::Kind { found, wanted: Self::wanted() });
        digits.parse::<i64>().ok().and_then(|number| Self::try_from(number).ok()).ok_or_else(wrong)
    }
    fn wanted() -> String {
        "a whole number that is not negative".to_owned()
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        if value.kind() != JsonKind::List {
            return Err(Self::wrong(value));
        }
        let item = |(at, item)| T::decode(item).map_err(|error: JsonError| error.at(at));
        value.items().enumerate().map(item).collect()
    }
    fn wanted() -> String {
        format!("a list of {}", T::several())
    }
}

/// An object that Go reads as a map: keys that differ in case are different keys.
impl<T: FromJson> FromJson for BTreeMap<String, T> {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        if value.kind() != JsonKind::Object {
            return Err(Self::wrong(value));
        }
        let member = |(key, value): (Cow<'_, str>, JsonValue<'_>)| {
            let value = match T::of_null() {
                Some(nothing) if value.is_null() => nothing,
                _ => T::decode(value).map_err(|error| error.below(&key))?,
            };
            Ok((key.into_owned(), value))
        };
        value.members().map(member).collect()
    }
    fn wanted() -> String {
        format!("an object of {}", T::several())
    }
}
