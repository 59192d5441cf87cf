//! `package.json`, whose keys are exact to npm.

use std::collections::BTreeMap;

use crate::formats::json::{self, JsonError, JsonValue};

/// The way out where `package.json` cannot be read.
pub(super) const CORRECT_PACKAGE: &str = "correct it; `npm pkg get name` reads it";

/// The text of a `package.json` or of a lock.
pub(super) fn package(bytes: &[u8]) -> Result<JsonValue<'_>, JsonError> {
    json::parse_marked(bytes)
}

/// The member `name` of an object.
pub(super) fn member<'a>(object: JsonValue<'a>, name: &str) -> Option<JsonValue<'a>> {
    object.members().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The text of the member `name` of an object.
pub(super) fn text_of(object: JsonValue<'_>, name: &str) -> Option<String> {
    member(object, name)?.as_str().map(std::borrow::Cow::into_owned)
}

/// The parts of a `package.json` that decide an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PackageJson {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) main: Option<String>,
    pub(super) scripts: BTreeMap<String, String>,
    /// The names of packages that it cannot do without.
    pub(super) dependencies: Vec<String>,
    /// Those that it uses where they are there: optional ones, and peers that may be missing.
    pub(super) optional: Vec<String>,
    /// Those that its developers need.
    pub(super) development: Vec<String>,
    /// The versions of Node.js that it says that it runs on (`engines.node`).
    pub(super) node: Option<String>,
    /// Whether it says which system or processor it is for.
    pub(super) is_for_one_platform: bool,
}

impl PackageJson {
    /// Reads one.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let object = package(bytes)?;
        let names = |member: Option<JsonValue<'_>>| -> Vec<String> {
            let members = member.into_iter().flat_map(JsonValue::members);
            members.map(|(name, _)| name.into_owned()).collect()
        };
        let mut all = Self::default();
        let mut peers = Vec::new();
        for (key, value) in object.members() {
            match &*key {
                "name" => all.name = value.as_str().map(std::borrow::Cow::into_owned),
                "version" => all.version = value.as_str().map(std::borrow::Cow::into_owned),
                "main" => all.main = value.as_str().map(std::borrow::Cow::into_owned),
                "scripts" => {
                    let scripts = value.members();
                    let script = |(name, text): (std::borrow::Cow<'_, str>, JsonValue<'_>)| {
                        Some((name.into_owned(), text.as_str()?.into_owned()))
                    };
                    all.scripts = scripts.filter_map(script).collect();
                }
                "dependencies" => all.dependencies = names(Some(value)),
                "optionalDependencies" => all.optional.extend(names(Some(value))),
                "engines" => all.node = text_of(value, "node"),
                "devDependencies" => all.development = names(Some(value)),
                "peerDependencies" => peers = names(Some(value)),
                "os" | "cpu" => all.is_for_one_platform |= value.items().next().is_some(),
                _ => {}
            }
        }
        all.optional.sort_unstable();
        // npm writes optional dependencies into both lists.
        all.dependencies.retain(|name| all.optional.binary_search(name).is_err());
        all.optional.extend(peers);
        for names in [&mut all.dependencies, &mut all.optional, &mut all.development] {
            names.sort_unstable();
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_needs() {
        let text = br#"{"version":"1.0.0","main":"lib/x.js","scripts":{"start":"node .","bad":1},
            "dependencies":{"b":"1","a":"2","fs":"3"},"optionalDependencies":{"fs":"3"},"devDependencies":{"t":"1"},
            "peerDependencies":{"p":"1"},"os":["linux"],"engines":{"node":">=18"}}"#;
        let package = PackageJson::parse(text).expect("JSON");
        assert_eq!(
            (&*package.dependencies, &*package.optional),
            (&["a", "b"].map(String::from)[..], &["fs", "p"].map(String::from)[..])
        );
        assert_eq!((package.version.as_deref(), package.main.as_deref()), (Some("1.0.0"), Some("lib/x.js")));
        assert_eq!(package.node.as_deref(), Some(">=18"));
        assert_eq!(package.scripts.get("start").map(String::as_str), Some("node ."));
        assert_eq!(
            (package.scripts.len(), package.development.len(), package.is_for_one_platform),
            (1, 1, true)
        );
        assert_eq!(PackageJson::parse(b"[]").expect("JSON"), PackageJson::default());
        assert!(PackageJson::parse(b"{").is_err());
        let marked = PackageJson::parse("\u{feff}{\"main\":\"a.js\"}".as_bytes()).expect("JSON");
        assert_eq!(marked.main.as_deref(), Some("a.js"));
        assert!(PackageJson::parse("\u{feff}\u{feff}{}".as_bytes()).is_err());
    }
}
