//! Node.js applications: a `package.json` that says how to start, or that has its modules installed.

use super::super::error::ArtifactError;
use super::super::form::Form;
use super::super::glimpse::Glimpse;
use super::super::kind::ArtifactKind;
use super::super::package_json::{member, package};
use crate::runtime::input::MAX_TEXT;

/// A Node.js application.
pub(super) struct NodeApp;

const PACKAGE: &str = "package.json";

impl ArtifactKind for NodeApp {
    fn name(&self) -> &'static str {
        "node"
    }

    fn describe(&self) -> &'static str {
        "a Node.js application"
    }

    fn forms(&self) -> &'static [Form] {
        &[Form::Directory]
    }

    fn sign(&self, form: Form) -> Option<&'static str> {
        (form == Form::Directory).then_some("`package.json` with a start script")
    }

    /// `package.json` alone is no sign: packages of static files have one too.
    fn detect(&self, glimpse: &Glimpse) -> Result<Option<Vec<String>>, ArtifactError> {
        if !glimpse.has_name(PACKAGE) {
            return Ok(None);
        }
        if glimpse.has_name("node_modules") {
            return Ok(Some(vec!["It is a directory with `package.json` and `node_modules/`.".to_owned()]));
        }
        let Some(bytes) = glimpse.material().read(PACKAGE, MAX_TEXT)? else { return Ok(None) };
        let scripts = package(&bytes).ok().and_then(|package| member(package, "scripts"));
        let starts = scripts.is_some_and(|scripts| member(scripts, "start").is_some());
        Ok(starts
            .then(|| vec!["It is a directory with `package.json`, which has a `start` script.".to_owned()]))
    }

    fn is_supported(&self) -> bool {
        false
    }

    fn root_hint(&self) -> &'static str {
        "such as \"/app\""
    }
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
            assert_eq!(
                NodeApp.detect(&Glimpse::at(directory.path()).expect("looked at")).expect("read").is_some(),
                expected,
                "{text}"
            );
        }
    }
}
