//! Node.js applications: a `package.json` that says how to start, or that has its modules installed.

use std::path::Path;

use super::ArtifactError;
use crate::formats::json::{self, JsonError, Value};
use crate::runtime::input::MAX_TEXT;

/// The text of a `package.json`, whose keys are exact to npm.
pub(super) fn package(bytes: &[u8]) -> Result<Value<'_>, JsonError> {
    json::parse(bytes)
}

/// The member `name` of an object.
pub(super) fn member<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    object.members().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Why the directory `path`, which has a `package.json`, is one.
///
/// The file alone is no sign: packages of static files have one too.
pub(super) fn detect(path: &Path, modules: bool) -> Result<Option<Vec<String>>, ArtifactError> {
    if modules {
        return Ok(Some(vec!["It is a directory with `package.json` and `node_modules/`.".to_owned()]));
    }
    let file = path.join("package.json");
    let Some(bytes) = super::read_if_file(&file, MAX_TEXT)? else { return Ok(None) };
    let scripts = package(&bytes).ok().and_then(|package| member(package, "scripts"));
    let starts = scripts.is_some_and(|scripts| member(scripts, "start").is_some());
    Ok(starts.then(|| vec!["It is a directory with `package.json`, which has a `start` script.".to_owned()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_those_that_npm_reads() {
        let directory = tempfile::tempdir().expect("a directory");
        for (text, expected) in [
            (r#"{"scripts":{"start":"node ."}}"#, true),
            (r#"{"scripts":{"start":"node .","Start":""},"Scripts":{}}"#, true),
            (r#"{"scripts":{"st\u0061rt":"node ."}}"#, true),
            (r#"{"scripts":{"Start":"node ."}}"#, false),
            (r#"{"Scripts":{"start":"node ."}}"#, false),
            (r#"{"scripts":{"start":"a"},"scripts":{}}"#, false),
            (r#"{"scripts":["start"]}"#, false),
            (r#"{"scripts":null}"#, false),
            (r#"{"$serde_json::private::RawValue":"{\"scripts\":{\"start\":1}}"}"#, false),
            ("no JSON", false),
        ] {
            std::fs::write(directory.path().join("package.json"), text).expect("written");
            assert_eq!(detect(directory.path(), false).expect("read").is_some(), expected, "{text}");
        }
    }
}
