//! Java archives: which kind an archive or directory is, by its entries and its manifest.

use std::path::Path;
use std::sync::Arc;

use super::{Artifact, ArtifactError, ArtifactKind, Source};
use crate::formats::zip::{Archive, ArchiveEntryKind};

pub(super) const MANIFEST: &str = "META-INF/MANIFEST.MF";

/// Larger manifests exist only in attacks: signed jars of 10,000 entries have 1 MiB.
pub(super) const MAX_MANIFEST: u64 = 16 << 20;

/// What kind of Java archive `archive` is.
pub(super) fn detect_archive(path: &Path, archive: Arc<Archive>) -> Result<Artifact, ArtifactError> {
    let entries = archive.entries();
    let below = |entry: &&crate::formats::zip::ArchiveEntry, directory: &[u8]| {
        entry.name.strip_prefix(directory).is_some_and(|rest| {
            rest.starts_with(b"/") || (rest.is_empty() && entry.kind == ArchiveEntryKind::Directory)
        })
    };
    let web_inf = entries.iter().any(|entry| below(&entry, b"WEB-INF"));
    let manifest = match archive.position(MANIFEST.as_bytes()) {
        Some(index) => Some(Manifest::parse(&archive.read(index, MAX_MANIFEST)?)),
        None => None,
    };
    let boot = manifest.as_ref().and_then(Manifest::spring_boot);
    let named_war = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("war"));
    let classes = || entries.iter().filter(|entry| entry.name.ends_with(b".class")).count();

    let mut why = Vec::new();
    let kind = if web_inf {
        why.push("It is a zip archive with `WEB-INF/`, a WAR.".to_owned());
        if let Some(attribute) = boot {
            why.push(format!(
                "Its manifest has `{attribute}`, so Spring Boot could also start it alone; it is packaged for a \
                 servlet container."
            ));
        }
        ArtifactKind::War
    } else if let Some(attribute) = boot {
        why.push(format!("It is a zip archive whose manifest has `{attribute}`."));
        ArtifactKind::SpringBoot
    } else if named_war {
        why.push(
            "It is a zip archive named `.war`; that it has no `WEB-INF/` is unusual but valid.".to_owned(),
        );
        ArtifactKind::War
    } else if manifest.is_some() || classes() > 0 {
        why.push(if manifest.is_some() {
            format!("It is a zip archive with `{MANIFEST}` and without `WEB-INF/`.")
        } else {
            format!(
                "It is a zip archive with {} and without `WEB-INF/`.",
                super::count(classes(), "class", "classes")
            )
        });
        if let Some(main) = manifest.as_ref().and_then(|manifest| manifest.get("Main-Class")) {
            why.push(format!("Its main class is `{main}`."));
        }
        ArtifactKind::Jar
    } else {
        let is = "a zip archive without `WEB-INF/`, Java manifest or classes";
        return Err(ArtifactError::Unknown { path: path.to_owned(), is });
    };
    Ok(Artifact { kind, path: path.to_owned(), why, source: Source::Archive(archive) })
}

/// Whether the directory `path` is an unpacked Spring Boot archive.
pub(super) fn detect_directory(path: &Path) -> Result<Option<(ArtifactKind, Vec<String>)>, ArtifactError> {
    let file = path.join(MANIFEST);
    let Some(bytes) = super::read_if_file(&file, MAX_MANIFEST)? else { return Ok(None) };
    Ok(Manifest::parse(&bytes).spring_boot().map(|attribute| {
        let why = format!("It is a directory whose `{MANIFEST}` has `{attribute}`.");
        (ArtifactKind::SpringBoot, vec![why])
    }))
}

/// The main section of a manifest (JAR specification).
pub(super) struct Manifest(Vec<(String, String)>);

impl Manifest {
    /// Lenient: what is not `Name: value` is skipped, as Java's own tools would refuse it anyway.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut attributes: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if line.is_empty() {
                break;
            }
            if let Some(continued) = line.strip_prefix(' ') {
                if let Some((_, value)) = attributes.last_mut() {
                    value.push_str(continued);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                attributes.push((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
            }
        }
        Self(attributes)
    }

    /// Names are case-insensitive.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The attribute that makes it a Spring Boot archive.
    fn spring_boot(&self) -> Option<&'static str> {
        ["Spring-Boot-Classes", "Spring-Boot-Lib", "Spring-Boot-Layers-Index", "Spring-Boot-Classpath-Index"]
            .into_iter()
            .find(|name| self.get(name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests() {
        let text = "Manifest-Version: 1.0\r\nMain-Class: org.example.Very\r\n LongName\r\nspring-boot-lib: x/\r\n\r\nName: a\r\nStart-Class: no\r\n";
        let manifest = Manifest::parse(text.as_bytes());
        assert_eq!(manifest.get("Main-Class"), Some("org.example.VeryLongName"));
        assert_eq!(manifest.spring_boot(), Some("Spring-Boot-Lib"));
        assert_eq!(manifest.get("Start-Class"), None);
        assert_eq!(Manifest::parse(b" x\n\xff\n").spring_boot(), None);
    }
}
