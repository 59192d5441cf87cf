//! `package.json`, whose keys are exact to npm.

use crate::formats::json::{self, JsonError, JsonValue};

/// The text of a `package.json`.
pub(super) fn package(bytes: &[u8]) -> Result<JsonValue<'_>, JsonError> {
    json::parse(bytes)
}

/// The member `name` of an object.
pub(super) fn member<'a>(object: JsonValue<'a>, name: &str) -> Option<JsonValue<'a>> {
    object.members().find(|(key, _)| key == name).map(|(_, value)| value)
}
