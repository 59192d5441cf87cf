//! `package.json`, whose keys are exact to npm.

use crate::formats::json::{self, JsonError, Value};

/// The text of a `package.json`.
pub(super) fn package(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    json::parse(bytes)
}

/// The member `name` of an object.
pub(super) fn member<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    object.members().find(|(key, _)| key == name).map(|(_, value)| value)
}
