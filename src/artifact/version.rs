//! The version that an artifact says of itself.
//!
//! Looked for where build tools write it, in this order: the manifest of a Java archive, the properties that Maven
//! puts beside it, `package.json`. The answer depends on the content and, where several Maven modules were merged
//! into one archive, on the artifact's name. A text that is no version for people (empty, control characters, a
//! placeholder that was not replaced) does not count.

use std::path::Path;

use super::detect::Artifact;
use super::error::ArtifactError;
use super::form::Form;
use super::manifest::{JarManifest, MANIFEST, MAX_MANIFEST};
use super::package_json::{member, package};
use crate::formats::json::JsonError;
use crate::formats::zip::ZipArchive;
use crate::runtime::input;
use crate::runtime::tree_reader::{TreeReader, is_absent};

/// A version, or where it was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub value: Option<String>,
    /// Where that was looked for, as it can be shown; empty where this kind of artifact says none.
    pub looked_at: Vec<String>,
}

/// The attributes of a manifest, and what they are called in messages.
const ATTRIBUTES: [&str; 2] = ["Implementation-Version", "Bundle-Version"];
const MAVEN: &str = "META-INF/maven";
const POM: &str = "pom.properties";
const PACKAGE: &str = "package.json";
/// Maven writes five lines; `package.json` lists dependencies.
const MAX_POM: u64 = 64 << 10;
/// The longest text that is a version.
const MAX_LENGTH: usize = 128;
/// How many directories of Maven's are looked at.
const MOST_MODULES: usize = 1000;

/// The version that `artifact` says of itself.
///
/// # Errors
/// When a file that may say it cannot be read.
pub fn version(artifact: &Artifact) -> Result<Version, ArtifactError> {
    let path = artifact.path();
    match (artifact.material().form(), artifact.archive()) {
        (_, Some(archive)) => of_java(path, &InArchive(archive)),
        (Form::File | Form::Archive | Form::Tar, None) => Ok(Version::default()),
        (Form::Directory, None) => {
            let files = InDirectory(path);
            let mut version = of_java(path, &files)?;
            if version.value.is_none()
                && let Some((value, place)) = artifact.kind.version(artifact.material())?
            {
                version.value = value.and_then(|value| readable(&value));
                version.looked_at.push(place.to_owned());
            }
            if version.value.is_none() {
                let found = files.read(PACKAGE, input::MAX_TEXT)?.map(|bytes| of_package(&bytes));
                let (value, why) = match found.transpose() {
                    Ok(value) => (value.flatten(), String::new()),
                    Err(error) => (None, format!(" ({error})")),
                };
                version.value = value;
                version.looked_at.push(format!("`{PACKAGE}`{why}"));
            }
            Ok(version)
        }
    }
}

/// The few files of an artifact that matter.
trait MetadataFiles {
    /// A file's bytes; `None` where there is no such file.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError>;
    /// The modules that Maven says are in it: group and artifact.
    fn modules(&self) -> Result<Vec<(String, String)>, ArtifactError>;
}

fn of_java(path: &Path, files: &dyn MetadataFiles) -> Result<Version, ArtifactError> {
    let manifest = files.read(MANIFEST, MAX_MANIFEST)?;
    let manifest = manifest.map(|bytes| JarManifest::read(path, &bytes)).transpose()?;
    let of_manifest = manifest
        .and_then(|manifest| ATTRIBUTES.into_iter().find_map(|name| manifest.get(name).and_then(readable)));
    if let Some(value) = of_manifest {
        return Ok(Version { value: Some(value), looked_at: Vec::new() });
    }
    let value = match module_of(path, files.modules()?) {
        Some((group, name)) => files
            .read(&format!("{MAVEN}/{group}/{name}/{POM}"), MAX_POM)?
            .and_then(|bytes| property(&bytes, "version")),
        None => None,
    };
    let [implementation, bundle] = ATTRIBUTES;
    let looked_at = vec![
        format!("`{MANIFEST}` (`{implementation}`, `{bundle}`)"),
        format!("`{MAVEN}/GROUP/ARTIFACT/{POM}`"),
    ];
    Ok(Version { value, looked_at })
}

/// The module that the artifact is made of: the only one, or the one with the longest name that the artifact's begins with.
fn module_of(path: &Path, mut modules: Vec<(String, String)>) -> Option<(String, String)> {
    modules.sort();
    if modules.len() <= 1 {
        return modules.pop();
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    let begins = |module: &(String, String)| {
        name.strip_prefix(&*module.1).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    modules.into_iter().filter(begins).max_by_key(|(_, name)| name.len())
}

fn of_package(bytes: &[u8]) -> Result<Option<String>, JsonError> {
    let version = member(package(bytes)?, "version");
    Ok(version.and_then(|version| readable(&version.as_str()?)))
}

/// A value of a properties file as Maven writes it, without escapes.
fn property(bytes: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.filter(|(key, _)| key.trim() == name).find_map(|(_, value)| readable(value))
}

fn readable(value: &str) -> Option<String> {
    let value = value.trim();
    let is_readable = !value.is_empty()
        && value.len() <= MAX_LENGTH
        && !value.chars().any(char::is_control)
        && !value.contains("${");
    is_readable.then(|| value.to_owned())
}

struct InArchive<'a>(&'a ZipArchive);

impl MetadataFiles for InArchive<'_> {
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
        let index = self.0.position(name.as_bytes());
        Ok(index.map(|index| self.0.read(index, limit)).transpose()?)
    }

    fn modules(&self) -> Result<Vec<(String, String)>, ArtifactError> {
        let module = |name: &[u8]| {
            let name = std::str::from_utf8(name).ok()?.strip_prefix(MAVEN)?.strip_prefix('/')?;
            let parts: Vec<&str> = name.split('/').collect();
            match parts[..] {
                [group, name, POM] => Some((group.to_owned(), name.to_owned())),
                _ => None,
            }
        };
        let entries = self.0.entries().iter();
        Ok(entries.filter_map(|entry| module(&entry.name)).take(MOST_MODULES).collect())
    }
}

struct InDirectory<'a>(&'a Path);

impl InDirectory<'_> {
    fn names(&self, directory: &str) -> Result<Vec<String>, ArtifactError> {
        let tree = TreeReader::new(self.0);
        if !tree.is_directory(directory) {
            return Ok(Vec::new());
        }
        let io = |source| ArtifactError::Io { path: self.0.join(directory), source };
        let names = tree.names(directory).map_err(io)?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).take(MOST_MODULES).collect())
    }
}

impl MetadataFiles for InDirectory<'_> {
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ArtifactError> {
        match TreeReader::new(self.0).read(name, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            // A device or a directory says no version, and neither does a file behind a link that leads out.
            Err(error) if input::is_refused(&error) || is_absent(&error) => Ok(None),
            Err(source) => Err(ArtifactError::Io { path: self.0.join(name), source }),
        }
    }

    fn modules(&self) -> Result<Vec<(String, String)>, ArtifactError> {
        let mut modules = Vec::new();
        for group in self.names(MAVEN)? {
            for name in self.names(&format!("{MAVEN}/{group}"))? {
                if modules.len() < MOST_MODULES
                    && TreeReader::new(self.0).is_file(format!("{MAVEN}/{group}/{name}/{POM}"))
                {
                    modules.push((group.clone(), name));
                }
            }
        }
        Ok(modules)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::artifact::fixture::detect;
    use crate::artifact::kind_named;
    use crate::artifact::material::Material;
    use crate::formats::zip::fixture::{Item, write};

    fn unpacked(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = directory.path().join("shop-web-1.war").join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        directory
    }

    /// The version of these files in a directory and in an archive, which must agree.
    #[track_caller]
    fn both(files: &[(&str, &str)]) -> Option<String> {
        let files = [files, &[("WEB-INF/web.xml", "<web-app/>")]].concat();
        let directory = unpacked(&files);
        let path = directory.path().join("shop-web-1.war");
        let of_directory = version(&detect(&path).expect("detected")).expect("read");
        let items: Vec<Item> = files.iter().map(|(name, text)| Item::stored(name, text.as_bytes())).collect();
        let archive = ZipArchive::from_bytes(&path, write(&items)).expect("an archive");
        let war = kind_named("war").expect("a kind");
        let artifact = Artifact::new(war, Vec::new(), Material::of_archive(path, Arc::new(archive)));
        let of_archive = version(&artifact).expect("read");
        assert_eq!(of_archive.value, of_directory.value, "{files:?}");
        of_archive.value
    }

    #[test]
    fn versions_of_java() {
        let manifest = |text: &'static str| ("META-INF/MANIFEST.MF", text);
        let pom = ("META-INF/maven/g/shop/pom.properties", "#x\nversion=2.1\ngroupId=g\nartifactId=shop\n");
        let web = ("META-INF/maven/g/shop-web/pom.properties", "artifactId=shop-web\r\nversion=3.1\r\n");
        let other = ("META-INF/maven/a/lib/pom.properties", "version=9\n");
        let nothing = manifest("Manifest-Version: 1.0\n\nName: x\nImplementation-Version: 7\n");
        for (files, expected) in [
            (
                &[manifest(
                    "Manifest-Version: 1.0\r\nImplementation-Version: 1.2-SNAPSHOT\r\nBundle-Version: 3\r\n",
                )][..],
                Some("1.2-SNAPSHOT"),
            ),
            (&[manifest("Implementation-Version:\nBundle-Version: 1.2.0.v1\n"), pom], Some("1.2.0.v1")),
            (&[manifest("Implementation-Version: ${project.version}\n"), pom], Some("2.1")),
            (&[nothing, other], Some("9")),
            (&[nothing, pom, web, other], Some("3.1")),
            (&[nothing, pom, other], Some("2.1")),
            (&[other, ("META-INF/maven/a/sho/pom.properties", "version=8\n")], None),
            (&[nothing], None),
        ] {
            assert_eq!(both(files).as_deref(), expected, "{files:?}");
        }
    }

    #[test]
    fn a_directory_may_have_a_package_and_a_link_that_leads_out_says_nothing() {
        let directory = unpacked(&[("index.html", ""), ("package.json", "{\"version\": \"4.0.1\"}")]);
        let path = directory.path().join("shop-web-1.war");
        let found = |path: &Path| version(&detect(path).expect("detected")).expect("read");
        assert_eq!(found(&path).value.as_deref(), Some("4.0.1"));
        std::fs::rename(path.join("package.json"), directory.path().join("package.json")).expect("moved");
        std::os::unix::fs::symlink("../package.json", path.join("package.json")).expect("linked");
        let nothing = found(&path);
        assert_eq!(nothing.value, None);
        assert_eq!(nothing.looked_at.len(), 3, "{nothing:?}");
    }

    #[test]
    fn a_package_says_the_version_that_npm_reads() {
        for (text, expected) in [
            (r#"{"version":"1","Version":"2"}"#, Some("1")),
            (r#"{"v\u0065rsion":"1"}"#, Some("1")),
            (r#"{"Version":"2"}"#, None),
            (r#"{"version":7}"#, None),
            (r#"{"version":{"$serde_json::private::RawValue":"\"1\""}}"#, None),
            (r#"["1"]"#, None),
        ] {
            assert_eq!(of_package(text.as_bytes()).expect("JSON").as_deref(), expected, "{text}");
        }
        let twice = r#"{"version":"1","version":"2"}"#;
        let directory = unpacked(&[("index.html", ""), (PACKAGE, twice)]);
        let found =
            version(&detect(&directory.path().join("shop-web-1.war")).expect("detected")).expect("read");
        assert_eq!(found.value, None);
        let said = "`package.json` (the key `version` occurs twice)";
        assert_eq!(found.looked_at.last().map(String::as_str), Some(said));
    }

    #[test]
    fn what_is_no_version_does_not_count() {
        for text in ["", "  ", "a\u{7}b", "${revision}", &"1".repeat(129)] {
            assert_eq!(readable(text), None, "{text:?}");
        }
        assert_eq!(readable(" 1.0 ").as_deref(), Some("1.0"));
    }
}
