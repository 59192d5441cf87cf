//! Objects that Go reads as structs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::decode::FromJson;
use super::error::{JsonError, JsonFault};
use super::fold::{check_folded, fold};
use super::raw::Raw;
use super::value::{JsonKind, JsonValue};

/// An object that Go reads as a struct: keys are compared as Go compares them.
pub struct Object<'a> {
    known: &'static [&'static str],
    members: Vec<(Cow<'a, str>, JsonValue<'a>)>,
}

impl<'a> Object<'a> {
    /// The members of an object whose fields have the names `known`, in one reader or another.
    ///
    /// # Errors
    /// When the value is no object, or has a known name in another case, or two keys that are one to Go.
    pub fn open(value: JsonValue<'a>, known: &'static [&'static str]) -> Result<Self, JsonError> {
        if value.kind() != JsonKind::Object {
            let wanted = "an object".to_owned();
            return Err(JsonError::new(JsonFault::Kind { found: value.kind().name(), wanted }));
        }
        let members: Vec<_> = value.members().collect();
        // First, because it says how to write it.
        for (key, _) in &members {
            if known.contains(&&**key) {
                continue;
            }
            let folded = fold(key);
            if let Some(known) = known.iter().find(|known| fold(known) == folded) {
                return Err(JsonError::new(JsonFault::Spelling { known }).below(key));
            }
        }
        check_folded(members.iter().map(|(key, _)| &**key))?;
        Ok(Self { known, members })
    }

    /// The field `name`, which is then no longer among the rest; `None` if it is absent or `null`.
    ///
    /// # Errors
    /// When it is no `T`.
    pub fn take<T: FromJson>(&mut self, name: &'static str) -> Result<Option<T>, JsonError> {
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
    pub fn take_or_default<T: FromJson + Default>(&mut self, name: &'static str) -> Result<T, JsonError> {
        Ok(self.take(name)?.unwrap_or_default())
    }

    /// As [`Object::take`], of what must not be absent.
    ///
    /// # Errors
    /// When it is absent or no `T`.
    pub fn require<T: FromJson>(&mut self, name: &'static str) -> Result<T, JsonError> {
        self.take(name)?.ok_or_else(|| JsonError::new(JsonFault::Missing).below(name))
    }

    /// The value of a field that stays among the rest; `None` if it is absent or `null`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<JsonValue<'a>> {
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
        let carried = |(key, value): (Cow<'_, str>, JsonValue<'_>)| {
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
        let checked = |(key, value): &(Cow<'_, str>, JsonValue<'_>)| {
            value.check_folded().map_err(|error| error.below(key))
        };
        self.members.iter().try_for_each(checked)
    }
}
