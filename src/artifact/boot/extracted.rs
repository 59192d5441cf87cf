//! The layout that `java -Djarmode=tools -jar APP.jar extract --layers` gives, made without a Java: the libraries in `lib/`
//! beside a thin jar of the application, which `java -jar` starts without Spring Boot's launcher.
//!
//! The libraries are the archive's, byte for byte. The thin jar has the same entries as that of the tools, in the same
//! order and with the same contents, manifest included; but their times are fixed, and they stay compressed as they
//! are in the archive, so that none is unpacked. As the tools do it: what lies below the directory of classes is at
//! the top, what lies below the archive's own `META-INF` is merged with that, and the launcher, the indexes and the
//! launcher's service file are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::error::ArtifactError;
use super::super::java::{java, unfit};
use super::super::manifest::MANIFEST;
use super::super::options::{AppOptions, AppRoot};
use super::super::placed::{self, PlacedFile};
use super::super::proposal::{Proposal, ProposedLayer};
use super::super::words::count;
use super::layers::BootLayers;
use super::structure::BootStructure;
use crate::formats::zip::{ArchiveEntryKind, Repacked, RepackedContent, RepackedEntry, ZipArchive};
use crate::layer::{Content, ContentSource, EntryKind};
use crate::oci::ConfigFile;
use crate::types::shown::shown;

/// The thin jar.
const APPLICATION: &str = "application.jar";

/// Entries of the archive that the thin jar has not.
const IGNORED: [&[u8]; 3] =
    [b"META-INF", MANIFEST.as_bytes(), b"META-INF/services/java.nio.file.spi.FileSystemProvider"];

/// Attributes of the manifest that only the launcher reads.
const OF_LAUNCHER: [&str; 6] = [
    "Start-Class",
    "Spring-Boot-Classes",
    "Spring-Boot-Lib",
    "Spring-Boot-Lib-Provided",
    "Spring-Boot-Classpath-Index",
    "Spring-Boot-Layers-Index",
];

const LOADER: &[u8] = b"org/springframework/boot/loader";

/// How many names a message has.
const NAMED: usize = 5;

const OTHER_LAYOUT: &str = "`layout = \"exploded\"` takes it apart and starts it by Spring Boot's launcher, and `layout = \
                            \"packaged\"` takes it as it is";

/// The layers of an archive of this structure, at `root`.
pub(in super::super) fn propose(
    structure: &BootStructure<'_>,
    root: &AppRoot,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<Proposal, ArtifactError> {
    let material = structure.material();
    let Some(archive) = material.archive() else {
        let why = "it is a directory, and the extracted layout is made of an archive";
        return Err(unfit(material, why, "give the jar, or set `layout = \"exploded\"`"));
    };
    if structure.is_war() {
        let why = "it is a WAR, and Spring Boot extracts no WAR";
        return Err(unfit(material, why, OTHER_LAYOUT));
    }
    check_not_signed(structure, archive)?;
    let layers = BootLayers::of(structure, archive.entries().iter().map(|entry| &entry.name[..]))?;
    let libraries = ClassPathLibraries::of(structure, archive)?;
    let application = ThinJar::of(structure, archive, &libraries)?;

    let mut files: Vec<BTreeMap<Vec<u8>, PlacedFile>> = vec![BTreeMap::new(); layers.names.len()];
    for (index, path) in &libraries.class_path {
        let entry = &archive.entries()[*index];
        let content = Content { size: entry.size, source: ContentSource::Zip(Arc::clone(archive), *index) };
        let file = PlacedFile { metadata: options.rules.file(false), kind: EntryKind::File(content) };
        files[layers.layer_of(structure, &entry.name)?].insert(path.clone().into_bytes(), file);
    }
    let content = Content { size: application.jar.size(), source: ContentSource::Repacked(application.jar) };
    let file = PlacedFile { metadata: options.rules.file(false), kind: EntryKind::File(content) };
    files[layers.application()].insert(APPLICATION.as_bytes().to_vec(), file);

    let mut proposed = Vec::new();
    for (number, files) in files.into_iter().enumerate().filter(|(_, files)| !files.is_empty()) {
        let has_application = number == layers.application();
        let libraries = count(files.len() - usize::from(has_application), "library", "libraries");
        let thin = format!("`{APPLICATION}` with {}", count(application.files, "file", "files"));
        let what = match (has_application, files.len()) {
            (true, 1) => thin,
            (true, _) => format!("{thin}, and {libraries}"),
            (false, _) => libraries,
        };
        proposed.push(ProposedLayer {
            name: layers.names[number].clone(),
            why: format!("{what}, {}", layers.source),
            entries: placed::entries(files, root, options)?,
            is_divisible: !has_application,
        });
    }
    let path = placed::absolute(root, APPLICATION);
    let mut notes = vec![format!(
        "The jar is taken apart as `java -Djarmode=tools -jar … extract` does it: `lib/` beside `{APPLICATION}`."
    )];
    notes.extend(application.note);
    Ok(Proposal {
        layers: proposed,
        app_root: root.path().cloned(),
        entrypoint: Some(vec![java(base), "-jar".to_owned(), path]),
        notes,
        warnings: libraries.warning.into_iter().chain(warning_of_launcher(structure)).collect(),
        ..Proposal::default()
    })
}

/// The launcher that reads a class path of its own at the start, which nothing does in this layout.
fn warning_of_launcher(structure: &BootStructure<'_>) -> Option<String> {
    let launcher = structure.manifest().text("Main-Class")?;
    launcher.ends_with(".PropertiesLauncher").then(|| {
        format!(
            "its launcher `{launcher}` does not start the application, so that `loader.path` and the other settings of \
             it have no effect; `layout = \"exploded\"` starts it by that launcher"
        )
    })
}

/// A signature is of all entries and of the manifest, and the thin jar has another one.
fn check_not_signed(structure: &BootStructure<'_>, archive: &ZipArchive) -> Result<(), ArtifactError> {
    let is_signature = |name: &[u8]| {
        let name = name.strip_prefix(b"META-INF/").map(<[u8]>::to_ascii_uppercase);
        name.is_some_and(|name| !name.contains(&b'/') && name.ends_with(b".SF"))
    };
    match archive.entries().iter().find(|entry| is_signature(&entry.name)) {
        None => Ok(()),
        Some(entry) => {
            let why = format!("it is signed (`{}`), and a part of it would not be", shown(&entry.name));
            Err(unfit(structure.material(), why, "`layout = \"packaged\"` takes it as it is"))
        }
    }
}

/// The libraries of the class path.
struct ClassPathLibraries {
    /// In the order of the class path: the index of each in the archive, and its path in the image.
    class_path: Vec<(usize, String)>,
    /// A warning about those that are on none.
    warning: Option<String>,
}

impl ClassPathLibraries {
    fn of(structure: &BootStructure<'_>, archive: &ZipArchive) -> Result<Self, ArtifactError> {
        let material = structure.material();
        let entries = archive.entries().iter().enumerate();
        let files = entries.filter(|(_, entry)| entry.kind == ArchiveEntryKind::File);
        let there: Vec<(usize, &[u8])> = files
            .filter(|(_, entry)| structure.library(&entry.name).is_some())
            .map(|(index, entry)| (index, &entry.name[..]))
            .collect();
        let Some(listed) = structure.class_path()? else {
            // Without an index, the launcher takes them in the order of the archive.
            let class_path = there.iter().map(|(index, name)| Ok((*index, in_image(structure, name)?)));
            return Ok(Self { class_path: class_path.collect::<Result<_, ArtifactError>>()?, warning: None });
        };
        let by_name: BTreeMap<&[u8], usize> = there.iter().map(|(index, name)| (*name, *index)).collect();
        let mut class_path = Vec::new();
        for (name, line) in &listed {
            let Some(index) = by_name.get(name.as_bytes()) else {
                let name = shown(name.as_bytes());
                let why =
                    format!("line {line} of its index of the class path has `{name}`, which is not in it");
                return Err(unfit(material, why, super::structure::REBUILD));
            };
            class_path.push((*index, in_image(structure, name.as_bytes())?));
        }
        let listed: BTreeSet<&[u8]> = listed.iter().map(|(name, _)| name.as_bytes()).collect();
        // The tools themselves are in the archive, and on no class path.
        let is_left_out = |name: &&[u8]| {
            let library = structure.library(name).unwrap_or_default();
            !listed.contains(name) && !library.starts_with(b"spring-boot-jarmode-")
        };
        let left_out: Vec<&[u8]> = there.iter().map(|(_, name)| *name).filter(is_left_out).collect();
        let warning = (!left_out.is_empty()).then(|| {
            format!(
                "{} not on the class path of the index and left out: {}; `layout = \"exploded\"` keeps them",
                if left_out.len() == 1 { "a library is" } else { "libraries are" },
                some_names(&left_out)
            )
        });
        Ok(Self { class_path, warning })
    }
}

/// The path of a library in the image. The manifest names it as a relative URL that is not encoded, as the tools write it.
fn in_image(structure: &BootStructure<'_>, name: &[u8]) -> Result<String, ArtifactError> {
    let library = structure.library(name).unwrap_or(name);
    let is_url = |text: &&str| {
        !text.chars().any(|character| {
            character.is_whitespace() || character.is_control() || "%#?:\\".contains(character)
        })
    };
    let Some(library) = std::str::from_utf8(library).ok().filter(is_url) else {
        let why =
            format!("the name of the library `{}` cannot be on a class path of a manifest", shown(name));
        return Err(unfit(structure.material(), why, OTHER_LAYOUT));
    };
    Ok(format!("lib/{library}"))
}

fn some_names(names: &[&[u8]]) -> String {
    let mut shown_names: Vec<String> =
        names.iter().take(NAMED).map(|name| format!("`{}`", shown(name))).collect();
    if names.len() > NAMED {
        shown_names.push(format!("and {} more", names.len() - NAMED));
    }
    shown_names.join(", ")
}

/// The thin jar.
struct ThinJar {
    jar: Arc<Repacked>,
    files: usize,
    note: Option<String>,
}

impl ThinJar {
    fn of(
        structure: &BootStructure<'_>,
        archive: &Arc<ZipArchive>,
        libraries: &ClassPathLibraries,
    ) -> Result<Self, ArtifactError> {
        let material = structure.material();
        let manifest = thin_manifest(structure, libraries)?;
        let mut members = vec![RepackedEntry {
            name: MANIFEST.as_bytes().to_vec(),
            content: RepackedContent::Bytes(manifest),
        }];
        let mut taken: BTreeSet<Vec<u8>> = members.iter().map(|member| member.name.clone()).collect();
        let mut files = 0;
        let mut left_out: Vec<&[u8]> = Vec::new();
        for (index, entry) in archive.entries().iter().enumerate() {
            if IGNORED.contains(&&entry.name[..]) {
                continue;
            }
            let is_directory = entry.kind == ArchiveEntryKind::Directory;
            let below = entry.name.strip_prefix(structure.classes.as_bytes());
            let in_root = || entry.name.starts_with(b"META-INF/").then_some(&entry.name[..]);
            let Some(name) = below.or_else(in_root) else {
                let is_known = is_directory
                    || entry.name.starts_with(LOADER)
                    || structure.library(&entry.name).is_some()
                    || structure.index_paths().any(|path| path.as_bytes() == entry.name);
                if !is_known {
                    left_out.push(&entry.name);
                }
                continue;
            };
            if entry.kind == ArchiveEntryKind::Symlink {
                let why =
                    format!("`{}` in it is a symbolic link, which Java does not follow", shown(&entry.name));
                return Err(unfit(material, why, "build the jar with the file itself"));
            }
            let name = if is_directory { [name, b"/"].concat() } else { name.to_vec() };
            if !taken.insert(name.clone()) {
                if is_directory {
                    continue;
                }
                let why = format!(
                    "`{}` occurs twice in the thin jar: below `{}`, and in the archive's own `META-INF`",
                    shown(&name),
                    structure.classes
                );
                return Err(unfit(material, why, OTHER_LAYOUT));
            }
            files += usize::from(!is_directory);
            members.push(RepackedEntry { name, content: RepackedContent::Of(index) });
        }
        let jar = Repacked::new(archive, &members).map_err(|_| {
            let why = "the application without its libraries has more than 4 GiB";
            unfit(material, why, OTHER_LAYOUT)
        })?;
        let note = (!left_out.is_empty()).then(|| {
            format!(
                "{} of the archive {} neither the application's nor a library, and left out: {}.",
                count(left_out.len(), "file", "files"),
                if left_out.len() == 1 { "is" } else { "are" },
                some_names(&left_out)
            )
        });
        Ok(Self { jar: Arc::new(jar), files, note })
    }
}

/// The manifest of the thin jar: the archive's with the application's main class and the class path, without what only the
/// launcher reads.
fn thin_manifest(
    structure: &BootStructure<'_>,
    libraries: &ClassPathLibraries,
) -> Result<Vec<u8>, ArtifactError> {
    let start = structure.start_class()?;
    let mut manifest = structure.manifest().clone();
    for name in OF_LAUNCHER {
        manifest.remove(name);
    }
    manifest.set("Main-Class", start);
    let class_path: Vec<&str> = libraries.class_path.iter().map(|(_, path)| path.as_str()).collect();
    manifest.set("Class-Path", &class_path.join(" "));
    Ok(manifest.to_bytes())
}
