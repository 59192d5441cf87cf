//! The needs of Node packages as a lock of npm states them: `package-lock.json` and `npm-shrinkwrap.json` (versions 1 to 3), and
//! `node_modules/.package-lock.json`.
//!
//! A lock is no list of packages: it may be older than the packages beside it. It states needs, and only of installed packages,
//! because those of the application and its workspaces are in their `package.json`, which people edit.

use serde::{Deserialize, Serialize};

use super::node::{in_modules, is_of_package};
use super::text::word;
use crate::formats::json::{self, JsonValue};
use crate::layer::EntryPath;

/// The largest lock that is read. That of an application with 4,000 packages has 2 MiB.
pub(super) const MAX_LOCK: u64 = 16 << 20;
/// A lock has at most so many values.
const MOST_VALUES: usize = 2_000_000;
/// Its statements take at most so many bytes of memory.
const MOST_BYTES: usize = 8 << 20;

/// A package of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPackage {
    /// The directory, relative to that of the application.
    pub directory: EntryPath,
    /// The name with its scope; that of the directory, unless the lock states another one.
    pub name: String,
    /// The version.
    pub version: String,
    /// The names that it needs.
    pub requires: Vec<String>,
}

impl LockedPackage {
    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn cost(&self) -> usize {
        let texts = self.directory.as_bytes().len() + self.name.len() + self.version.len();
        160 + texts + self.requires.iter().map(|name| 32 + name.len()).sum::<usize>()
    }
}

/// Whether this is a lock of npm.
pub(super) fn is_lock(path: &EntryPath) -> bool {
    match path.file_name() {
        b"package-lock.json" | b"npm-shrinkwrap.json" => is_of_package(path),
        b".package-lock.json" => is_of_modules(path.folder()),
        _ => false,
    }
}

/// The directory of the application that a lock is about.
pub fn directory_of_lock(path: &EntryPath) -> &[u8] {
    let directory = path.folder();
    if path.file_name() != b".package-lock.json" {
        return directory;
    }
    let above = directory.strip_suffix(b"node_modules").unwrap_or(directory);
    above.strip_suffix(b"/").unwrap_or(above)
}

fn is_of_modules(directory: &[u8]) -> bool {
    directory.rsplit(|byte| *byte == b'/').next() == Some(b"node_modules")
}

/// The installed packages of a lock; none of one that is no lock, or is larger than any honest one.
pub(super) fn packages(bytes: &[u8]) -> Vec<LockedPackage> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let Ok(lock) = json::parse_within(bytes, MOST_VALUES) else { return Vec::new() };
    let mut list = LockedList { packages: Vec::new(), left: MOST_BYTES };
    // Version 2 has both forms.
    let all = match member(lock, "packages") {
        Some(packages) => list.flat(packages),
        None => list.nested(lock, ""),
    };
    all.map(|()| list.packages).unwrap_or_default()
}

struct LockedList {
    packages: Vec<LockedPackage>,
    left: usize,
}

impl LockedList {
    /// The packages of versions 2 and 3, by their directories; `None` if they are too many.
    fn flat(&mut self, packages: JsonValue<'_>) -> Option<()> {
        for (directory, package) in packages.members() {
            let name = member(package, "name").and_then(JsonValue::as_str);
            let version = member(package, "version").and_then(JsonValue::as_str);
            let needs = package.members().filter(|(key, _)| {
                matches!(&**key, "dependencies" | "optionalDependencies" | "peerDependencies")
            });
            let requires = needs.flat_map(|(_, needs)| names(needs)).collect();
            self.add(&directory, name.as_deref(), version.as_deref(), requires)?;
        }
        Some(())
    }

    /// The packages of version 1, each in the one that has it in its own `node_modules`; `None` if they are too many.
    fn nested(&mut self, above: JsonValue<'_>, directory: &str) -> Option<()> {
        for (name, package) in member(above, "dependencies").into_iter().flat_map(JsonValue::members) {
            let directory = match directory {
                "" => format!("node_modules/{name}"),
                above => format!("{above}/node_modules/{name}"),
            };
            let version = member(package, "version").and_then(JsonValue::as_str);
            // Under another name: `npm:NAME@VERSION`.
            let alias = version.as_deref().and_then(|version| version.strip_prefix("npm:")?.rsplit_once('@'));
            let (stated, version) = match alias {
                Some((stated, version)) => (Some(stated), Some(version)),
                None => (None, version.as_deref()),
            };
            let requires = member(package, "requires").into_iter().flat_map(names).collect();
            self.add(&directory, stated, version, requires)?;
            self.nested(package, &directory)?;
        }
        Some(())
    }

    /// Adds a package, unless it lies outside of `node_modules` or has no version; `None` if it is one too many.
    fn add(
        &mut self,
        directory: &str,
        name: Option<&str>,
        version: Option<&str>,
        mut requires: Vec<String>,
    ) -> Option<()> {
        let Ok(path) = EntryPath::new(directory.as_bytes()) else { return Some(()) };
        let of_directory = in_modules(path.as_bytes()).and_then(|(_, name)| str::from_utf8(name).ok());
        let (Some(of_directory), Some(version)) = (of_directory, version.map(word)) else { return Some(()) };
        let name = word(name.unwrap_or(of_directory)).to_owned();
        if name.is_empty() || version.is_empty() {
            return Some(());
        }
        requires.sort_unstable();
        requires.dedup();
        let package = LockedPackage { directory: path, name, version: version.to_owned(), requires };
        self.left = self.left.checked_sub(package.cost())?;
        self.packages.push(package);
        Some(())
    }
}

fn names(needs: JsonValue<'_>) -> impl Iterator<Item = String> {
    needs.members().map(|(name, _)| word(&name).to_owned()).filter(|name| !name.is_empty())
}

fn member<'a>(value: JsonValue<'a>, name: &str) -> Option<JsonValue<'a>> {
    value.members().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, String)> {
        let line = |package: LockedPackage| {
            let directory = String::from_utf8_lossy(package.directory.as_bytes()).into_owned();
            (directory, format!("{}@{}", package.name, package.version), package.requires.join(" "))
        };
        packages(text.as_bytes()).into_iter().map(line).collect()
    }

    fn line(directory: &str, package: &str, requires: &str) -> (String, String, String) {
        (directory.to_owned(), package.to_owned(), requires.to_owned())
    }

    #[test]
    fn all_versions_of_a_lock_state_installed_packages() {
        let flat = r#"{"lockfileVersion":3,"packages":{"":{"name":"app","version":"1","dependencies":{"a":"1"}},
            "node_modules/a":{"version":"1.0.0","dependencies":{"b":"1"},"peerDependencies":{"c":"*"}},
            "node_modules/a/node_modules/@s/b":{"name":"other","version":"2.0.0"},
            "node_modules/w":{"resolved":"w","link":true},"w":{"version":"1.0.0","dependencies":{"a":"1"}}},
            "dependencies":{"ignored":{"version":"1"}}}"#;
        let expected = [
            line("node_modules/a", "a@1.0.0", "b c"),
            line("node_modules/a/node_modules/@s/b", "other@2.0.0", ""),
        ];
        assert_eq!(read(flat), expected);
        assert_eq!(read(&format!("\u{feff}{flat}")), expected);
        let nested = r#"{"lockfileVersion":1,"requires":true,"dependencies":{
            "a":{"version":"1.0.0","requires":{"b":"1"},"dependencies":{"@s/b":{"version":"npm:@o/other@2.0.0","requires":true}}}}}"#;
        let expected = [
            line("node_modules/a", "a@1.0.0", "b"),
            line("node_modules/a/node_modules/@s/b", "@o/other@2.0.0", ""),
        ];
        assert_eq!(read(nested), expected);
    }

    #[test]
    fn hostile_locks_state_nothing() {
        let deep = format!("{}1{}", r#"{"dependencies":{"a":"#.repeat(5_000), "}}".repeat(5_000));
        let entry = |number: usize| format!(r#""node_modules/p{number}":{{"version":"1"}}"#);
        let many = format!(r#"{{"packages":{{{}}}}}"#, (0..60_000).map(entry).collect::<Vec<_>>().join(","));
        for text in [
            "",
            "[]",
            "7",
            r#"{"packages":[1]}"#,
            r#"{"packages":{"node_modules/a":7,"node_modules/b":{"version":{}}}}"#,
            r#"{"packages":{"../node_modules/a":{"version":"1"},"node_modules/a/lib":{"version":"1"},"/":{"version":"1"}}}"#,
            r#"{"dependencies":[{"a":{"version":"1"}}]}"#,
            r#"{"dependencies":{"../a":{"version":"1"},"a/b":{"version":"1"},"":{"version":"1"}}}"#,
            &deep,
            &many,
        ] {
            assert_eq!(packages(text.as_bytes()), [], "{}", &text[..text.len().min(80)]);
        }
        let own = r#"{"packages":{"node_modules/__proto__":{"version":"1","dependencies":{"__proto__":7,"\u0000":1}}}}"#;
        assert_eq!(read(own), [line("node_modules/__proto__", "__proto__@1", "__proto__")]);
    }

    #[test]
    fn locks_lie_beside_a_package_or_in_its_modules() {
        for (path, expected, directory) in [
            ("app/package-lock.json", true, "app"),
            ("package-lock.json", true, ""),
            ("app/node_modules/.package-lock.json", true, "app"),
            ("node_modules/.package-lock.json", true, ""),
            ("app/node_modules/a/npm-shrinkwrap.json", true, "app/node_modules/a"),
            ("app/node_modules/a/test/package-lock.json", false, "app/node_modules/a/test"),
            ("app/.package-lock.json", false, "app"),
        ] {
            let path = EntryPath::new(path.as_bytes()).expect("a path");
            assert_eq!(is_lock(&path), expected, "{path:?}");
            assert_eq!(directory_of_lock(&path), directory.as_bytes());
        }
    }
}
