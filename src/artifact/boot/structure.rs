//! Where a Spring Boot archive has what: by the attributes of its manifest, never by fixed paths.

use std::collections::BTreeSet;

use super::super::error::ArtifactError;
use super::super::java::unfit;
use super::super::manifest::JarManifest;
use super::super::material::Material;
use crate::types::shown::shown_start;

/// A list of ten thousand libraries has 1 MiB.
const MAX_INDEX: u64 = 8 << 20;

/// How many bytes of a line a message has.
const ROOM: usize = 200;

/// Where executable WARs have the libraries that a container brings: `WarLauncher` has this path in its code.
const PROVIDED: &str = "WEB-INF/lib-provided/";

/// The parts of a Spring Boot archive.
#[derive(Clone, Debug)]
pub(in super::super) struct BootStructure<'a> {
    material: &'a Material,
    manifest: &'a JarManifest,
    /// The directory of the application's classes and resources, with a slash at the end.
    pub(super) classes: String,
    /// The directory of libraries, with a slash at the end.
    pub(super) libraries: String,
    /// The directory of libraries that only the launcher uses.
    pub(super) provided: Option<String>,
}

impl<'a> BootStructure<'a> {
    /// The structure of this artifact.
    ///
    /// # Errors
    /// When it cannot be read, or the manifest does not say where classes and libraries are.
    pub(in super::super) fn of(material: &'a Material) -> Result<Self, ArtifactError> {
        let Some(manifest) = material.manifest()? else {
            let why = "it has no manifest, so it is no Spring Boot archive";
            return Err(unfit(material, why, "remove `app.kind`"));
        };
        let directory = |name: &str| match manifest.text(name) {
            Some(path) => Ok(format!("{}/", path.trim_end_matches('/'))),
            None => {
                let why = format!("its manifest has no `{name}`, which every Spring Boot archive has");
                let hint = "build it with the plugin of Spring Boot: `mvn package spring-boot:repackage`, or `gradle bootJar`";
                Err(unfit(material, why, hint))
            }
        };
        let libraries = directory("Spring-Boot-Lib")?;
        let provided = match manifest.text("Spring-Boot-Lib-Provided") {
            Some(path) => Some(format!("{}/", path.trim_end_matches('/'))),
            None => libraries.starts_with("WEB-INF/").then(|| PROVIDED.to_owned()),
        };
        Ok(Self { material, manifest, classes: directory("Spring-Boot-Classes")?, libraries, provided })
    }

    pub(super) const fn material(&self) -> &'a Material {
        self.material
    }

    pub(super) const fn manifest(&self) -> &'a JarManifest {
        self.manifest
    }

    /// Whether it is a web application, which a servlet container could run too.
    pub(in super::super) fn is_war(&self) -> bool {
        self.libraries.starts_with("WEB-INF/")
    }

    /// The class that starts the application from the archive.
    ///
    /// # Errors
    /// When the manifest names none.
    pub(super) fn launcher(&self) -> Result<&'a str, ArtifactError> {
        self.class("Main-Class")
    }

    /// The application's own main class.
    ///
    /// # Errors
    /// When the manifest names none.
    pub(super) fn start_class(&self) -> Result<&'a str, ArtifactError> {
        self.class("Start-Class")
    }

    fn class(&self, attribute: &str) -> Result<&'a str, ArtifactError> {
        self.manifest.text(attribute).ok_or_else(|| {
            let why = format!("its manifest has no `{attribute}`");
            unfit(self.material, why, "set the main class of Spring Boot's plugin, and build it again")
        })
    }

    /// The library that this entry is: its path below the directory of libraries.
    pub(super) fn library<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let below = name.strip_prefix(self.libraries.as_bytes());
        let provided = self.provided.as_ref();
        let library = below.or_else(|| name.strip_prefix(provided?.as_bytes()))?;
        (!library.is_empty()).then_some(library)
    }

    /// The order of the class path: the names of entries, with the lines of the index. `None` without an index.
    ///
    /// # Errors
    /// When the index cannot be read or is malformed.
    pub(super) fn class_path(&self) -> Result<Option<Vec<(String, usize)>>, ArtifactError> {
        let Some((path, text)) = self.index("Spring-Boot-Classpath-Index")? else { return Ok(None) };
        let mut names: Vec<(String, usize)> = Vec::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let name = line.strip_prefix("- \"").and_then(|rest| rest.trim_end().strip_suffix('"'));
            let Some(name) = name.filter(|name| !name.is_empty()) else {
                return Err(self.malformed(path, number, line));
            };
            // The first versions of the index named files, and not entries.
            let is_entry = name.starts_with(&self.libraries)
                || self.provided.as_ref().is_some_and(|provided| name.starts_with(provided));
            let name = if is_entry { name.to_owned() } else { format!("{}{name}", self.libraries) };
            if seen.insert(name.clone()) {
                names.push((name, number));
            }
        }
        Ok((!names.is_empty()).then_some(names))
    }

    /// The index of layers: its path and its text. `None` without one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn layers_index(&self) -> Result<Option<(&'a str, String)>, ArtifactError> {
        self.index("Spring-Boot-Layers-Index")
    }

    /// The paths of both indexes.
    pub(super) fn index_paths(&self) -> impl Iterator<Item = &'a str> {
        let names = ["Spring-Boot-Classpath-Index", "Spring-Boot-Layers-Index"];
        let manifest = self.manifest;
        names.into_iter().filter_map(|name| manifest.text(name))
    }

    /// An index that the manifest names. Some build tools name one that is not there: that is the same as none.
    fn index(&self, attribute: &str) -> Result<Option<(&'a str, String)>, ArtifactError> {
        let Some(path) = self.manifest.text(attribute) else { return Ok(None) };
        let bytes = self.material.read(path, MAX_INDEX)?;
        Ok(bytes.map(|bytes| (path, String::from_utf8_lossy(&bytes).into_owned())))
    }

    /// The error about a line of an index.
    pub(super) fn malformed(&self, index: &str, number: usize, line: &str) -> ArtifactError {
        let line = shown_start(line.as_bytes(), ROOM);
        let why = format!("line {number} of `{index}` in it is not understood: `{line}`");
        unfit(self.material, why, REBUILD)
    }
}

/// The way out where an index is wrong.
pub(super) const REBUILD: &str =
    "build the archive again with Spring Boot's plugin; `layout = \"packaged\"` takes it as it is";
