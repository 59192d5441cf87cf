//! Node packages: `package.json` with a name and a version.

use super::text::{licence, word};
use crate::formats::json::{self, JsonValue};
use crate::layer::EntryPath;
use crate::sbom::package::PackageFacts;

/// The directory that packages are installed in.
const MODULES: &[u8] = b"node_modules";

/// The directory whose `node_modules` has this directory of a package, and the name of the package there.
pub fn in_modules(directory: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut above, last) = split(directory);
    let mut name = last;
    let (outer, scope) = split(above);
    if scope.starts_with(b"@") {
        name = &directory[directory.len() - scope.len() - 1 - last.len()..];
        above = outer;
    }
    let (home, modules) = split(above);
    let is_name = !last.is_empty() && last != MODULES && !last.starts_with(b"@");
    (modules == MODULES && is_name).then_some((home, name))
}

/// A path without its last part, and the last part.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    memchr::memrchr(b'/', path).map_or((b"", path), |at| (&path[..at], &path[at + 1..]))
}

/// Whether a `package.json` is that of a package: of one that is installed, or of one that is none's dependency. Those that lie
/// deeper in an installed package mark the kind of its modules, or belong to its tests.
pub(super) fn is_of_package(path: &EntryPath) -> bool {
    let directory = path.folder();
    in_modules(directory).is_some() || directory.split(|byte| *byte == b'/').all(|part| part != MODULES)
}

/// The target of a symbolic link where a package would be: pnpm and workspaces of npm install such links.
pub fn is_link_to_package(path: &EntryPath) -> bool {
    in_modules(path.as_bytes()).is_some()
}

/// The package that a `package.json` describes; `None` without a name or version.
pub(super) fn package(bytes: &[u8]) -> Option<PackageFacts> {
    let object = json::parse_marked(bytes).ok()?;
    let mut facts = PackageFacts::default();
    let text = |value: JsonValue<'_>| value.as_str().map(|text| word(&text).to_owned()).unwrap_or_default();
    let mut optional = Vec::new();
    for (key, value) in object.members() {
        match &*key {
            "name" => {
                let name = text(value);
                (facts.namespace, facts.name) = match name.split_once('/') {
                    Some((scope, name)) if scope.starts_with('@') => (scope.to_owned(), name.to_owned()),
                    Some(_) => return None,
                    None => (String::new(), name),
                };
            }
            "version" => facts.version = text(value),
            "license" | "licenses" => facts.licences.extend(licences(value)),
            "dependencies" => facts.requires.extend(value.members().map(|(name, _)| word(&name).to_owned())),
            "optionalDependencies" | "peerDependencies" => {
                optional.extend(value.members().map(|(name, _)| word(&name).to_owned()));
            }
            _ => {}
        }
    }
    // One that is missing is no edge, so that all of them can be asked for.
    facts.requires.append(&mut optional);
    facts.requires.retain(|name| !name.is_empty());
    facts.requires.sort_unstable();
    facts.requires.dedup();
    (!facts.name.is_empty() && !facts.version.is_empty()).then_some(facts)
}

/// An identifier, or an object with a type, or a list of these.
fn licences(value: JsonValue<'_>) -> Vec<String> {
    let one = |value: JsonValue<'_>| {
        let text = value.as_str().or_else(|| {
            let mut members = value.members();
            members.find(|(key, _)| key == "type" || key == "name").and_then(|(_, value)| value.as_str())
        });
        // It refers to a file beside it.
        text.filter(|text| !text.starts_with("SEE LICEN")).and_then(|text| licence(&text))
    };
    match one(value) {
        Some(licence) => vec![licence],
        None => value.items().filter_map(one).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_json_tells_scope_version_licences_and_needs() {
        let text = br#"{"name":"@a/b","version":"1.0.0","license":{"type":"MIT"},"dependencies":{"c":"1"},
            "peerDependencies":{"c":"1","d":"*"},"devDependencies":{"e":"1"}}"#;
        let facts = package(text).expect("a package");
        assert_eq!((facts.namespace.as_str(), facts.name.as_str()), ("@a", "b"));
        assert_eq!(
            (&facts.licences[..], &facts.requires[..]),
            (&["MIT".to_owned()][..], &["c".to_owned(), "d".to_owned()][..])
        );
        let old =
            package(br#"{"name":"a","version":"1","licenses":[{"type":"MIT"},"ISC"]}"#).expect("a package");
        assert_eq!(old.licences, ["MIT", "ISC"]);
        assert!(package("\u{feff}{\"name\":\"a\",\"version\":\"1\"}".as_bytes()).is_some());
        for none in
            [&br#"{"type":"module"}"#[..], br#"{"name":"a"}"#, br#"{"name":"x/y","version":"1"}"#, b"["]
        {
            assert_eq!(package(none), None);
        }
    }

    #[test]
    fn only_the_directory_of_a_package_has_its_package_json() {
        for (path, expected) in [
            ("app/node_modules/a/package.json", true),
            ("app/node_modules/@a/b/package.json", true),
            ("app/node_modules/a/node_modules/b/package.json", true),
            ("app/node_modules/.pnpm/a@1/node_modules/a/package.json", true),
            ("app/package.json", true),
            ("app/node_modules/a/esm/package.json", false),
            ("app/node_modules/@a/package.json", false),
            ("node_modules/package.json", false),
            ("node_modules/a/package.json", true),
            ("other_node_modules/a/lib/package.json", true),
        ] {
            assert_eq!(is_of_package(&EntryPath::new(path.as_bytes()).expect("path")), expected, "{path}");
        }
    }
}
