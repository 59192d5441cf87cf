//! Values that are only carried over.

use serde::{Serialize, Serializer};

use super::decode::{FromJson, decode};
use super::error::JsonError;
use super::value::JsonValue;

/// A value that is carried over, whatever it is: without space, members by key, numbers digit by digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Raw(Box<str>);

impl Raw {
    /// `{}`
    #[must_use]
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> JsonValue<'_> {
        JsonValue { text: &self.0 }
    }
}

impl std::str::FromStr for Raw {
    type Err = JsonError;

    fn from_str(text: &str) -> Result<Self, JsonError> {
        decode(text.as_bytes())
    }
}

impl FromJson for Raw {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        value.check_folded()?;
        let mut text = String::new();
        value.write(&mut text);
        Ok(Self(text.into()))
    }
    fn wanted() -> String {
        "a value".to_owned()
    }
    fn of_null() -> Option<Self> {
        Some(Self("null".into()))
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = serde_json::value::RawValue::from_string(self.0.to_string());
        raw.map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}
