//! From values to types: what Go reads as a struct, as a map, as a number.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::{JsonError, Why};
use super::fold::{check_folded, fold};
use super::{Kind, Raw, Value, parse};

/// Reads `bytes` as a `T`.
///
/// # Errors
/// As for [`parse`], and when the value is no `T`.
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T, JsonError> {
    T::decode(parse(bytes)?)
}

/// A type that can be read from a value.
pub trait Decode: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When the value is something else.
    fn decode(value: Value<'_>) -> Result<Self, JsonError>;

    /// The type that the value must have, with an article.
    fn wanted() -> String;

    /// The plural of that type.
    fn several() -> String {
        "values".to_owned()
    }

    /// The value of `null` in a map, if it has one: Go has an entry then, with nothing in it.
    fn of_null() -> Option<Self> {
        None
    }
}

/// An object that Go reads as a struct: keys are compared as Go compares them.
pub struct Object<'a> {
    known: &'static [&'static str],
    members: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Object<'a> {
    /// The members of an object whose fields have the names `known`, in one reader or another.
    ///
    /// # Errors
    /// When the value is no object, or has a known name in another case, or two keys that are one to Go.
    pub fn open(value: Value<'a>, known: &'static [&'static str]) -> Result<Self, JsonError> {
        if value.kind() != Kind::Object {
            let wanted = "an object".to_owned();
            return Err(JsonError::new(Why::Kind { found: value.kind().name(), wanted }));
        }
        let members: Vec<_> = value.members().collect();
        // First, because it says how to write it.
        for (key, _) in &members {
            if known.contains(&&**key) {
                continue;
            }
            let folded = fold(key);
            if let Some(known) = known.iter().find(|known| fold(known) == folded) {
                return Err(JsonError::new(Why::Spelling { known }).below(key));
            }
        }
        check_folded(members.iter().map(|(key, _)| &**key))?;
        Ok(Self { known, members })
    }

    /// The field `name`, which is then no longer among the rest; `None` if it is absent or `null`.
    ///
    /// # Errors
    /// When it is no `T`.
    pub fn take<T: Decode>(&mut self, name: &'static str) -> Result<Option<T>, JsonError> {
        debug_assert!(self.known.contains(&name), "`{name}` is not in the table of its object");
        let Some(at) = self.members.iter().position(|(key, _)| key == name) else { return Ok(None) };
        let (_, value) = self.members.swap_remove(at);
        if value.is_null() {
            return Ok(None);
        }
        T::decode(value).map(Some).map_err(|error| error.below(name))
    }

    /// As [`Object::take`], with the default of what is absent.
    ///
    /// # Errors
    /// When it is no `T`.
    pub fn take_or_default<T: Decode + Default>(&mut self, name: &'static str) -> Result<T, JsonError> {
        Ok(self.take(name)?.unwrap_or_default())
    }

    /// As [`Object::take`], of what must not be absent.
    ///
    /// # Errors
    /// When it is absent or no `T`.
    pub fn require<T: Decode>(&mut self, name: &'static str) -> Result<T, JsonError> {
        self.take(name)?.ok_or_else(|| JsonError::new(Why::Missing).below(name))
    }

    /// The value of a field that stays among the rest; `None` if it is absent or `null`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        let found = self.members.iter().find(|(key, value)| key == name && !value.is_null());
        found.map(|(_, value)| *value)
    }

    /// Whether the field is there and not `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, value)| key == name && !value.is_null())
    }

    /// Whether the field is there, be it `null`.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        self.members.iter().any(|(key, _)| key == name)
    }

    /// All fields that were not taken.
    ///
    /// # Errors
    /// When one of them has, at any depth, two keys that are one to Go.
    pub fn rest(self) -> Result<BTreeMap<String, Raw>, JsonError> {
        let carried = |(key, value): (Cow<'_, str>, Value<'_>)| {
            let raw = Raw::decode(value).map_err(|error| error.below(&key))?;
            Ok((key.into_owned(), raw))
        };
        self.members.into_iter().map(carried).collect()
    }

    /// As [`Object::rest`], where nothing of it is kept.
    ///
    /// # Errors
    /// As for [`Object::rest`].
    pub fn finish(self) -> Result<(), JsonError> {
        let checked =
            |(key, value): &(Cow<'_, str>, Value<'_>)| value.check_folded().map_err(|error| error.below(key));
        self.members.iter().try_for_each(checked)
    }
}

impl Decode for String {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        value.as_str().map(Cow::into_owned).ok_or_else(|| value.wrong::<Self>())
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

impl Decode for bool {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        if value.kind() == Kind::Bool { Ok(value.text == "true") } else { Err(value.wrong::<Self>()) }
    }
    fn wanted() -> String {
        "`true` or `false`".to_owned()
    }
}

/// As Go reads a number that is no fraction and not negative: up to 2⁶³ − 1.
impl Decode for u64 {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        if value.kind() != Kind::Number {
            return Err(value.wrong::<Self>());
        }
        let digits = if value.text == "-0" { "0" } else { value.text };
        let found = "a number that is negative, a fraction or too large";
        let wrong = || JsonError::new(Why::Kind { found, wanted: Self::wanted() });
        digits.parse::<i64>().ok().and_then(|number| Self::try_from(number).ok()).ok_or_else(wrong)
    }
    fn wanted() -> String {
        "a whole number that is not negative".to_owned()
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        if value.kind() != Kind::List {
            return Err(value.wrong::<Self>());
        }
        let item = |(at, item)| T::decode(item).map_err(|error: JsonError| error.at(at));
        value.items().enumerate().map(item).collect()
    }
    fn wanted() -> String {
        format!("a list of {}", T::several())
    }
}

/// An object that Go reads as a map: keys that differ in case are different keys.
impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        if value.kind() != Kind::Object {
            return Err(value.wrong::<Self>());
        }
        let member = |(key, value): (Cow<'_, str>, Value<'_>)| {
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
