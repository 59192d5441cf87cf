//! Two versions of one library in one place that is searched for classes or modules.

use std::collections::BTreeMap;

use super::jar::{JarFacts, LibraryName};
use crate::layer::EntryPath;

/// A library in a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Library {
    /// Its directory, and its name there without its version.
    place: Vec<u8>,
    name: String,
}

/// The versions of a library in one place, with the file of each.
pub(super) struct Versions {
    pub(super) name: String,
    /// By version: the files.
    pub(super) files: BTreeMap<String, String>,
}

/// Collects libraries, and tells those of two versions.
#[derive(Default)]
pub(super) struct LibraryTable(BTreeMap<Library, BTreeMap<String, String>>);

/// Directories of jars that are on one class path, whatever their names say.
const CLASS_PATHS: [&[u8]; 6] = [b"lib", b"libs", b"jars", b"main", b"dependency", b"dependencies"];

/// Words of a version that stand behind a hyphen: what else does is a classifier.
const VERSION_WORDS: [&str; 14] = [
    "snapshot",
    "release",
    "final",
    "ga",
    "alpha",
    "beta",
    "rc",
    "cr",
    "m",
    "sp",
    "b",
    "pre",
    "incubating",
    "jre",
];

impl LibraryTable {
    /// Adds the jar at `path`.
    pub(super) fn add_jar(&mut self, path: &EntryPath, facts: &JarFacts) {
        let Some(directory) = path.parent() else { return };
        if !CLASS_PATHS.contains(&directory.file_name()) {
            return;
        }
        let file = String::from_utf8_lossy(path.file_name()).into_owned();
        let Some(FileNameParts { name, version, classifier }) = FileNameParts::of(&file) else { return };
        let of_maven = own_library(&facts.libraries, &name);
        let name = match of_maven {
            Some(library) => format!("{}:{}", library.group, library.name),
            None => name,
        };
        let version = of_maven.map_or(version, |library| library.version.clone());
        let name = if classifier.is_empty() { name } else { format!("{name}:{classifier}") };
        self.add(directory.as_bytes(), name, version, file);
    }

    /// Adds the directory at `path`, if it describes a distribution of Python.
    pub(super) fn add_directory(&mut self, path: &EntryPath) {
        let name = path.file_name();
        let Some(stem) = name.strip_suffix(b".dist-info").or_else(|| name.strip_suffix(b".egg-info")) else {
            return;
        };
        let stem = String::from_utf8_lossy(stem).into_owned();
        let Some((name, version)) = stem.split_once('-') else { return };
        // PEP 503.
        let mut normal = String::new();
        for character in name.to_lowercase().chars() {
            let character = if matches!(character, '_' | '.') { '-' } else { character };
            if character != '-' || !normal.ends_with('-') {
                normal.push(character);
            }
        }
        // Behind the version of an egg stands that of Python.
        let version = version.split_once("-py").map_or(version, |(version, _)| version);
        let file = String::from_utf8_lossy(path.file_name()).into_owned();
        self.add(path.directory(), normal, version.to_owned(), file);
    }

    fn add(&mut self, place: &[u8], name: String, version: String, file: String) {
        self.0.entry(Library { place: place.to_vec(), name }).or_default().insert(version, file);
    }

    /// The libraries that have more than one version in a place.
    pub(super) fn doubled(self) -> impl Iterator<Item = Versions> {
        let libraries = self.0.into_iter().filter(|(_, files)| files.len() > 1);
        libraries.map(|(library, files)| Versions { name: library.name, files })
    }
}

/// The library of a jar: the only one that it says, or the one that its file is named after.
fn own_library<'l>(libraries: &'l [LibraryName], file: &str) -> Option<&'l LibraryName> {
    match libraries {
        [one] if file.starts_with(&one.name) || one.name.starts_with(file) => Some(one),
        several => several.iter().find(|library| library.name == file),
    }
}

/// The parts of `NAME-VERSION[-CLASSIFIER].jar`.
#[derive(Debug, PartialEq, Eq)]
struct FileNameParts {
    name: String,
    version: String,
    classifier: String,
}

impl FileNameParts {
    fn of(file: &str) -> Option<Self> {
        let stem = file.strip_suffix(".jar")?;
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let at =
            stem.match_indices('-').map(|(at, _)| at).find(|at| is_digit(stem.as_bytes().get(at + 1)))?;
        let (name, rest) = (&stem[..at], &stem[at + 1..]);
        let mut parts = rest.split('-');
        let mut version = parts.next()?.to_owned();
        let mut classifier: Vec<&str> = Vec::new();
        for part in parts {
            let word = part
                .trim_end_matches(|character: char| character.is_ascii_digit() || character == '.')
                .to_lowercase();
            let is_version =
                classifier.is_empty() && (word.is_empty() || VERSION_WORDS.contains(&word.as_str()));
            if is_version {
                version = format!("{version}-{part}");
            } else {
                classifier.push(part);
            }
        }
        Some(Self { name: name.to_owned(), version, classifier: classifier.join("-") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubled(jars: &[&str]) -> Vec<String> {
        let mut table = LibraryTable::default();
        for jar in jars {
            table.add_jar(&EntryPath::new(jar.as_bytes()).expect("a path"), &JarFacts::default());
        }
        table.doubled().map(|versions| versions.name).collect()
    }

    #[test]
    fn names_are_split_before_the_version() {
        for (file, parts) in [
            ("spring-core-6.1.0.jar", ("spring-core", "6.1.0", "")),
            (
                "netty-tcnative-2.0.61.Final-linux-x86_64.jar",
                ("netty-tcnative", "2.0.61.Final", "linux-x86_64"),
            ),
            ("shop-1.0-SNAPSHOT.jar", ("shop", "1.0-SNAPSHOT", "")),
            ("a-1.0-beta2-tests.jar", ("a", "1.0-beta2", "tests")),
            ("guava-33.0.0-jre.jar", ("guava", "33.0.0-jre", "")),
            ("log4j-1.2-api-2.20.0.jar", ("log4j", "1.2", "api-2.20.0")),
        ] {
            let (name, version, classifier) = parts;
            let expected = FileNameParts {
                name: name.to_owned(),
                version: version.to_owned(),
                classifier: classifier.to_owned(),
            };
            assert_eq!(FileNameParts::of(file), Some(expected), "{file}");
        }
        assert_eq!(FileNameParts::of("application.jar"), None);
    }

    #[test]
    fn two_versions_in_one_place_are_told() {
        assert_eq!(doubled(&["WEB-INF/lib/a-1.jar", "WEB-INF/lib/a-2.jar"]), ["a"]);
        assert_eq!(
            doubled(&["WEB-INF/lib/a-1.jar", "plugins/a-2.jar", "WEB-INF/lib/b-2.jar"]),
            Vec::<String>::new()
        );
        assert_eq!(doubled(&["lib/a-1-linux.jar", "lib/a-1-osx.jar", "lib/a-2.jar"]), Vec::<String>::new());
        assert_eq!(
            doubled(&["repository/a-1.jar", "repository/a-2.jar"]),
            Vec::<String>::new(),
            "no class path"
        );
    }

    #[test]
    fn a_jar_is_named_by_maven_where_it_says_so() {
        let library = |group: &str, version: &str| JarFacts {
            libraries: vec![LibraryName {
                group: group.to_owned(),
                name: "a".to_owned(),
                version: version.to_owned(),
            }],
            ..JarFacts::default()
        };
        let path = |text: &str| EntryPath::new(text.as_bytes()).expect("a path");
        let mut table = LibraryTable::default();
        table.add_jar(&path("lib/a-1.jar"), &library("org.one", "1"));
        table.add_jar(&path("lib/a-2.jar"), &library("org.two", "2"));
        assert_eq!(table.doubled().count(), 0, "of two groups");
        let mut table = LibraryTable::default();
        table.add_directory(&path("site-packages/Shop_Core-1.0.dist-info"));
        table.add_directory(&path("site-packages/shop.core-2.0.dist-info"));
        assert_eq!(table.doubled().map(|versions| versions.name).collect::<Vec<_>>(), ["shop-core"]);
    }
}
